"""What the model takes each class to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from lightning_cnnviz.arguments import ArgumentError, all_indices, number, one_of, positive
from lightning_cnnviz.methods import synthesis
from lightning_cnnviz.methods.class_means import ClassMeans
from lightning_cnnviz.model.evidence import Evidence, Model, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture, Scalar
from lightning_cnnviz.render import Caption, ColorBar, Images, Maps, Row, Sheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, color_map
from lightning_cnnviz.views.captions import percent
from lightning_cnnviz.views.common import picture_of, to_numpy, with_remark

MOST_CLASSES = 20


class Prototypes(View):
    """Class prototypes: for each class the input that the model is most sure of, among those close to the class mean.

    Minimises cross-entropy(class) + regularization · mean((x − class mean)²) over the input x, never over the model's
    parameters. Class means are summed up from the training batches of the first epoch as they pass by; without training
    they are the means of the labelled samples, and zero for a class that has none. Each look begins at the last
    prototypes.

    How to read it: beside each class mean stands the prototype, their difference on one scale for all classes, and the
    probability that the model gives the prototype. What differs from a blurred average is what the model adds to be
    sure. Texture without form says that it decides by texture.

    When it misleads: a prototype is the answer to an optimisation, not an image that the model remembers, and on deep
    networks it may be adversarial noise around the mean: watch the cost, too.

    Tags and arrays: ``prototypes``, (classes, C, H, W) in the model's input space. Scalars, averaged over the classes:
    ``prototypes/cost``, ``prototypes/cross_entropy`` (nats), ``prototypes/regularizer`` (mean squared distance, without
    its factor).

    Args:
        classes: which classes, by index; all of them if None, the first 20 of more than that.
        regularization: factor of the squared distance to the class mean.
        optimizer: ``"lbfgs"`` with a strong Wolfe line search, or ``"adam"``.
        steps: most iterations; 50 of L-BFGS, 1000 of Adam if None.
        colormap: for images with one channel; any OpenCV or matplotlib name.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.

    Source: Montavon, Samek and Müller, "Methods for interpreting and understanding deep neural networks", 2018, section
        3.
    """

    chapter = "classes"

    def __init__(
        self,
        classes: Sequence[int] | None = None,
        regularization: float = 0.1,
        *,
        optimizer: synthesis.Optimizer = "lbfgs",
        steps: int | None = None,
        colormap: str = "gray",
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        one_of("optimizer", optimizer, get_args(synthesis.Optimizer))
        self.classes = None if classes is None else all_indices("classes", classes)
        self.regularization = number("regularization", regularization, least=0)
        self.optimizer = optimizer
        self.steps = None if steps is None else positive("steps", steps)
        self.colormap = color_map(colormap)
        self._means = ClassMeans(self.classes or range(MOST_CLASSES))
        self._last: Tensor | None = None

    @property
    def watches_training(self) -> bool:
        return not self._means.complete

    def observe(self, images: Tensor, labels: Tensor) -> None:
        self._means.add(images, labels)

    def finish_observing(self) -> None:
        self._means.complete = True

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        classes = self._classes(layout.classes)
        means = self._means.fill(_sample_means(classes, samples), len(classes))

        def optimise(model: Model) -> synthesis.Prototypes:
            start = means if self._last is None or self._last.shape != means.shape else self._last
            dtype = torch.float64 if model.images.dtype == torch.float64 else torch.float32
            return synthesis.class_prototypes(
                lambda images: model.log_probabilities(images.to(model.images.dtype)),
                torch.tensor(classes, device=model.images.device),
                means.to(model.images.device, dtype),
                start=start.to(model.images.device, dtype),
                regularization=self.regularization,
                optimizer=self.optimizer,
                steps=self.steps,
                on_step=lambda done, total: model.progress("Prototypes", done, total),
            )

        return Request(procedures={"prototypes": optimise})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        found: synthesis.Prototypes = evidence.result("prototypes")
        images = found.images.float().cpu()
        if bool(images.isfinite().all()):
            self._last = images
        yield Array("prototypes", images)
        yield Scalar("prototypes/cost", found.cost.mean().item())
        yield Scalar("prototypes/cross_entropy", found.cross_entropy.mean().item())
        yield Scalar("prototypes/regularizer", found.regularizer.mean().item())
        yield with_remark(self._picture(images, found.cross_entropy, evidence.samples), _remark(found))

    def state_dict(self) -> dict[str, Any]:
        return {"means": self._means.state_dict(), "last": self._last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._means.load_state_dict(state["means"])
        self._last = state["last"]

    def may_round(self, key: str) -> bool:
        return key in ("sums", "last")  # means that are drawn, and where the next optimisation begins

    def _classes(self, count: int) -> tuple[int, ...]:
        if self.classes is None:
            return tuple(range(min(count, MOST_CLASSES)))
        wrong = [index for index in self.classes if not 0 <= index < count]
        if wrong:
            raise ArgumentError(f"classes={wrong} are out of range: the model has classes 0 to {count - 1}")
        return self.classes

    def _picture(self, images: Tensor, cross_entropy: Tensor, samples: FixedSamples) -> Picture:
        classes = self._classes_of(len(images))
        means = self._means.fill(_sample_means(classes, samples), len(images)).float()
        both = FixedSamples(torch.cat([means, images]), mean=samples.mean, std=samples.std, bands=samples.bands)
        pictures = both.pictures()
        before, after = both.denormalized().split(len(images))
        difference = Maps(
            to_numpy((after - before).mean(dim=1, keepdim=True)),
            ("difference",),
            kind="signed",
            colormap="RdBu_r",
            scale="shared",
        )
        captions = [
            Caption((samples.class_title(index), percent(probability)))
            for index, probability in zip(classes, (-cross_entropy).exp().tolist(), strict=True)
        ]
        limit = float(np.nan_to_num(difference.measured.limits[0, 0, 1], nan=1.0))
        unseen = bool((means == 0).flatten(1).all(dim=1).any())
        sheet = Sheet(
            tuple(
                Row(picture, caption, index)
                for index, (picture, caption) in enumerate(zip(pictures, captions, strict=False))
            ),
            (Images(tuple(pictures[len(images) :]), "prototype"), difference),
            f"What the model takes each of {len(images)} classes to be",
            "with the probability that the model gives the prototype"
            + (" · without a mean: no image of the class was seen, it begins at zero" if unseen else ""),
            ColorBar("RdBu_r", -limit, limit, "darker · brighter"),
            first="class mean",
        )
        return picture_of("prototypes", sheet)

    def _classes_of(self, count: int) -> tuple[int, ...]:
        return tuple(range(count)) if self.classes is None else self.classes


def _remark(found: synthesis.Prototypes) -> str | None:
    if bool(found.cross_entropy.isnan().any()):
        return "the model answers NaN, of which nothing can be optimized"
    unmoved = found.unmoved
    if not bool(unmoved.any()):
        return None
    return (
        f"{int(unmoved.sum())} of {len(unmoved)} are the class means as they were: there the score of the class does "
        "not change with the image, as where a layer rounds or a head starts at zero"
    )


def _sample_means(classes: Sequence[int], samples: FixedSamples) -> Tensor:
    means = torch.zeros(len(classes), *samples.images.shape[1:])
    for row, index in enumerate(classes):
        if samples.labels is not None and bool((samples.labels == index).any()):
            means[row] = samples.images[samples.labels == index].float().mean(dim=0)
    return means
