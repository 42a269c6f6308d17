from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lightning_cnnviz.__main__ import main
from lightning_cnnviz.output import run_report
from lightning_cnnviz.output.artifacts import Look, Picture, SampleSet, Seen
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.look_record import encoded
from lightning_cnnviz.output.record import step_of
from lightning_cnnviz.output.run_report import ReportFile
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.page.report import read_report
from lightning_cnnviz.render import Maps, Row, Sheet


def look(epoch: int) -> Look:
    """Two samples with a map each that tells the epoch."""
    pictures = tuple(np.full((4, 4, 3), 50 * index, np.uint8) for index in range(2))
    maps = Maps(np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2) + epoch, ("heat map",))
    sheet = Sheet(tuple(Row(picture, None, index) for index, picture in enumerate(pictures)), (maps,))
    seen = Seen(SampleSet(pictures, (0, 1)), 2, (("GradCAM", Picture("grad_cam/body", sheet)),))
    return Look("record", 1000.0 + epoch, epoch, (seen,))


def steps(path: Path) -> list[int]:
    (run,) = read_report(path.read_bytes())
    assert run.name == path.parent.name
    return [step_of(blobs) for blobs in run.looks]


def test_the_first_look_is_there_at_once_and_the_others_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(run_report, "time", SimpleNamespace(monotonic=lambda: now))
    report = ReportFile(tmp_path)
    report.add(look(0), 10)
    report.renew()
    assert steps(report.path) == [10]
    report.add(look(1), 20)
    now += 29
    report.renew()
    assert steps(report.path) == [10]
    now += 2
    report.renew()
    assert steps(report.path) == [10, 20]
    report.add(look(2), 30)
    report.complete()
    assert steps(report.path) == [10, 20, 30]
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    report = ReportFile(tmp_path)
    report.complete()
    assert not report.path.exists(), "there is nothing to show"
    report.add(look(0), 10)
    report.complete()
    report.path.unlink()
    report.complete()
    assert not report.path.exists()


def test_a_resumed_run_goes_on_with_its_report_and_another_one_does_not(tmp_path: Path) -> None:
    for first, expected in ((0, [0, 1, 2]), (2, [0, 1, 2, 3, 4]), (0, [0, 1, 2])):
        report = ReportFile(tmp_path)
        for step in range(first, first + 3):
            report.add(look(step), step)
        report.complete()
        assert steps(report.path) == expected


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"<html></html>", b'id="record-index">{"runs": [3]}</script>'])
def test_what_lies_there_and_is_no_report_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.html").write_bytes(content)
    report = ReportFile(tmp_path)
    report.add(look(0), 10)
    report.complete()
    assert steps(report.path) == [10]


def test_files_hold_the_record_from_which_the_same_report_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = BackgroundWriter([FileSink(tmp_path / "run")])
    for step in (8, 120, 1_000_000):
        writer.submit(look(step), step)
    assert writer.close(timeout=300)
    assert writer.take_errors() == []
    assert steps(tmp_path / "run" / "report.html") == [8, 120, 1_000_000], "it is complete at the end"
    main(["report", str(tmp_path / "run"), "--output", str(tmp_path / "again.html")])
    capsys.readouterr()
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "run" / "report.html").read_bytes()
    assert len(list((tmp_path / "run" / "record").glob("setup_*.zip"))) == 2, "samples and legend are stored once"


def test_a_damaged_file_of_the_record_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = FileSink(tmp_path)
    for step in (1, 2):
        sink.write(look(step), step)
    (tmp_path / "record" / "look_000002.zip").write_bytes(b"PK")
    main(["report", str(tmp_path)])
    assert steps(Path(capsys.readouterr().out.strip())) == [1]


def test_all_sinks_share_one_encoding() -> None:
    one = look(0)
    assert encoded(one, 1) is encoded(one, 1)
    assert step_of(encoded(one, 2).look) == 2
