"""What ails the disk or the log directory costs the pictures, and no run."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from lightning_cnnviz import (
    CNNVisualizer,
    Filters,
    Predictions,
)
from lightning_cnnviz.output import disk
from lightning_cnnviz.output.disk import SPARE_BYTES
from tests.helpers.faults import LOOKS, After, AfterEach, Silent, trained, wait_for_the_writers, without_us
from tests.helpers.training import events, image_steps


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
