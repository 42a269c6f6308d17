from __future__ import annotations

from typing import Any

import pytest

from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, Scalar
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.sink import Sink, check_sinks, encodable, kinds_taken


class Mine(Sink):
    def write(self, artifact: Artifact, step: int) -> None: ...


class Numbers(Mine):
    takes = (Scalar,)


class Unrelated:
    def write(self, artifact: Artifact, step: int) -> None: ...


class Typo(Mine):
    takes = ("picture",)  # type: ignore[assignment]


class Whole(Mine):
    takes = Picture  # type: ignore[assignment]


def test_a_sink_takes_all_but_arrays_unless_it_says_otherwise() -> None:
    assert kinds_taken(Mine()) == (Picture, Scalar, Note)
    assert kinds_taken(Numbers()) == (Scalar,)
    assert kinds_taken(Unrelated()) == (Picture, Scalar, Note)  # type: ignore[arg-type]


@pytest.mark.parametrize("sinks", [None, [], [Mine()], (Numbers(), Unrelated()), [FileSink("somewhere")]])
def test_sinks_are_accepted(sinks: object) -> None:
    check_sinks(sinks)


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        (FileSink("a"), "sinks must be None or a sequence of sinks"),
        (7, "sinks must be None or a sequence of sinks"),
        ("pictures", "sinks must be None or a sequence of sinks"),
        ([FileSink], "sinks must hold sinks such as FileSink"),
        ([None], "sinks must hold sinks such as FileSink"),
        ([Typo()], r"Typo.takes must be a tuple of Picture, Scalar, Note, Array, Look, got \('picture',\)"),
        ([Whole()], "Whole.takes must be a tuple of Picture, Scalar, Note, Array, Look, got <class"),
    ],
)
def test_what_is_no_sink_is_refused_by_name(sinks: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_sinks(sinks)


def test_text_that_cannot_be_encoded_is_written_out() -> None:
    assert encodable(Note("caf\udce9", "a \udce9 b \u00e9")) == Note("caf\\udce9", "a \\udce9 b \u00e9")
    assert encodable(Scalar("caf\udce9", 1.0)) == Scalar("caf\\udce9", 1.0)
    sound = Scalar("größe", 1.0)
    assert encodable(sound) is sound
    assert encodable(Note("a", "größe")) == Note("a", "größe")
