"""Why this class and not that one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names
from lightning_cnnviz.methods.cam import activation_map
from lightning_cnnviz.model.evidence import Evidence, Model, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Maps, Sheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.captions import percent
from lightning_cnnviz.views.common import heat_map, picture_of, rows, to_numpy


class Contrast(View):
    """Why this class and not that: Grad-CAM of the predicted class, of the true one, and the difference.

    Where the model is right, or the truth is not known, the second most probable class stands in for the true one.

    How to read it: the first map is what speaks for the answer, the second what speaks for the alternative. Red in the
    difference speaks more for the answer, blue more for the alternative. Two maps at the same place mean that the model
    reads the same thing in two ways; two places mean that it followed the wrong one.

    When it misleads: the three maps of a row share one scale, and rows do not. A map that is all 0 does not say that
    nothing speaks for the class: less speaks for it than against it. Grad-CAM is coarse, and a difference of coarse
    maps is no finer.

    Tags and arrays: ``contrast/<layer>``, (N, 3, h, w): the map of the predicted class, that of the other one, both
    after ReLU, and the first minus the second.

    Args:
        layers: ``"last"`` is the last layer of the spatial size of the last convolution.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "looks"

    def __init__(self, layers: LayerSpec = "last", *, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        check_two_classes(layout)
        return Request(
            procedures={
                layer: partial(_contrasted, layer=layer, labels=samples.labels) for layer in layout.maps(self.layers)
            }
        )

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for layer in evidence.layout.maps(self.layers):
            found = evidence.result(layer).on_image(evidence.layout, layer)
            yield Array(f"contrast/{layer}", found.maps)
            yield self._picture(evidence, layer, found)

    def _picture(self, evidence: Evidence, layer: str, found: Contrasted) -> Picture:
        labels = [
            (_said(evidence, index, said), _said(evidence, index, other, found.word(evidence, index)))
            for index, (said, other) in enumerate(found.classes.tolist()[: evidence.shown])
        ]
        title = f"Why this class and not that, Grad-CAM of {layer}, {found.maps.shape[2]}×{found.maps.shape[3]}"
        columns = contrast_columns(found.maps[: evidence.shown], labels)
        return picture_of(f"contrast/{layer}", Sheet(rows(evidence), columns, title, CONTRAST_NOTE))


CONTRAST_NOTE = "one scale in each row · red: more for its answer, blue: more for the other"


@dataclass(frozen=True)
class Contrasted:
    """Maps of two classes of each image.

    Attributes:
        maps: (N, 3, h, w) float32 on the CPU: of the first class, of the second, and their difference.
        classes: (N, 2) which classes.
    """

    maps: Tensor
    classes: Tensor

    @classmethod
    def of(cls, model: Model, layer: str, images: Tensor, classes: Tensor | None, labels: Tensor | None) -> Contrasted:
        """Explains two classes of each image in a layer.

        Args:
            model: the model.
            layer: in which layer.
            images: (N, C, H, W).
            classes: (N, 2) which; None: the predicted one, and the true one or, where that is the same, the second.
            labels: (N,) the true classes.
        """
        chosen: list[Tensor] = []

        def choose(scores: Tensor) -> list[Tensor]:
            pair = two_classes(scores, labels) if classes is None else classes.to(scores.device)
            chosen.append(pair)
            return [pair[:, 0], pair[:, 1]]

        activation, gradients = model.explained(layer, images, choose)
        first, second = (activation_map(activation, gradient).float().cpu() for gradient in gradients)
        return cls(torch.stack([first, second, first - second], dim=1), chosen[0].cpu())

    def on_image(self, layout: Layout, layer: str) -> Contrasted:
        """The same maps as they lie on the whole images."""
        return replace(self, maps=torch.stack([layout.on_image(maps, layer) for maps in self.maps.unbind(1)], dim=1))

    def word(self, evidence: Evidence, index: int) -> str:
        """What the second class of a sample is."""
        labels = evidence.samples.labels
        return "true" if labels is not None and int(labels[index]) == int(self.classes[index, 1]) else "or"


def check_two_classes(layout: Layout) -> None:
    """Raises ValueError if the model does not choose one of several classes."""
    if layout.reading.meaning != "classes" or layout.classes < 2:
        raise ValueError(
            layout.reading.reason or "the output is not one class of several, of which two can be compared"
        )


def two_classes(scores: Tensor, labels: Tensor | None) -> Tensor:
    """The most probable class, and the true one or, where that is the same, the second most probable one, (N, 2).

    >>> two_classes(torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), torch.tensor([0, 2])).tolist()
    [[0, 1], [0, 2]]
    """
    best = scores.topk(2, dim=1).indices
    if labels is None:
        return best
    truth = labels.to(best.device)
    return torch.stack([best[:, 0], truth.where(truth != best[:, 0], best[:, 1])], dim=1)


def contrast_columns(
    maps: Tensor, labels: list[tuple[str, str]], other: str = "for the other"
) -> tuple[Maps, Maps, Maps]:
    """The two maps of each row and their difference (N, 3, h, w), all on the row's own scale."""
    largest = maps[:, :2].nan_to_num(0, 0, 0).amax(dim=(1, 2, 3), keepdim=True)
    values = to_numpy(maps / largest.where(largest > 0, 1.0))
    first, second = (
        replace(
            heat_map(values[:, [i]], heading, laying="over", labels=tuple((pair[i],) for pair in labels)),
            limits=(0.0, 1.0),
        )
        for i, heading in enumerate(("for its answer", other))
    )
    difference = replace(
        heat_map(values[:, [2]], "difference", laying="alone"), kind="signed", colormap="RdBu_r", limits=(-1.0, 1.0)
    )
    return first, second, difference


def _contrasted(model: Model, layer: str, labels: Tensor | None) -> Contrasted:
    return Contrasted.of(model, layer, model.images, None, labels)


def _said(evidence: Evidence, index: int, label: int, word: str = "") -> str:
    return f"{word} {evidence.samples.class_name(label)} {percent(float(evidence.probabilities[index, label]))}".strip()
