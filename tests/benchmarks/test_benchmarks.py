"""The benchmarks run, and their arithmetic is right; what they measure depends on the machine."""

from __future__ import annotations

import pytest

from benchmarks import gpu
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.report import Bar
from benchmarks.timing import Timings, interleaved


def test_a_ratio_is_the_median_of_the_ratios_within_a_round() -> None:
    timings = Timings({"ours": [1.0, 2.0, 10.0], "theirs": [4.0, 6.0, 20.0]})
    assert timings.median("ours") == 2
    assert timings.ratio("theirs", "ours") == 3  # of 4, 3 and 2
    assert timings.total("both", ["ours", "theirs"]).seconds["both"] == [5, 8, 30]


def test_contestants_take_turns_and_being_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.timing.gc.collect", lambda: None)  # takes long in a process of thousands of tests
    turns: list[str] = []
    timings = interleaved(
        {"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, 2, between=lambda: turns.append("|")
    )
    assert "".join(turns) == "a|b|b|a|a|b|"
    assert [len(seconds) for seconds in timings.seconds.values()] == [2, 2]


def test_a_bar_says_whether_it_is_met() -> None:
    assert Bar("a", 1.1, 1.15).row() == "| a | 1.1 × | ≤ 1.15 × | met |"
    assert Bar("a", 1.2, 1.15).row() == "| a | 1.2 × | ≤ 1.15 × | **missed** |"
    assert Bar("a", 2.4, 2.5, at_most=False).row() == "| a | 2.4 × | ≥ 2.5 × | **missed** |"
    assert Bar("a", 7, unit="s").row() == "| a | 7 s |  |  |"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_it_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (report,) = main([name, "--tiny", "--rounds", "1", "--threads", "1"])
    assert report.title.startswith(name)
    assert report.bars
    assert all(bar.figure >= 0 or "−" in bar.name for bar in report.bars)
    assert str(report) in capsys.readouterr().out


def test_without_a_gpu_nothing_is_measured_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["benchmarks.gpu needs a CUDA device, and torch finds none: nothing was measured"]
