"""Everything that the callback calls, made to fail or to misbehave: views, sinks, targets, actions, models, loggers."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from lightning_cnnviz import Evidence, FixedSamples, Request, Sink, View
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact, Picture, Scalar


class Wordless(Exception):  # noqa: N818 - its name is all that it has
    """An exception that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


ERRORS: list[Callable[[], Exception]] = [
    lambda: RuntimeError("broken on purpose"),
    lambda: KeyError("broken"),
    lambda: StopIteration("broken"),
    MemoryError,
    lambda: RecursionError("too deep"),
    AssertionError,
    NotImplementedError,
    lambda: torch.linalg.LinAlgError("singular"),
    lambda: torch.OutOfMemoryError("CUDA out of memory"),
    lambda: UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "broken"),
    lambda: TypeError("takes 2 positional arguments"),
    lambda: ValueError("x" * 5000),
    lambda: DeprecationWarning("a warning raised as an error"),
    Wordless,
]


def _random_numbers() -> None:
    torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
    torch.manual_seed(99)


def _modes() -> None:
    torch.set_grad_enabled(False)
    torch.autograd.set_detect_anomaly(True)
    torch.set_autocast_enabled("cpu", True)


def _settings() -> None:
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("medium")
    warnings.simplefilter("error")


MISCHIEF: list[Callable[[], None]] = [_random_numbers, _modes, _settings]


def action(seed: int) -> Callable[..., None]:
    """Something bad to do: to raise, to meddle with the process, or both."""
    draw = random.Random(seed)
    meddle = draw.choice([*MISCHIEF, None])
    error = draw.choice([*ERRORS, *ERRORS, None])

    def act(*_: Any) -> None:
        if meddle is not None:
            meddle()
        if error is not None:
            raise error()

    return act


def raising(seed: int) -> Callable[..., None]:
    """Something that raises."""
    error = random.Random(seed).choice(ERRORS)

    def act(*_: Any) -> None:
        raise error()

    return act


STAGES = ("check", "request", "procedure", "draw", "observe", "finish_observing", "state_dict", "load", "name")


class BadView(View):
    """A view that does something bad at one stage, from its first or its second look on."""

    watches_training = True

    def __init__(self, stage: str, act: Callable[..., None], after: int) -> None:
        super().__init__()
        self._stage, self._act, self._after = stage, act, after
        self._looks = 0

    def _at(self, stage: str) -> None:
        if stage == self._stage and self._looks >= self._after:
            self._act()

    @property
    def name(self) -> str:
        self._at("name")
        return "BadView"

    def check(self, model: torch.nn.Module) -> None:
        self._at("check")

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        self._at("request")
        return Request(procedures={"bad": self._procedure})

    def _procedure(self, model: Any) -> Tensor:
        scores: Tensor = model.scores(model.images)
        self._at("procedure")
        return scores

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        yield Scalar("bad_number", float(self._looks), monitored=True)
        self._at("draw")
        self._looks += 1
        yield Picture("bad", np.zeros((96, 96, 3), np.uint8))

    def observe(self, images: Tensor, labels: Tensor) -> None:
        self._at("observe")
        images.zero_()  # it may do what it likes with what it is shown

    def finish_observing(self) -> None:
        self._at("finish_observing")

    def state_dict(self) -> dict[str, Any]:
        self._at("state_dict")
        return {"looks": self._looks}

    def load_state_dict(self, state: Any) -> None:
        self._at("load")


def odd_artifacts(evidence: Evidence) -> Iterator[Any]:
    """What is no artifact, or one that nobody can write."""
    yield from (None, "text", 3)
    yield Picture("", np.zeros((0, 0, 3), np.uint8))
    yield Scalar("not_finite", float("nan"), monitored=True)
    yield Scalar("no_number", "many", monitored=True)  # type: ignore[arg-type]


class OddView(BadView):
    """A view that gives one odd thing after the other."""

    def __init__(self, which: int) -> None:
        super().__init__("draw", lambda: None, 0)
        self._which = which

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        yield list(odd_artifacts(evidence))[self._which]


class BadSink(Sink):
    """A sink that does something bad when it writes or flushes."""

    def __init__(self, stage: str, act: Callable[..., None]) -> None:
        self._stage, self._act = stage, act

    def write(self, artifact: Artifact, step: int) -> None:
        if self._stage == "write":
            self._act()

    def flush(self) -> None:
        if self._stage == "flush":
            self._act()


class BadLogger(TensorBoardLogger):
    """A logger that does something bad when anybody but Lightning asks for its client."""

    act: Callable[..., None] = staticmethod(lambda: None)

    @property
    def experiment(self) -> Any:
        if sys._getframe(1).f_globals["__name__"].startswith("lightning_cnnviz"):
            self.act()
        return super().experiment


class BadDataset(torch.utils.data.Dataset[Any]):
    """A dataset whose attributes raise, all but its items."""

    def __init__(self, source: Any, act: Callable[..., None]) -> None:
        self._source, self._act = source, act

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Any:
        return self._source[index]

    @property
    def classes(self) -> list[str]:
        self._act()
        return ["one"]

    @property
    def transform(self) -> Any:
        self._act()
        return "no transform"
