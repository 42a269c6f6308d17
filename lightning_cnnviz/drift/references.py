"""What a look is compared with: earlier looks and checkpoints, each under its name in the tags."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from torch import nn

from lightning_cnnviz.arguments import ArgumentError, instance, sequence
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.movements import movements
from lightning_cnnviz.drift.scope import Scope
from lightning_cnnviz.drift.snapshots import Snapshot, take
from lightning_cnnviz.model.checkpoints import check_weights, read_weights
from lightning_cnnviz.model.evidence import Evidence

# A path on its own works too; but where the union holds it, jsonargparse turns lists from YAML into strings.
Reference: TypeAlias = str | Sequence[str | os.PathLike[str]]
"""``"previous"``, ``"first"``, the path of a checkpoint, or several of them."""


class References:
    """Snapshots of the looks and checkpoints that later looks are compared with.

    Args:
        given: which they are, as the user says it.

    Attributes:
        names: of the references, in the order given.
        checkpoints: their paths by name.
        watched: the name of the one that alarms go by: the previous look where that is one of them.
        snapshots: by name, of those that there are by now.
        epochs: in which they were taken, by name.

    Raises:
        TypeError: one is neither a word nor a path.
        ValueError: there is none, or two have one name.
    """

    def __init__(self, given: Reference) -> None:
        paths = _paths(given)
        self.names = tuple(paths)
        self.checkpoints = {name: path for name, path in paths.items() if path is not None}
        self.watched = "previous" if "previous" in paths else self.names[0]
        self.snapshots: dict[str, Snapshot] = {}
        self.epochs: dict[str, int | None] = {}

    def check(self, model: nn.Module) -> None:
        """Reads the checkpoints once, before training.

        Raises:
            ArgumentError: one is not of this model, or cannot be read.
        """
        for path in self.checkpoints.values():
            try:
                check_weights(model, read_weights(path), path)
            except ValueError as error:
                raise ArgumentError(f"reference: {error}") from error

    def unread(self) -> dict[str, str]:
        """The paths, by name, of the checkpoints that no snapshot was taken of yet."""
        return {name: path for name, path in self.checkpoints.items() if name not in self.snapshots}

    def moved(self, now: Snapshot, evidence: Evidence, scope: Scope) -> dict[str, list[Measurement]]:
        """How far a look is from each reference that there is, by name; takes the snapshots of checkpoints."""
        for name, path in self.unread().items():
            self.snapshots[name] = take(evidence.reference(path), scope)
        known = (name for name in self.names if name in self.snapshots)
        return {name: list(movements(now, self.snapshots[name], name)) for name in known}

    def remember(self, now: Snapshot, epoch: int | None) -> None:
        """Takes a look as the previous one, and as the first one where there was none."""
        for name in set(self.names) - set(self.checkpoints):
            if name == "previous" or name not in self.snapshots:
                self.snapshots[name], self.epochs[name] = now, epoch

    def forget_others(self, samples: int, classes: int) -> list[str]:
        """Drops snapshots of another number of samples or classes, as a resumed run may have them, and says which."""
        remarks = []
        for name in [name for name, snapshot in self.snapshots.items() if not snapshot.fits(samples, classes)]:
            others, other_classes = self.snapshots.pop(name).probabilities.shape
            remarks.append(
                f"drift from {name!r} starts anew: it was of {others} samples and {other_classes} classes, "
                f"now there are {samples} and {classes}"
            )
        return remarks

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint of the run."""
        snapshots = {name: snapshot.state_dict() for name, snapshot in self.snapshots.items()}
        return {"snapshots": snapshots, "epochs": dict(self.epochs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on with the snapshots of an earlier run."""
        self.snapshots = {name: Snapshot(**snapshot) for name, snapshot in state["snapshots"].items()}
        self.epochs = dict(state["epochs"])


def _paths(given: Reference) -> dict[str, str | None]:
    """The name in the tags, and the path of a checkpoint."""
    what = "'previous', 'first', the path of a checkpoint, or a sequence of them"
    references: dict[str, str | None] = {}
    for entry in [given] if isinstance(given, str | os.PathLike) else sequence("reference", given, what):
        instance("reference", entry, (str, os.PathLike), what)
        is_path = entry not in ("previous", "first")
        name = Path(entry).stem if is_path else str(entry)
        if name in references:
            raise ValueError(f"reference must have different names, got {name!r} twice")
        references[name] = os.fspath(entry) if is_path else None
    return references
