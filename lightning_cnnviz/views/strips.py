"""Film strips made of what pictures show: their rows, look by look, and as an animation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_cnnviz.arguments import instance, number
from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render import Caption, FilmStrip, Frame, Images, Maps, Row, Sheet, SignedImages, Tiles, moment
from lightning_cnnviz.render.animation import FORMATS, animation, stills

_LARGEST_SIDE = 64  # of a frame that is kept: it is drawn at 48 to 128 pixels
_PLACEHOLDER = 255
_TRUE = "true "


def save_strip(
    strip: FilmStrip, path: str | os.PathLike[str], seconds: float = 0.6, rows: Sequence[int] | None = None
) -> None:
    """Writes a film strip as an animation.

    Raises:
        ValueError: the name of the file does not end in one of :data:`~lightning_cnnviz.render.animation.FORMATS`, or
            ``seconds`` is not positive.
        OSError: it cannot be written.
    """
    instance("path", path, (str, os.PathLike), "a path")
    file = Path(path)
    if file.suffix.lower() not in FORMATS:
        raise ValueError(f"path must end in {', '.join(FORMATS)}, got {os.fspath(path)!r}")
    number("seconds", seconds, above=0)
    file.write_bytes(animation(stills(strip, rows), seconds, FORMATS[file.suffix.lower()]))


@dataclass(frozen=True)
class Still:
    """What a picture showed at one look.

    Attributes:
        position: how many looks came before it.
        epoch: None before training.
        values: (R, C, h, w) float16 numbers, or uint8 pictures.
        lines: for each row what the model said.
        correct: for each row whether that was right.
    """

    position: int
    epoch: int | None
    values: Tensor
    lines: tuple[tuple[str, ...], ...]
    correct: tuple[bool | None, ...]


@dataclass(frozen=True)
class Rows:
    """What a figure shows, as rows of a film strip.

    Attributes:
        of: the column of the figure.
        values: (R, C, h, w).
        names: of each row.
        pictures: what stands at its beginning; None: nothing.
        title: of the figure.
        together: whether all rows are on one scale.
        lines: for each row what the model said.
        correct: for each row whether that was right.
    """

    of: Maps | SignedImages | Images
    values: Tensor
    names: tuple[str, ...]
    pictures: tuple[RGB | None, ...]
    title: str
    together: bool
    lines: tuple[tuple[str, ...], ...]
    correct: tuple[bool | None, ...]

    def strip(self, kept: Sequence[Still]) -> FilmStrip:
        """The film strip of the looks that were kept."""
        blank = np.full((*self.values.shape[2:], 3), _PLACEHOLDER, np.uint8)
        rows = tuple(
            Row(blank if picture is None else picture, Caption((name,)), index)
            for index, (picture, name) in enumerate(zip(self.pictures, self.names, strict=True))
        )
        numbers = torch.stack([still.values for still in kept]).float()
        limits = numbers.nan_to_num(0, 0, 0).abs().amax(dim=(0, 1, 2, 3, 4) if self.together else (0, 2, 3, 4))
        limits = limits.where(limits > 0, 1.0).expand(len(self.names))[:, None, None, None]
        frames = tuple(
            Frame(moment(still.epoch), self._column(still.values, limits), still.lines, still.correct) for still in kept
        )
        footer = "one scale for all" if self.together else "each row on one scale"
        return FilmStrip(
            rows, frames, f"{self.title}, over the run", footer if kept[0].values.is_floating_point() else ""
        )

    def _column(self, values: Tensor, limits: Tensor) -> Maps | SignedImages | Images:
        if isinstance(self.of, Images):
            pictures = values.permute(0, 2, 3, 1).numpy()
            return Images(tuple(np.ascontiguousarray(picture) for picture in pictures), smooth=self.of.smooth)
        shares = (values.float() / limits).numpy()
        if isinstance(self.of, SignedImages):
            return replace(self.of, values=shares, heading="", labels=(), limits=(-1.0, 1.0))
        signed = self.of.kind == "signed"
        return replace(
            self.of,
            values=shares,
            headings=("",),
            labels=(),
            laying="alone" if self.of.laying == "alone" else "over",
            limits=(-1.0 if signed else 0.0, 1.0),
            strongest=None,
        )


def rows_of(figure: object, most: int, sample: int) -> Rows | None:
    """The rows that a strip can be made of: cells of a grid, channels of a sample, or samples."""
    if isinstance(figure, Tiles):
        values = _values(figure.cells)[:most]
        labels = (figure.labels or tuple(map(str, range(len(values)))))[:most]
        names = tuple(f"no. {label}" if label.isdecimal() else label for label in labels)
        nothing: tuple[None, ...] = (None,) * len(values)
        return Rows(
            figure.cells, values, names, nothing, figure.title, _is_shared(figure.cells), ((),) * len(values), nothing
        )
    if not isinstance(figure, Sheet):
        return None
    column = next((one for one in figure.columns if isinstance(one, (Maps, SignedImages, Images))), None)
    if column is None or not figure.rows:
        return None
    if isinstance(column, Maps) and len(column.headings) > 1:
        if sample >= len(figure.rows):
            return None
        values = torch.from_numpy(column.values[sample, :most, None])
        count, picture = len(values), figure.rows[sample].picture
        no_lines, unknown = ((),) * count, (None,) * count
        return Rows(column, values, column.headings[:most], (picture,) * count, figure.title, False, no_lines, unknown)
    values, drawn = _values(column)[:most], figure.rows[:most]
    captions = [() if row.caption is None else row.caption.lines for row in drawn]
    if figure.first:  # classes, whose names come first
        names = tuple(caption[0] for caption in captions)
        lines: tuple[tuple[str, ...], ...] = tuple(_padded(caption[1:], 1) for caption in captions)
    else:
        names = tuple(_name(caption, row.index) for caption, row in zip(captions, drawn, strict=True))
        said = ([line for line in caption if not line.startswith(_TRUE)] for caption in captions)
        lines = tuple(_padded([f"says {one[0]}", *one[1:]] if one else [], 2) for one in said)
    return Rows(
        column,
        values,
        names,
        tuple(row.picture for row in drawn),
        figure.title,
        _is_shared(column),
        lines,
        tuple(None if row.caption is None else row.caption.correct for row in drawn),
    )


def _name(caption: Sequence[str], index: int) -> str:
    """The true class where it is known, which does not change over the looks."""
    return next((line for line in caption if line.startswith(_TRUE)), f"sample {index}")


def _padded(lines: Sequence[str], count: int) -> tuple[str, ...]:
    return (*lines, *[""] * count)[:count]


def _values(column: Maps | SignedImages | Images) -> Tensor:
    """(N, C, h, w) float32 numbers, or uint8 pictures of one size."""
    if isinstance(column, Images):
        return torch.from_numpy(np.stack(column.pictures)).permute(0, 3, 1, 2)
    return torch.from_numpy(column.values)


def _is_shared(column: Maps | SignedImages | Images) -> bool:
    return not isinstance(column, Images) and (column.scale == "shared" or column.limits is not None)


def small(values: Tensor) -> Tensor:
    """As it is kept: at most 64 pixels a side, numbers in half precision and within its range."""
    largest = max(values.shape[2:])
    if largest > _LARGEST_SIDE:
        size = [max(1, round(side * _LARGEST_SIDE / largest)) for side in values.shape[2:]]
        shrunk = F.interpolate(values.float(), size=size, mode="area")
        values = shrunk if values.is_floating_point() else shrunk.round().to(values.dtype)
    most = torch.finfo(torch.half).max
    return values.clamp(-most, most).half() if values.is_floating_point() else values.clone()


def thinned(stills: list[Still], most: int) -> list[Still]:
    """At most so many, spaced by equal factors rather than equal steps: early ones are close together."""
    stills = list(stills)
    while len(stills) > most:
        del stills[most_crowded([still.position for still in stills])]
    return stills


def most_crowded(positions: Sequence[int]) -> int:
    """Which of the looks at these positions gives way first; never the first nor the last of them.

    A look is worth the factor by which the ones beside it lie apart.
    """
    apart = [(after + 1) / (before + 1) for before, after in zip(positions[:-2], positions[2:], strict=True)]
    return 1 + apart.index(min(apart))
