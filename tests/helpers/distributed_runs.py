"""What the ranks of a distributed run do in tests; each leaves what it saw in a file of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, seed_everything
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from lightning_cnnviz import CNNVisualizer, ConfusionMatrix, Evidence, FixedSamples, Request, View
from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture, Scalar
from lightning_cnnviz.training import ranks
from tests.helpers.training import SmallCNN, loader, trainer


class ShardedCNN(SmallCNN):
    """Two parts sharded by themselves, the rest with the whole, which stays gathered after a forward pass."""

    def configure_model(self) -> None:
        mesh = self.device_mesh["data_parallel"]
        for part in (self.stem, self.body, self):
            fully_shard(part, mesh=mesh)


class FailsInForward(ShardedCNN):
    """Its forward pass fails half-way when somebody looks at the trained model, on one rank or on all."""

    def __init__(self, rank: int | None) -> None:
        super().__init__()
        self.rank = rank
        self.dropout.register_forward_hook(self._fail)

    def _fail(self, *_: Any) -> None:
        looked_at = "log" in vars(self)  # a guest has put its own in place of the method
        if looked_at and self.trainer.global_step > 0 and self.rank in (None, this_rank()):
            raise torch.OutOfMemoryError("out of memory")


class FailsOn(View):
    """A view that raises on one rank, or on all of them."""

    def __init__(self, rank: int | None, where: str) -> None:
        super().__init__()
        self.rank, self.where = rank, where
        self._requests = 0

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        self._requests += 1
        if self._requests > 1:  # than the rehearsal
            self._fail("later request")
        if self.where == "procedure":
            return Request(procedures={repr(self): self._procedure})
        self._fail("request")
        return Request(weights=frozenset(layout.convolutions("all")))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        if self.where == "procedure":
            evidence.result(repr(self))
        self._fail("draw")
        return iter(())

    def _procedure(self, model: Any) -> None:
        model.scores(model.images)
        self._fail("procedure")

    def _fail(self, where: str) -> None:
        if where == self.where and self.rank in (None, this_rank()):
            # Of what can go wrong before training, only an argument that does not fit may end it.
            raise (ArgumentError if where == "request" else ZeroDivisionError)(f"in {where}")


class RemembersNothingPortable(View):
    """What it remembers can be sent to no other process."""

    def state_dict(self) -> dict[str, Any]:
        return {"function": lambda: None}

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        return iter(())


class WithoutReference:
    """Makes a model on a rank of which some lack the file ``reference.ckpt``, or have another in its place.

    Args:
        directory: for a working directory of each rank.
        files: what each rank has there: ``"reference"``, ``"text"`` or nothing.
        make: makes the model.
    """

    def __init__(self, directory: Path, files: tuple[str, str], make: Callable[[], LightningModule]) -> None:
        self.directory, self.files, self.make = directory, files, make

    def __call__(self) -> LightningModule:
        here = self.directory / f"rank{this_rank()}"
        here.mkdir()
        os.chdir(here)
        match self.files[this_rank()]:
            case "reference":
                torch.save(SmallCNN().state_dict(), "reference.ckpt")
            case "text":
                Path("reference.ckpt").write_text("no checkpoint")
        return self.make()


class CountsMistakes(ConfusionMatrix):
    """Saves how many images were counted in each validation, and what stands below the picture of it."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file
        self._counts: list[int] = []
        self._footers: list[str] = []

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for artifact in super().draw(evidence):
            if isinstance(artifact, Array) and evidence.epoch is not None:
                self._counts.append(int(artifact.values.sum()))
            if isinstance(artifact, Picture) and evidence.epoch is not None:
                self._footers.append(getattr(artifact.figure, "footer", ""))
                torch.save((self._counts, self._footers), self.file)
        return iter(())


class Kernels(View):
    """Keeps what it was given of every convolution, in a file for each rank that draws."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(weights=frozenset(layout.convolutions("all")))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        torch.save(dict(evidence.weights), f"{self.file}{this_rank()}")
        return iter([Array(f"kernels/{name}", kernels) for name, kernels in evidence.weights.items()])


class Worsens(View):
    """A number that gets worse with every look, to be monitored. It differs between the ranks."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    @property
    def monitors(self) -> bool:
        return True

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        self._looks += 1
        yield Scalar("worsens", self._looks + 0.25 * this_rank(), monitored=True)


RANKS = 2
"""On each node."""


def this_rank() -> int:
    return RANKS * int(os.environ["NODE_RANK"]) + int(os.environ["LOCAL_RANK"])


def train(
    directory: Path,
    way: str,
    visualizer: dict[str, Any] | None,
    others: tuple[Callback, ...] = (),
    *,
    make: Callable[[], LightningModule] | None = None,
    resume: Path | None = None,
    nodes: int = 1,
    patience_s: float = ranks.PATIENCE_S,
    **options: Any,
) -> None:
    """Trains on two ranks of each node and leaves ``rank<n>.pt`` with what came of it.

    Args:
        directory: for everything written.
        way: how the model is spread over the ranks: ``"ddp"`` or ``"sharded"``.
        visualizer: the arguments of our callback, None to train without.
        others: further callbacks.
        make: makes another model than :class:`SmallCNN` or :class:`ShardedCNN`.
        resume: a checkpoint to go on from.
        nodes: how many.
        patience_s: how long the ranks wait for each other after a pass.
        options: for the Trainer.
    """
    ranks.PATIENCE_S = patience_s
    seed_everything(7, verbose=False)
    model = (make or (SmallCNN if way == "ddp" else ShardedCNN))()
    strategy = (
        "ddp" if way == "ddp" else ModelParallelStrategy(data_parallel_size=nodes * RANKS, tensor_parallel_size=1)
    )
    ours = [] if visualizer is None else [CNNVisualizer(**visualizer)]
    runner = trainer(directory, [*ours, *others], strategy=strategy, devices=RANKS, num_nodes=nodes, **options)
    runner.fit(model, loader(shuffle=True), loader(), ckpt_path=resume)
    torch.save(_outcome(model, ours), directory / f"rank{this_rank()}.pt")


def _outcome(model: LightningModule, ours: list[CNNVisualizer]) -> dict[str, Any]:
    runner = model.trainer
    samples = ours[0].samples if ours else None
    return {
        "weights": {name: _whole(tensor) for name, tensor in model.state_dict().items()},
        "epochs": runner.current_epoch,
        "steps": runner.global_step,
        "metrics": {name: float(value) for name, value in runner.callback_metrics.items()},
        "samples": None if samples is None else samples.images,
    }


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
