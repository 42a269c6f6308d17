"""What projects that people train compute, with small networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from tests.helpers.model_shapes import ModelOutput, Net, logits


class Task(LightningModule):
    """A network with its loss.

    Args:
        model: the network.
        loss: from this module and a batch.
        call: what ``forward`` does; without it the network gets what ``forward`` is given.
    """

    def __init__(
        self, model: nn.Module, loss: Callable[[Any, Any], Tensor], call: Callable[..., Any] | None = None
    ) -> None:
        super().__init__()
        self.model, self._loss, self._call = model, loss, call

    def forward(self, *given: Any, **named: Any) -> Any:
        return self.model(*given, **named) if self._call is None else self._call(self.model, *given, **named)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._loss(self, batch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self._loss(self, batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Adversarial(LightningModule):
    """A generator of latent vectors and a network that tells its images from others, trained by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(8, 8 * 64), nn.Unflatten(1, (8, 8, 8)), nn.ConvTranspose2d(8, 3, 2, 2))
        self.discriminator = Net(logits, width=1)

    def forward(self, latent: Tensor) -> Any:
        return self.generator(latent)

    def _loss(self, batch: Any) -> Tensor:
        made = self(torch.ones(len(batch[0]), 8))
        return F.softplus(-self.discriminator(batch[0])).mean() + F.softplus(self.discriminator(made)).mean()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self._loss(batch))
        optimizer.step()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self._loss(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def classified(task: Any, batch: Any) -> Tensor:
    return F.cross_entropy(task(batch[0]), batch[1])


def with_frozen_backbone() -> Net:
    net = Net(logits)
    net.early.requires_grad_(False)
    net.late.requires_grad_(False)
    return net


def contrasted(task: Any, batch: Any) -> Tensor:
    first, second = (F.normalize(task(view), dim=1) for view in batch[0])
    return F.cross_entropy(first @ second.T / 0.1, torch.arange(len(first)))


def labelled(model: Any, pixel_values: Tensor, labels: Tensor | None = None) -> ModelOutput:
    """As HuggingFace's classes answer."""
    return ModelOutput(model.scores(pixel_values))


def variational(model: Any, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return model.decoded(images), model.mean(model.pooled(images)), model.spread(model.pooled(images))


def transcribed(task: Any, batch: Any) -> Tensor:
    columns = task(batch[0])
    lengths = torch.full((len(batch[0]),), len(columns))
    return F.ctc_loss(columns, batch[1], lengths, torch.full((len(batch[0]),), batch[1].shape[1]))


def columns_first(model: Any, images: Tensor) -> Tensor:
    """Scores of letters as CTC takes them: columns, then samples."""
    letters: Tensor = model.decoded(images).mean(dim=2).permute(2, 0, 1).log_softmax(dim=2)
    return letters


def similarity(model: Any, first: Tensor, second: Tensor) -> Tensor:
    return F.cosine_similarity(model.pooled(first), model.pooled(second))
