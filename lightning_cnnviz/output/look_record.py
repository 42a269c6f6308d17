"""The record of a look, taken from what the views handed over."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from lightning_cnnviz.output.artifacts import DrawingError, Look, Note, Picture, SampleSet, Scalar, Seen
from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.record import EncodedLook, Finished, Group, Maps, Record, encode_look
from lightning_cnnviz.output.record_maps import maps_of_sheet, maps_of_tiles
from lightning_cnnviz.output.record_setup import Legend, Setup
from lightning_cnnviz.render.bar_sheets import BarSheet
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
    groups: list[Group] = []
    maps: list[Maps] = []
    scalars: dict[str, float] = {}
    notes: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    pictures: list[Finished] = []
    for seen in look.seen:
        number = len(groups)
        groups.append(_group(seen))
        descriptions.update(seen.descriptions)
        for view, artifact in seen.artifacts:
            if isinstance(artifact, Scalar):
                scalars[artifact.tag] = artifact.value
            elif isinstance(artifact, Note):
                notes[artifact.tag] = artifact.text
            elif isinstance(artifact, Picture):
                found, own = _maps(artifact, view, seen, number, len(groups))
                maps += found
                groups += own
                if not found and not _is_shown_otherwise(artifact):
                    with suppress(DrawingError):  # who asks for the picture itself says so
                        pictures.append(Finished(artifact.tag, encode(artifact.image, artifact.format), view))
    legend = Legend(descriptions, sorted({one.colormap for one in maps}))
    return Record(look.time, look.epoch, groups, legend, maps, scalars, notes, pictures)


def _maps(picture: Picture, view: str, seen: Seen, group: int, next_group: int) -> tuple[list[Maps], list[Group]]:
    """The maps that a picture shows, and the group that they are about where it is none of the samples."""
    figure = picture.figure
    if isinstance(figure, Tiles):
        return list(maps_of_tiles(figure, {"tag": picture.tag, "view": view, "title": figure.title})), []
    if not isinstance(figure, Sheet):
        return [], []
    rows = _rows(figure, seen)
    common = {"view": view, "group": next_group if rows is None else group}
    found = list(maps_of_sheet(figure, picture.tag, common, rows))
    return found, [_of_its_own(picture, figure)] if rows is None and found else []


def _is_shown_otherwise(picture: Picture) -> bool:
    """Answers stand below the samples, and what a timeline shows is what the page makes of all looks."""
    return isinstance(picture.figure, BarSheet) or "timeline" in picture.tag.split("/")


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
