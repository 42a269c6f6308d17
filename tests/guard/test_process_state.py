"""Whatever code of others does to the process comes back: each switch, however the code ends."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.modules import module

from lightning_cnnviz.guard import process_state, settings
from lightning_cnnviz.guard.process_state import process_state_preserved, seed
from lightning_cnnviz.guard.switches import Switch


def drawn() -> list[float]:
    return [random.random(), float(np.random.randn()), float(torch.rand(()))]  # noqa: NPY002


def test_what_is_drawn_inside_changes_nothing_outside_even_after_an_error() -> None:
    @process_state_preserved()
    def draw_and_fail() -> None:
        seed(7)
        drawn()
        raise KeyError

    with process_state_preserved():
        expected = drawn()
    with pytest.raises(KeyError):
        draw_and_fail()
    assert drawn() == expected


def test_a_seed_makes_every_generator_repeat() -> None:
    with process_state_preserved():
        seed(3)
        first = drawn()
        seed(3)
        assert drawn() == first
        seed(4)
        assert all(a != b for a, b in zip(drawn(), first, strict=True))


def enter_for_good(context: Any) -> None:
    """As code does that raises between entering and leaving."""
    _open.append(context)
    context.__enter__()


_open: list[Any] = []  # never emptied: inference mode ends when its context is collected


def set_flag(owner: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(owner, name, value)


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "python's random numbers": (lambda: random.seed(3), random.getstate),
    "numpy's random numbers": (np.random.randn, lambda: str(np.random.get_state())),  # noqa: NPY002
    "torch's random numbers": (lambda: torch.rand(1), lambda: torch.get_rng_state().tolist()),
    "default dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "default device": (lambda: torch.set_default_device("meta"), lambda: str(torch.get_default_device())),
    "threads": (lambda: torch.set_num_threads(2), torch.get_num_threads),
    "denormal numbers": (lambda: torch.set_flush_denormal(True), lambda: sys.float_info.min / len("ab")),
    "determinism": (
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        torch.get_deterministic_debug_mode,
    ),
    "matmul precision": (lambda: torch.set_float32_matmul_precision("medium"), torch.get_float32_matmul_precision),
    "cudnn's benchmark": (
        set_flag(torch.backends.cudnn, "benchmark", True),
        lambda: torch.backends.cudnn.benchmark,
    ),
    "mkldnn": (lambda: torch._C._set_mkldnn_enabled(False), lambda: torch.backends.mkldnn.enabled),
    "kernels of attention": (
        lambda: torch.backends.cuda.enable_flash_sdp(False),
        torch.backends.cuda.flash_sdp_enabled,
    ),
    "numpy's errors": (lambda: np.seterr(divide="raise"), np.geterr),
    "filters of warnings": (lambda: warnings.simplefilter("error", BytesWarning), lambda: [*warnings.filters]),
    "showing of warnings": (set_flag(warnings, "showwarning", print), lambda: warnings.showwarning),
    "hooks for all modules": (
        lambda: module.register_module_forward_hook(lambda *_: None),
        lambda: [*module._global_forward_hooks],
    ),
    "hooks on the backward pass of all modules": (
        lambda: module.register_module_full_backward_hook(lambda *_: None),
        lambda: ([*module._global_backward_hooks], module._global_is_full_backward_hook),
    ),
    "anomaly mode's search for what is no number": (
        lambda: torch.set_anomaly_enabled(False, False),
        torch.is_anomaly_check_nan_enabled,
    ),
    "autocast's dtype on CUDA": (
        lambda: torch.set_autocast_dtype("cuda", torch.bfloat16),
        lambda: torch.get_autocast_dtype("cuda"),
    ),
    "gradients in several threads": (
        lambda: torch._C._set_multithreading_enabled(False),
        torch._C._is_multithreading_enabled,
    ),
    "forward gradients": (lambda: torch._C._set_fwd_grad_enabled(False), torch._C._is_fwd_grad_enabled),
    "anomaly mode": (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
    "autocast": (
        lambda: enter_for_good(torch.autocast("cpu", torch.bfloat16)),
        lambda: torch.is_autocast_enabled("cpu"),
    ),
    "autocast's nesting": (lambda: enter_for_good(torch.autocast("cpu")), settings._autocast_nesting),
    "autocast's dtype": (
        lambda: torch.set_autocast_dtype("cpu", torch.float16),
        lambda: torch.get_autocast_dtype("cpu"),
    ),
    "autocast's cache": (lambda: torch.set_autocast_cache_enabled(False), torch.is_autocast_cache_enabled),
    "gradient mode": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "gradient mode entered": (lambda: enter_for_good(torch.no_grad()), torch.is_grad_enabled),
    "inference mode": (lambda: enter_for_good(torch.inference_mode()), torch.is_inference_mode_enabled),
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection", "ignore:In CPU autocast")
@pytest.mark.parametrize("ending", [None, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("what", CHANGES)
def test_a_switch_comes_back(what: str, ending: type[BaseException] | None) -> None:
    change, look = CHANGES[what]
    before = look()
    seen = None
    try:
        with process_state_preserved():
            change()
            seen = look()
            if ending is not None:
                raise ending
    except (ValueError, KeyboardInterrupt):
        pass

    assert seen != before, "the change is none"
    assert look() == before


def test_determinism_that_only_warns_only_warns_again() -> None:
    with process_state_preserved():
        torch.use_deterministic_algorithms(True, warn_only=True)
        with process_state_preserved():
            torch.use_deterministic_algorithms(True, warn_only=False)
        assert torch.get_deterministic_debug_mode() == 1  # 0 is silent, 2 raises


def test_a_default_device_that_was_never_set_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", raising=False)
    with process_state_preserved():
        torch.set_default_device("meta")
    assert not hasattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context")


@pytest.mark.parametrize("error", [AttributeError, RuntimeError])
def test_a_switch_that_cannot_be_read_costs_the_others_nothing(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise error

    values = [1]
    other = Switch("other", lambda: values[0], lambda value: values.__setitem__(0, value))
    switches = [Switch("refuses", refuse, values.append), other]
    monkeypatch.setattr(process_state, "settings", lambda: iter(switches))
    with process_state_preserved():
        values[0] = 2
    assert values == [1]


def test_what_was_preserved_in_inference_mode_is_in_inference_mode_again() -> None:
    with torch.inference_mode():
        with process_state_preserved():
            torch.set_grad_enabled(True)
            enter_for_good(torch.inference_mode(False))
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_weights_that_autocast_left_open_has_cast_are_cast_anew() -> None:
    # It keeps a copy of each weight until it ends; training would go on with the copies of an earlier step.
    layer, images = torch.nn.Linear(4, 4), torch.ones(1, 4)
    with process_state_preserved():
        enter_for_good(torch.autocast("cpu", torch.bfloat16))
        layer(images)
    with torch.no_grad():
        layer.weight.add_(1)

    with torch.autocast("cpu", torch.bfloat16):
        found = layer(images)

    assert torch.equal(found, (images @ layer.weight.T.bfloat16().float() + layer.bias).bfloat16())


FLAGS = (
    *("cudnn_enabled", "cudnn_benchmark", "cudnn_deterministic", "cudnn_allow_tf32", "cublas_allow_tf32"),
    *("mkldnn_enabled", "mkldnn_deterministic", "nnpack_enabled", "flash_sdp_enabled"),
    *("mem_efficient_sdp_enabled", "math_sdp_enabled", "cudnn_sdp_enabled", "math_sdp_allow_fp16_bf16_reduction"),
    "deterministic_fill_uninitialized_memory",
)
"""Switches of torch's kernels, by the names under which they are read."""


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if hasattr(torch._C, f"_get_{flag}")])
def test_each_switch_of_the_kernels_comes_back(flag: str) -> None:
    read = getattr(torch._C, f"_get_{flag}")
    setter = (
        f"_set_{flag}" if hasattr(torch._C, f"_set_{flag}") else f"_set_sdp_use_{flag.removesuffix('_sdp_enabled')}"
    )
    before = read()
    with process_state_preserved():
        getattr(torch._C, setter)(not before)
        assert read() != before
    assert read() == before


def test_a_warning_that_was_given_inside_is_given_again_outside() -> None:
    # Python remembers where it has warned until the filters change.
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for inside in (True, False):
            with process_state_preserved():
                if inside:
                    warnings.simplefilter("ignore", BytesWarning)
                    warn_once()
            if not inside:
                warn_once()
    assert len(told) == 2


def warn_once() -> None:
    warnings.warn("once for each place", UserWarning, stacklevel=1)


@pytest.mark.slow
def test_how_torch_compiles_comes_back() -> None:
    import torch._dynamo.eval_frame as dynamo

    before = dynamo._stance
    with process_state_preserved():
        torch.compiler.set_stance("force_eager")
        assert dynamo._stance != before
    assert dynamo._stance == before
