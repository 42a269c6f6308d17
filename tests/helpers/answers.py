"""A model that answers what it is told."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Says(nn.Module):
    """Returns given answers (N, ...) in turn, whatever the images (*, 1, H, W) show, by way of a convolution."""

    def __init__(self, answers: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.answers = nn.Parameter(answers)

    def forward(self, images: Tensor) -> Tensor:
        which = torch.arange(len(images)) % len(self.answers)
        nothing = self.conv(images).mean(dim=(1, 2, 3)) * 0
        return self.answers[which] + nothing.reshape(-1, *[1] * (self.answers.ndim - 1))

    def say(self, answers: Tensor) -> None:
        """Answers something else from now on."""
        self.answers.data.copy_(answers)
