"""What the numbers that a model returns mean: classes, labels, values, masks, pictures, or nothing to be explained."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from lightning_cnnviz.model.outputs.tensors import Path

OutputKind: TypeAlias = Literal["auto", "logits", "probabilities", "multilabel", "regression", "embedding"]
"""What a user may say of the output."""

Meaning: TypeAlias = Literal["classes", "labels", "values", "masks", "reconstruction", "embedding", "nothing"]
"""One class of several or a yes; independent labels; numbers; classes of places; a picture; a place among others."""

Ending: TypeAlias = Literal["logits", "log_softmax", "softmax", "log_sigmoid", "sigmoid"]
"""What a model did last to its scores."""

_FEWEST_REGION = 0.005  # the share of the places that a class other than the first must cover to be explained


@dataclass(frozen=True, slots=True)
class Reading:
    """How the output of a model is read.

    Attributes:
        meaning: what its numbers are.
        ending: what the model did last to them.
        width: how many classes, labels or numbers there are; 2 for a single yes or no, 0 for nothing.
        single: whether one number says yes or no.
        path: where it is in what the model returns.
        reason: why there is nothing to explain.
        remarks: how it was read, for the reader.
        skips_first: whether the first class of masks is a background.
        overlapping: whether a place may be of several classes of masks, or of none.
        total: what the probabilities of one sample sum to where they end in a softmax: 100 for percents.
    """

    meaning: Meaning = "classes"
    ending: Ending = "logits"
    width: int = 0
    single: bool = False
    path: Path = ()
    reason: str = ""
    remarks: tuple[str, ...] = ()
    skips_first: bool = True
    overlapping: bool = False
    total: float = 1.0

    @property
    def classes(self) -> int:
        """How many classes or labels there are to choose from; 0 where there are none."""
        return self.width if self.meaning in ("classes", "labels", "masks") else 0

    def check_classes(self) -> None:
        """Says why there are no classes.

        Raises:
            ValueError: there are none.
        """
        if self.meaning not in ("classes", "labels", "masks"):
            raise ValueError(self.reason or "the output is read as values, which have no classes")

    def scores(self, output: Tensor) -> Tensor:
        """The scores among which a target chooses, (N, width), differentiable: before softmax where the model says.

        The score of a class in masks is its mean over the places where it is predicted, over all if it is nowhere.

        Raises:
            ValueError: there are none.
        """
        if self.meaning in ("nothing", "embedding", "reconstruction"):
            raise ValueError(self.reason)
        if self.meaning == "masks":
            return self._over_regions(self._both(output))
        rows = self._rows(output)
        return self._both(rows) if self.meaning == "classes" else rows

    def probabilities(self, output: Tensor) -> Tensor:
        """Probabilities for display, (N, classes) float32; of masks the share of the places that each class covers.

        No columns where the model gives no classes.
        """
        if not self.classes:
            return output.new_zeros(len(output), 0, dtype=torch.float32)
        if self.overlapping:
            return (output > self._threshold).flatten(2).float().mean(2)
        if self.meaning == "masks":
            shares = [(self.decisions(output) == index).flatten(1).float().mean(1) for index in range(self.width)]
            return torch.stack(shares, dim=1)
        if self.ending not in ("softmax", "sigmoid"):
            return self.log_probabilities(output).exp()
        scores = self._rows(output) / self.total
        return torch.cat([1 - scores, scores], dim=1) if self.single else scores

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Logarithms of the probabilities, (N, classes) float32, differentiable."""
        scores = self._rows(output)
        tiny = torch.finfo(scores.dtype).tiny
        if self.single:
            if self.ending == "sigmoid":
                return torch.cat([1 - scores, scores], dim=1).clamp_min(tiny).log()
            if self.ending == "log_sigmoid":
                return self._both(scores)
            return torch.nn.functional.logsigmoid(torch.cat([-scores, scores], dim=1))
        if self.ending in ("softmax", "sigmoid"):
            return (scores / self.total).clamp_min(tiny).log()
        if self.ending in ("log_softmax", "log_sigmoid"):
            return scores
        return torch.nn.functional.logsigmoid(scores) if self.meaning == "labels" else scores.log_softmax(dim=1)

    def predicted(self, output: Tensor) -> Tensor:
        """(N,) the class, label or number explained unless told otherwise: the most probable one, the first number.

        Of masks the class that covers most, but a background only where there is nothing else.
        """
        if self.meaning != "masks":
            return self.scores(output).argmax(dim=1) if self.classes else output.new_zeros(len(output)).long()
        return self.leading(self.probabilities(output))

    def leading(self, probabilities: Tensor) -> Tensor:
        """(N,) the class to be named of probabilities or shares (N, classes): the largest one that is no background."""
        if self.meaning == "masks" and self.skips_first and self.width > 1:
            others = probabilities[:, 1:]
            return (others.argmax(dim=1) + 1).where(others.amax(dim=1) >= _FEWEST_REGION, 0)
        return probabilities.argmax(dim=1)

    def decisions(self, output: Tensor) -> Tensor:
        """What the model decides, integers: (N, 1) the class, (N, labels) yes or no, (N, h, w) classes of places.

        (N, 0) where it decides nothing; of overlapping masks the likeliest class of each place, -1 where it is of none.
        """
        output = output.detach()
        if self.overlapping:
            highest = output.max(dim=1)
            return highest.indices.where(highest.values > self._threshold, -1)
        if self.meaning == "masks":
            return self._both(output).argmax(dim=1)
        if self.meaning == "labels":
            return (self.log_probabilities(output).exp() > 0.5).long()
        if self.meaning == "classes":
            return self.log_probabilities(output).argmax(dim=1, keepdim=True)
        return torch.zeros(len(output), 0, dtype=torch.long, device=output.device)

    @property
    def _threshold(self) -> float:
        """What a score must exceed to be a yes."""
        return {"sigmoid": 0.5, "log_sigmoid": -math.log(2)}.get(self.ending, 0.0)

    @staticmethod
    def _rows(output: Tensor) -> Tensor:
        """(N, width), at least of single precision; scores of places are averaged."""
        scores = output.float() if output.element_size() < 4 else output
        return scores[:, None] if scores.ndim == 1 else scores.flatten(2).mean(2) if scores.ndim > 2 else scores

    def _both(self, scores: Tensor) -> Tensor:
        """A single score is that of a yes; that of a no is its negative, or what is missing to 1."""
        if not self.single:
            return scores
        if self.ending == "log_sigmoid":
            largest = -torch.finfo(scores.dtype).tiny  # a yes that is certain leaves nothing to take a logarithm of
            return torch.cat([(-scores.clamp_max(largest).expm1()).log(), scores], dim=1)
        return torch.cat([1 - scores if self.ending == "sigmoid" else -scores, scores], dim=1)

    def _over_regions(self, scores: Tensor) -> Tensor:
        best = scores.detach().argmax(dim=1, keepdim=True)
        regions = torch.zeros_like(scores).scatter(1, best, 1.0)
        if self.overlapping:
            regions = (scores.detach() > self._threshold).to(scores)
        regions = regions.where(regions.flatten(2).any(2)[:, :, None, None], 1.0)
        return (scores * regions).flatten(2).sum(2) / regions.flatten(2).sum(2)


@dataclass(frozen=True)
class Answers:
    """What a model answered.

    Attributes:
        meaning: what the numbers are, see :data:`Meaning`.
        values: (N, ...) what the model returned, float32 on the CPU; (N, 0) if nothing can be made of it.
        probabilities: (N, classes), those of independent labels where the meaning is ``"labels"``, the share of the
            places that each class covers where it is ``"masks"``; (N, 0) where there are no classes.
        decisions: integers: (N, 1) the class, (N, labels) 0 or 1, (N, h, w) the classes of places; (N, 0) otherwise.
    """

    meaning: Meaning
    values: Tensor
    probabilities: Tensor
    decisions: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.long))

    @classmethod
    def of(cls, output: Tensor | None, reading: Reading, samples: int) -> Answers:
        """What the tensor of scores says; None if there is none."""
        if output is None or len(output) != samples:
            none = torch.zeros(samples, 0)
            return cls("nothing", none, none, none.long())
        output = output.detach()
        return cls(
            reading.meaning,
            output.float().cpu(),
            reading.probabilities(output).float().cpu(),
            reading.decisions(output).cpu(),
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an output beside its numbers.

    Attributes:
        samples: N.
        image_shape: (C, H, W) of what the model was given.
        kind: what the user says of it.
        ending: what the model did last to it, where something tells better than its own graph.
        truth: what the data say of each image: ``"classes"``, ``"multi_hot"``, ``"values"``, ``"masks"`` and so on;
            ``"label_masks"`` are several masks of yes or no.
        highest: the highest class, where what the data say may be classes.
        names: of the classes.
        unlabelled: whether the samples are from a batch of a kind that trains without labels.
        compared: whether the model holds a loss that compares outputs with each other, as metric learning does.
        numbers: how many whole numbers the data have for each image; None if they are something else.
    """

    samples: int
    image_shape: tuple[int, ...] = ()
    kind: OutputKind = "auto"
    ending: Ending | None = None
    truth: str | None = None
    highest: int | None = None
    names: tuple[str, ...] | None = None
    unlabelled: bool = False
    compared: bool = False
    numbers: int | None = None

    @property
    def classes(self) -> int | None:
        """How many classes there are by their names, or at least by the labels; None if nothing tells."""
        if self.names is not None:
            return len(self.names)
        return self.highest + 1 if self.truth == "classes" and self.highest is not None else None
