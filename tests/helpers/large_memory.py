"""A small model whose memory the guard takes for large, and a look at it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.isolation import isolated

IMAGES = torch.ones(2, 8)


class Linear(nn.Module):
    """A layer that does something to its weight while it is called."""

    def __init__(self, write: Callable[[Tensor], object] = lambda weight: None) -> None:
        super().__init__()
        self.write = write
        self.weight = nn.Parameter(torch.eye(8))
        self.frozen = nn.Parameter(torch.ones(8, 8), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        self.write(self.weight)
        return x @ self.weight.t() @ self.frozen


def look(model: nn.Module) -> None:
    with isolated(model):
        images = IMAGES.clone().requires_grad_()
        torch.autograd.grad(model(images).sum(), images)


def from_a_thread(weight: Tensor) -> None:
    thread = threading.Thread(target=lambda: weight.data.add_(1.0))
    thread.start()
    thread.join()
