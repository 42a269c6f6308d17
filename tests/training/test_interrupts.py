"""An interrupt in the middle of a look is one as ever."""

from __future__ import annotations

import random
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from torch import Tensor

from lightning_cnnviz import (
    CNNVisualizer,
    Evidence,
    FixedSamples,
    GradCAM,
    Predictions,
    Request,
    View,
)
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.overheard import Answered
from lightning_cnnviz.output.artifacts import Artifact, Picture
from tests.helpers.outcomes import left
from tests.helpers.regime_models import CountsCalls
from tests.helpers.training import image_steps, loader, trainer


class Interrupting(View):
    """Raises when it is called at one place for the n-th time."""

    def __init__(self, place: str, number: int, error: type[BaseException]) -> None:
        super().__init__()
        self._place, self._left, self._error = place, number, error

    def act(self, place: str) -> None:
        """Raises if it is time."""
        self._left -= place == self._place
        if place == self._place and self._left == 0:
            raise self._error

    @property
    def watches_training(self) -> bool:
        return "observing" in self._place

    @property
    def watches_validation(self) -> bool:
        return "validation" in self._place

    def check(self, model: torch.nn.Module) -> None:
        self.act("check")

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        self.act("request")
        return Request(procedures={"odd": lambda model: (model.scores(model.images), self.act("procedure"))})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        yield Picture("drawn", np.zeros((96, 96, 3), np.uint8))
        self.act("draw")

    def observe(self, images: Tensor, labels: Tensor) -> None:
        self.act("observing")

    def finish_observing(self) -> None:
        self.act("finish observing")

    def begin_validation(self) -> None:
        self.act("begin validation")

    def observe_validation(self, answered: Answered) -> None:
        self.act("validation")


class Interruptible(CountsCalls):
    """Raises when it is called with gradients in evaluation mode, as we call it, after a first step."""

    error: type[BaseException] | None = None

    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        asked_by_us = torch.is_grad_enabled() and not self.training
        if self.error is not None and asked_by_us and (self.trainer.global_step or self.trainer.state.fn != "fit"):
            torch.rand(1), random.random(), np.random.rand()  # noqa: NPY002
            raise self.error
        return scores


class Twin(Callback):
    """A callback of the user's that raises at a hook."""

    def __init__(self, hook: str, error: type[BaseException]) -> None:
        self._error = error
        setattr(self, hook, self._raise)

    def _raise(self, *arguments: Any, **options: Any) -> None:
        if not (arguments and arguments[0].sanity_checking):
            raise self._error


LATER = "on_validation_epoch_end"
PLACES = {
    "check": (1, "setup"),
    "request": (3, LATER),
    "procedure": (2, LATER),
    "draw": (2, LATER),
    "target": (2, LATER),
    "forward": (1, LATER),
    "observing": (1, "on_train_batch_start"),
    "finish observing": (1, "on_train_epoch_end"),
    "begin validation": (1, "on_validation_batch_start"),
    "validation": (1, "on_validation_batch_end"),
}
"""Where in us something is raised, at the how-manieth call, and at which hook that is."""


def ended(directory: Path, callback: Callback, place: str, error: type[BaseException], method: str) -> dict[str, Any]:
    """All that is left of a run that an error ended."""
    seed_everything(1, verbose=False)
    model = Interruptible()
    model.stem[1].eval()
    model.error = error if place == "forward" and isinstance(callback, CNNVisualizer) else None
    run = trainer(directory, [callback])
    data = (loader(shuffle=True), loader()) if method == "fit" else (loader(),)
    handler, modes = signal.getsignal(signal.SIGINT), [module.training for module in model.modules()]
    try:
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            getattr(run, method)(model, *data)
    finally:
        signal.signal(signal.SIGINT, handler)
    facts = left(model, run) | {"modes": [module.training for module in model.modules()], "before": modes}
    facts |= {
        "own": sorted(vars(model)),
        "error": None,
        "state": repr(run.state),
        "loops": repr(run.fit_loop.state_dict()),
    }
    facts["mode of torch"] = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    facts["files"] = [str(path) for path in Path(tempfile.gettempdir()).glob("**/*")]
    facts["threads"] = [thread.name for thread in threading.enumerate() if "cnnviz" in thread.name]
    return facts | {"attribute .error": None}


def places(*fast: tuple[str, type[BaseException], str]) -> list[Any]:
    """Those in every run of the tests, and the others in the long one."""
    both = ("procedure", "draw", "forward")
    return [
        pytest.param(place, error, method, marks=() if (place, error, method) in fast else pytest.mark.slow)
        for place in PLACES
        for error in (KeyboardInterrupt, SystemExit)
        for method in (("fit", "validate") if place in both else ("fit",))
    ]


@pytest.mark.parametrize(
    ("place", "error", "method"), places(("procedure", KeyboardInterrupt, "fit"), ("draw", SystemExit, "validate"))
)
def test_an_interrupt_during_a_look_is_one_as_ever(
    place: str, error: type[BaseException], method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, hook = PLACES[place]
    view = Interrupting(place, number if method == "fit" else 1, error)

    def target(scores: Tensor) -> Tensor:
        view.act("target")
        return scores.amax(1)

    ours = CNNVisualizer([Predictions(), GradCAM(), view], samples=4, target=target)
    found = []
    for name, callback in (("alone", Twin(hook, error)), ("ours", ours)):
        (tmp_path / name / "temporary").mkdir(parents=True)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name / "temporary"))
        found.append(ended(tmp_path / name, callback, place, error, method))
    assert found[0] == found[1]
    if hook == LATER and method == "fit":
        assert image_steps(tmp_path / "ours")["drawn"] == [0]
