"""All that is to be seen of one sample, on one card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names, positive
from lightning_cnnviz.methods.cam import activation_map
from lightning_cnnviz.methods.gradients import reduce_channels
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.render import Bar, Caption, Card, Column, Maps
from lightning_cnnviz.render.text import SIGNS
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.common import heat_map, picture_of, rows, to_numpy
from lightning_cnnviz.views.predictions import answer_bars, value_bars
from lightning_cnnviz.views.saliency import magnitude


class SampleCards(View):
    """One card for each sample: the input, the answers, Grad-CAM, saliency, and the channels that respond most to it.

    How to read it: from top to bottom, what goes in, what comes out, where the model looks for that, which pixels it is
    sensitive to, and what the last layer found. A card is the story of one sample: follow it through the epochs.

    When it misleads: as each of its parts does, see the views of the same names; each map is scaled by itself. The
    channels are those that responded most to this sample in the first epoch: other samples show other ones.

    Tags: ``sample_cards/<number of the sample>``. The values stand under the tags of the views of single parts.

    Args:
        layers: of Grad-CAM and of the channels; ``"last"`` is the last layer of the spatial size of the last
            convolution, of several the last one counts.
        top: how many answers are drawn.
        channels: how many channels are drawn.
        most: how many samples get a card, the first ones.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "answers"

    def __init__(
        self,
        layers: LayerSpec = "last",
        *,
        top: int = 5,
        channels: int = 4,
        most: int = 4,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.top = positive("top", top)
        self.channels = positive("channels", channels)
        self.most = positive("most", most)
        self._channels: dict[int, list[int]] = {}

    @property
    def remembers_samples(self) -> bool:
        return True

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(gradients=frozenset({layout.maps(self.layers)[-1]}), input_gradient=True)

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        layer = evidence.layout.maps(self.layers)[-1]
        activations = evidence.activation(layer).float()
        attention = evidence.layout.on_image(activation_map(activations, evidence.gradient(layer)).float(), layer)
        pixels, _ = magnitude(reduce_channels(evidence.image_gradient().float().cpu(), "absolute"))
        values = value_bars(evidence, self.top) if evidence.layout.reading.meaning == "values" else []
        for index, row in enumerate(rows(evidence)[: self.most]):
            chosen = self._chosen(index, activations[index], keep=evidence.epoch is not None)
            columns: tuple[Column, ...] = (
                heat_map(to_numpy(attention[index, None, None]), "Grad-CAM", laying="over"),
                Maps(
                    to_numpy(pixels[index, None, None]),
                    ("saliency",),
                    kind="intensity",
                    colormap="hot",
                    laying="over",
                    grey=True,
                ),
                Maps(to_numpy(activations[index, None, chosen]), tuple(f"ch {channel}" for channel in chosen)),
            )
            bars: tuple[Bar, ...] = values[index] if values else ()
            if evidence.probabilities.shape[1]:
                bars = answer_bars(evidence, index, min(self.top, evidence.probabilities.shape[1]))
            title = f"Sample {index}: {_said(row.caption)}"
            card = Card(row, bars, columns, title, f"maps of {layer}, each scaled by itself")
            yield picture_of(f"sample_cards/{index}", card)

    def state_dict(self) -> dict[str, Any]:
        return {"channels": {**self._channels}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._channels = {index: list(channels) for index, channels in state["channels"].items()}

    def _chosen(self, index: int, activations: Tensor, *, keep: bool) -> list[int]:
        chosen = self._channels.get(index)
        if chosen is None or max(chosen) >= len(activations):
            strength = activations.amax(dim=(1, 2)).nan_to_num(nan=float("inf"))
            chosen = strength.topk(min(self.channels, len(strength))).indices.tolist()
            if keep:
                self._channels[index] = chosen
        return chosen


def _said(caption: Caption | None) -> str:
    if caption is None:
        return ""
    mark = "" if caption.correct is None else f"{SIGNS[caption.correct]} "
    return mark + ", ".join(caption.lines)
