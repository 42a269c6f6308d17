"""What is taken for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lightning_cnnviz.arguments import positive
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.overheard import Answered
from lightning_cnnviz.output.artifacts import Array, Artifact, Note, Picture
from lightning_cnnviz.render import HeatTable
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.captions import percent
from lightning_cnnviz.views.contrast import check_two_classes
from lightning_cnnviz.views.markdown import markdown_table

_PAIRS = 10
_LETTERS, _LONGEST_WORD = 36, 10  # that can be read above all columns together, and above one


class ConfusionMatrix(View):
    """What is taken for what: how many images of each class the model took to be of each other one.

    Counted are the batches of the first validation loader as they pass by, with the answers that ``validation_step``
    computed anyway: the model is not called once more. Without a Trainer the labelled samples are counted.

    How to read it: a row is what is true, a column what the model says, and the diagonal is right. Colors are
    logarithmic, so that single mistakes are seen beside thousands of right answers. A bright cell off the diagonal is a
    pair that the model cannot tell apart; a bright column is a class that it says when in doubt. Of many classes those
    with the most mistakes are drawn.

    When it misleads: a class with many images has many mistakes, see the share beside its name. On several processes
    only what passes through the first is counted, which the picture says, as it does of answers that are NaN.

    Tags and arrays: ``confusion_matrix``, (classes, classes) counts, rows are true classes. The note ``most_confused``
    lists the pairs with the most mistakes.

    Args:
        classes: how many classes are drawn at most, from 2 to 16, those with the most mistakes.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "answers"

    def __init__(self, classes: int = 12, *, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.classes = positive("classes", classes)
        if self.classes not in range(2, 17):
            raise ValueError(f"classes must lie between 2 and 16, which fit into a picture, got {classes}")
        self._seen: list[tuple[Tensor, Tensor]] | None = None  # true classes and answers, -1 for none
        self._processes = 1

    @property
    def watches_validation(self) -> bool:
        return True

    def begin_validation(self) -> None:
        self._seen = []

    def observe_validation(self, answered: Answered) -> None:
        if self._seen is not None:
            self._processes = answered.processes
            self._seen.append((answered.labels, answers(answered.log_probabilities)))

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        check_two_classes(layout)
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        count = evidence.probabilities.shape[1]
        if self._seen:
            labels, said = (torch.cat(parts).cpu() for parts in zip(*self._seen, strict=True))
        elif evidence.epoch is None and evidence.samples.labels is not None:
            labels, said = evidence.samples.labels, answers(evidence.probabilities)
        else:
            return
        self._seen = None
        counts = confusion(labels[said >= 0], said[said >= 0], count)
        yield Array("confusion_matrix", counts.float())
        yield self._picture(counts, evidence.samples, int((said < 0).sum()))
        yield _most_confused(counts, evidence.samples)

    def _picture(self, counts: Tensor, samples: FixedSamples, without: int) -> Picture:
        total, count = int(counts.sum()) + without, len(counts)
        shown = _with_most_mistakes(counts, self.classes)
        title = f"What is taken for what: {int(counts.diag().sum()):,} of {total:,} right"
        footer = "rows: true, with the share that is right · columns: what the model says"
        more = "" if self._processes == 1 else f" · counted on the first of {self._processes} processes"
        if count > len(shown):
            more += f" · the {len(shown)} classes with the most mistakes, of {count:,}"
        if without:
            more += f" · {without:,} answers are NaN and stand in no column"
        names = [samples.class_name(index) for index in shown]
        shares = [_share_right(counts, index) for index in shown]
        columns = tuple(names)
        if not _fit_above(names):
            columns = tuple(str(number) for number in range(1, len(names) + 1))
            names = [f"{number} {name}" for number, name in zip(columns, names, strict=True)]
            footer += ", by the numbers of the rows"
        values = counts[shown][:, shown].double()
        table = HeatTable(
            values.where(values > 0, torch.nan).numpy(),
            tuple(f"{name}  {share}" for name, share in zip(names, shares, strict=True)),
            columns,
            limits=(1.0, max(2.0, float(values.max()))),
            logarithmic=True,
            colormap="viridis",
            label="images",
            title=title,
            footer=footer + more,
        )
        return Picture("confusion_matrix", table)


def answers(probabilities: Tensor) -> Tensor:
    """The most probable class of each row (N, classes), or of their logarithms; -1 where there is NaN.

    >>> answers(torch.tensor([[0.2, 0.8], [float("nan"), 1.0]])).tolist()
    [1, -1]
    """
    return probabilities.argmax(dim=1).where(~probabilities.isnan().any(dim=1), -1)


def confusion(labels: Tensor, said: Tensor, classes: int) -> Tensor:
    """How often each class was taken for each, (classes, classes) int64; rows are true classes.

    Not by torchmetrics: where algorithms must be deterministic it compares every image with every cell.

    >>> confusion(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]

    Raises:
        ValueError: a label is no class of the model.
    """
    labels = labels.long()
    check_labels(labels, classes)
    return torch.bincount(labels * classes + said.long(), minlength=classes**2).reshape(classes, classes)


def check_labels(labels: Tensor, classes: int) -> None:
    """Checks that labels (N,) are classes of the model.

    Raises:
        ValueError: one is not.
    """
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels go from {int(labels.min())} to {int(labels.max())}, the model has {classes} classes: "
            "they count from 0, and -100 stands for none"
        )


def _with_most_mistakes(counts: Tensor, most: int) -> list[int]:
    """Of many classes those with the most mistakes, without those that were neither true nor said of any image."""
    wrong = counts - counts.diag().diag()
    mistakes = wrong.sum(dim=0) + wrong.sum(dim=1)
    order = mistakes.argsort(descending=True, stable=True)
    if len(counts) > most:
        occur = (counts.sum(dim=0) + counts.sum(dim=1))[order] > 0
        order = torch.cat([order[occur], order[~occur][: max(0, 2 - int(occur.sum()))]])
    return sorted(order[:most].tolist())


def _fit_above(names: Sequence[str]) -> bool:
    """Whether names can be read above columns, on two lines if they must."""
    longest = min(_LONGEST_WORD, _LETTERS // len(names))
    return all(len(name) <= 2 * longest and max(map(len, name.split()), default=0) <= longest for name in names)


def _share_right(counts: Tensor, index: int) -> str:
    images = int(counts[index].sum())
    return percent(int(counts[index, index]) / images) if images else "none"


def _most_confused(counts: Tensor, samples: FixedSamples) -> Note:
    wrong = counts - counts.diag().diag()
    cells = wrong.flatten().sort(descending=True, stable=True)
    rows = []
    for cell in cells.indices[:_PAIRS].tolist():
        true, said = divmod(cell, len(counts))
        if wrong[true, said]:
            share = percent(int(wrong[true, said]) / int(counts[true].sum()))
            rows.append((samples.class_name(true), samples.class_name(said), int(wrong[true, said]), share))
    table = markdown_table(["true", "taken for", "images", "of its class"], rows)
    return Note("most_confused", table if rows else "nothing was taken for anything else")
