"""Settings and modes of torch, NumPy and Python, each as a switch."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module as _module

from lightning_cnnviz.guard.switches import Switch

_TINY = sys.float_info.min

_KERNELS = {
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

_KERNEL_SWITCHES = [
    Switch(f"torch's {getter}", getattr(torch._C, f"_get_{getter}"), getattr(torch._C, f"_set_{setter}"))
    for getter, setter in _KERNELS.items()
    if hasattr(torch._C, f"_get_{getter}")  # not every version of torch has them all
]

_kept: list[Any] = []  # an inference mode ends when its guard is collected


def settings() -> Iterator[Switch]:
    """What is set for the whole process."""
    yield Switch("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype)
    yield Switch("torch's default device", _default_device, _set_default_device)
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
    yield from _KERNEL_SWITCHES
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
    yield Switch("whether torch's hooks on all backward passes are full ones", _full_hooks, _set_full_hooks)
    dynamo = sys.modules.get("torch._dynamo.eval_frame")  # importing it takes a second
    if dynamo is not None:
        yield Switch("how torch compiles", lambda: dynamo._stance, dynamo._set_stance)


def modes() -> Iterator[Switch]:
    """What autograd and autocast are doing; what is taken down last is put back first."""
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


def _default_device() -> torch.device | None:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _set_default_device(device: torch.device | None) -> None:
    torch.set_default_device(device)
    if device is None:  # torch 2.6 takes a remembered None for a device when it is asked for the default
        del torch._GLOBAL_DEVICE_CONTEXT.device_context


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


def _full_hooks() -> bool | None:
    return _module._global_is_full_backward_hook


def _set_full_hooks(value: bool | None) -> None:
    _module._global_is_full_backward_hook = value


def _refill(hooks: dict[Any, Any], items: Sequence[tuple[Any, Any]]) -> None:
    hooks.clear()
    hooks.update(items)


def _set_environment(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name not in variables]:
        del os.environ[name]
    os.environ.update(variables)


ENVIRONMENT = Switch("the environment", lambda: dict(os.environ), _set_environment)
"""Apart from the others: loggers, which are opened while we are called, tell their processes by it."""
