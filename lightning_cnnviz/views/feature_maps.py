"""What the layers respond to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from torch import Tensor, nn

from lightning_cnnviz.arguments import ArgumentError, count_or_indices, integer, layer_names, one_of, size
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.model.layers.names import evenly_chosen
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Maps, Row, Scale, Sheet, Tiles
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.channels import Channels
from lightning_cnnviz.views.common import Strongest, picture_of, rows, to_numpy

_MOST_LAYERS = 8  # beside the other views shown by default they fill one page of TensorBoard, which holds 12 pictures


class FeatureMaps(View):
    """Feature maps: the output of chosen channels of a layer, for every sample.

    How to read it: bright is a strong response. Early layers answer to edges and colors and keep the shape of the
    image, late ones to parts and are coarse.

    When it misleads: with ``scale="each"`` a faint map looks as bright as a strong one: the bar below it says how
    strong it is beside the strongest of its layer in the run so far. A channel that is dead for every sample says so;
    perhaps none of these samples excites it.

    Tags and arrays: ``feature_maps/<layer>``, (N, K, h, w) for the K channels drawn. TensorBoard sorts pictures by
    their tags, so ``relu``, the first layer of a ResNet, stands behind ``layer4``.

    Args:
        layers: ``"auto"`` is the last layer at each spatial size, of more than 8 sizes 8 evenly chosen ones.
        channels: how many, those that vary most over samples and places at the first look, the same ones in every
            epoch, in ascending order of their index; or indices.
        sample: draw all channels of this one sample as a grid instead of a row for each sample; the channels are then
            the first ones, and rows and columns are numbered: the channel is the sum of both numbers.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        colormap: any OpenCV or matplotlib name.
        reshape: height and width of the tokens of a transformer, such as ``(14, 14)``, where they cannot be found out;
            tokens before those of the image, such as a class token, are dropped.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "responses"

    def __init__(
        self,
        layers: LayerSpec = "auto",
        channels: int | Sequence[int] = 8,
        *,
        sample: int | None = None,
        scale: Scale = "each",
        colormap: str = "viridis",
        reshape: Sequence[int] | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.channels = count_or_indices("channels", channels)
        self.sample = None if sample is None else integer("sample", sample)
        one_of("scale", scale, get_args(Scale))
        self.scale = scale
        self.colormap = color_map(colormap)
        self.reshape = size("reshape", reshape)
        self._channels = Channels(self.channels)
        self._strongest = Strongest()

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        if self.sample is not None and not -len(samples) <= self.sample < len(samples):
            raise ArgumentError(f"sample={self.sample} is out of range for {len(samples)} samples")
        layout = layout.reshaped(self.reshape)
        layers = self._layers(layout)
        for layer in layers:
            self._channels.check(layer, layout[layer].channels)
        return Request(activations=frozenset(layers))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        evidence = evidence.reshaped(self.reshape)
        for layer in self._layers(evidence.layout):
            activations = evidence.activation(layer)
            channels = self._chosen(layer, activations)
            maps = activations[:, channels].float().cpu()
            tag = f"feature_maps/{layer}"
            yield Array(tag, maps)
            self._strongest.widen(tag, activations)
            yield self._picture(evidence, tag, maps, channels)

    def _layers(self, layout: Layout) -> tuple[str, ...]:
        layers = layout.maps(self.layers)
        return evenly_chosen(layers, _MOST_LAYERS) if self.layers == "auto" else layers

    def _chosen(self, layer: str, activations: Tensor) -> list[int]:
        if self.sample is not None and isinstance(self.channels, int):
            return list(range(min(self.channels, activations.shape[1])))
        return self._channels.of(layer, activations)

    def state_dict(self) -> dict[str, Any]:
        return {"channels": self._channels.state_dict(), "strongest": self._strongest.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._channels.load_state_dict(state.get("channels", {}))
        self._strongest.load_state_dict(state.get("strongest", {}))

    def _sample(self, evidence: Evidence) -> Row:
        """The sample that is drawn, with its caption if it is among those whose captions are known."""
        index = range(len(evidence.samples))[self.sample or 0]
        if index < evidence.shown:
            return rows(evidence)[index]
        return Row(evidence.samples.display_pictures()[index], None, index, evidence.samples.parts_shown()[index])

    def _picture(self, evidence: Evidence, tag: str, values: Tensor, channels: list[int]) -> Picture:
        shown = values[: evidence.shown] if self.sample is None else values[self.sample][None]
        headings = tuple(f"ch {channel}" for channel in channels)
        strongest = self._strongest.of(tag) if self.scale == "each" else None
        maps = Maps(to_numpy(shown), headings, colormap=self.colormap, scale=self.scale, strongest=strongest)
        layer, footer = tag.partition("/")[2], maps.scale_note()
        of = f"{len(channels)} of {evidence.layout[layer].channels} channels"
        if self.sample is not None:
            title = f"Feature maps of {layer}, sample {self.sample}, {of}"
            in_order = channels == list(range(len(channels)))
            tiles = Tiles(maps, headings, title, footer, sample=self._sample(evidence), numbered=in_order)
            return picture_of(tag, tiles)
        title = f"Feature maps of {layer}, {values.shape[2]}×{values.shape[3]}, {of}"
        return picture_of(tag, Sheet(rows(evidence), (maps,), title, footer))
