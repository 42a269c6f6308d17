"""What the layers respond to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import count_or_indices, integer, layer_names, one_of, size
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import ArgumentError, LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Maps, Scale, Sheet, Tiles
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.common import picture_of, rows, to_numpy


class FeatureMaps(View):
    """Feature maps: the output of chosen channels of a layer, for every sample.

    How to read it: bright is a strong response. Early layers answer to edges and colors and keep the shape of the
    image, late ones to parts and are coarse. A channel that is dark for every sample may be dead. With ``scale="each"``
    a faint map looks as bright as a strong one: compare structure, not magnitude.

    Tags and arrays: ``feature_maps/<layer>``, (N, K, h, w) for the K channels drawn.

    Args:
        layers: ``"auto"`` is the last layer at each spatial size.
        channels: how many, the strongest ones by mean magnitude over all samples, drawn in ascending order of their
            index; or indices, to watch the same channels in every epoch.
        sample: draw all channels of this one sample as a grid instead of a row for each sample; the channels are then
            the first ones.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        colormap: any OpenCV or matplotlib name.
        reshape: height and width of the tokens of a transformer, such as ``(14, 14)``, where they cannot be found out;
            tokens before those of the image, such as a class token, are dropped.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

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
        one_of("scale", scale, ("each", "shared"))
        self.scale = scale
        self.colormap = color_map(colormap)
        self.reshape = size("reshape", reshape)

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        if self.sample is not None and not -len(samples) <= self.sample < len(samples):
            raise ArgumentError(f"sample={self.sample} is out of range for {len(samples)} samples")
        layout = layout.reshaped(self.reshape)
        layers = layout.maps(self.layers)
        for layer in layers:
            self._check_channels(layer, layout[layer].channels)
        return Request(activations=frozenset(layers))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        evidence = evidence.reshaped(self.reshape)
        for layer in evidence.layout.maps(self.layers):
            activations = evidence.activation(layer)
            channels = self._chosen(activations)
            maps = activations[:, channels].float().cpu()
            tag = f"feature_maps/{layer}"
            yield Array(tag, maps)
            yield self._picture(evidence, tag, maps, channels)

    def _check_channels(self, layer: str, count: int) -> None:
        wrong = [] if isinstance(self.channels, int) else [index for index in self.channels if not 0 <= index < count]
        if wrong:
            raise ArgumentError(f"channels={wrong} are out of range: {layer} has channels 0 to {count - 1}")

    def _chosen(self, activations: Tensor) -> list[int]:
        count = activations.shape[1]
        if not isinstance(self.channels, int):
            return list(self.channels)
        if self.sample is not None:
            return list(range(min(self.channels, count)))
        strength = activations.float().abs().mean(dim=(0, 2, 3)).nan_to_num(nan=torch.inf)
        return sorted(strength.topk(min(self.channels, count)).indices.tolist())

    def _picture(self, evidence: Evidence, tag: str, values: Tensor, channels: list[int]) -> Picture:
        shown = values[: evidence.shown] if self.sample is None else values[self.sample][None]
        headings = tuple(f"ch {channel}" for channel in channels)
        maps = Maps(to_numpy(shown), headings, colormap=self.colormap, scale=self.scale)
        layer, footer = tag.partition("/")[2], maps.scale_note()
        if self.sample is not None:
            return picture_of(tag, Tiles(maps, headings, f"Feature maps of {layer}, sample {self.sample}", footer))
        title = f"Feature maps of {layer}, {values.shape[2]}×{values.shape[3]}"
        return picture_of(tag, Sheet(rows(evidence), (maps,), title, footer))
