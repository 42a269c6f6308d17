"""Looking at a model of which each rank holds a part: every rank makes the same calls, rank 0 draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from torch import Tensor, distributed, nn

from lightning_cnnviz.model.evidence import Evidence, Model, Procedure, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.targets import Target
from lightning_cnnviz.samples import FixedSamples

T = TypeVar("T")


class OutOfStepError(BaseException):
    """The ranks no longer make the same calls, so that training on would mix up their tensors.

    No Exception, because whoever goes on without a view that failed must not go on after this.
    """


class Ranks(Protocol):
    """The ranks that each hold a part of the model."""

    def same(self, value: str) -> bool:
        """Whether all of them have the same value."""

    def in_step(self, action: Callable[[], T], *, compare: Callable[[T], object] = ...) -> T:
        """Does something on all of them; afterwards all return, or all raise."""


class ProbeInStep(Probe):
    """A probe for a sharded model: all ranks call it alike, and all get an answer or all an error.

    Args:
        model: as for :class:`~lightning_cnnviz.model.probe.Probe`.
        ranks: those that hold the shards.
        options: as for :class:`~lightning_cnnviz.model.probe.Probe`.
    """

    def __init__(self, model: nn.Module, ranks: Ranks, **options: Any) -> None:
        super().__init__(model, **options)
        self._ranks = ranks

    def survey(self, samples: FixedSamples) -> Layout:
        """As of any probe."""
        survey = super().survey
        with _resharded(self._model):
            return self._recovering(lambda: survey(samples))

    def run(
        self,
        samples: FixedSamples,
        layout: Layout,
        request: Request,
        target: Target = "predicted",
        **options: Any,
    ) -> Evidence:
        """As of any probe."""
        run = super().run
        if not self._ranks.same(_signature(request)):
            raise RuntimeError("the ranks do not ask for the same: a view could not say what it needs on some of them")
        procedures = {key: self._in_step(procedure) for key, procedure in request.procedures.items()}
        request = dataclasses.replace(request, procedures=procedures)
        with _resharded(self._model):
            return self._recovering(
                lambda: run(samples, layout, request, target, **options),
                compare=lambda evidence: sorted(map(str, evidence.missing)),
            )

    def _in_step(self, procedure: Procedure) -> Procedure:
        def run(model: Model) -> Any:
            # Each rank has running statistics of its own, and a search that goes by scores would go different ways.
            for buffer in self._model.buffers():
                if type(buffer) is Tensor:
                    distributed.broadcast(buffer, src=0)
            return self._recovering(lambda: procedure(model))

        return run

    def _recovering(self, action: Callable[[], T], **comparison: Callable[[T], object]) -> T:
        try:
            return self._ranks.in_step(action, **comparison)
        except Exception as error:
            _recover(self._model, error)
            raise


@contextmanager
def _resharded(model: nn.Module) -> Iterator[None]:
    """Outside of training FSDP2 leaves the last parameters gathered; we must find them sharded, and leave them so.

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
