"""What is found about new data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lightning_cnnviz.comparison.report import Report, Table


@dataclass(frozen=True)
class ClassDrift:
    """How the probability of one class changed.

    Attributes:
        name: of the class.
        predicted_before: the share of the reference that is predicted as this class.
        predicted_now: that of the new data.
        mean_before: its mean probability in the reference.
        mean_now: that in the new data.
        statistic: of the Kolmogorov-Smirnov test: the largest difference of the two cumulative distributions.
        p_value: of that test, raised for the number of classes by Holm's method.
    """

    name: str
    predicted_before: float
    predicted_now: float
    mean_before: float
    mean_now: float
    statistic: float
    p_value: float


@dataclass(repr=False)
class DataDrift(Report):
    """What :func:`~lightning_cnnviz.data_drift` found.

    Attributes:
        drifted: whether the new data differ at the rate of false alarms that was asked for.
        p_value: of all tests together: how often data of the same source would differ as much.
        classes: what became of each class.
        furthest: the new samples furthest from the reference, the furthest first.
        distances: of those: 1 is as far as samples of the reference lie from each other.
        false_alarms: what was asked for.
        samples: how many samples of the reference, and how many new ones.
    """

    drifted: bool = False
    p_value: float = 1.0
    classes: tuple[ClassDrift, ...] = ()
    furthest: tuple[int, ...] = ()
    distances: tuple[float, ...] = ()
    false_alarms: float = 0.01
    samples: tuple[int, int] = (0, 0)

    @property
    def title(self) -> str:
        """Whether there is drift."""
        return "The data have drifted" if self.drifted else "No drift of the data is seen"

    def summary(self) -> list[str]:
        """The most important numbers, a line each."""
        return [
            f"p = {self.p_value:.2g}, an alarm from {self.false_alarms:g} down; {self.samples[1]} samples against "
            f"{self.samples[0]}",
            f"class probabilities p = {self.scalars['data_drift/probabilities_p']:.2g}, "
            f"features p = {self.scalars['data_drift/features_p']:.2g}",
        ]

    def table(self) -> Table | None:
        """The classes, those that changed most first."""
        if not self.classes:
            return None
        columns = ("class", "predicted before", "now", "mean probability before", "now", "KS", "p")
        rows = sorted(self.classes, key=lambda row: (row.p_value, -row.statistic))
        return Table(
            "By class",
            columns,
            [_cells(row) for row in rows],
            frozenset(index for index, row in enumerate(rows) if row.p_value <= self.false_alarms),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, as JSON takes it."""
        own = {name: getattr(self, name) for name in ("drifted", "p_value", "false_alarms")}
        return {
            **own,
            "samples": list(self.samples),
            "classes": [asdict(row) for row in self.classes],
            "furthest": [list(pair) for pair in zip(self.furthest, self.distances, strict=True)],
            **super().to_dict(),
        }


def _cells(row: ClassDrift) -> tuple[str, ...]:
    shares = (f"{share:.1%}" for share in (row.predicted_before, row.predicted_now))
    return (
        row.name,
        *shares,
        f"{row.mean_before:.3f}",
        f"{row.mean_now:.3f}",
        f"{row.statistic:.3f}",
        f"{row.p_value:.2g}",
    )
