"""In every regime of training: the same bits as without the callbacks, and no trace of any single look."""

from __future__ import annotations

import functools
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from lightning_cnnviz import CNNVisualizer, PrototypeCallback
from lightning_cnnviz.model.evidence import Evidence, Model, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact, Note
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views import View, default_views
from tests.helpers.fingerprint import Closing, Opening
from tests.helpers.regimes import REGIMES, Regime
from tests.helpers.training import averaging, events, fit, image_steps, sha, trainer


class FailsOnce(View):
    """Raises in one look: in the middle of drawing, or in a procedure that has just called the model."""

    def __init__(self, look: int, where: str) -> None:
        super().__init__()
        self.look, self.where = look, where
        self._done = 0

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(procedures={repr(self): self.call_and_raise})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        yield Note("half", "drawn")
        evidence.result(repr(self))
        if self._done == self.look and self.where == "draw":
            raise RuntimeError("half drawn")
        self._done += 1

    def call_and_raise(self, model: Model) -> None:
        images = (model.images + torch.rand_like(model.images) * random.random()).requires_grad_()
        torch.autograd.grad(model.scores(images).sum(), images)
        if self._done == self.look and self.where == "procedure":
            raise RuntimeError("half-way")


def healthy() -> list[Callback]:
    return [CNNVisualizer(show=1, on_error="raise"), PrototypeCallback(steps=3, show=1, on_error="raise")]


def failing() -> list[Callback]:
    failures = [FailsOnce(look, where) for look in range(2) for where in ("procedure", "draw")]
    return [CNNVisualizer([*default_views(), *failures], show=1), PrototypeCallback(steps=3, show=1)]


def run(regime: Regime, directory: Path, ours: list[Callback]) -> tuple[str, list[str]]:
    """Trains in a regime; the hash of the weights, and what was warned of."""
    seed_everything(7, verbose=False)
    model = regime.model()
    callbacks = [*regime.before(directory), *ours, *regime.after(directory)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(trainer(directory, callbacks, **regime.options), regime.method)(model, *regime.loaders())
    return sha(model), [str(warning.message) for warning in caught]


@functools.cache
def bits_without_us(name: str, directory: Path) -> str:
    return run(next(regime for regime in REGIMES if regime.name == name), directory, [])[0]


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("without_us")


def in_every_regime(fast: Callable[[Regime], bool]) -> pytest.MarkDecorator:
    """One case for each regime; those that are not fast are slow."""
    cases = [pytest.param(one, id=one.name, marks=[] if fast(one) else [pytest.mark.slow]) for one in REGIMES]
    return pytest.mark.parametrize("regime", cases)


@in_every_regime(lambda regime: regime.fast)
def test_same_bits_and_no_trace(regime: Regime, tmp_path: Path, elsewhere: Path) -> None:
    opening = Opening()
    closing = Closing(opening)

    bits, warned = run(regime, tmp_path, [opening, *healthy(), closing])

    assert closing.compared > 0
    assert closing.differences == []
    assert bits == bits_without_us(regime.name, elsewhere)
    assert not switched_off(warned)
    assert drawn_looks(tmp_path) == regime.looks


@in_every_regime(lambda regime: regime.name in ("accumulation", "counts_calls"))
def test_same_bits_and_no_trace_when_looks_fail(regime: Regime, tmp_path: Path, elsewhere: Path) -> None:
    opening = Opening()
    closing = Closing(opening)

    bits, warned = run(regime, tmp_path, [opening, *failing(), closing])

    assert closing.differences == []
    assert bits == bits_without_us(regime.name, elsewhere)
    assert [text.partition(": ")[2] for text in switched_off(warned)] == expected_failures(regime.looks)
    assert drawn_looks(tmp_path) == regime.looks


def switched_off(warned: list[str]) -> list[str]:
    return [text for text in warned if "goes on without" in text]


def expected_failures(looks: int) -> list[str]:
    return ["RuntimeError: half-way", "RuntimeError: half drawn"] * min(looks, 2)


def drawn_looks(directory: Path) -> int:
    """How often the default views and the prototypes were drawn; before training there are no prototypes."""
    if not (directory / "events").exists():
        return 0
    steps = image_steps(directory)
    looks = steps.pop("predictions", [])
    assert steps.pop("prototypes", []) in (looks, looks[1:])
    assert all(drawn == looks for drawn in steps.values())
    return len(looks)


class SeesKernels(View):
    """Remembers the kernels of the first convolution as the last look found them."""

    kernels = torch.empty(0)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(weights=frozenset({"stem.0"}))

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        self.kernels = evidence.weights["stem.0"]
        yield from ()


class KeepsTrainedKernels(Callback):
    """Remembers the kernels as the last training step left them."""

    kernels = torch.empty(0)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.kernels = pl_module.stem[0].weight.detach().clone()


@pytest.mark.parametrize("averaging_first", [True, False])
def test_under_weight_averaging_a_note_says_which_weights_were_drawn(averaging_first: bool, tmp_path: Path) -> None:
    view, trained = SeesKernels(), KeepsTrainedKernels()
    callbacks: list[Callback] = [CNNVisualizer([view]), trained]
    callbacks.insert(0 if averaging_first else 2, averaging())

    model = fit(tmp_path, callbacks)

    averaged = model.stem[0].weight.detach()  # which WeightAveraging puts in when training has ended
    assert not torch.equal(averaged, trained.kernels)
    assert torch.equal(view.kernels, trained.kernels if averaging_first else averaged)
    notes = events(tmp_path).Tensors("weights/text_summary")
    assert [note.step for note in notes] == [5, 11]
    beginning = b"The weights in training are drawn" if averaging_first else b"The averaged weights are drawn"
    assert all(note.tensor_proto.string_val[0].startswith(beginning) for note in notes)


def test_without_weight_averaging_there_is_no_note(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer([SeesKernels()])])

    assert "weights/text_summary" not in events(tmp_path).Tags()["tensors"]
