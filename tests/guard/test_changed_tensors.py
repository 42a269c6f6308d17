"""Whatever somebody changed of a tensor is noticed, and as before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.guard import saved_tensors as under_test
from lightning_cnnviz.guard.saved_tensors import SavedTensor

HOOKS: dict[str, Callable[[Tensor, Any], object]] = {
    "another": lambda tensor, handle: tensor.register_hook(print),
    "another on what is accumulated": lambda tensor, handle: tensor.register_post_accumulate_grad_hook(print),
    "none": lambda tensor, handle: handle.remove(),
}


@pytest.mark.parametrize("change", HOOKS)
def test_hooks_of_a_tensor_are_as_before(change: str) -> None:
    calls: list[Tensor] = []
    tensor = torch.ones(2, requires_grad=True)
    handle = tensor.register_hook(calls.append)
    saved = SavedTensor("", tensor)
    assert not saved.differs()

    HOOKS[change](tensor, handle)

    assert saved.differs()
    saved.restore()
    assert not saved.differs()
    tensor.sum().backward()
    assert len(calls) == 1
    assert under_test._tensor_hooks(tensor) == [{handle.id: calls.append}]


CHANGES: dict[str, Callable[[torch.Tensor], object]] = {
    "requires_grad": lambda tensor: tensor.requires_grad_(),
    "gradient": lambda tensor: setattr(tensor, "grad", torch.ones(2, 2)),
    "shape": lambda tensor: setattr(tensor, "data", torch.zeros(4)),
    "fewer rows": lambda tensor: setattr(tensor, "data", tensor.data[:1]),
    "dtype": lambda tensor: setattr(tensor, "data", tensor.data.view(torch.int32)),
    "strides": lambda tensor: setattr(tensor, "data", tensor.data.t()),
    "offset": lambda tensor: setattr(tensor, "data", torch.empty(0).set_(tensor.untyped_storage(), 1, (2, 2), (2, 1))),
    "storage": lambda tensor: setattr(tensor, "data", torch.zeros(2, 2)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tensor_that_lies_elsewhere_or_is_treated_otherwise_differs(change: str) -> None:
    numbers = torch.arange(8.0)
    tensor = torch.empty(0).set_(numbers.untyped_storage(), 0, (2, 2), (2, 1))
    saved = SavedTensor("", tensor)
    assert not saved.differs()

    CHANGES[change](tensor)

    assert saved.differs()
    saved.restore()
    assert not saved.differs()
    assert tensor.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert (tensor.dtype, tensor.grad, tensor.requires_grad) == (torch.float32, None, False)
