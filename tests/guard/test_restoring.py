"""Each thing comes back whatever the others do, and an interrupt anywhere only postpones it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import lightning_cnnviz.guard.restoring as under_test
from lightning_cnnviz.guard.restoring import restored


class Cell:
    """A value, and what was taken down of it."""

    def __init__(self, name: str, log: list[str] | None = None) -> None:
        self.name = name
        self.value = self.kept = 0
        self.log = [] if log is None else log

    def restore(self) -> None:
        self.value = self.kept
        self.log.append(self.name)

    def differs(self) -> bool:
        return self.value != self.kept


class Refuses(Cell):
    def restore(self) -> None:
        raise OSError("no")


class RestoresLate(Cell):
    """Needs a second attempt."""

    def restore(self) -> None:
        self.log.append(self.name)
        if len(self.log) > 1:
            self.value = self.kept


class NeverRestores(Cell):
    def restore(self) -> None:
        pass


class Interrupts(Cell):
    """Is interrupted in each attempt but the last."""

    def __init__(self, name: str, times: int) -> None:
        super().__init__(name)
        self.times = times

    def restore(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise KeyboardInterrupt
        super().restore()


def change(cells: list[Any]) -> None:
    for cell in cells:
        cell.value = 1


def test_the_last_taken_is_restored_first_and_each_once() -> None:
    log: list[str] = []
    cells = [Cell("a", log), Cell("b", log)]
    with restored(lambda: cells, lambda: change(cells)):
        assert [cell.value for cell in cells] == [1, 1]
    assert log == ["b", "a"]


def test_one_that_fails_costs_the_others_nothing_and_is_said_once() -> None:
    cells = [Cell("first"), Refuses("second"), Cell("third")]
    with pytest.warns(RuntimeWarning) as caught, restored(lambda: cells):
        change(cells)

    assert [cell.value for cell in cells] == [0, 1, 0]
    assert len(caught) == 1
    assert str(caught[0].message).endswith("second could not be put back: OSError: no")


def test_one_that_fails_does_not_hide_the_error_inside() -> None:
    with pytest.warns(RuntimeWarning), pytest.raises(KeyError), restored(lambda: [Refuses("it")]):
        raise KeyError


def test_what_was_not_put_back_is_found_by_the_last_look_and_repaired_with_one_warning() -> None:
    cells = [RestoresLate("slow"), Cell("quick")]
    second = pytest.warns(RuntimeWarning, match="slow was put back only at the second attempt$")
    with second as caught, restored(lambda: cells):
        change(cells)

    assert [cell.value for cell in cells] == [0, 0]
    assert len(caught) == 1


def test_what_cannot_be_repaired_is_said() -> None:
    cell = NeverRestores("it")
    warns = pytest.warns(RuntimeWarning, match="it could not be put back: RuntimeError: it does not stay")
    with warns, restored(lambda: [cell]):
        cell.value = 1


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_while_restoring_comes_when_everything_is_restored(times: int) -> None:
    cells = [Cell("first"), Interrupts("second", times), Cell("third")]
    with pytest.raises(KeyboardInterrupt), restored(lambda: cells):
        change(cells)
    assert [cell.value for cell in cells] == [0, 0, 0]


def test_each_thing_has_as_many_attempts_as_any_other() -> None:
    cells = [Interrupts("first", 2), Interrupts("second", 2)]
    with pytest.raises(KeyboardInterrupt), restored(lambda: cells):
        change(cells)
    assert [cell.value for cell in cells] == [0, 0]


def test_what_has_no_name_is_said_of_the_model() -> None:
    warns = pytest.warns(RuntimeWarning, match="training: the model could not be put back: OSError: no$")
    with warns, restored(lambda: [Refuses("")]):
        pass


def test_of_two_things_of_one_name_the_second_is_looked_at_though_the_first_failed() -> None:
    late = RestoresLate("it")
    with pytest.warns(RuntimeWarning, match="it "), restored(lambda: [late, Refuses("it")]):
        late.value = 1
    assert late.value == 0


def test_one_that_always_interrupts_does_not_hold_us_for_ever() -> None:
    cells = [Cell("first"), Interrupts("second", 1000), Cell("third")]
    with pytest.warns(RuntimeWarning, match="second"), pytest.raises(KeyboardInterrupt), restored(lambda: cells):
        change(cells)
    assert [cell.value for cell in cells] == [0, 1, 0]


def interrupted_at(line: int, files: set[str], action: Callable[[], Any]) -> bool:
    """Runs an action with an interrupt at the n-th line executed in some files; whether it came to that."""
    executed = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal executed
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            executed += 1
            if executed == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return executed >= line


@pytest.mark.parametrize("raises", [False, True])
def test_an_interrupt_at_any_line_only_postpones(raises: bool) -> None:
    file, line = str(Path(under_test.__file__)), 0
    while True:
        line += 1
        cells = [Cell("first"), Cell("second")]

        def look(cells: list[Cell] = cells) -> None:
            with restored(lambda: cells, lambda: change(cells)):
                if raises:
                    raise ValueError

        try:
            came = interrupted_at(line, {file}, look)
        except ValueError:
            came = True
        assert [cell.value for cell in cells] == [0, 0], f"interrupted at line event {line}"
        if not came or line > 200:
            break
    assert line > 40


def test_two_interrupts_before_anything_is_put_back_only_postpone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(under_test._Undo):
        times = 2

        def __call__(self) -> None:
            if self.times:
                self.times -= 1
                raise KeyboardInterrupt
            super().__call__()

    monkeypatch.setattr(under_test, "_Undo", Interrupted)
    cell = Cell("it")
    with pytest.raises(KeyboardInterrupt), restored(lambda: [cell], lambda: change([cell])):
        pass
    assert cell.value == 0
