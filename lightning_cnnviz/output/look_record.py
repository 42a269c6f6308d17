"""The record of a look, taken from what the views handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from lightning_cnnviz.output.artifacts import Array, DrawingError, Look, Note, Picture, Scalar, Seen
from lightning_cnnviz.output.record import EncodedLook, Group, Maps, Record, Setup, encode_look
from lightning_cnnviz.render import columns as drawn
from lightning_cnnviz.render.figures import Sheet, Tiles


def encoded(look: Look, step: int) -> EncodedLook:
    """The record of a look as blobs, made once for all sinks that ask for it.

    Raises:
        DrawingError: something in it is other than it should be, which is no fault of the sink.
    """
    found = _encoded.setdefault(look, _Encoding())
    with found.lock:
        if step not in found.by_step:
            found.by_step[step] = encode_look(record_of(look), step)
        return found.by_step[step]


class _Encoding:
    """The encodings of one look, and who is at work on them."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.by_step: dict[int, EncodedLook] = {}


_encoded: WeakKeyDictionary[Look, _Encoding] = WeakKeyDictionary()


def record_of(look: Look) -> Record:
    """What is stored of a look.

    Raises:
        DrawingError: something in it is other than it should be, which is no fault of the sink.
    """
    try:
        return _record_of(look)
    except Exception as error:
        raise DrawingError(f"no record of {look.tag}: {type(error).__name__}: {error}") from error


def _record_of(look: Look) -> Record:
    groups, maps = [], []
    scalars: dict[str, float] = {}
    notes: dict[str, str] = {}
    for number, seen in enumerate(look.seen):
        ours = list(_maps(seen, number))
        maps += ours
        groups.append(_group(seen, sorted({one.colormap for one in ours})))
        for _, artifact in seen.artifacts:
            if isinstance(artifact, Scalar):
                scalars[artifact.tag] = artifact.value
            elif isinstance(artifact, Note):
                notes[artifact.tag] = artifact.text
    return Record(look.time, look.epoch, groups, maps, scalars, notes)


def _group(seen: Seen, colormaps: Sequence[str]) -> Group:
    pictures = [artifact for _, artifact in seen.artifacts if isinstance(artifact, Picture)]
    arrays = [artifact for _, artifact in seen.artifacts if isinstance(artifact, Array)]
    setup = Setup(
        seen.pictures,
        seen.labels,
        seen.class_names,
        seen.descriptions,
        colormaps,
        pictures[0].format if pictures else "png",
    )
    predictions = [array.values.numpy() for array in arrays if array.tag.endswith("predictions")]
    return Group(setup, predictions[0] if predictions else None)


def _maps(seen: Seen, group: int) -> Iterator[Maps]:
    for view, artifact in seen.artifacts:
        if isinstance(artifact, Picture) and isinstance(artifact.figure, Sheet):
            figure = artifact.figure
            # A sheet of chosen samples, as of those that changed their class, shows what other views show of all.
            if [row.index for row in figure.rows] == list(range(len(figure.rows))):
                for column, tag in _tagged(artifact.tag, figure.columns):
                    yield from _column(column, {"tag": tag, "view": view, "title": figure.title, "group": group})
        elif isinstance(artifact, Picture) and isinstance(artifact.figure, Tiles):
            yield from _tiles(artifact.figure, {"tag": artifact.tag, "view": view, "title": artifact.figure.title})


def _tagged(tag: str, columns: Sequence[drawn.Column]) -> Iterator[tuple[drawn.Column, str]]:
    for number, column in enumerate(columns):
        yield column, tag if number == 0 else f"{tag} ({' '.join(column.column_headings) or number})"


def _column(column: drawn.Column, common: Mapping[str, Any]) -> Iterator[Maps]:
    if isinstance(column, drawn.Maps):
        headings = column.headings if len(column.headings) > 1 else ("",)
        yield Maps(
            values=column.values,
            columns=headings,
            colormap=column.colormap,
            symmetric=column.kind == "signed",
            smooth=column.smooth,
            over=column.laying != "alone",
            shared=column.scale == "shared",
            grey=column.grey,
            **common,
        )
    elif isinstance(column, drawn.SignedImages) and column.part == "both":
        planes = column.values.shape[1]
        shared = column.scale == "shared"
        yield Maps(
            values=column.values, columns=("",), colormap="gray", symmetric=True, planes=planes, shared=shared, **common
        )


def _tiles(figure: Tiles, common: Mapping[str, Any]) -> Iterator[Maps]:
    cells = figure.cells
    if isinstance(cells, drawn.Images):
        pictures = cells.pictures
        values = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
        values = values.reshape(1, -1, *values.shape[2:])
        labels = figure.labels or tuple(map(str, range(len(pictures))))
        yield Maps(values=values, columns=labels, group=None, planes=3, smooth=figure.smooth, **common)
        return
    planes = cells.values.shape[1] if isinstance(cells, drawn.SignedImages) else 1
    values = cells.values.reshape(1, -1, *cells.values.shape[2:])
    yield Maps(
        values=values,
        columns=figure.labels or tuple(map(str, range(values.shape[1] // planes))),
        group=None,
        colormap=cells.colormap if isinstance(cells, drawn.Maps) else "gray",
        symmetric=isinstance(cells, drawn.SignedImages) or cells.kind == "signed",
        planes=planes,
        shared=cells.scale == "shared",
        **common,
    )
