"""The boundary around every method that Lightning calls: what fails behind it costs the callback, and no run."""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from _pytest.outcomes import Failed
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from lightning.pytorch.utilities.exceptions import _TunerExitException

from lightning_cnnviz import CNNVisualizer, PrototypeCallback
from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.training.training_watching import Pace
from tests.helpers.sabotage import ERRORS, MISCHIEF

HOOKS = sorted(
    name for name in vars(CNNVisualizer) if inspect.isfunction(getattr(Callback, name, None)) and name[0] != "_"
)


class PanicException(BaseException):
    """As extensions written in Rust raise it."""


WHOLE = [name for name in HOOKS if name != "load_state_dict"]
"""All but the one whose parts fail one by one."""


class Hostile:
    """Raises, and meddles with the process before, whatever is asked of it."""

    def __init__(self, error: Callable[[], BaseException], mischief: Sequence[Callable[[], None]] = ()) -> None:
        self.__dict__.update(error=error, mischief=mischief)

    def _act(self, *_: Any) -> Any:
        for meddle in self.__dict__["mischief"]:
            meddle()
        raise self.__dict__["error"]()

    __getitem__ = __contains__ = __iter__ = __len__ = __bool__ = __eq__ = _act  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return self._act()


def called(hook: str, hostile: Hostile, **options: Any) -> Any:
    """What a hook of a callback returns of which everything around it is hostile."""
    callback = CNNVisualizer(**options)
    callback.membership.session = callback._validation._overhearing = hostile  # type: ignore[assignment]
    method = getattr(callback, hook)
    return method(**{name: 0 if name.endswith("_idx") else hostile for name in inspect.signature(method).parameters})


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    torch.set_grad_enabled(True)


def state_of_the_process() -> list[Any]:
    return [
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # type: ignore[index] # noqa: NPY002
        torch.is_grad_enabled(),
        torch.is_anomaly_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
    ]


def test_every_hook_is_tested() -> None:
    assert {"setup", "teardown", "state_dict", "load_state_dict", "on_exception", "on_train_start"} <= set(HOOKS)
    assert len(HOOKS) >= 14


def _mischief(hook: str) -> Sequence[Callable[[], None]]:
    if "batch" in hook:
        return ()  # they are called too often to be guarded as a whole: only what reads the batch is
    return MISCHIEF[:2] if hook == "load_state_dict" else MISCHIEF  # the last one makes errors of its warnings


@pytest.mark.parametrize("hook", HOOKS)
def test_what_fails_in_a_hook_costs_the_callback_and_no_run(hook: str) -> None:
    for error in (*ERRORS, CancelledError, PanicException):
        before = state_of_the_process()
        hostile = Hostile(error, _mischief(hook))
        with pytest.warns(UserWarning, match="CNNVisualizer") as told:
            assert called(hook, hostile) is None
        assert state_of_the_process() == before, error
        assert len(told) == 1 or hook == "load_state_dict", [str(one.message) for one in told]


@pytest.mark.parametrize("hook", WHOLE)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, Failed, _TunerExitException])
def test_what_is_no_failure_passes(hook: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        called(hook, Hostile(error))


@pytest.mark.parametrize("hook", WHOLE)
def test_a_refused_name_ends_the_run_in_lightnings_words(hook: str) -> None:
    with pytest.raises(MisconfigurationException, match="CNNVisualizer: no such layer"):
        called(hook, Hostile(lambda: ArgumentError("no such layer")))


@pytest.mark.parametrize("hook", WHOLE)
def test_for_debugging_it_is_raised(hook: str) -> None:
    with pytest.raises(ZeroDivisionError):
        called(hook, Hostile(ZeroDivisionError), on_error="raise")


class HostileOutputs(dict[str, Any]):
    """What a training step may return."""

    def get(self, *_: Any) -> Any:
        return Hostile(ZeroDivisionError, MISCHIEF)._act()


def test_batches_that_meddle_leave_the_process_as_it_was() -> None:
    trainer = SimpleNamespace(is_global_zero=True, current_epoch=0, optimizers=[])
    callback = PrototypeCallback()
    callback.watching.start(0)
    callback.membership.session = SimpleNamespace(  # type: ignore[assignment]
        trainer=trainer, callbacks=[], refresh=lambda: None
    )
    before = state_of_the_process()
    with pytest.warns(UserWarning, match="goes on without Prototypes"):
        callback.on_train_batch_start(trainer, None, Hostile(ZeroDivisionError, MISCHIEF), 0)  # type: ignore[arg-type]
    assert state_of_the_process() == before


def test_outputs_that_meddle_leave_the_process_as_it_was() -> None:
    callback = CNNVisualizer()
    callback.membership.session = SimpleNamespace(trainer=None, callbacks=[callback], pace=Pace(), refresh=lambda: None)  # type: ignore[assignment]
    before = state_of_the_process()
    with pytest.warns(UserWarning, match="training goes on without CNNVisualizer: ZeroDivisionError"):
        callback.on_train_batch_end(None, None, HostileOutputs(), None, 0)  # type: ignore[arg-type]
    assert state_of_the_process() == before


def test_a_dataset_that_meddles_leaves_the_process_as_it_was() -> None:
    callback = CNNVisualizer()
    before = state_of_the_process()
    callback.sampling._add(Hostile(ZeroDivisionError, MISCHIEF), object())
    assert isinstance(callback.sampling._unreadable, ZeroDivisionError)
    assert state_of_the_process() == before
