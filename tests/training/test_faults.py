"""What goes wrong around us ends nothing but the drawing, and is said once."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from lightning_cnnviz import (
    CNNVisualizer,
    Evidence,
    Filters,
    FixedSamples,
    Predictions,
    Prototypes,
    Request,
    View,
)
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.output import disk
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.output.disk import SPARE_BYTES
from lightning_cnnviz.output.event_records import record
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.training import outlet
from tests.helpers.processes import run
from tests.helpers.training import SmallCNN, events, fit, image_steps, loader, sha, trainer

LOOKS = [0, 5, 11]  # counted as Lightning counts
COSTS = ["seconds", "overhead", "seconds_draw", "seconds_pass", "seconds_write"]


class Silent(SmallCNN):
    """Logs nothing, so that only our writes could meet with what is wrong with the disk."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None: ...


class After(Callback):
    """Does something after the first epoch, when we have looked."""

    def __init__(self, action: Callable[[Trainer], None]) -> None:
        self._action = action

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            self._action(trainer)


class AfterEach(After):
    """Does something before each epoch but the first."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch > 0:
            self._action(trainer)


class Raises(View):
    """A view during which something happens, from its second look on."""

    def __init__(self, where: str, action: Callable[[], object]) -> None:
        super().__init__()
        self.where = where
        self._action = action
        self._looks = 0

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(procedures={"raises": lambda model: self._act("procedure", model.scores(model.images))})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        evidence.result("raises")
        self._act("draw")
        self._looks += 1
        yield Picture("raises", np.zeros((96, 96, 3), np.uint8))

    def _act(self, where: str, *_: Any) -> None:
        if where == self.where and self._looks > 0:
            self._action()


def raising(error: BaseException) -> Callable[..., None]:
    def act(*_: Any) -> None:
        raise error

    return act


def trained(
    directory: Path, *callbacks: Callback, model: Callable[[], LightningModule] = SmallCNN, **options: Any
) -> tuple[str, list[str]]:
    """A hash of the trained weights, and what the user was warned of by us."""
    seed_everything(7, verbose=False)
    network = model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(directory, list(callbacks), **options).fit(network, loader(shuffle=True), loader())
    told = [str(warning.message) for warning in caught]
    ours = ("goes on without", "failed at flushing", "left out")
    return sha(network), [text for text in told if any(words in text for words in ours)]


def without_us(
    tmp_path: Path, *others: Callback, model: Callable[[], LightningModule] = SmallCNN, **options: Any
) -> str:
    return trained(tmp_path / "without", *others, model=model, **options)[0]


def wait_for_the_writers(trainer: Trainer) -> None:
    assert background_writer(trainer).flush(300)


def background_writer(trainer: Trainer) -> Any:
    [visualizer] = [callback for callback in trainer.callbacks if isinstance(callback, CNNVisualizer)]  # type: ignore[attr-defined]
    [writer] = visualizer.membership.session.outlet._writers.values()  # type: ignore[union-attr]
    return writer


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB of which a callback may take what we must not. Without the right to mount one: any disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        shutil.which("mount") is not None
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], capture_output=True, check=False
        ).returncode
    )
    yield disk
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(volume: Path, trainer: Trainer) -> None:
    wait_for_the_writers(trainer)
    room = shutil.disk_usage(volume).free
    if room > 2 * SPARE_BYTES:  # somebody's real disk, which is full as soon as we think so
        disk.SPARE_BYTES = room * 2
    else:
        (volume / "ballast").write_bytes(bytes(room - 2**14))


def test_a_full_disk_costs_the_pictures_only(small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SPARE_BYTES", SPARE_BYTES)
    callbacks = [CNNVisualizer([Predictions()]), After(partial(fill, small_disk))]
    weights, [warning] = trained(small_disk, *callbacks)
    assert weights == without_us(tmp_path)
    assert image_steps(small_disk) == {"predictions": LOOKS[:2]}
    assert len(events(small_disk).Scalars("val_loss")) == 2  # there is room for Lightning's own
    assert "TensorBoardSink left out" in warning
    assert "MB left on the disk" in warning


def test_without_its_directory_nothing_is_drawn(tmp_path: Path) -> None:
    def remove(trainer: Trainer) -> None:
        wait_for_the_writers(trainer)
        shutil.rmtree(tmp_path / "events")

    weights, [warning] = trained(tmp_path, CNNVisualizer([Filters()]), After(remove), model=Silent)
    assert weights == without_us(tmp_path, model=Silent)
    assert "FileNotFoundError" in warning


@pytest.mark.parametrize("missing", ["google_crc32c", "tensorboard.summary.writer.record_writer"])
def test_without_fast_checksums_the_pictures_are_written_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    expected = without_us(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)
    weights, told = trained(tmp_path, CNNVisualizer([Filters()]))
    assert weights == expected
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS}
    assert told == []


def test_without_the_compressor_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = without_us(tmp_path)
    monkeypatch.setitem(sys.modules, "isal", None)
    weights, [warning] = trained(tmp_path, CNNVisualizer([Filters()]))
    assert weights == expected
    assert "isal" in warning


def test_a_dead_writer_thread_is_replaced(tmp_path: Path) -> None:
    def end_thread(trainer: Trainer) -> None:
        [thread] = [thread for thread in threading.enumerate() if thread.name == "lightning_cnnviz-writer"]
        background_writer(trainer)._workers[0]._thread.queue.put(None)
        thread.join(300)
        assert not thread.is_alive()

    _, told = trained(tmp_path, CNNVisualizer([Filters()]), After(end_thread))
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS}
    assert told == []


class Stuck(Sink):
    """Answers to nobody until the end."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, artifact: Artifact, step: int) -> None:
        self.entered.set()
        assert self.released.wait(300)


def test_what_a_slow_sink_left_out_is_said_once_and_counted_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="lightning.pytorch")
    monkeypatch.setattr(outlet, "BackgroundWriter", partial(BackgroundWriter, max_pending=8, max_wait_s=0.1))
    stuck = Stuck()

    class ReleasedInTheEnd(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch == 0:
                assert stuck.entered.wait(300)
            if trainer.current_epoch >= 9:
                stuck.released.set()
                wait_for_the_writers(trainer)

    callbacks = [CNNVisualizer([Filters()], sinks=[stuck]), ReleasedInTheEnd()]
    weights, [warning] = trained(tmp_path, *callbacks, max_epochs=12, limit_train_batches=1)
    assert weights == without_us(tmp_path, max_epochs=12, limit_train_batches=1)
    assert warning.startswith(
        "pictures or numbers are left out, because Stuck did not take them in time. Unless it hangs, draw fewer"
    )
    [total] = [record.message for record in caplog.records if "left out in all" in record.message]
    each_look = 1 + len(COSTS)
    # Of ten looks it got the first one, for which a flush took a place in the queue, and two things more.
    assert total == f"{9 * each_look - 2} pictures or numbers were left out in all"


def test_a_sink_that_raises_costs_one_warning_and_no_step(tmp_path: Path) -> None:
    class Raising(Sink):
        def write(self, artifact: Artifact, step: int) -> None:
            raise SystemExit("log in first")

    weights, [warning] = trained(tmp_path, CNNVisualizer([Filters()], sinks=[Raising(), FileSink(tmp_path / "files")]))
    assert weights == without_us(tmp_path)
    assert warning == "Raising left out 'filters/stem.0' at step 0: SystemExit: log in first"
    assert len(list(tmp_path.glob("files/filters/*.png"))) == len(LOOKS)


def become_a_file(trainer: Trainer) -> None:
    directory = Path(str(trainer.log_dir))
    shutil.rmtree(directory)
    directory.write_text("")


def take_all_descriptors(trainer: Trainer) -> None:
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def become_read_only(trainer: Trainer) -> None:
    directory = str(trainer.log_dir)
    commands = [["--bind", directory, directory], ["-o", "remount,ro,bind", directory]]
    if any(subprocess.run(["mount", *command], check=False, capture_output=True).returncode for command in commands):
        become_a_file(trainer)  # without the right to mount, the next best


@pytest.mark.parametrize("harm", [become_a_file, take_all_descriptors, become_read_only])
def test_what_ails_the_log_directory_ends_no_run_that_it_would_not_have_ended(
    harm: Callable[[Trainer], None], tmp_path: Path
) -> None:
    def wait_and_harm(trainer: Trainer) -> None:
        wait_for_the_writers(trainer)
        harm(trainer)

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        expected = trained(tmp_path / "without", After(harm), model=Silent)[0]
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        weights, [warning] = trained(tmp_path, CNNVisualizer([Filters()]), After(wait_and_harm), model=Silent)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for mounted in tmp_path.glob("**/events"):
            subprocess.run(["umount", "-l", str(mounted)], check=False, capture_output=True)
    assert weights == expected
    assert "TensorBoardSink left out 'filters/stem.0' at step 11" in warning


def test_a_disk_that_has_room_again_is_written_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_and_empty(trainer: Trainer) -> None:
        wait_for_the_writers(trainer)
        monkeypatch.setattr(disk, "SPARE_BYTES", 2**60 if trainer.current_epoch == 1 else SPARE_BYTES)

    _, [warning] = trained(tmp_path, CNNVisualizer([Filters()]), AfterEach(fill_and_empty), max_epochs=4)
    assert image_steps(tmp_path) == {"filters/stem.0": [0, 5, 17, 23]}
    assert "MB left on the disk" in warning


@pytest.mark.parametrize("where", ["procedure", "draw"])
@pytest.mark.parametrize(
    ("action", "message"),
    [
        (raising(torch.OutOfMemoryError("CUDA out of memory")), "OutOfMemoryError: CUDA out of memory"),
        (lambda: torch.empty(2**60), "RuntimeError: "),
        (raising(ArithmeticError("a bug")), "ArithmeticError: a bug"),
    ],
    ids=["memory_of_the_device", "memory", "bug"],
)
def test_what_a_view_runs_into_costs_that_view(
    where: str, action: Callable[[], None], message: str, tmp_path: Path
) -> None:
    weights, [warning] = trained(tmp_path, CNNVisualizer([Raises(where, action), Filters()]))
    assert weights == without_us(tmp_path)
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS, "raises": [0]}
    assert warning.startswith(f"CNNVisualizer goes on without Raises: {message}")


class Exhausting(SmallCNN):
    """Needs more memory than there is when it is called with more images than in training."""

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 4 and self.trainer.global_step > 0:
            torch.empty(2**60)
        return super().forward(images)


def test_no_memory_for_the_pass_costs_the_views(tmp_path: Path) -> None:
    weights, [warning] = trained(tmp_path, CNNVisualizer([Predictions(), Filters()]), model=Exhausting)
    assert weights == without_us(tmp_path, model=Exhausting)
    assert image_steps(tmp_path) == {"predictions": [0], "filters/stem.0": [0]}
    assert warning.startswith("CNNVisualizer goes on without Predictions, Filters: RuntimeError: ")


@pytest.mark.slow
def test_weights_that_are_not_finite_are_drawn(tmp_path: Path) -> None:
    def spoil(trainer: Trainer) -> None:
        with torch.no_grad():
            trainer.lightning_module.stem[0].weight.fill_(float("nan"))

    weights, told = trained(tmp_path, CNNVisualizer(), After(spoil))
    assert weights == without_us(tmp_path, After(spoil))
    steps = image_steps(tmp_path)
    assert len(steps) >= 5
    assert all(found == LOOKS for found in steps.values())
    assert told == []


class Interrupts(Callback):
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 0 and not trainer.sanity_checking:
            raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["procedure", "draw"])
def test_an_interrupt_during_a_look_is_one_as_ever(where: str, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    states = []
    for callback in (Interrupts(), CNNVisualizer([Predictions(), Raises(where, raising(KeyboardInterrupt()))])):
        torch.manual_seed(1)
        model = SmallCNN()
        hooks = [len(module._forward_hooks) for module in model.modules()]
        with pytest.raises(SystemExit):
            fit(tmp_path / type(callback).__name__, [callback], model)
        signal.signal(signal.SIGINT, handler)
        assert [len(module._forward_hooks) for module in model.modules()] == hooks
        assert "log" not in vars(model)
        states.append((sha(model), torch.get_rng_state().tolist()))
    assert states[0] == states[1]
    assert image_steps(tmp_path / "CNNVisualizer")["raises"] == [0]


class Noise(View):
    """Large pictures, in the middle of whose writing the process is killed."""

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        generator = np.random.default_rng(0)
        for index in range(8):
            yield Picture(f"noise/{index}", generator.integers(0, 256, (700, 700, 3), dtype=np.uint8))


def dying_at(tag: str, step: int) -> Callable[[TensorBoardSink, Artifact, int], None]:
    """A way to write that ends with the process, when half of a record is on the disk."""
    write = TensorBoardSink.write

    def write_or_die(sink: TensorBoardSink, artifact: Artifact, at: int) -> None:
        write(sink, artifact, at)
        if (artifact.tag, at) == (tag, step):
            sink.client.flush()
            [event_file] = Path(sink.client.log_dir).glob("events.out.*")
            with event_file.open("ab") as file:
                file.write(record(bytes(1000))[:500])
            os.kill(os.getpid(), signal.SIGKILL)

    return write_or_die


def train_with_checkpoints(directory: Path, *, dies_at: int | None = None, resume: Path | None = None) -> None:
    if dies_at is not None:  # in a process of its own
        TensorBoardSink.write = dying_at("noise/4", dies_at)  # type: ignore[method-assign]
    visualizer = CNNVisualizer([Noise(), Prototypes(steps=5), Predictions()], samples=4)
    saving = ModelCheckpoint(directory / "saved", filename="{epoch}", save_top_k=-1)
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer(directory, [visualizer, saving], max_epochs=4, enable_checkpointing=True).fit(
            SmallCNN(), loader(), loader(), ckpt_path=resume
        )


@pytest.mark.slow
def test_killed_while_writing_and_resumed(tmp_path: Path) -> None:
    ended = run(partial(train_with_checkpoints, tmp_path, dies_at=LOOKS[2]), directory=tmp_path / "output")
    assert ended.code == -signal.SIGKILL, ended.output
    written = image_steps(tmp_path)
    assert {tag: found for tag, found in written.items() if tag.startswith("noise")} == {
        f"noise/{index}": LOOKS[: 3 if index <= 4 else 2] for index in range(8)
    }
    saved = tmp_path / "saved" / "epoch=0.ckpt"

    train_with_checkpoints(tmp_path, resume=saved)
    steps = image_steps(tmp_path)
    for tag, found in steps.items():
        assert found[-3:] == [11, 17, 23], tag
        # What the killed run wrote of its last look is there a second time, with the same step.
        assert found == sorted([*written.get(tag, []), 11, 17, 23]), tag

    before, after = (_remembered(tmp_path / "saved" / f"epoch={epoch}.ckpt") for epoch in (0, 3))
    assert torch.equal(before["samples"]["images"], after["samples"]["images"])
    means = [state["memory"]["views"]["Prototypes/0"]["means"] for state in (before, after)]
    assert means[0]["complete"]
    assert torch.equal(means[0]["sums"], means[1]["sums"])


def _remembered(checkpoint: Path) -> dict[str, Any]:
    callbacks: dict[str, Any] = torch.load(checkpoint, weights_only=True)["callbacks"]
    return next(state for key, state in callbacks.items() if key.startswith("CNNVisualizer"))
