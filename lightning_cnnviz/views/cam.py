"""Where the model looks, read off the classifier's own weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor

from lightning_cnnviz.arguments import fraction, one_of, positive
from lightning_cnnviz.methods.cam import class_activation_map
from lightning_cnnviz.model.evidence import Evidence, Request, UnavailableError
from lightning_cnnviz.model.layers.layout import Head, Layout
from lightning_cnnviz.output.artifacts import Array, Artifact
from lightning_cnnviz.render import Scale
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.common import overlay_sheet


class CAM(View):
    """Class activation map: each place's share in the class score (Zhou et al., 2016).

    For models that average their last maps over all places and put a linear layer on top, such as ResNet, DenseNet,
    Inception, MobileNetV2 and EfficientNet, or whose last maps are those of the classes, such as SqueezeNet. No
    gradient is needed and nothing is approximated: the mean of the map, plus the classifier's bias, is the class score.

    How to read it: red speaks for the class, blue against it, white for neither: unlike Grad-CAM nothing is cut off at
    zero.

    When it misleads: the map has the layer's resolution: a 7×7 map cannot outline anything.

    Tags and arrays: ``cam/<layer>``, (N, h, w) signed, not normalised.

    Args:
        top_channels: only the channels with so many largest weights for the class, which speak for it; None: all.
            The mean of the map is then no longer the score.
        colormap: any OpenCV or matplotlib name.
        alpha: weight of the map over the image where it is highest, from 0 to 1; it falls with the map.
        scale: ``"each"`` map by itself or all on one ``"shared"`` scale.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range; when asked what it needs, also if the model's scores are not
            averages of maps.
    """

    chapter = "looks"

    def __init__(
        self,
        top_channels: int | None = None,
        *,
        colormap: str = "RdBu_r",
        alpha: float = 0.6,
        scale: Scale = "each",
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        one_of("scale", scale, get_args(Scale))
        self.top_channels = None if top_channels is None else positive("top_channels", top_channels)
        self.colormap = color_map(colormap)
        self.alpha = fraction("alpha", alpha)
        self.scale = scale

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        head = self._head(layout)
        classifier = frozenset() if head.classifier is None else frozenset({head.classifier})
        return Request(activations=frozenset({head.layer}), weights=classifier)

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        layer = self._head(evidence.layout).layer
        maps, tag = evidence.layout.on_image(self._maps(evidence), layer).float().cpu(), f"cam/{layer}"
        yield Array(tag, maps)
        channels = "" if self.top_channels is None else f", {self.top_channels} strongest channels"
        yield overlay_sheet(
            evidence,
            tag,
            maps,
            title=f"CAM of {layer}, {maps.shape[1]}×{maps.shape[2]}{channels}",
            kind="signed",
            colormap=self.colormap,
            scale=self.scale,
            alpha=self.alpha,
        )

    def _head(self, layout: Layout) -> Head:
        if layout.head is None:
            raise ValueError(
                "CAM needs a model whose class scores are averages of its last maps: global average pooling of maps "
                "larger than one pixel, then at most one linear layer. This one's are not; GradCAM works on any CNN"
            )
        if self.top_channels is not None and layout.head.classifier is None:
            raise ValueError(
                f"top_channels={self.top_channels}: this model's last maps, {layout.head.layer}, are those of the "
                "classes, with no channels to choose from; allowed is None"
            )
        return layout.head

    def _maps(self, evidence: Evidence) -> Tensor:
        head, classes = self._head(evidence.layout), evidence.target_classes
        if classes is None:
            raise UnavailableError("CAM explains a class, and the target function gave scores of none; GradCAM can")
        activations = evidence.activation(head.layer)
        activations = activations.relu() if head.rectified else activations
        if head.classifier is None:
            return _with_class_zero(activations, dim=1)[torch.arange(len(classes)), classes]
        weights = _with_class_zero(evidence.weight(head.classifier).flatten(1), dim=0)[classes]
        return class_activation_map(activations, weights.to(activations.device), top_channels=self.top_channels)


def _with_class_zero(of_classes: Tensor, dim: int) -> Tensor:
    """A single score is that of class 1, its negative that of class 0."""
    return torch.cat([-of_classes, of_classes], dim) if of_classes.shape[dim] == 1 else of_classes
