"""Small models that each train in one way a guest could disturb."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torchmetrics import MeanMetric

from tests.helpers.training import SmallCNN


class TwoOptimizers(SmallCNN):
    """Manual optimisation: the backbone and the head take turns."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(F.cross_entropy(self(batch[0]), batch[1]))
            optimizer.step()

    def configure_optimizers(self) -> Any:
        backbone = [*self.stem.parameters(), *self.body.parameters()]
        return torch.optim.Adam(backbone, lr=0.01), torch.optim.SGD(self.head.parameters(), lr=0.1)


class StepsInBackward(SmallCNN):
    """Every parameter is stepped by its own optimizer as soon as its gradient is there: any ``backward()`` trains."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.steppers = {id(p): torch.optim.SGD([p], lr=0.05) for p in self.parameters()}
        for parameter in self.parameters():
            parameter.register_post_accumulate_grad_hook(self.step_one)

    def step_one(self, parameter: Tensor) -> None:
        self.steppers[id(parameter)].step()
        self.steppers[id(parameter)].zero_grad()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.manual_backward(F.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> None:
        return None


class FrozenBatchNorm(SmallCNN):
    """The first normalisation stays in evaluation mode while the rest trains."""

    def on_train_epoch_start(self) -> None:
        self.stem[1].eval()


class FrozenBackbone(FrozenBatchNorm):
    """Only the head learns."""

    def __init__(self) -> None:
        super().__init__()
        self.stem.requires_grad_(False)
        self.body.requires_grad_(False)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam((p for p in self.parameters() if p.requires_grad), lr=0.01)


class DrawsInForward(SmallCNN):
    """Draws from all three generators in every call, also in evaluation mode."""

    def forward(self, images: Tensor) -> Tensor:
        images = F.dropout(images, 0.3, training=True) * random.uniform(0.9, 1.1)
        return super().forward(images + 0.01 * float(np.random.normal()))  # noqa: NPY002 - what users' code draws from


class NoRunningStatistics(SmallCNN):
    """Normalises by the batch also in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.stem[1] = nn.BatchNorm2d(4, track_running_stats=False)


class CountsCalls(SmallCNN):
    """Counts its calls in a buffer, in an attribute and in a list, and lets the count change its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.called = 0
        self.brightness: list[float] = []
        self.running = torch.zeros(())
        self.stem.register_forward_hook(self.count)

    def count(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        self.calls += 1
        self.called += 1
        self.brightness.append(1.0)
        self.running += 0.1
        return output * (1 + 0.01 * self.calls + 0.001 * (self.called + len(self.brightness)) + 0.01 * self.running)


class ReassignsBuffer(SmallCNN):
    """Puts a new tensor into its buffer with every call; under inference mode autograd cannot save that tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", torch.ones(()))
        self.gain = torch.ones(())

    def forward(self, images: Tensor) -> Tensor:
        self.average = 0.9 * self.average + 0.1 * images.detach().abs().mean()
        self.gain = 0.9 * self.gain + 0.1 * self.average
        return super().forward(images * self.average * self.gain)


class LogsInForward(SmallCNN):
    """Logs from inside ``forward`` what a checkpoint and early stopping monitor."""

    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        if self._trainer is not None and self.trainer.training | self.trainer.validating:
            self.log("confidence", scores.detach().softmax(1).amax(1).mean(), on_step=False, on_epoch=True)
            self.log_dict({"spread": scores.detach().std()}, on_step=False, on_epoch=True)
        return scores


class MeasuresInForward(SmallCNN):
    """Feeds a metric in every call and lets it scale the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = MeanMetric()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.update(images.detach().abs())
        return super().forward(images) * self.seen.compute()


class BackwardHooks(SmallCNN):
    """Collects the norms of gradients passing by and clips the later ones by them."""

    def __init__(self) -> None:
        super().__init__()
        self.norms: list[float] = []
        self.body.register_full_backward_hook(self.clip)

    def clip(self, module: nn.Module, given: Any, received: Any) -> Any:
        self.norms.append(float(given[0].norm()))
        limit = sum(self.norms) / len(self.norms)
        return tuple(gradient * min(1.0, limit / (float(gradient.norm()) + 1e-6)) for gradient in given)


class Reparametrized(SmallCNN):
    """Spectral and weight normalisation, which compute the weights anew in every call."""

    def __init__(self) -> None:
        super().__init__()
        self.stem[0] = parametrizations.spectral_norm(self.stem[0])
        self.body[0] = parametrizations.weight_norm(self.body[0])
        self.head = nn.utils.spectral_norm(self.head)


class ChannelsLast(SmallCNN):
    """Weights and images in the memory format that GPUs like best."""

    def __init__(self) -> None:
        super().__init__()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.to(memory_format=torch.channels_last))


class HasLearningRate(SmallCNN):
    """Has an attribute for the finder of learning rates to set."""

    lr = 0.01

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class StepsScheduler(SmallCNN):
    """The learning rate falls when its own validation loss stagnates."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"}}
