"""Pictures with one row per sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightning_cnnviz.render.bars import ColorBar
from lightning_cnnviz.render.captions import Caption
from lightning_cnnviz.render.checks import check_count, check_pictures
from lightning_cnnviz.render.geometry import framed, with_left_out
from lightning_cnnviz.render.sheet_rows import Parts

if TYPE_CHECKING:
    from lightning_cnnviz.output.artifacts import RGB


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
    strengths: Sequence[Sequence[float | None]] | None = None,
    first: str = "",
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
        strengths: how much of a bar under every cell is filled, from 0 to 1; None for no bar.
        first: the heading above the samples.
        smooth: how small cells are enlarged: bilinearly, or pixel by pixel.

    Returns:
        (H, W, 3) uint8 RGB, at most 1,000 pixels wide. Cells are 80 to 224 pixels wide, those of flat pictures wider;
        more than fit beside a sample take several lines, below the sample where none fits beside it. Pictures keep
        their aspect ratio. Captions stand between the sample and its cells, or above both where they would have to be
        cut. Where rows below each other would be more than 3,000 pixels high, up to four lie abreast, in reading order,
        as far as their cells stay 80 pixels wide; what is higher than 5,200 is left out, and the footer says so.

    Raises:
        TypeError: if a picture is not uint8.
        ValueError: if a shape or a number of items does not fit.
    """
    _check_sheet(samples, captions, cells, columns, cell_labels)
    laid = Parts(samples, captions or (), cells, columns, cell_labels or (), strengths or (), first, smooth).laid_out()
    footer = with_left_out(footer, (laid.shown, len(samples), "samples"), (laid.columns, len(cells[0]), "columns"))
    return framed(laid.body(), title, footer, bar)


def _check_sheet(
    samples: Sequence[RGB],
    captions: Sequence[Caption] | None,
    cells: Sequence[Sequence[RGB]],
    columns: Sequence[str],
    cell_labels: Sequence[Sequence[str]] | None,
) -> None:
    check_pictures("samples", samples)
    if captions:
        check_count("captions", captions, "samples", len(samples))
    check_count("cells", cells, "samples", len(samples))
    for row in cells:
        check_count("every row of cells", row, "columns in the first row", len(cells[0]))
        if len(row):
            check_pictures("cells", row)
    if columns:
        check_count("columns", columns, "cells in a row", len(cells[0]))
    if cell_labels:
        check_count("cell_labels", cell_labels, "samples", len(samples))
        for labels in cell_labels:
            check_count("every row of cell_labels", labels, "cells in a row", len(cells[0]))
