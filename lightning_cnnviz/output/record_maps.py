"""The maps of a record, taken from the figures that views hand over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from lightning_cnnviz import render as drawn
from lightning_cnnviz.output.record import Maps
from lightning_cnnviz.render.figures import Sheet, Tiles
from lightning_cnnviz.render.legend import MaskSheet
from lightning_cnnviz.render.masks import Masks, class_color

_OF_PICTURES = (0.0, 255.0)
_MOST_CLASSES = 250
"""8 bits keep so many numbers apart."""


def maps_of_sheet(figure: Sheet, tag: str, common: Mapping[str, Any], rows: list[int] | None) -> Iterator[Maps]:
    """The maps of a sheet, one for columns that look alike; none of columns that are no maps.

    Args:
        figure: the sheet.
        tag: of its picture.
        common: what they all have in common.
        rows: the samples that its rows are, None where they are none.
    """
    # What shows the first samples is the same as ever; chosen ones stand for themselves, in the order of the sheet.
    chosen = None if rows is None or rows == list(range(len(rows))) else rows
    masks = [column for column in figure.columns if isinstance(column, Masks)]
    if masks:
        yield from _classes(masks, figure, {**common, "tag": tag, "title": figure.title, "rows": chosen})
    columns = _together([column for column in figure.columns if not isinstance(column, Masks)])
    for number, column in enumerate(columns, start=min(1, len(masks))):
        words = " ".join(column.column_headings)
        # A name with the epoch in it would be another one in every look.
        is_moment = isinstance(column, drawn.Maps) and column.is_moment
        name = tag if number == 0 else f"{tag} ({number if not words or is_moment else words})"
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


def _classes(masks: Sequence[Masks], figure: Sheet, common: Mapping[str, Any]) -> Iterator[Maps]:
    """The class of each place as its number, in the colors that the picture has, too."""
    if len({one.values.shape for one in masks}) > 1:
        return
    values = np.stack([one.values for one in masks], axis=1).astype(np.float32)
    if np.ptp(values) > _MOST_CLASSES:
        return
    values[values < 0] = np.nan
    names = figure.legend if isinstance(figure, MaskSheet) else ()
    yield Maps(
        values=values,
        columns=[one.heading for one in masks],
        over=True,
        grey=True,
        classes=[(index, name, class_color(index)) for name, index in names],
        **common,
    )


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


def maps_of_tiles(figure: Tiles, common: Mapping[str, Any]) -> Iterator[Maps]:
    """The maps of tiles, which belong to no sample."""
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
