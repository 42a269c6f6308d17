"""Which pixels the target score depends on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias, get_args

import numpy as np

from lightning_cnnviz.artifacts import Array, Artifact
from lightning_cnnviz.evidence import Evidence, Request
from lightning_cnnviz.layers import Layout
from lightning_cnnviz.methods.gradients import Reduction, reduce_channels
from lightning_cnnviz.render import Scale
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, fraction, one_of
from lightning_cnnviz.views.common import laid_over, map_sheet, scale_note, shown_pictures, to_numpy

Method: TypeAlias = Literal["gradient"]

_SHOWN_AS: dict[str, str] = {
    "absolute": "magnitude",
    "squared": "squared",
    "positive": "positive part",
    "negative": "negative part",
    "signed": "signed",
}


class Saliency(View):
    """Saliency: the gradient of the target score with respect to the pixels (Simonyan et al., 2014).

    How to read it: bright pixels are those whose smallest change would change the score most. Single pixels are noisy;
    look for where they gather. It says what the score is sensitive to, not what the model sees there, and a saturated
    network may depend on pixels whose gradient is zero.

    Tags and arrays: ``saliency/<method>``, (N, C, H, W) signed gradient of the target score, in the model's input
    space.

    Args:
        method: ``"gradient"``.
        reduction: what is drawn of the signed gradient: ``"squared"``, ``"absolute"``, ``"positive"``, ``"negative"``
            or ``"signed"``.
        colormap: any OpenCV or matplotlib name; a diverging one suits ``"signed"``. ``None``: ``hot``, and ``RdBu_r``
            for ``"signed"``.
        alpha: weight of the map over the grey image, from 0 to 1.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        method: Method = "gradient",
        reduction: Reduction = "squared",
        *,
        colormap: str | None = None,
        alpha: float = 0.5,
        scale: Scale = "each",
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        one_of("method", method, get_args(Method))
        one_of("reduction", reduction, get_args(Reduction))
        one_of("scale", scale, get_args(Scale))
        self.method = method
        self.reduction = reduction
        self.colormap = colormap or ("RdBu_r" if reduction == "signed" else "hot")
        self.alpha = fraction("alpha", alpha)
        self.scale = scale

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(input_gradient=True)

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        tag = f"saliency/{self.method}"
        gradient = evidence.image_gradient()
        yield Array(tag, gradient.float().cpu())
        maps = to_numpy(reduce_channels(gradient[: evidence.shown].float(), self.reduction))
        grey = [
            np.repeat(picture.mean(axis=2, keepdims=True).round().astype(np.uint8), 3, axis=2)
            for picture in shown_pictures(evidence)
        ]
        drawn, heats, overlays = laid_over(
            grey,
            maps,
            colormap=self.colormap,
            scale=self.scale,
            alpha=self.alpha,
            smooth=False,
            symmetric=self.reduction == "signed",
        )
        yield map_sheet(
            evidence,
            tag,
            [(_SHOWN_AS[self.reduction], heats), ("overlay", overlays)],
            title=f"Saliency: {self.method} of the class score",
            footer=scale_note(drawn, self.scale),
            drawn=drawn,
            smooth=False,
        )
