"""The mistakes that the model was surest of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names, positive
from lightning_cnnviz.model.evidence import Evidence, Model, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.model.overheard import Answered
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Caption, Row, Sheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.captions import percent
from lightning_cnnviz.views.common import picture_of
from lightning_cnnviz.views.confusion_matrix import check_labels
from lightning_cnnviz.views.contrast import CONTRAST_NOTE, Contrasted, check_two_classes, contrast_columns

_NO_SAMPLE = -1


class WorstMistakes(View):
    """The images of the validation set on which the model was most wrong in this epoch, with maps for both classes.

    Found in the batches of the first validation loader as they pass by, with the answers that ``validation_step``
    computed anyway; only for the maps of these few images the model is called. Without a Trainer they are found among
    the labelled samples.

    How to read it: the images to which the model gives the least probability for the true class, the worst first. The
    first map is what speaks for its answer, the second what speaks for the true class, both on one scale in a row. Many
    of the worst mistakes are wrong labels and images that nobody could tell: look for what the others have in common.

    When it misleads: other images in every epoch, so epochs cannot be compared by them. On several processes only those
    of the first are seen.

    Tags and arrays: ``worst_mistakes/<layer>``, (n, 3, h, w): the map of the answer, that of the true class, both after
    ReLU, and the first minus the second.

    Args:
        layers: ``"last"`` is the last layer of the spatial size of the last convolution; of several the last counts.
        count: how many images are drawn at most.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "answers"

    def __init__(self, layers: LayerSpec = "last", *, count: int = 6, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.count = positive("count", count)
        self._watching = False
        self._worst: Mistakes | None = None

    @property
    def watches_validation(self) -> bool:
        return True

    def begin_validation(self) -> None:
        self._watching, self._worst = True, None

    def observe_validation(self, answered: Answered) -> None:
        if answered.images is not None:
            found = Mistakes.among(answered.images, answered.labels, answered.log_probabilities, self.count)
            self._worst = found if self._worst is None else self._worst.worst_with(found, self.count)

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        check_two_classes(layout)
        if self._worst is not None:
            check_labels(self._worst.true, layout.classes)
        known = self._worst is not None or self._watching or samples.labels is None
        # Whatever has no mistakes is told apart only once the procedure runs: a sharded model takes all ranks.
        work = partial(
            _explained,
            layer=layout.maps(self.layers)[-1],
            mistakes=self._worst,
            labels=None if known else samples.labels,
            count=self.count,
        )
        return Request(procedures={"worst": work})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        found: tuple[Mistakes, Contrasted] | None = evidence.result("worst")
        layer = evidence.layout.maps(self.layers)[-1]
        worst = None if found is None else (found[0], found[1].on_image(evidence.layout, layer))
        self._worst = None
        if worst is not None:
            yield Array(f"worst_mistakes/{layer}", worst[1].maps)
            yield _picture(evidence, layer, *worst)

    def state_dict(self) -> dict[str, Any]:
        # For the other ranks of a sharded model, which explain the same images.
        return {"watching": self._watching, "worst": None if self._worst is None else self._worst.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._watching = state["watching"]
        self._worst = None if state["worst"] is None else Mistakes(**state["worst"])

    def may_round(self, key: str) -> bool:
        return key == "images"


@dataclass(frozen=True)
class Mistakes:
    """Images with the class that the model took them for and the true one, the worst first.

    Attributes:
        images: (n, C, H, W).
        said: (n,) the class that came first.
        true: (n,) the true class.
        sure: (n,) the probability of ``said``.
        loss: (n,) minus the logarithm of the probability of the true class; 0 where the answer is right.
    """

    images: Tensor
    said: Tensor
    true: Tensor
    sure: Tensor
    loss: Tensor

    @classmethod
    def among(cls, images: Tensor, labels: Tensor, log_probabilities: Tensor, count: int) -> Mistakes:
        """The worst of a batch, right answers last; nothing is copied from a GPU, nor waited for.

        A label beyond the classes comes first, for whoever may wait to find it.
        """
        best, classes = log_probabilities.max(dim=1), log_probabilities.shape[1]
        inside = labels.clamp(0, classes - 1)  # a GPU is lost to whoever asks it for a column that is not there
        loss = -log_probabilities.gather(1, inside[:, None])[:, 0]
        loss = loss.where((best.indices != labels) & ~loss.isnan(), 0.0).where(inside == labels, torch.inf)
        worst = loss.topk(min(count, len(loss))).indices
        return cls(images[worst], best.indices[worst], labels[worst], best.values[worst].exp(), loss[worst])

    def worst_with(self, other: Mistakes, count: int) -> Mistakes:
        """The worst of both."""
        both = {
            name: torch.cat([value, vars(other)[name].to(value.device)])
            for name, value in vars(self).items()
            if value.shape[1:] == vars(other)[name].shape[1:]
        }
        if len(both) < len(vars(self)):  # images of another size
            return self
        kept = both["loss"].topk(min(count, len(both["loss"]))).indices
        return Mistakes(**{name: value[kept] for name, value in both.items()})

    def wrong(self) -> Mistakes:
        """Only those that are wrong."""
        kept = self.loss > 0
        return Mistakes(**{name: value[kept] for name, value in vars(self).items()})

    def state_dict(self) -> dict[str, Any]:
        """Tensors on the CPU."""
        return {name: value.cpu() for name, value in vars(self).items()}


def _explained(
    model: Model, layer: str, mistakes: Mistakes | None, labels: Tensor | None, count: int
) -> tuple[Mistakes, Contrasted] | None:
    if mistakes is None and labels is not None:
        said = model.log_probabilities(model.images).detach()
        mistakes = Mistakes.among(model.images, labels.to(said.device), said, count)
    wrong = None if mistakes is None else mistakes.wrong()
    if wrong is None or not len(wrong.images):
        return None
    pair = torch.stack([wrong.said, wrong.true], dim=1)
    return wrong, Contrasted.of(model, layer, wrong.images, pair, None)


def _picture(evidence: Evidence, layer: str, mistakes: Mistakes, contrasted: Contrasted) -> Picture:
    samples = evidence.samples
    shown = FixedSamples(mistakes.images.float().cpu(), mean=samples.mean, std=samples.std, bands=samples.bands)
    rows, labels = [], []
    probabilities = zip(mistakes.sure.tolist(), (-mistakes.loss).exp().tolist(), strict=True)
    for index, (picture, (sure, true)) in enumerate(zip(shown.pictures(), probabilities, strict=True)):
        said_name, true_name = (samples.class_title(int(one[index])) for one in (mistakes.said, mistakes.true))
        rows.append(Row(picture, Caption((said_name, percent(sure), f"true {true_name}"), False), _NO_SAMPLE))
        labels.append((f"{said_name} {percent(sure)}", f"true {true_name} {percent(true)}"))
    title = f"The worst mistakes, Grad-CAM of {layer}"
    sheet = Sheet(tuple(rows), contrast_columns(contrasted.maps, labels, "for the true one"), title, CONTRAST_NOTE)
    return picture_of(f"worst_mistakes/{layer}", sheet)
