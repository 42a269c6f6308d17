"""What the first layer looks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names, one_of, positive
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Maps, Scale, SignedImages, Tiles
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.common import picture_of, to_numpy


class Filters(View):
    """Kernels of a convolution, symmetric about zero: mid-grey is no weight.

    How to read it: a first layer that learns shows edges, blobs and color opponents; noise that stays, or many copies
    of one filter, says that the layer is too wide, the learning rate wrong or the training too short. Kernels of later
    layers mix many channels and say little by themselves.

    Tags and arrays: ``filters/<layer>``, (out, in, kh, kw). Kernels over three channels are drawn in color; of other
    kernels each input channel is drawn by itself, the first ones first.

    Args:
        layers: ``"first"`` is the first convolution that the model runs.
        filters: most pictures of kernels drawn.
        scale: ``"shared"`` for all filters of the layer, or ``"each"`` by itself.
        colormap: for kernels that are not drawn in color; any OpenCV or matplotlib name.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        layers: LayerSpec = "first",
        *,
        filters: int = 64,
        scale: Scale = "shared",
        colormap: str = "gray",
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.filters = positive("filters", filters)
        one_of("scale", scale, get_args(Scale))
        self.scale = scale
        self.colormap = color_map(colormap)

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(weights=frozenset(layout.convolutions(self.layers)))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for layer in evidence.layout.convolutions(self.layers):
            kernels = evidence.weight(layer)
            yield Array(f"filters/{layer}", kernels)
            yield self._picture(layer, kernels)

    def _picture(self, layer: str, kernels: Tensor) -> Picture:
        tag, (out, channels, height, width) = f"filters/{layer}", kernels.shape
        in_color = channels == 3
        total = out if in_color else out * channels
        count = min(self.filters, total)
        cells: SignedImages | Maps
        if in_color:
            cells = SignedImages(to_numpy(kernels[:count]), scale=self.scale)
            labels = tuple(map(str, range(count)))
        else:
            flat = to_numpy(kernels.flatten(0, 1)[:count, None])
            cells = Maps(flat, ("",), kind="signed", colormap=self.colormap, scale=self.scale)
            labels = tuple(str(i) if channels == 1 else f"{i // channels}·{i % channels}" for i in range(count))
        title = f"Filters of {layer}, {height}×{width}" + (f", {count} of {total}" if count < total else "")
        footer = "each filter scaled by itself" if self.scale == "each" else ""
        if in_color and self.scale == "shared":
            footer = f"one scale for all: grey is 0, full color ±{cells.measured.limits[0][1]:.2g}"
        bar: Literal["all"] | None = "all" if self.scale == "shared" and not in_color else None
        return picture_of(tag, Tiles(cells, labels, title, footer, bar, "weight"))
