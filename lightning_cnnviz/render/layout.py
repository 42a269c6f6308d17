"""The two layouts: a sheet with one row per sample, and tiles in one grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.render.bars import ColorBar, vertical_bar
from lightning_cnnviz.render.blocks import Mosaic, beside, grid, stacked
from lightning_cnnviz.render.captions import Caption, caption_blocks, label_blocks
from lightning_cnnviz.render.geometry import (
    GAP,
    balanced_columns,
    box_height,
    cell_block,
    cell_width,
    framed,
    text_size,
    tile_gap,
)
from lightning_cnnviz.render.text import DARK, MUTED

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB

_NARROWEST_CAPTION = 200
_NARROWEST_LABELLED = 40
_PIXEL_ART = 64  # samples up to this width are enlarged pixel by pixel


def sheet(
    samples: Sequence[RGB],
    captions: Sequence[Caption] | None,
    cells: Sequence[Sequence[RGB]],
    *,
    columns: Sequence[str] = (),
    title: str = "",
    footer: str = "",
    bar: ColorBar | None = None,
    cell_labels: Sequence[Sequence[str]] | None = None,
    smooth: bool = False,
) -> RGB:
    """Draw one row per sample: the sample, its caption, then its cells.

    Args:
        samples: (H, W, 3) uint8 RGB each; their sizes may differ.
        captions: one per sample, or ``None``.
        cells: for each sample the same number of (h, w, 3) uint8 RGB pictures, possibly none.
        columns: headings above the cells, one for each column.
        title: what is shown, and of which layer.
        footer: how to read it, for example ``"each cell scaled by itself"``.
        bar: the color scale that all cells share.
        cell_labels: a text under every cell, in the shape of ``cells``.
        smooth: how small cells are enlarged: bilinearly, or pixel by pixel.

    Returns:
        (H, W, 3) uint8 RGB, about 600 to 1,400 pixels wide. Cells are 96 to 224 pixels wide; pictures keep
        their aspect ratio.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_sheet(samples, captions, cells, columns, cell_labels)
    count = len(cells[0])
    width = cell_width(count + 1, samples[0].shape[1])
    pictures_width = (count + 1) * (width + GAP)
    size = text_size(pictures_width)
    heights = [box_height(sample, width) for sample in samples]

    rows = [
        [cell_block(sample, height, width, smooth=sample.shape[1] > _PIXEL_ART)]
        for sample, height in zip(samples, heights, strict=True)
    ]
    if captions:
        widest = max(_NARROWEST_CAPTION, 0.22 * pictures_width)
        for row, caption in zip(rows, caption_blocks(captions, heights, widest, size), strict=True):
            row.append(caption)
    before = len(rows[0])
    for row, pictures, height in zip(rows, cells, heights, strict=True):
        row.extend(cell_block(picture, height, width, smooth=smooth) for picture in pictures)
    if cell_labels:
        texts = [text for labels in cell_labels for text in labels]
        below = iter(label_blocks(texts, width, size * 4 // 5, MUTED))
        for row in rows:
            row[before:] = [stacked([cell, next(below)]) for cell in row[before:]]
    if columns:
        rows.insert(0, [*[Mosaic((1, 1))] * before, *label_blocks(columns, width, size, DARK)])
    return framed(grid(rows, GAP), title, footer, bar)


def tiles(
    cells: Sequence[RGB] | NDArray[np.uint8],
    *,
    labels: Sequence[str] = (),
    columns: int | None = None,
    title: str = "",
    footer: str = "",
    bar: ColorBar | None = None,
    bars: Sequence[ColorBar] | None = None,
    smooth: bool = False,
) -> RGB:
    """Draw pictures in one grid, in reading order: filters, the feature maps of one sample, class prototypes.

    Args:
        cells: (K, h, w, 3) uint8 RGB, or K pictures of (h, w, 3).
        labels: a text under every cell; left out where cells are too small for text that can be read.
        columns: cells in a row; ``None`` for a picture that is about square.
        title: what is shown, and of which layer.
        footer: how to read it.
        bar: the color scale that all cells share.
        bars: a color scale for every cell, drawn at its right.
        smooth: how small cells are enlarged: bilinearly, or pixel by pixel.

    Returns:
        (H, W, 3) uint8 RGB, about 600 to 1,400 pixels wide: many cells become small ones.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_tiles(cells, labels, columns, bars)
    slot_share = 0.7 if bars else 1.0
    aspect = cells[0].shape[0] / cells[0].shape[1]
    columns = columns or balanced_columns(len(cells), aspect * slot_share)
    width = cell_width(columns, cells[0].shape[1], share=slot_share, narrowest=1)
    height = box_height(cells[0], width)
    size = text_size(columns * width / slot_share)

    blocks = [cell_block(cell, height, width, smooth=smooth) for cell in cells]
    if bars:
        scales = (vertical_bar(scale, height, min(size, width // 6)) for scale in bars)
        blocks = [beside([block, scale], GAP // 2) for block, scale in zip(blocks, scales, strict=True)]
    if labels and width >= _NARROWEST_LABELLED:
        below = label_blocks(labels, width, size, DARK)
        blocks = [stacked([block, label]) for block, label in zip(blocks, below, strict=True)]
    rows = [blocks[start : start + columns] for start in range(0, len(blocks), columns)]
    return framed(grid(rows, tile_gap(width)), title, footer, bar)


def _check_sheet(
    samples: Sequence[RGB],
    captions: Sequence[Caption] | None,
    cells: Sequence[Sequence[RGB]],
    columns: Sequence[str],
    cell_labels: Sequence[Sequence[str]] | None,
) -> None:
    _check_pictures("samples", samples)
    if captions:
        _check_count("captions", captions, "samples", len(samples))
    _check_count("cells", cells, "samples", len(samples))
    for row in cells:
        _check_count("every row of cells", row, "columns in the first row", len(cells[0]))
        if len(row):
            _check_pictures("cells", row)
    if columns:
        _check_count("columns", columns, "cells in a row", len(cells[0]))
    if cell_labels:
        _check_count("cell_labels", cell_labels, "samples", len(samples))
        for labels in cell_labels:
            _check_count("every row of cell_labels", labels, "cells in a row", len(cells[0]))


def _check_tiles(
    cells: Sequence[RGB] | NDArray[np.uint8],
    labels: Sequence[str],
    columns: int | None,
    bars: Sequence[ColorBar] | None,
) -> None:
    _check_pictures("cells", cells)
    if columns is not None and columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    if labels:
        _check_count("labels", labels, "cells", len(cells))
    if bars:
        _check_count("bars", bars, "cells", len(cells))


def _check_count(name: str, items: Sequence[object], per: str, expected: int) -> None:
    if len(items) != expected:
        raise ValueError(f"{name} must have one item for each of the {expected} {per}, got {len(items)}")


def _check_pictures(name: str, pictures: Sequence[RGB] | NDArray[np.uint8]) -> None:
    if len(pictures) == 0:
        raise ValueError(f"{name} must hold at least one picture, got none")
    for picture in pictures:
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
            received = getattr(picture, "dtype", type(picture).__name__)
            raise TypeError(f"{name} must be uint8 arrays, got {received}")
        if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
            raise ValueError(f"{name} must have the shape (height, width, 3), got {picture.shape}")
