"""How the ranks of a distributed run look at a model together, without one ever waiting for another for good."""

from __future__ import annotations

import dataclasses
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from torch import distributed, nn

from lightning_cnnviz.artifacts import Artifact
from lightning_cnnviz.evidence import Evidence, Procedure, Request
from lightning_cnnviz.layers import Layout
from lightning_cnnviz.probe import Probe, Progress
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.targets import Target
from lightning_cnnviz.views import View

T = TypeVar("T")

PATIENCE_S = 300.0
"""How long a rank waits for the others. Within a pass they are one layer apart at most; in between rank 0 draws."""

_SHARDED_STRATEGIES = {"FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy"}


class OutOfStepError(BaseException):
    """The ranks no longer make the same calls, so that training on would mix up their tensors.

    No Exception, because whoever goes on without a view that failed must not go on after this.
    """


@dataclass(frozen=True)
class _Report:
    """How a rank fared: the way it went, and what stopped it."""

    way: str
    failure: str | None = None


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
        self.sharded = any(base.__name__ in _SHARDED_STRATEGIES for base in type(strategy).__mro__)

    @property
    def draws(self) -> bool:
        """Whether this rank decides, draws and writes."""
        return bool(self._strategy.is_global_zero)

    @property
    def looks(self) -> bool:
        """Whether this rank calls the model during a look."""
        return self.draws or self.sharded

    def follow(self, decide: Callable[[], T]) -> T:
        """What rank 0 decides, on all ranks that look; an error of it is raised on all of them."""
        return self._shared(decide) if self.sharded else decide()

    def agree(self, action: Callable[[], None]) -> None:
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
            RuntimeError: the action failed on some ranks only, after the last call that takes all of them.
            OutOfStepError: a rank did not come back, or came back another way.
        """
        failure: Exception | None = None
        try:
            result = action()
            report = _Report(str(compare(result)))
        except Exception as error:
            failure = error
            report = _Report(_place(error), f"{type(error).__name__}: {error}")
        reports = self._gather(report)
        failures = {rank: report.failure for rank, report in enumerate(reports) if report.failure is not None}
        if 0 < len(failures) < len(reports):
            # Those that finished could not have without the others: every call that takes all ranks was made by all.
            raise RuntimeError("; ".join(f"rank {rank}: {text}" for rank, text in failures.items()))
        ways = {report.way for report in reports}
        if len(ways) > 1:
            raise OutOfStepError(f"the ranks went different ways while looking at the model: {'; '.join(sorted(ways))}")
        if failure is not None:
            raise failure
        return result

    def close(self) -> None:
        """Gives up the connection between the ranks."""
        if self._group is not None and distributed.is_initialized():
            distributed.destroy_process_group(self._group)
        self._group = None

    def _shared(self, make: Callable[[], T]) -> T:
        made: Any = None
        if self.draws:
            try:
                made = (make(), None)
            except Exception as error:
                self._strategy.broadcast((None, _portable(error)))
                raise
        value, failure = self._strategy.broadcast(made)
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


@dataclass(frozen=True)
class Plan:
    """What rank 0 decided about one look.

    Attributes:
        step: where it is written.
        epoch: the epoch looked at, None for the untrained model.
        due: for each callback, in their order on the Trainer, the positions of its views that are due, each with what
            that view remembers on rank 0; the latter is empty where only rank 0 looks.
    """

    step: int
    epoch: int | None
    due: list[dict[int, dict[str, Any]]]


class ProbeInStep(Probe):
    """A probe for a sharded model: all ranks call it alike, and all get an answer or all an error.

    Args:
        model: as for :class:`~lightning_cnnviz.probe.Probe`.
        ranks: those that hold the shards.
        output_key: as for :class:`~lightning_cnnviz.probe.Probe`.
        progress: as for :class:`~lightning_cnnviz.probe.Probe`.
    """

    def __init__(
        self, model: nn.Module, ranks: Ranks, *, output_key: int | str | None = None, progress: Progress | None = None
    ) -> None:
        super().__init__(model, output_key=output_key, progress=progress)
        self._ranks = ranks

    def survey(self, samples: FixedSamples) -> Layout:
        """As of any probe."""
        survey = super().survey
        with _resharded(self._model):
            return self._recovering(lambda: survey(samples))

    def look(
        self,
        samples: FixedSamples,
        layout: Layout,
        request: Request,
        target: Target = "predicted",
        **options: Any,
    ) -> Evidence:
        """As of any probe."""
        look = super().look
        if not self._ranks.same(_signature(request)):
            raise RuntimeError("the ranks do not ask for the same: a view could not say what it needs on some of them")
        procedures = {key: self._in_step(procedure) for key, procedure in request.procedures.items()}
        request = dataclasses.replace(request, procedures=procedures)
        with _resharded(self._model):
            return self._recovering(
                lambda: look(samples, layout, request, target, **options),
                compare=lambda evidence: sorted(map(str, evidence.missing)),
            )

    def _in_step(self, procedure: Procedure) -> Procedure:
        return lambda model: self._recovering(lambda: procedure(model))

    def _recovering(self, action: Callable[[], T], **comparison: Callable[[T], object]) -> T:
        try:
            return self._ranks.in_step(action, **comparison)
        except Exception as error:
            _recover(self._model, error)
            raise


class Undrawn(View):
    """A view on a rank that leaves the drawing to rank 0.

    Args:
        view: the same view on this rank.
        state: what it remembers on rank 0.
    """

    def __init__(self, view: View, state: Mapping[str, Any]) -> None:
        super().__init__()
        self._view, self._state = view, state

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        """As of the view on rank 0."""
        self._view.load_state_dict(self._state)
        return self._view.request(layout, samples)

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        """Nothing."""
        return iter(())


@contextmanager
def _resharded(model: nn.Module) -> Iterator[None]:
    """Outside of training FSDP2 leaves the last parameters gathered; the guest must find and leave them sharded.

    It puts back the very parameters that it found. If FSDP meanwhile freed or gathered them, what it believes of the
    model and what the model holds would differ, and training would go on with stale weights.
    """
    _reshard(model)
    try:
        yield
    finally:
        _reshard(model)


def _reshard(model: nn.Module) -> None:
    for module in _sharded_modules(model):
        module.reshard()


def _recover(model: nn.Module, error: Exception) -> None:
    """Takes FSDP2 out of a forward pass that was broken off."""
    inside: set[nn.Module] = set()
    for module in _sharded_modules(model):
        if not hasattr(module, "reset_iter_state"):
            raise OutOfStepError("this version of torch cannot recover a sharded model from a failed pass") from error
        if module not in inside:
            module.reset_iter_state()
            inside.update(module.modules())


def _sharded_modules(model: nn.Module) -> list[Any]:
    """The modules that FSDP2 shards, outermost first."""
    return [module for module in model.modules() if any(base.__name__ == "FSDPModule" for base in type(module).__mro__)]


def _signature(request: Request) -> str:
    """What a request asks for, in an order that is the same in every process."""
    values = [(item.name, getattr(request, item.name)) for item in dataclasses.fields(request)]
    return str([(name, sorted(map(str, v)) if isinstance(v, (Set, Mapping)) else v) for name, v in values])


def _place(error: Exception) -> str:
    """Where it was raised: two ranks that fail in different places did not make the same calls before."""
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__))


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
