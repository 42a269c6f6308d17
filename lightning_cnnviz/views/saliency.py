"""Which pixels the target score depends on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from lightning_cnnviz.arguments import fraction, one_of, positive
from lightning_cnnviz.methods.gradients import Reduction, reduce_channels, without_peaks
from lightning_cnnviz.methods.pixel_methods import (
    PIXEL_METHODS,
    Attribution,
    Drawing,
    Method,
    OfGradient,
    OfRule,
    OfScores,
    PixelMethod,
    PixelOptions,
)
from lightning_cnnviz.model.evidence import Evidence, Model, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Scale
from lightning_cnnviz.render.resampling import smoothed
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.common import overlay_sheet, with_remark
from lightning_cnnviz.views.panels import panel_sheet

Baseline: TypeAlias = Literal["black", "zero"]

_HEADINGS: dict[Reduction, str] = {
    "absolute": "magnitude",
    "squared": "squared",
    "positive": "positive part",
    "negative": "negative part",
    "signed": "signed",
    "grey": "magnitude",
}
_COLORMAPS: dict[Reduction, str] = {"signed": "RdBu_r", "grey": "gray"}
_WITHOUT_PEAKS = ("signed", "grey")
_SHOWN = 112  # pixels at which a map can be told apart in a picture


class Saliency(View):
    """Saliency: which pixels the target score depends on, by its gradient (Simonyan et al., 2014) or a relative of it.

    How to read it: bright pixels are those whose smallest change would change the score most. Single pixels are noisy;
    look for where they gather.

    When it misleads: it says what the score is sensitive to, not what the model sees there, and a saturated network may
    depend on pixels whose gradient is zero.

    The methods:

    - ``"gradient"``: the score's sensitivity to each pixel.
    - ``"input_x_gradient"``: times the pixel itself, a first-order share in the score (Shrikumar et al., 2016). Pixels
      that are zero for the model get nothing, however much they matter.
    - ``"guided"``, ``"deconvnet"``: sharp, because negative gradients are cut off at every ReLU (Springenberg et al.,
      2015; Zeiler and Fergus, 2014). They show edges and texture that reached the class score, and partly reconstruct
      the image even in a network with random weights: not a test of what was learnt (Adebayo et al., 2018).
    - ``"smoothgrad"``: the gradient averaged over noisy copies (Smilkov et al., 2017): less noise, ``steps`` times the
      cost.
    - ``"integrated_gradients"``: shares that add up to the score's difference from a baseline (Sundararajan et al.,
      2017). A pixel that looks like the baseline gets nothing: with ``"black"``, black is never evidence.

    Tags and arrays: ``saliency/<method>``, (N, C, H, W) signed, in the model's input space.

    Args:
        method: see above; or one of your own in :data:`~lightning_cnnviz.methods.pixel_methods.PIXEL_METHODS`.
        reduction: what is drawn of the signed values: ``"squared"``, ``"absolute"``, ``"positive"``, ``"negative"``,
            ``"signed"`` or ``"grey"``, beside the same over the image; ``"panels"``: all, positive, negative and grey,
            in the colors of the input. The last three draw the strongest hundredth of the pixels alike;
            ``"absolute"`` the strongest 0.5%, smoothed to the size at which it is looked at. The arrays have them as
            they are. None: ``"panels"`` for ``"guided"`` and ``"deconvnet"``, ``"absolute"`` for ``"gradient"`` and
            ``"smoothgrad"``, ``"signed"`` for the others.
        steps: noisy copies of ``"smoothgrad"`` (None: 25), points on the path of ``"integrated_gradients"`` (None: 50).
        noise: standard deviation of SmoothGrad's noise as a share of each image's range.
        baseline: of integrated gradients: a ``"black"`` image, or ``"zero"`` in the model's input space, which is the
            mean of the training data when that was normalised. The same where no normalisation is known.
        colormap: any OpenCV or matplotlib name; a diverging one suits ``"signed"``. ``None``: ``hot``, ``RdBu_r`` for
            ``"signed"``, ``gray`` for ``"grey"``.
        alpha: weight of the map over the grey image where it is highest, from 0 to 1; it falls with the map.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "pixels"

    def __init__(
        self,
        method: Method | str = "gradient",
        reduction: Drawing | None = None,
        *,
        steps: int | None = None,
        noise: float = 0.15,
        baseline: Baseline = "black",
        colormap: str | None = None,
        alpha: float = 0.6,
        scale: Scale = "each",
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        one_of("method", method, tuple(PIXEL_METHODS))
        self.method = method
        self.reduction: Drawing = self._entry.drawn_as if reduction is None else reduction
        one_of("reduction", self.reduction, (*get_args(Reduction), "panels"))
        one_of("baseline", baseline, get_args(Baseline))
        one_of("scale", scale, get_args(Scale))
        self.steps = getattr(self._entry, "steps", 1) if steps is None else positive("steps", steps)
        self.noise = fraction("noise", noise)
        self.baseline = baseline
        self.colormap = None if colormap is None else color_map(colormap)
        self.alpha = fraction("alpha", alpha)
        self.scale = scale

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        entry = self._entry
        if isinstance(entry, OfRule):
            return Request(rules=frozenset({entry.rule}))
        if isinstance(entry, OfScores):
            return Request(procedures={self.method: partial(self._attribute, entry, self._starting_from(samples))})
        return Request(input_gradient=True)

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        values, remark = self._values(evidence)
        tag = f"saliency/{self.method}"
        yield Array(tag, values)
        picture = self._picture(evidence, tag, values[: evidence.shown])
        yield with_remark(picture, remark)

    def _values(self, evidence: Evidence) -> tuple[Tensor, str | None]:
        """What the method gives, (N, C, H, W) float32 on the CPU, and what the reader should know about it."""
        entry = self._entry
        if isinstance(entry, OfGradient):
            gradient = evidence.image_gradient().float().cpu()
            return entry.combine(gradient, evidence.samples.images), None
        if isinstance(entry, OfRule):
            ruled = evidence.ruled_gradient(entry.rule)
            return ruled.values.float().cpu(), ruled.remark
        found: Tensor | Attribution = evidence.result(self.method)
        attribution = found if isinstance(found, Attribution) else Attribution(found)
        return attribution.values.float().cpu(), attribution.remark

    @property
    def _entry(self) -> PixelMethod:
        return PIXEL_METHODS[self.method]

    def _attribute(self, entry: OfScores, baseline: Tensor, model: Model) -> Tensor | Attribution:
        on_step = partial(model.progress, entry.title[0].upper() + entry.title[1:])
        options = PixelOptions(self.steps, self.noise, baseline.to(model.images), on_step)
        return entry.attribute(model.target_scores, model.images, options)

    def _starting_from(self, samples: FixedSamples) -> Tensor:
        """The baseline, (1, C, 1, 1) in the model's input space."""
        zero = torch.zeros(1, samples.images.shape[1], 1, 1)
        if self.baseline == "zero" or samples.mean is None or samples.std is None:
            return zero
        black = -torch.tensor(samples.mean) / torch.tensor(samples.std)
        return zero + black.reshape(1, -1, 1, 1)

    def _picture(self, evidence: Evidence, tag: str, values: Tensor) -> Picture:
        title = f"Saliency: {self._entry.title}"
        if self.reduction == "panels":
            return panel_sheet(evidence, tag, values, title=title, scale=self.scale)
        maps = reduce_channels(values, self.reduction)
        note = ""
        if self.reduction in _WITHOUT_PEAKS:
            maps, note = without_peaks(maps), ", the strongest 1% cut"
        elif self.reduction == "absolute":
            maps, note = magnitude(maps)
        return overlay_sheet(
            evidence,
            tag,
            maps,
            heading=_HEADINGS[self.reduction],
            title=title,
            note=note,
            colormap=self.colormap or _COLORMAPS.get(self.reduction, "hot"),
            scale=self.scale,
            alpha=self.alpha,
            smooth=False,
            grey=True,
            kind="signed" if self.reduction == "signed" else "intensity",
        )


def magnitude(maps: Tensor) -> tuple[Tensor, str]:
    """Maps of magnitudes (N, H, W) as they are drawn, smoothed to the size at which they are looked at, and a note."""
    soft = torch.from_numpy(smoothed(maps.float().cpu().numpy(), min(maps.shape[1:]) / _SHOWN))
    return without_peaks(soft, 0.995), ", the strongest 0.5% cut"
