"""Sinks that are slow or stuck: what waits, for how long, and what is left out."""

from __future__ import annotations

import threading
import time
from queue import Queue

import pytest

from lightning_cnnviz.output import worker
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.output.writer import BackgroundWriter
from tests.helpers.sinks import RecordingSink, scalar, writer_threads


def test_a_sink_that_is_held_up_takes_nothing_from_the_others(held_sink: RecordingSink) -> None:
    sound = RecordingSink()
    writer = BackgroundWriter([held_sink, sound], max_pending=2, max_wait_s=0.1)
    writer._workers[1]._max_wait_s = 300.0  # however slow the machine is
    for step in range(20):
        writer.submit(scalar(step, "a"), step)
        if step == 0:
            assert held_sink.entered.wait(300)
    assert (writer.dropped, writer.slow) == (17, {"RecordingSink"})
    flushed = writer._workers[1].request_flush(time.monotonic() + 300)
    assert flushed is not None
    assert flushed.wait(300)
    assert not writer.close(timeout=0.1)
    assert sound.written == [("a", step) for step in range(20)]
    assert writer.dropped == 19
    held_sink.open.set()
    for thread in writer_threads():
        thread.join(300)


def test_submit_does_not_wait_for_the_sink(held_sink: RecordingSink) -> None:
    writer = BackgroundWriter([held_sink])
    for step in range(20):
        writer.submit(scalar(step, "a"), step)
    assert held_sink.written == []
    held_sink.open.set()
    assert writer.close()
    assert len(held_sink.written) == 20


def test_a_full_queue_costs_at_most_max_wait_s_in_all(
    held_sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Watched(Queue[object]):
        def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
            waits.append(-1.0 if timeout is None else timeout)
            super().put(item, block, timeout)

    monkeypatch.setattr(worker, "Queue", Watched)
    writer = BackgroundWriter([held_sink], max_pending=2, max_wait_s=0.3)
    writer.submit(scalar(0, "a"), 0)
    assert held_sink.entered.wait(300)
    for step in range(1, 9):  # 1 and 2 wait in the queue, six do not fit
        writer.submit(scalar(step, "a"), step)
    assert waits[:2] == [0.3, 0.3]
    assert 0 <= waits[3] <= 0.3
    assert waits[4:] == [0] * 5  # not 0.3 s for each of the six
    assert writer.dropped == 6
    assert writer.last_steps == {"a": 2}

    held_sink.open.set()
    assert writer.flush()
    writer.submit(scalar(3, "a"), 3)
    assert writer.close()
    assert held_sink.written == [("a", 0), ("a", 1), ("a", 2), ("a", 3)]


def test_patience_comes_back_once_the_queue_was_empty(held_sink: RecordingSink) -> None:
    writer = BackgroundWriter([held_sink], max_pending=1, max_wait_s=0.5)
    for step in range(4):
        writer.submit(scalar(step, "a"), step)
        assert held_sink.entered.wait(300)
    assert writer.dropped == 2
    held_sink.open.set()
    assert writer.flush()

    writer._workers[0]._max_wait_s = 300.0  # however slow the machine is
    held_sink.open.clear()
    held_sink.entered.clear()
    writer.submit(scalar(4, "a"), 4)
    assert held_sink.entered.wait(300)
    writer.submit(scalar(5, "a"), 5)
    threading.Timer(0.05, held_sink.open.set).start()
    writer.submit(scalar(6, "a"), 6)
    assert writer.close()
    assert writer.dropped == 2
    assert held_sink.written[-3:] == [("a", 4), ("a", 5), ("a", 6)]


def test_flush_and_close_give_up_in_time(held_sink: RecordingSink) -> None:
    writer = BackgroundWriter([held_sink], max_pending=3)
    for step in range(3):
        writer.submit(scalar(step, "a"), step)
    assert held_sink.entered.wait(300)
    started = time.monotonic()
    assert not writer.flush(timeout=0.1)
    assert not writer.close(timeout=0.1)
    assert time.monotonic() - started < 120  # the sink is held up for 300
    assert writer.dropped == 2  # the first is in the sink's hands

    [abandoned] = writer_threads()
    held_sink.open.set()
    abandoned.join(300)
    assert not abandoned.is_alive()
    assert held_sink.written == [("a", 0)]


@pytest.mark.slow
def test_a_sink_that_goes_on_is_waited_for_longer_than_one_that_hangs(held_sink: RecordingSink) -> None:
    """As on a machine with much else to do, where the last look of a run would be lost."""

    class Slow(RecordingSink):
        def write(self, artifact: Artifact, step: int) -> None:
            time.sleep(0.3)
            super().write(artifact, step)

    slow = Slow()
    writer = BackgroundWriter([held_sink, slow])
    for step in range(15):  # 4.5 s
        writer.submit(scalar(step, "a"), step)
    assert not writer.close(timeout=2.5)
    assert slow.written == [("a", step) for step in range(15)]
    assert (held_sink.written, writer.dropped, writer.slow) == ([], 14, {"RecordingSink"})


def test_no_sink_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_PATIENCE", 1)
    goes_on = RecordingSink()
    writer = BackgroundWriter([goes_on], max_pending=2, max_wait_s=0.1)
    goes_on.open.clear()
    for step in range(3):
        writer.submit(scalar(step, "a"), step)
    asked = time.monotonic() - 1.0
    writer._workers[0]._thread._went_on = asked + 0.9  # type: ignore[union-attr]
    assert writer._workers[0].stop(asked, 0.5)[0] is False  # half a second since it was asked is long over
    goes_on.open.set()
