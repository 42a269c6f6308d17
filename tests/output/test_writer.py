"""What the writer hands to its sinks: everything they take, in order, each step once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output.artifacts import RGB, Array, Artifact, Note, Picture, Scalar
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.sink import Sink
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter
from tests.helpers.sinks import RecordingSink, scalar, writer_threads


def test_everything_arrives_in_order_on_one_other_thread() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink], max_pending=2, max_wait_s=300)
    for step in range(50):
        writer.submit(scalar(step, "a"), step)
        writer.submit(scalar(step, "b"), step)
    assert writer.flush()
    assert sink.written == [(tag, step) for step in range(50) for tag in "ab"]
    assert sink.threads == {"lightning_cnnviz-writer"}
    assert sink.flushes == 1
    assert writer.dropped == 0
    writer.close()


def test_steps_that_do_not_increase_are_ignored_per_tag() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink])
    for tag, step in [("a", 0), ("a", 0), ("a", 5), ("a", 4), ("b", 4), ("a", 6)]:
        writer.submit(scalar(step, tag), step)
    assert writer.close()
    assert sink.written == [("a", 0), ("a", 5), ("b", 4), ("a", 6)]
    assert writer.last_steps == {"a": 6, "b": 4}
    assert writer.dropped == 0


def test_a_note_and_an_array_may_share_tag_and_step_with_a_picture(picture: RGB) -> None:
    sink = RecordingSink()
    sink.takes = (Array, Picture, Note)
    writer = BackgroundWriter([sink])
    for _ in range(2):
        for artifact in (Array("cam", torch.ones(1)), Picture("cam", picture), Note("cam", "blank")):
            writer.submit(artifact, 3)
    assert writer.close()
    assert sink.written == [("cam", 3)] * 3


def test_a_resumed_run_goes_on_after_the_last_step() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink])
    writer.last_steps = {"a": 7}
    for step in (6, 7, 8):
        writer.submit(scalar(step, "a"), step)
    assert writer.close()
    assert sink.written == [("a", 8)]


def test_a_note_with_an_undecodable_character_is_written_with_it_written_out(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "run")) as experiment:
        writer = BackgroundWriter([TensorBoardSink(experiment), FileSink(tmp_path / "files")])
        writer.submit(Note("classes", "caf\udce9"), 1)
        writer.submit(Scalar("caf\udce9", 1.0), 1)
        assert writer.close()
    assert writer.take_errors() == []
    assert (tmp_path / "files" / "classes_000001.md").read_text() == "caf\\udce9"
    assert (tmp_path / "files" / "scalars.csv").read_text().splitlines()[1] == "caf\\udce9,1,1.0"


def test_what_no_sink_takes_is_not_queued(held_sink: RecordingSink, picture: RGB) -> None:
    class Pictures(RecordingSink):
        takes = (Picture,)

    class Arrays(RecordingSink):
        takes = (Array,)

    everything: list[Artifact] = [Picture("a", picture), scalar(1, "b"), Note("c", "text"), Array("a", torch.ones(1))]
    pictures, arrays = Pictures(), Arrays()
    writer = BackgroundWriter([pictures, arrays])
    for artifact in everything:
        writer.submit(artifact, 1)
    assert writer.last_steps == {"a": 1, "a/array": 1}
    assert writer.close()
    assert (pictures.written, arrays.written) == ([("a", 1)], [("a", 1)])

    writer = BackgroundWriter([held_sink], max_pending=3)
    for artifact in everything:
        writer.submit(artifact, 1)
    assert writer.dropped == 0  # the array takes no place in the queue
    held_sink.open.set()
    assert writer.close()
    assert held_sink.written == [("a", 1), ("b", 1), ("c", 1)]


def test_without_sinks_nothing_starts() -> None:
    writer = BackgroundWriter([])
    writer.submit(scalar(1), 1)
    assert writer_threads() == []
    assert writer.last_steps == {}
    assert writer.flush()
    assert writer.close()


def test_flush_without_waiting_still_flushes() -> None:
    sink = RecordingSink()
    writer = BackgroundWriter([sink])
    writer.submit(scalar(1), 1)
    writer.flush(timeout=0)
    writer.close()
    assert sink.flushes == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"max_pending": 0}, "max_pending must be at least 1, got 0"), ({"max_wait_s": -1.0}, "max_wait_s must not be")],
)
def test_arguments_are_checked(arguments: dict[str, float], message: str) -> None:
    sinks: list[Sink] = []
    with pytest.raises(ValueError, match=message):
        BackgroundWriter(sinks, **arguments)  # type: ignore[arg-type]
