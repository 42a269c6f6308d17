"""What of the samples excites single channels most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import count_or_indices, layer_names, number, positive
from lightning_cnnviz.methods.gradients import input_gradient
from lightning_cnnviz.methods.receptive_fields import field_box, strongest_places
from lightning_cnnviz.model.evidence import Evidence, Model, Request
from lightning_cnnviz.model.layers.layout import Layer, LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import RGB, Array, Artifact, Picture
from lightning_cnnviz.render import Caption, Images, Row, Sheet, format_number
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.channels import Channels
from lightning_cnnviz.views.common import picture_of

_NO_SAMPLE = -1
_DARK = 40
_NEGLIGIBLE = 1e-6  # of the strongest activation in the picture: as good as none
_FAINT = 0.01  # of it: digits would be longer than the cell is wide
_NOTHING: RGB = np.full((8, 8, 3), _DARK, np.uint8)


class TopPatches(View):
    """Top-activating patches: the parts of the samples to which a channel responds most, cut to what it sees there.

    How to read it: what the patches of a row have in common is what the channel stands for; the frame in the first
    picture shows where the strongest patch lies. Patches that have nothing in common belong to a channel that stands
    for several things, or for none yet. A place is dark where the channel does not respond, and a channel that responds
    to none of the samples is called dead. Put it beside ``ActivationMaximization`` of the same channels.

    When it misleads: only the samples are searched, and of each only its strongest place: what is not among them cannot
    show. A patch is cut to where most of the channel's sensitivity lies, which in deep layers is less than its whole
    receptive field, and differs from image to image.

    Tags and arrays: ``top_patches/<layer>``, (K, P, 6): of each patch the activation, the number of the sample, and the
    left, top, right and bottom edge in pixels of the model's input.

    Args:
        layers: ``"last"`` is the last layer of the spatial size of the last convolution.
        channels: how many, those that vary most over the samples at the first look, the same ones in every epoch; or
            indices.
        patches: how many of each channel, at most one of each sample.
        share: of the channel's squared sensitivity that a patch holds along each axis, above 0 and at most 1, which is
            the whole receptive field.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014.
    """

    chapter = "responses"

    def __init__(
        self,
        layers: LayerSpec = "last",
        channels: int | Sequence[int] = 6,
        *,
        patches: int = 4,
        share: float = 0.9,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.channels = count_or_indices("channels", channels)
        self.patches = positive("patches", patches)
        self.share = number("share", share, above=0, most=1)
        self._channels = Channels(self.channels)

    @property
    def wanted_samples(self) -> int:
        return 32

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        layers = [layout[name] for name in layout.maps(self.layers)]
        for layer in layers:
            self._channels.check(layer.name, layer.channels)
        return Request(procedures={layer.name: partial(self._search, layer) for layer in layers})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for layer in evidence.layout.maps(self.layers):
            found: _Found = evidence.result(layer)
            yield Array(f"top_patches/{layer}", found.patches)
            yield self._picture(evidence, layer, found)

    def state_dict(self) -> dict[str, Any]:
        return {"channels": self._channels.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._channels.load_state_dict(state["channels"])

    def _search(self, layer: Layer, model: Model) -> _Found:
        with torch.no_grad():
            activations = layer.as_maps(model.output_of(layer.name, model.images))
        channels = self._channels.of(layer.name, activations)
        values, samples, places = strongest_places(activations, channels, self.patches)
        # Each patch is of an image of its own, so that one backward pass tells all receptive fields apart.
        images = model.images[samples.flatten()].detach().requires_grad_()
        again = layer.as_maps(model.output_of(layer.name, images)).flatten(2)
        which = torch.tensor(channels, device=again.device).repeat_interleave(samples.shape[1])
        units = again[torch.arange(len(again), device=again.device), which, places.flatten()]
        gradient = input_gradient(units.sum(), images, f"the output of {layer.name!r}")
        boxes = [field_box(one, self.share) for one in gradient.float().cpu()]
        table = torch.cat(
            [
                values.flatten()[:, None].cpu(),
                samples.flatten()[:, None].float().cpu(),
                torch.tensor(boxes, dtype=torch.float32),
            ],
            dim=1,
        )
        return _Found(tuple(channels), table.reshape(*samples.shape, -1))

    def _picture(self, evidence: Evidence, layer: str, found: _Found) -> Picture:
        pictures = evidence.samples.pictures()
        largest = float(found.patches[..., 0].max())
        least, faint = _NEGLIGIBLE * largest, _FAINT * largest
        rows, patches, labels = [], [], []
        for channel, of_channel in zip(found.channels, found.patches.tolist(), strict=True):
            strongest, sample, *box = of_channel[0]
            is_dead = 0 <= strongest <= least
            caption = Caption((f"ch {channel}", "dead" if is_dead else f"up to {format_number(strongest)}"))
            frame = (box[0], box[1], box[2], box[3])
            picture = np.full_like(pictures[0], _DARK) if is_dead else pictures[int(sample)]
            rows.append(Row(picture, caption, _NO_SAMPLE, frame if strongest > least else None))
            patches.append(
                [_cut(pictures[int(i)], *edges) if value > least else _NOTHING for value, i, *edges in of_channel]
            )
            labels.append(["dead" if is_dead else _strength(value, faint) for value, *_ in of_channel])
        columns = tuple(
            Images(
                tuple(of_channel[rank] for of_channel in patches),
                f"no. {rank + 1}",
                tuple(of_channel[rank] for of_channel in labels),
            )
            for rank in range(found.patches.shape[1])
        )
        title = f"What excites {layer} most, among {len(pictures)} samples"
        footer = "each patch holds most of what the channel sees there; below it the activation"
        return picture_of(f"top_patches/{layer}", Sheet(tuple(rows), columns, title, footer))


@dataclass(frozen=True)
class _Found:
    """The patches of some channels.

    Attributes:
        channels: K.
        patches: (K, P, 6) float32 on the CPU: activation, sample, left, top, right, bottom.
    """

    channels: tuple[int, ...]
    patches: Tensor


def _strength(value: float, faint: float) -> str:
    return "≈ 0" if 0 < value < faint else format_number(value)


def _cut(picture: RGB, left: float, top: float, right: float, bottom: float) -> RGB:
    return picture[int(top) : int(bottom), int(left) : int(right)]
