"""What is known of an output beside its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_cnnviz.model.readings import Ending, OutputKind


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

    @property
    def classes(self) -> int | None:
        """How many classes there are by their names, or at least by the labels; None if nothing tells."""
        if self.names is not None:
            return len(self.names)
        return self.highest + 1 if self.truth == "classes" and self.highest is not None else None
