from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightning_cnnviz.__main__ import main
from lightning_cnnviz.page.reading import read_runs
from lightning_cnnviz.page.report import read_report
from tests.helpers.records import encoded_looks, run_record, write_run


def test_event_files_become_the_report_that_the_record_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "version_0", encoded_looks(3))
    write_run(tmp_path / "version_1", encoded_looks(5))
    main(["report", str(tmp_path)])
    path = Path(capsys.readouterr().out.strip())
    assert path == tmp_path / "report.html"
    assert read_report(path.read_bytes()) == [run_record("version_0", 3), run_record("version_1", 5)]


def test_a_run_that_was_killed_is_read_up_to_its_end(tmp_path: Path) -> None:
    write_run(tmp_path / "run", encoded_looks(3))
    (events,) = (tmp_path / "run").iterdir()
    events.write_bytes(events.read_bytes()[:-50])
    (run,) = read_runs(tmp_path)
    assert run.looks == run_record("run", 3).looks[:-1]


def test_a_directory_without_a_record_is_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_a_setup_that_is_damaged_costs_no_run(tmp_path: Path) -> None:
    looks = list(encoded_looks(2))
    step, first = looks[0]
    damaged = replace(first, setups={**first.setups, "ab": [b"damaged"]})
    write_run(tmp_path / "run", [(step, damaged), *looks[1:]])
    assert read_runs(tmp_path) == [run_record("run", 2)]


@pytest.mark.parametrize("megabytes", ["nan", "0", "-1", "many"])
def test_a_size_that_is_none_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], megabytes: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["report", str(tmp_path), f"--most-megabytes={megabytes}"])
    assert caught.value.code == 2
    assert megabytes in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "run", encoded_looks(1))
    (events,) = (tmp_path / "run").iterdir()
    with pytest.raises(SystemExit) as caught:
        main(["report", str(tmp_path), "--output", str(events / "report.html")])
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
