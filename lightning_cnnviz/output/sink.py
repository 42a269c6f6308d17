"""What every sink is: a place where artifacts go."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from lightning_cnnviz.arguments import shown
from lightning_cnnviz.output.artifacts import Array, Artifact, Look, Note, Picture, Scalar

KINDS = (Picture, Scalar, Note, Array, Look)


class Sink(ABC):
    """A place where pictures, numbers and notes go.

    For a destination of your own, say in :meth:`write` how one artifact gets there, and give an instance to
    ``CNNVisualizer(sinks=[...])``. Each sink has a thread of its own, on which both methods are called: training never
    waits for it. What it raises costs that artifact and one warning. Because it runs beside the training, it must not
    draw from the global random number generators nor set what holds for the whole process; ``random.Random()`` is fine.

    Attributes:
        takes: the kinds of artifacts that are handed to :meth:`write`; nothing else is even queued.

    Example:
        >>> from lightning_cnnviz import Artifact, Picture
        >>> class Count(Sink):
        ...     takes = (Picture,)
        ...
        ...     def __init__(self) -> None:
        ...         self.pictures = 0
        ...
        ...     def write(self, artifact: Artifact, step: int) -> None:
        ...         self.pictures += 1
    """

    takes: tuple[type[Artifact], ...] = (Picture, Scalar, Note)

    @abstractmethod
    def write(self, artifact: Artifact, step: int) -> None:
        """Encodes one artifact and hands it over.

        Args:
            artifact: of one of the kinds that the sink takes; not to be changed.
            step: the Trainer's, above the last one of the same tag.
        """

    def flush(self) -> None:  # noqa: B027 - most sinks hand everything over at once
        """Makes everything written so far visible to readers; called after every look and at the end."""

    def finish(self) -> None:  # noqa: B027 - most sinks are always up to date
        """Brings up to date what is renewed only now and then; called when a run ends, which another may follow."""


class ClientSink(Sink):
    """A sink that writes through a logger's client, which stays the logger's to close.

    A copy (``pickle``, ``copy.deepcopy``) has no client, since an open run cannot be copied.

    Args:
        client: what the logger writes through.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def client(self) -> Any:
        """What the logger writes through.

        Raises:
            RuntimeError: this is a copy.
        """
        if self._client is None:
            raise RuntimeError(f"a copied {type(self).__name__} has no client: make a new one from the logger")
        return self._client

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_client": None}


def kinds_taken(sink: Sink) -> tuple[type[Artifact], ...]:
    """The kinds of artifacts that a sink takes, also of one that is no subclass of :class:`Sink`."""
    return getattr(sink, "takes", Sink.takes)


def check_sinks(sinks: object) -> None:
    """Checks the argument ``sinks``.

    Raises:
        TypeError: it is neither None nor a sequence of sinks, or one of them takes what is no kind of artifact.
    """
    if sinks is None:
        return
    if not isinstance(sinks, Sequence) or isinstance(sinks, str | bytes):
        raise TypeError(f"sinks must be None or a sequence of sinks such as [FileSink('pictures')], got {shown(sinks)}")
    for sink in sinks:
        check_sink("sinks must hold sinks", sink)


def check_sink(demand: str, sink: Any) -> None:
    """Checks one sink.

    Args:
        demand: the beginning of the message.
        sink: what came.

    Raises:
        TypeError: it is none, or takes what is no kind of artifact.
    """
    if isinstance(sink, type) or not callable(getattr(sink, "write", None)):
        raise TypeError(f"{demand} such as FileSink('pictures'), got {shown(sink)}")
    kinds = kinds_taken(sink)
    if not isinstance(kinds, tuple) or not all(isinstance(kind, type) and issubclass(kind, KINDS) for kind in kinds):
        allowed = ", ".join(kind.__name__ for kind in KINDS)
        raise TypeError(f"{type(sink).__name__}.takes must be a tuple of {allowed}, got {shown(kinds)}")


def encodable(artifact: Artifact) -> Artifact:
    r"""The artifact with a tag and a text that UTF-8 can hold.

    File systems yield names with single surrogates for bytes that they cannot decode; they become ``\udce9`` written
    out.
    """
    tag = _written_out(artifact.tag)
    if isinstance(artifact, Note):
        return dataclasses.replace(artifact, tag=tag, text=_written_out(artifact.text))
    return artifact if tag == artifact.tag else dataclasses.replace(artifact, tag=tag)


def _written_out(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
