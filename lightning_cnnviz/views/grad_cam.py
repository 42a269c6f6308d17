"""Where the model looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from torch import nn

from lightning_cnnviz.arguments import fraction, layer_names, one_of, size
from lightning_cnnviz.methods.cam import CAM_VARIANTS, Variant, activation_map
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact
from lightning_cnnviz.render import Scale
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.common import Strongest, overlay_sheet


class GradCAM(View):
    """Grad-CAM and its relatives: which places of a layer's output speak for the target class (Selvaraju et al., 2017).

    How to read it: red speaks for the class explained, blue does not; what speaks against it is cut off by the ReLU.

    When it misleads: the map has the layer's resolution: a 7×7 map cannot outline anything. Each map has the whole
    range of colors; the bar below it says how strong it is beside the strongest of the run. A blank map means that
    nothing in this layer speaks for the class, which happens when the model is sure of another one. Grad-CAM averages
    gradients over the map and can therefore point to places that the model does not use, except where only pooling and
    a linear layer follow; ``"hirescam"`` does not.

    Tags and arrays: ``grad_cam/<layer>`` (other variants ``<variant>/<layer>``), (N, h, w) after ReLU, not normalised.

    Args:
        layers: ``"last"`` is the last layer of the spatial size of the last convolution.
        variant: ``"gradcam"``, ``"gradcam++"``, ``"hirescam"``, ``"xgradcam"`` or ``"layercam"``, or one
            of your own in :data:`~lightning_cnnviz.methods.cam.CAM_VARIANTS`.
        colormap: any OpenCV or matplotlib name.
        alpha: weight of the map over the image where it is highest, from 0 to 1; it falls with the map.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        reshape: height and width of the tokens of a transformer, such as ``(14, 14)``, where they cannot be found out;
            tokens before those of the image, such as a class token, are dropped.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "looks"

    def __init__(
        self,
        layers: LayerSpec = "last",
        variant: Variant | str = "gradcam",
        *,
        colormap: str = "jet",
        alpha: float = 0.6,
        scale: Scale = "each",
        reshape: Sequence[int] | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        one_of("variant", variant, tuple(CAM_VARIANTS))
        one_of("scale", scale, get_args(Scale))
        self.layers = layer_names("layers", layers)
        self.variant = variant
        self.colormap = color_map(colormap)
        self.alpha = fraction("alpha", alpha)
        self.scale = scale
        self.reshape = size("reshape", reshape)
        self._strongest = Strongest()

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(gradients=frozenset(layout.reshaped(self.reshape).maps(self.layers)))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        evidence = evidence.reshaped(self.reshape)
        for layer in evidence.layout.maps(self.layers):
            maps = activation_map(evidence.activation(layer), evidence.gradient(layer), self.variant)
            maps = evidence.layout.on_image(maps, layer).float().cpu()
            tag = f"{'grad_cam' if self.variant == 'gradcam' else self.variant}/{layer}"
            yield Array(tag, maps)
            yield overlay_sheet(
                evidence,
                tag,
                maps,
                title=f"{CAM_VARIANTS[self.variant].title} of {layer}, {maps.shape[1]}×{maps.shape[2]}",
                colormap=self.colormap,
                scale=self.scale,
                alpha=self.alpha,
                strongest=self._strongest.widen(tag, maps),
            )

    def state_dict(self) -> dict[str, Any]:
        return {"strongest": self._strongest.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._strongest.load_state_dict(state.get("strongest", {}))
