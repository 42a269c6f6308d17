"""The state of the process: random numbers, modes and switches, which belong to the training."""

from __future__ import annotations

import pickle
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module as _module

from lightning_cnnviz.guard.restoring import Saved, restored

_TINY = sys.float_info.min


def process_state_preserved() -> AbstractContextManager[None]:
    """Puts back afterwards whatever code of others does to the process inside, also after an exception.

    Put back are the random numbers of torch, CUDA, NumPy and Python; gradient, inference and anomaly mode; autocast;
    default dtype and device; the numbers of threads; the switches of determinism, precision and kernels; hooks for all
    modules; how to compile; filters of warnings, and what NumPy does about errors. Working directory, environment,
    files and signal handlers are not ours.
    """
    return restored(saved_process_state)


def saved_process_state() -> list[Saved]:
    """All of the process's state as it is now."""
    found: list[Saved] = []
    for switch in _switches():
        # Not every version of torch has them all, and some refuse to be read beside settings of newer ones.
        with suppress(AttributeError, RuntimeError):
            found.append(SavedSwitch(switch))
    return found


def seed(number: int) -> None:
    """Seeds every random number generator that is in use."""
    # The generators themselves: torch.manual_seed would also queue a seed for a CUDA that is not initialised yet.
    for generator in _torch_generators():
        generator.manual_seed(number)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - the generator that users' transforms draw from


@dataclass(frozen=True)
class Switch:
    """One thing that a process has once.

    Attributes:
        name: for the user.
        read: what it is.
        write: makes it what it was.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


class SavedSwitch:
    """A switch as it was."""

    def __init__(self, switch: Switch) -> None:
        self.name = switch.name
        self._switch = switch
        self._value = switch.read()

    def differs(self) -> bool:
        """Whether it is set otherwise now."""
        return bool(self._switch.read() != self._value)

    def restore(self) -> None:
        """Sets it, if it is set otherwise."""
        if self.differs():
            self._switch.write(self._value)


_C_SETTINGS = {
    "cudnn_enabled": "cudnn_enabled",
    "cudnn_benchmark": "cudnn_benchmark",
    "cudnn_deterministic": "cudnn_deterministic",
    "cudnn_allow_tf32": "cudnn_allow_tf32",
    "cublas_allow_tf32": "cublas_allow_tf32",
    "cublas_allow_fp16_reduced_precision_reduction": "cublas_allow_fp16_reduced_precision_reduction",
    "cublas_allow_bf16_reduced_precision_reduction": "cublas_allow_bf16_reduced_precision_reduction",
    "cublas_allow_fp16_accumulation": "cublas_allow_fp16_accumulation",
    "float32_matmul_precision": "float32_matmul_precision",
    "mkldnn_enabled": "mkldnn_enabled",
    "mkldnn_deterministic": "mkldnn_deterministic",
    "onednn_allow_tf32": "onednn_allow_tf32",
    "nnpack_enabled": "nnpack_enabled",
    "flash_sdp_enabled": "sdp_use_flash",
    "mem_efficient_sdp_enabled": "sdp_use_mem_efficient",
    "math_sdp_enabled": "sdp_use_math",
    "cudnn_sdp_enabled": "sdp_use_cudnn",
    "math_sdp_allow_fp16_bf16_reduction": "math_sdp_allow_fp16_bf16_reduction",
    "deterministic_fill_uninitialized_memory": "deterministic_fill_uninitialized_memory",
}
"""Settings of torch's kernels: the names under which its C module gets and sets them."""

_kept: list[Any] = []  # an inference mode ends when its guard is collected


def _switches() -> Iterator[Switch]:
    """Every switch, those first whose writing needs nothing of the others: the last is put back first."""
    yield Switch("the random numbers of Python", random.getstate, random.setstate)
    yield Switch("the random numbers of NumPy", _numpy_state, _set_numpy_state)
    for number, generator in enumerate(_torch_generators()):
        yield Switch(
            f"random numbers of torch, generator {number} on {generator.device}",
            lambda generator=generator: _state_of(generator),  # type: ignore[misc]
            lambda state, generator=generator: _set_state_of(generator, state),  # type: ignore[misc]
        )
    yield from _settings()
    yield from _modes()


def _settings() -> Iterator[Switch]:
    yield Switch("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype)
    yield Switch("torch's default device", _default_device, torch.set_default_device)
    yield Switch("torch's number of threads", torch.get_num_threads, torch.set_num_threads)
    yield Switch("flushing of denormal numbers", lambda: _TINY / 2 == 0, torch.set_flush_denormal)
    yield Switch(
        "torch's deterministic algorithms",
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    )
    for getter, setter in _C_SETTINGS.items():
        yield Switch(
            f"torch's {getter}",
            lambda getter=getter: getattr(torch._C, f"_get_{getter}")(),  # type: ignore[misc]
            lambda value, setter=setter: getattr(torch._C, f"_set_{setter}")(value),  # type: ignore[misc]
        )
    if torch.cuda.is_initialized():
        yield Switch("the current CUDA device", torch.cuda.current_device, torch.cuda.set_device)
    yield Switch("what NumPy does about errors", np.geterr, lambda value: np.seterr(**value))
    yield Switch("the filters of warnings", _warning_filters, _set_warning_filters)
    for name, hooks in vars(_module).items():
        if name.startswith("_global_") and isinstance(hooks, dict):
            yield Switch(
                f"torch's {name}",
                lambda hooks=hooks: [*hooks.items()],  # type: ignore[misc]
                lambda items, hooks=hooks: _refill(hooks, items),  # type: ignore[misc]
            )
    dynamo = sys.modules.get("torch._dynamo.eval_frame")  # importing it takes a second
    if dynamo is not None:
        yield Switch("how torch compiles", lambda: dynamo._stance, dynamo._set_stance)


def _modes() -> Iterator[Switch]:
    yield Switch(
        "anomaly mode",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: torch.set_anomaly_enabled(*value),
    )
    for device in ("cpu", "cuda"):
        yield Switch(
            f"autocast on {device}",
            lambda device=device: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)),  # type: ignore[misc]
            lambda value, device=device: _set_autocast(device, *value),  # type: ignore[misc]
        )
    yield Switch("the cache of autocast", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled)
    yield Switch("the nesting of autocast", _autocast_nesting, _set_autocast_nesting)
    yield Switch(
        "gradients in several threads",
        torch._C._is_multithreading_enabled,
        torch._C._set_multithreading_enabled,
    )
    yield Switch("forward gradients", torch._C._is_fwd_grad_enabled, torch._C._set_fwd_grad_enabled)
    yield Switch("gradient mode", torch.is_grad_enabled, torch._C._set_grad_enabled)
    # Leaving it sets the gradient modes as well, which therefore stand before it.
    yield Switch("inference mode", torch.is_inference_mode_enabled, _set_inference_mode)


def _torch_generators() -> Sequence[torch.Generator]:
    generators = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators += torch.cuda.default_generators
    if torch.backends.mps.is_available():
        generators.append(torch.mps._get_default_mps_generator())
    return generators


def _state_of(generator: torch.Generator) -> bytes:
    return generator.get_state().numpy().tobytes()


def _set_state_of(generator: torch.Generator, state: bytes) -> None:
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _numpy_state() -> bytes:
    return pickle.dumps(np.random.get_state(legacy=False))  # noqa: NPY002


def _set_numpy_state(state: bytes) -> None:
    np.random.set_state(pickle.loads(state))  # noqa: NPY002


def _default_device() -> torch.device | None:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _set_autocast(device: str, enabled: bool, dtype: torch.dtype) -> None:
    torch.set_autocast_enabled(device, enabled)
    torch.set_autocast_dtype(device, dtype)


def _autocast_nesting() -> int:
    torch.autocast_increment_nesting()
    return int(torch.autocast_decrement_nesting())


def _set_autocast_nesting(nesting: int) -> None:
    while _autocast_nesting() > nesting:
        torch.autocast_decrement_nesting()
    while _autocast_nesting() < nesting:
        torch.autocast_increment_nesting()
    if nesting == 0:  # as when autocast ends in the ordinary way: the weights it has cast will be trained on
        torch.clear_autocast_cache()


def _set_inference_mode(enabled: bool) -> None:
    guard = torch._C._InferenceMode(enabled)
    _kept.append(guard)
    guard.__enter__()


def _warning_filters() -> tuple[Any, ...]:
    return warnings.filters, [*warnings.filters], warnings.showwarning


def _set_warning_filters(value: tuple[Any, ...]) -> None:
    filters, entries, show = value
    filters[:] = entries
    warnings.filters, warnings.showwarning = filters, show
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _refill(hooks: dict[Any, Any], items: Sequence[tuple[Any, Any]]) -> None:
    hooks.clear()
    hooks.update(items)
