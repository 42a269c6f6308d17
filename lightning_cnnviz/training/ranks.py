"""How the ranks of a distributed run decide together, without one ever waiting for another for good."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from torch import distributed

from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.model.sharded import OutOfStepError
from lightning_cnnviz.training.failures import described

T = TypeVar("T")

PATIENCE_S = 300.0
"""How long a rank waits for the others. Within a pass they are one layer apart at most; in between rank 0 draws."""

_SHARDED_STRATEGIES = {"FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy"}


@dataclass(frozen=True)
class _Report:
    """How a rank fared: the way it went, what stopped it, and whether that was an argument of the user's."""

    way: str
    failure: str | None = None
    is_argument: bool = False


class Ranks:
    """The ranks of one run.

    Where each rank has the whole model, as with DDP, rank 0 looks by itself. Where the model is sharded, each call of
    it needs all ranks at once: rank 0 decides and draws, the others make the same calls.

    Args:
        strategy: the Trainer's.
    """

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy
        self._group: Any = None
        self._alone: Any = None
        self.sharded = any(base.__name__ in _SHARDED_STRATEGIES for base in type(strategy).__mro__)

    @property
    def is_main(self) -> bool:
        """Whether this rank decides, draws and writes."""
        return bool(self._strategy.is_global_zero)

    @property
    def calls_model(self) -> bool:
        """Whether this rank calls the model during a look."""
        return self.is_main or self.sharded

    def broadcast_decision(self, decide: Callable[[], T]) -> T:
        """What rank 0 decides, on all ranks that look; an error of it is raised on all of them."""
        return self._shared(decide) if self.sharded else decide()

    def run_and_share_errors(self, action: Callable[[], None]) -> None:
        """Does something on all ranks that look; an error is raised on all ranks there are."""
        if self.sharded:
            self.in_step(action)
        else:
            self._shared(action)

    def same(self, value: str) -> bool:
        """Whether all ranks of a sharded model have the same value."""
        return len({report.way for report in self._gather(_Report(value))}) == 1

    def in_step(self, action: Callable[[], T], *, compare: Callable[[T], object] = lambda result: None) -> T:
        """Calls a sharded model on all ranks; afterwards all of them return, or all raise.

        Args:
            action: what to do.
            compare: what of its result shows that the ranks went the same way.

        Raises:
            ArgumentError: an argument was refused, on all ranks or on some.
            RuntimeError: the action failed on some ranks only, after the last call that takes all of them.
            OutOfStepError: a rank did not come back, or came back another way.
        """
        failure: Exception | None = None
        try:
            result = action()
            report = _Report(str(compare(result)))
        except Exception as error:
            failure = error
            report = _Report(_place(error), described(error), isinstance(error, ArgumentError))
        reports = self._gather(report)
        failures = {rank: report.failure for rank, report in enumerate(reports) if report.failure is not None}
        refused = any(report.is_argument for report in reports)
        # Those that finished could not have without the others: every call that takes all ranks was made by all. What
        # is wrong with an argument ends the run, and in the same words everywhere.
        if 0 < len(failures) < len(reports) or (refused and len(set(reports)) > 1):
            kind = ArgumentError if refused else RuntimeError
            raise kind("; ".join(f"rank {rank}: {text}" for rank, text in failures.items()))
        ways = {report.way for report in reports}
        if len(ways) > 1:
            raise OutOfStepError(f"the ranks went different ways while looking at the model: {'; '.join(sorted(ways))}")
        if failure is not None:
            raise failure
        return result

    def as_known_everywhere(self) -> dict[str, Any]:
        """How to log a number that all ranks know: it is reduced over this rank alone, so that nobody waits.

        Told nothing, Lightning advises to reduce each number over all ranks.
        """
        if not (distributed.is_available() and distributed.is_initialized()):
            return {}
        if self._alone is None:
            try:
                self._alone = distributed.new_group([distributed.get_rank()], use_local_synchronization=True)
            except Exception:  # a backend that knows no such groups; the advice costs nobody anything
                return {}
        return {"sync_dist": True, "sync_dist_group": self._alone}

    def close(self) -> None:
        """Gives up the connections between the ranks."""
        for group in (self._group, self._alone):
            if group is not None and distributed.is_initialized():
                distributed.destroy_process_group(group)
        self._group = self._alone = None

    def _shared(self, make: Callable[[], T]) -> T:
        if self.is_main:
            try:
                value, failure = self._strategy.broadcast((make(), None))
            except Exception as error:  # also of what cannot be sent, which shows before anything is
                self._strategy.broadcast((None, _portable(error)))
                raise
        else:
            value, failure = self._strategy.broadcast(None)
        if failure is not None:
            raise failure
        result: T = value
        return result

    def _gather(self, mine: _Report) -> list[_Report]:
        """How every rank fared, over connections of our own: the strategy's may be held up by a rank that waits."""
        gathered: list[Any] = [None] * distributed.get_world_size()
        try:
            if self._group is None:
                self._group = distributed.new_group(backend="gloo", timeout=timedelta(seconds=PATIENCE_S))
            distributed.all_gather_object(gathered, mine, group=self._group)
        except Exception as error:
            here = "this one did" if mine.failure is None else f"this one failed: {mine.failure}"
            raise OutOfStepError(f"another rank did not finish looking at the model, {here}") from error
        return gathered


def _place(error: Exception) -> str:
    """Where it was raised: two ranks that fail in different places did not make the same calls before."""
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__))


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(described(error))
    return error
