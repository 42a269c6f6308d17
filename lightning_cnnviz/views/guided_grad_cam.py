"""Where the model looks, at the resolution of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from torch import nn

from lightning_cnnviz.arguments import layer_names, one_of, size
from lightning_cnnviz.methods.cam import activation_map, guided_map
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact
from lightning_cnnviz.render import Scale
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.common import with_remark
from lightning_cnnviz.views.panels import panel_sheet


class GuidedGradCAM(View):
    """Guided Grad-CAM: guided backpropagation where Grad-CAM looks (Selvaraju et al., 2017).

    The enlarged Grad-CAM map times the guided gradient, pixel by pixel.

    How to read it: fine structure in the places that speak for the class.

    When it misleads: the places are Grad-CAM's and depend on the class; the structure is guided backpropagation's,
    which hardly depends on the class or on what was learnt: trust the places, not the edges (Adebayo et al., 2018).
    Where Grad-CAM is zero, so is this.

    Tags and arrays: ``guided_grad_cam/<layer>``, (N, C, H, W) signed, in the model's input space.

    Args:
        layers: of Grad-CAM; ``"last"`` is the last layer of the spatial size of the last convolution.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        reshape: height and width of the tokens of a transformer, see :class:`~lightning_cnnviz.GradCAM`.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "pixels"

    def __init__(
        self,
        layers: LayerSpec = "last",
        *,
        scale: Scale = "each",
        reshape: Sequence[int] | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        one_of("scale", scale, get_args(Scale))
        self.layers = layer_names("layers", layers)
        self.scale = scale
        self.reshape = size("reshape", reshape)

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        layers = layout.reshaped(self.reshape).maps(self.layers)
        return Request(gradients=frozenset(layers), rules=frozenset({"guided"}))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        evidence = evidence.reshaped(self.reshape)
        guided = evidence.ruled_gradient("guided")
        for layer in evidence.layout.maps(self.layers):
            maps = activation_map(evidence.activation(layer), evidence.gradient(layer))
            maps = evidence.layout.on_image(maps, layer)
            values = guided_map(maps, guided.values).float().cpu()
            tag = f"guided_grad_cam/{layer}"
            yield Array(tag, values)
            title = f"Guided Grad-CAM of {layer}, {maps.shape[1]}×{maps.shape[2]}"
            picture = panel_sheet(evidence, tag, values[: evidence.shown], title=title, scale=self.scale)
            yield with_remark(picture, guided.remark)
