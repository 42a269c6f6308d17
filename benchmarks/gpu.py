"""What a look costs on a GPU, and what it must leave alone there: ``python -m benchmarks.gpu``.

Of ResNet-50 at 224 px in bf16 with batches of 256: the share of an epoch, the memory, and calls in training steps that
wait for the device. Whether the weights are the same, to the bit, as without the callback: plain, under CUDA graphs of
``torch.compile(mode="reduce-overhead")``, with a recurrent layer of cuDNN, and where the look runs out of memory.
Two NCCL processes on one card are refused by NCCL itself ("Duplicate GPU detected"). Without CUDA it ends with a line.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
import warnings
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18, resnet50

from benchmarks.report import Bar, Report, machine
from benchmarks.training import quiet_trainer
from lightning_cnnviz import CNNVisualizer

_EPOCHS, _BATCH, _BATCHES, _IMAGENET = 6, 256, 20, 1_281_167


class Recurrent(nn.Module):
    """A convolution, and a recurrent layer over the rows of its maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.rows = nn.LSTM(8 * 64, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.conv(images)).permute(0, 2, 1, 3).flatten(2)
        scores: Tensor = self.head(self.rows(maps)[0][:, -1])
        return scores


class Classifier(LightningModule):
    """Trains any network on images in ten classes."""

    def __init__(self, net: nn.Module, compiled: bool = False) -> None:
        super().__init__()
        self.net = torch.compile(net, mode="reduce-overhead") if compiled else net

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.net(images)
        return scores

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", F.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


class Meter(Callback):
    """Seconds of each epoch, the most memory within and outside of training steps, and what waits for the device."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.in_steps = self.outside = self.waits = 0
        self._caught: Any = None

    def on_train_epoch_start(self, *arguments: Any) -> None:
        torch.cuda.synchronize()
        self.starts.append(time.perf_counter())

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.outside = max(self.outside, torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        self._caught = warnings.catch_warnings(record=True)
        self._said = self._caught.__enter__()
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")

    def on_train_batch_end(self, *arguments: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")
        self._caught.__exit__(None, None, None)
        self.waits += sum("synchroniz" in str(one.message) for one in self._said)
        self.in_steps = max(self.in_steps, torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()

    @property
    def epoch(self) -> float:
        """Seconds, of the epochs after the first."""
        return median(end - start for start, end in zip(self.starts[1:], self.starts[2:], strict=False))


def loader(images: int, side: int, batch_size: int) -> DataLoader[Any]:
    pictures = torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(pictures, torch.arange(images) % 10), batch_size)


def train(make: Any, data: DataLoader[Any], ours: list[Callback], compiled: bool = False, **options: Any) -> Any:
    """The hash of the weights after a training from fixed seeds, and the meter."""
    seed_everything(0, verbose=False)
    net, meter = make(), Meter()
    with tempfile.TemporaryDirectory() as directory:
        logger = TensorBoardLogger(directory)
        options = {"max_epochs": 2, "limit_val_batches": 1, "accelerator": "cuda", "devices": 1, **options}
        quiet_trainer(logger=logger, callbacks=[*ours, meter], **options).fit(Classifier(net, compiled), data, data)
    weights = b"".join(value.cpu().numpy().tobytes() for value in net.state_dict().values())
    return hashlib.sha256(weights).hexdigest(), meter


def measure() -> Report:
    """Trains each regime with the callback and without it."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    small, bars = loader(512, 64, 64), []
    regimes: list[tuple[str, Any, bool]] = [
        ("resnet18 on 64×64", lambda: resnet18(num_classes=10), False),
        ('the same under torch.compile(mode="reduce-overhead")', lambda: resnet18(num_classes=10), True),
        ("a recurrent layer of cuDNN", Recurrent, False),
    ]
    for name, make, compiled in regimes:
        watched, alone = (train(make, small, ours, compiled)[0] for ours in ([CNNVisualizer(on_error="raise")], []))
        bars.append(Bar(f"{name}: weights that differ by the callback", float(watched != alone), 0, unit=""))

    def make_resnet50() -> nn.Module:
        return resnet50(num_classes=10)

    large = loader(_BATCH * _BATCHES, 224, _BATCH)
    (_, watched), (_, alone) = (
        train(make_resnet50, large, ours, max_epochs=_EPOCHS, precision="bf16-mixed")
        for ours in ([CNNVisualizer()], [])
    )
    imagenet = alone.epoch * _IMAGENET / (_BATCH * _BATCHES)
    bars += [
        Bar(
            "resnet50: with a look − without, of an epoch of ImageNet",
            100 * (watched.epoch - alone.epoch) / imagenet,
            1,
            unit="%",
        ),
        Bar(
            "resnet50: memory outside of steps − the same without us, of a step's",
            100 * (watched.outside - alone.outside) / alone.in_steps,
            10,
            unit="%",
        ),
        Bar(
            "resnet50: calls in steps that wait for the device − the same without us",
            watched.waits - alone.waits,
            0,
            unit="",
        ),
    ]
    _, total = torch.cuda.mem_get_info()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 1.2 * alone.in_steps / total))
    many = [CNNVisualizer(samples=8 * _BATCH)]  # more than fits: one warning, and training goes on
    survived, expected = (train(make_resnet50, large, ours, precision="bf16-mixed")[0] for ours in (many, []))
    bars.append(Bar("a look that runs out of memory: weights that differ", float(survived != expected), 0, unit=""))
    return Report("GPU", bars, notes=[f"{torch.cuda.get_device_name()}; {machine()}"])


def main(arguments: list[str] | None = None) -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args(arguments)
    if not torch.cuda.is_available():
        print("benchmarks.gpu needs a CUDA device, and torch finds none: nothing was measured", file=sys.stderr)
        return 2
    print(measure())
    return 0


if __name__ == "__main__":
    sys.exit(main())
