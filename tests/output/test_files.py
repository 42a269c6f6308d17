from __future__ import annotations

import csv
import errno
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lightning_cnnviz.output import disk
from lightning_cnnviz.output.artifacts import RGB, Array, Note, Picture, Scalar
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.writer import BackgroundWriter
from tests.helpers.pictures import decode, noise


@pytest.fixture
def picture() -> RGB:
    return noise()


def scalar(step: int) -> Scalar:
    return Scalar("drift/cka", float(step))


def test_files_of_pictures_and_notes(tmp_path: Path, picture: RGB) -> None:
    sink = FileSink(tmp_path / "new")
    sink.write(Picture("grad_cam/layer4.1.conv2", picture), 12)
    sink.write(Note("model_summary", "größe"), 1234567)
    sink.flush()

    files = sorted(str(path.relative_to(tmp_path / "new")) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["grad_cam/layer4.1.conv2_000012.png", "index.html", "model_summary_1234567.md"]
    np.testing.assert_array_equal(decode((tmp_path / "new" / files[0]).read_bytes()), picture)
    assert (tmp_path / "new" / files[2]).read_text(encoding="utf-8") == "größe"


def test_scalars_are_appended_below_one_header(tmp_path: Path) -> None:
    FileSink(tmp_path).write(Scalar("drift/a,b", 0.1), 1)
    FileSink(tmp_path).write(Scalar("drift/a,b", -2.5), 3)
    with (tmp_path / "scalars.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["tag", "step", "value"],
            ["drift/a,b", "1", "0.1"],
            ["drift/a,b", "3", "-2.5"],
        ]


@pytest.mark.parametrize(
    ("tag", "path"),
    [
        ("../../up", "_x2e__x2e_/_x2e__x2e_/up_000001.md"),
        ("/etc/passwd", "_x2f_etc/passwd_000001.md"),
        ("what?/a:b", "what_x3f_/a_x3a_b_000001.md"),
        ("..", "_x2e__x2e__000001.md"),
        ("a//b/", "a/_x2f_b_x2f__000001.md"),
        ("x" * 300, f"{'x' * 191}-0d4e2ca9_000001.md"),
    ],
)
def test_a_tag_never_leads_out_of_the_directory(tmp_path: Path, tag: str, path: str) -> None:
    FileSink(tmp_path / "in").write(Note(tag, "text"), 1)
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [tmp_path / "in" / path]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FileSink(tmp_path)
    sink.write(Note("note", "old"), 1)

    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        sink.write(Note("note", "new"), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["note_000001.md"]
    assert (tmp_path / "note_000001.md").read_text() == "old"


def test_a_directory_deleted_meanwhile_is_made_again(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "out")
    sink.write(scalar(1), 1)
    shutil.rmtree(tmp_path / "out")
    sink.write(scalar(2), 2)
    assert (tmp_path / "out" / "scalars.csv").read_text().splitlines() == ["tag,step,value", "drift/cka,2,2.0"]


def test_a_jpeg_is_smaller_and_close_to_the_picture(tmp_path: Path) -> None:
    gradient = np.linspace(0, 255, 200, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 20, (200, 200, 3), dtype=np.uint8)
    image = np.stack([np.tile(gradient, (200, 1))] * 3, axis=2) // 2 + noise
    sink = FileSink(tmp_path)
    sink.write(Picture("photo", image, format="jpeg"), 1)
    sink.write(Picture("photo", image), 1)
    stored = tmp_path / "photo_000001.jpeg"
    back = cv2.cvtColor(cv2.imread(str(stored)), cv2.COLOR_BGR2RGB)
    assert stored.stat().st_size * 2 < (tmp_path / "photo_000001.png").stat().st_size
    assert np.abs(back.astype(int) - image).mean() < 5


def test_a_subclass_that_takes_arrays_gets_the_values_behind_the_pictures(tmp_path: Path) -> None:
    class WithArrays(FileSink):
        takes = (Picture, Array)

    values = torch.arange(6.0).reshape(2, 3)
    writer = BackgroundWriter([WithArrays(tmp_path), FileSink(tmp_path / "plain")])
    writer.submit(Array("grad_cam/layer4", values), 12)
    assert writer.close()
    assert [path.name for path in tmp_path.rglob("*.*")] == ["layer4_000012.npy"]
    assert np.array_equal(np.load(tmp_path / "grad_cam" / "layer4_000012.npy"), values.numpy())


def test_on_a_disk_that_is_all_but_full_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SPARE_BYTES", shutil.disk_usage(tmp_path).free * 2)
    sink = FileSink(tmp_path)
    for artifact in (Note("note", "text"), scalar(1)):
        with pytest.raises(OSError, match="MB left on the disk"):
            sink.write(artifact, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_too_large_for_a_jpeg_is_a_png(tmp_path: Path) -> None:
    long = np.tile(np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3), (70_000 // 256 + 1, 1, 1))
    long = np.ascontiguousarray(long.reshape(-1, 1, 3)[:65_501])
    FileSink(tmp_path).write(Picture("long", long, format="jpeg"), 1)
    FileSink(tmp_path).write(Picture("short", long[:65_500], format="jpeg"), 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long_000001.png", "short_000001.jpeg"]
    assert np.array_equal(decode((tmp_path / "long_000001.png").read_bytes()), long)


def test_two_threads_that_write_one_file_leave_that_of_one_of_them(tmp_path: Path) -> None:
    contents = [bytes([number]) * 2**16 for number in range(2)]

    def write(content: bytes) -> None:
        for _ in range(200):
            disk.write_whole(tmp_path / "report.html", content)

    with ThreadPoolExecutor() as threads:
        list(threads.map(write, contents))
    assert (tmp_path / "report.html").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
