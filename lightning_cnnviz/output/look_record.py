"""The record of a look, taken from what the views handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from lightning_cnnviz.output.artifacts import DrawingError, Look, Note, Picture, SampleSet, Scalar, Seen
from lightning_cnnviz.output.record import EncodedLook, Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_setup import Legend, Setup
from lightning_cnnviz.render import columns as drawn
from lightning_cnnviz.render.figures import Sheet, Tiles

_OF_PICTURES = (0.0, 255.0)


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
    groups: list[Group] = []
    maps: list[Maps] = []
    scalars: dict[str, float] = {}
    notes: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    for seen in look.seen:
        number = len(groups)
        groups.append(_group(seen))
        descriptions.update(seen.descriptions)
        for view, artifact in seen.artifacts:
            if isinstance(artifact, Scalar):
                scalars[artifact.tag] = artifact.value
            elif isinstance(artifact, Note):
                notes[artifact.tag] = artifact.text
            elif isinstance(artifact, Picture) and isinstance(artifact.figure, Tiles):
                maps += _tiles(artifact.figure, {"tag": artifact.tag, "view": view, "title": artifact.figure.title})
            elif isinstance(artifact, Picture) and isinstance(artifact.figure, Sheet):
                group, rows = number, _rows(artifact.figure, seen)
                if rows is None:
                    group = len(groups)
                    groups.append(_of_its_own(artifact, artifact.figure))
                maps += _sheet(artifact.figure, artifact.tag, {"view": view, "group": group}, rows)
    legend = Legend(descriptions, sorted({one.colormap for one in maps}))
    return Record(look.time, look.epoch, groups, legend, maps, scalars, notes)


_setups: WeakKeyDictionary[SampleSet, Setup] = WeakKeyDictionary()


def _group(seen: Seen) -> Group:
    samples = seen.samples
    pictures = [artifact for _, artifact in seen.artifacts if isinstance(artifact, Picture)]
    setup = _setups.get(samples) or Setup(
        samples.pictures,
        samples.labels,
        samples.class_names,
        samples.boxes,
        pictures[0].format if pictures else "png",
    )
    _setups[samples] = setup
    return Group(setup, seen.probabilities, seen.explained, seen.captions, seen.name, seen.shown)


def _rows(figure: Sheet, seen: Seen) -> list[int] | None:
    """Which samples the rows of a sheet are; None where they are others, such as classes."""
    pictures = seen.samples.pictures
    for row in figure.rows:
        if row.index >= len(pictures):
            return None
        ours = pictures[row.index]
        if row.picture is not ours and not np.array_equal(row.picture, ours):
            return None
    return [row.index for row in figure.rows]


def _of_its_own(picture: Picture, figure: Sheet) -> Group:
    captions = [((), None) if row.caption is None else (row.caption.lines, row.caption.correct) for row in figure.rows]
    boxes = [row.box for row in figure.rows] if any(row.box for row in figure.rows) else None
    setup = Setup([row.picture for row in figure.rows], boxes=boxes, picture_format=picture.format)
    return Group(setup, captions=captions, name=picture.tag, is_own=True, heading=figure.first)


def _sheet(figure: Sheet, tag: str, common: Mapping[str, Any], rows: list[int] | None) -> Iterator[Maps]:
    # What shows the first samples is the same as ever; chosen ones stand for themselves, in the order of the sheet.
    chosen = None if rows is None or rows == list(range(len(rows))) else rows
    columns = _together(figure.columns)
    for number, column in enumerate(columns):
        name = tag if number == 0 else f"{tag} ({' '.join(column.column_headings) or number})"
        is_named = len(figure.columns) > 1 or rows is None
        yield from _column(column, {**common, "tag": name, "title": figure.title, "rows": chosen}, is_named)


def _together(columns: Sequence[drawn.Column]) -> Sequence[drawn.Column]:
    """Columns of maps that look alike as one, so that before and after stand beside each other."""
    if not all(isinstance(column, drawn.Maps) for column in columns):
        return columns
    maps = [column for column in columns if isinstance(column, drawn.Maps)]
    if len({(one.values.shape[2:], one.kind, one.colormap, one.laying, one.limits, one.scale) for one in maps}) != 1:
        return columns
    values = np.concatenate([column.values for column in maps], axis=1)
    headings = tuple(heading for column in maps for heading in column.headings)
    labels: tuple[tuple[str, ...], ...] = ()
    if all(column.labels for column in maps):
        labels = tuple(tuple(chain.from_iterable(row)) for row in zip(*(one.labels for one in maps), strict=True))
    return [replace(maps[0], values=values, headings=headings, labels=labels)]


def _column(column: drawn.Column, common: Mapping[str, Any], is_named: bool) -> Iterator[Maps]:
    if isinstance(column, drawn.Maps):
        yield Maps(
            values=column.values,
            limits=column.limits,
            labels=column.labels,
            columns=column.headings if is_named or len(column.headings) > 1 else ("",),
            colormap=column.colormap,
            symmetric=column.kind == "signed",
            smooth=column.smooth,
            over=column.laying != "alone",
            shared=column.scale == "shared",
            grey=column.grey,
            **common,
        )
    elif isinstance(column, drawn.SignedImages) and column.part == "both":
        yield Maps(
            values=column.values,
            limits=column.limits,
            columns=(column.heading if is_named else "",),
            colormap="gray",
            symmetric=True,
            planes=column.values.shape[1],
            shared=column.scale == "shared",
            **common,
        )
    elif isinstance(column, drawn.Images) and len({picture.shape for picture in column.pictures}) == 1:
        values = np.stack(column.pictures).transpose(0, 3, 1, 2).astype(np.float32)
        heading = column.heading if is_named else ""
        yield Maps(values=values, columns=(heading,), limits=_OF_PICTURES, planes=3, smooth=column.smooth, **common)


def _tiles(figure: Tiles, common: Mapping[str, Any]) -> Iterator[Maps]:
    cells = figure.cells
    if isinstance(cells, drawn.Images):
        pictures = cells.pictures
        values = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
        values = values.reshape(1, -1, *values.shape[2:])
        labels = figure.labels or tuple(map(str, range(len(pictures))))
        yield Maps(
            values=values, columns=labels, group=None, limits=_OF_PICTURES, planes=3, smooth=figure.smooth, **common
        )
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
        limits=cells.limits,
        **common,
    )
