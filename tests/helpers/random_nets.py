"""The net that random trainings train, in one of many ways."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from tests.helpers.quirks import CHANNELS, QUIRKS
from tests.helpers.training import CLASSES

if TYPE_CHECKING:
    from tests.helpers.random_runs import Recipe


class Net(LightningModule):
    """Two convolutions with odd layers in between, trained in one of many ways."""

    def __init__(self, plan: Recipe) -> None:
        super().__init__()
        self.plan = plan
        self.stem = nn.Sequential(nn.Conv2d(1, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS), nn.ReLU(inplace=True))
        self.odd = nn.Sequential(*(QUIRKS[name]() for name in plan.quirks))
        self.body = nn.Sequential(nn.Conv2d(CHANNELS, 6, 3, stride=2), nn.ReLU(inplace=True))
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(6, CLASSES)
        self.automatic_optimization = plan.optimizer != "manual"
        self.in_step = False
        self.outside: Callable[[Tensor], Any] | None = None
        self.hook_act: Callable[..., None] | None = None

    def forward(self, images: Tensor) -> Any:
        features = self.body(self.odd(self.stem(images)))
        scores = self.head(self.drop(features.mean(dim=(2, 3))))
        if self.plan.logs and self._trainer is not None and self.in_step:
            self.log("confidence", scores.detach().float().softmax(1).amax(1).mean(), on_epoch=True)
        if not self.in_step and self.outside is not None:
            return self.outside(scores)
        return scores

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if self.hook_act is not None and _asked_by_us():
            self.hook_act()
        return [batch[0] * 1.5 - 0.5, batch[1]]

    def loss(self, batch: Any) -> Tensor:
        self.in_step = True
        try:
            images, labels = batch
            if not (self.plan.penalty and torch.is_grad_enabled()):
                return F.cross_entropy(self(images), labels)
            images = images.clone().requires_grad_()
            loss = F.cross_entropy(self(images), labels)
            [gradient] = torch.autograd.grad(loss, images, create_graph=True)
            return loss + 0.1 * gradient.pow(2).sum()
        finally:
            self.in_step = False

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        if self.automatic_optimization:
            return loss
        for number, optimizer in enumerate(self.optimizers()):  # type: ignore[arg-type]
            optimizer.zero_grad()
            self.manual_backward(loss if number == 0 else self.loss(batch))
            optimizer.step()
        return None

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", self.loss(batch))

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        if self.plan.optimizer != "sam":
            return super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer_closure()
        with torch.no_grad():
            moved = [
                (parameter, 0.05 * parameter.grad.sign())
                for parameter in self.parameters()
                if parameter.grad is not None
            ]
            for parameter, step in moved:
                parameter.add_(step)
        optimizer_closure()
        with torch.no_grad():
            for parameter, step in moved:
                parameter.sub_(step)
        optimizer.step(closure=lambda: None)
        return None

    def configure_optimizers(self) -> Any:
        learnt = [parameter for parameter in self.parameters() if parameter.requires_grad]
        match self.plan.optimizer:
            case "sgd":
                return torch.optim.SGD(learnt, lr=0.05, momentum=0.9)
            case "adamw":
                optimizer = torch.optim.AdamW(learnt, lr=0.01, amsgrad=True, foreach=True)
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]
            case "lbfgs":
                return torch.optim.LBFGS(learnt, lr=0.1, max_iter=2)
            case "schedule_free":
                return ScheduleFree(learnt)
            case "manual":
                return torch.optim.Adam(learnt[:-2], lr=0.01), torch.optim.SGD(learnt[-2:], lr=0.1)
        return torch.optim.Adam(learnt, lr=0.01)

    def _turn(self, *, training: bool) -> None:
        for optimizer in self.trainer.optimizers:
            if isinstance(optimizer, ScheduleFree):
                optimizer.turn(training=training)

    def on_train_epoch_start(self) -> None:
        self._turn(training=True)

    def on_validation_epoch_start(self) -> None:
        self._turn(training=False)

    def on_validation_epoch_end(self) -> None:
        self._turn(training=True)


def _asked_by_us() -> bool:
    return any(
        frame.f_globals.get("__name__", "").startswith("lightning_cnnviz.training.batch_hooks")
        for frame, _ in traceback.walk_stack(None)
    )


class ScheduleFree(torch.optim.Optimizer):
    """Trains at one point and is evaluated at the average of all: the parameters are exchanged in between."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.05})
        self.training = True

    def turn(self, *, training: bool) -> None:
        """Exchanges the parameters with their averages."""
        if training != self.training:
            self.training = training
            for parameter, state in self.state.items():
                state["other"], parameter.data = parameter.data, state["other"]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["other"] = parameter.detach().clone()
                parameter.sub_(parameter.grad, alpha=group["lr"])
                state["other"].lerp_(parameter, 0.3)
        return loss
