"""What the first layer looks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names, one_of, positive
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Maps, Scale, SignedImages, Tiles
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.common import Strongest, picture_of, to_numpy

_MOST_LABELLED = 100  # beyond, cells are too small for numbers of their own


class Filters(View):
    """Kernels of a convolution, symmetric about zero: mid-grey is no weight.

    How to read it: a first layer that learns shows edges, blobs and color opponents; noise that stays, or many copies
    of one filter, says that the layer is too wide, the learning rate wrong or the training too short.

    When it misleads: kernels of later layers mix many channels and say little by themselves.

    Tags and arrays: ``filters/<layer>``, (out, in, kh, kw). Kernels over three channels are drawn in color; of kernels
    over any other number of channels but one the norm over all of them is drawn, place by place, and no weight is dark.
    One scale holds for all filters of a layer and all epochs of a run: it only ever widens.

    Args:
        layers: ``"first"`` is the first convolution that the model runs.
        filters: most filters drawn, the first ones.
        scale: ``"shared"`` for all filters of the layer, or ``"each"`` by itself.
        colormap: for kernels that are not drawn in color; any OpenCV or matplotlib name. None: ``gray``, and
            ``viridis`` for norms, which have no sign.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "weights"

    def __init__(
        self,
        layers: LayerSpec = "first",
        *,
        filters: int = 64,
        scale: Scale = "shared",
        colormap: str | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.filters = positive("filters", filters)
        one_of("scale", scale, get_args(Scale))
        self.scale = scale
        self.colormap = None if colormap is None else color_map(colormap)
        self._strongest = Strongest()

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(weights=frozenset(layout.convolutions(self.layers)))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for layer in evidence.layout.convolutions(self.layers):
            kernels = evidence.weight(layer)
            yield Array(f"filters/{layer}", kernels)
            yield self._picture(layer, kernels)

    def state_dict(self) -> dict[str, Any]:
        return {"strongest": self._strongest.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._strongest.load_state_dict(state.get("strongest", {}))

    def _picture(self, layer: str, kernels: Tensor) -> Picture:
        tag, (out, channels, height, width) = f"filters/{layer}", kernels.shape
        count = min(self.filters, out)
        largest = self._strongest.widen(tag, kernels)
        limits = (-largest, largest) if self.scale == "shared" and largest else None
        title = f"Filters of {layer}, {height}×{width}" + (f", {count} of {out}" if count < out else "")
        footer = "each filter scaled by itself" if self.scale == "each" else ""
        has_bar = self.scale == "shared"
        label = "weight"
        cells: SignedImages | Maps
        if channels == 3:
            cells = SignedImages(to_numpy(kernels[:count]), scale=self.scale, limits=limits)
            footer, has_bar = footer or f"grey is 0, full color ±{largest:.2g}", False
        elif channels == 1:
            values = to_numpy(kernels[:count])
            cells = Maps(
                values, ("",), kind="signed", colormap=self.colormap or "gray", scale=self.scale, limits=limits
            )
        else:
            # A slice of a kernel says little, and only the first ones could be drawn.
            norms = kernels.norm(dim=1, keepdim=True)
            limits = (0.0, self._strongest.widen(f"{tag} norm", norms)) if limits else None
            colormap = self.colormap or "viridis"
            cells = Maps(to_numpy(norms[:count]), ("",), colormap=colormap, scale=self.scale, limits=limits)
            title += f", norm over {channels} input channels"
            label = "norm of the weights"
        numbers = tuple(map(str, range(count)))
        return picture_of(tag, Tiles(cells, numbers, title, footer, has_bar, label, numbered=count > _MOST_LABELLED))
