"""What the automatic alarm goes by beside the numbers of drift."""

from __future__ import annotations

from torch import Tensor

from lightning_cnnviz.drift.rule import LEARNING_RATE, SAMPLES_LOSS, TRAINING_LOSS
from lightning_cnnviz.drift.snapshots import Snapshot
from lightning_cnnviz.model.evidence import Evidence


def losses_of(evidence: Evidence, now: Snapshot) -> Tensor | None:
    """(N,) the cross-entropy of each sample; None where the samples have no classes that are known."""
    labels = evidence.samples.labels
    return None if labels is None or evidence.layout.reading.meaning != "classes" else now.losses(labels)


def signals_of(evidence: Evidence, losses: Tensor | None) -> dict[str, float]:
    """The losses and the learning rate, as far as they are known."""
    known = {
        SAMPLES_LOSS: None if losses is None else float(losses.mean()),
        TRAINING_LOSS: evidence.training.loss,
        LEARNING_RATE: evidence.training.learning_rate,
    }
    return {tag: value for tag, value in known.items() if value is not None}
