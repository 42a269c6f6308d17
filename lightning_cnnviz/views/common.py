"""What several views draw alike: the samples with their captions, and maps over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import RGB, Picture
from lightning_cnnviz.render import (
    Caption,
    DrawnMaps,
    Scale,
    draw_enlarged,
    draw_maps,
    format_number,
    overlay,
    resize,
    sheet,
)

LARGEST_SIDE = 448  # a map is laid over its picture at no more pixels than a sheet can show


def to_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """The values on the CPU; bfloat16 has no NumPy counterpart, hence float32."""
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array


def shown_pictures(evidence: Evidence) -> list[RGB]:
    """The pictures of the samples to be drawn, in their own resolution where they have one."""
    return evidence.samples.display_pictures()[: evidence.shown]


def captions(evidence: Evidence) -> list[Caption]:
    """Predicted class and probability, true class, and the class explained where it is another."""
    samples = evidence.samples
    highest, best = evidence.probabilities[: evidence.shown].max(dim=1)
    result = []
    for index, (predicted, probability) in enumerate(zip(best.tolist(), highest.tolist(), strict=True)):
        lines = [samples.class_name(predicted), percent(probability)]
        truth = None if samples.labels is None else int(samples.labels[index])
        if truth is not None:
            lines.append(f"true {samples.class_name(truth)}")
        explained = None if evidence.target_classes is None else int(evidence.target_classes[index])
        if explained is not None and explained != predicted:
            lines.append(f"maps {samples.class_name(explained)}")
        result.append(Caption(tuple(lines), None if truth is None else truth == predicted))
    return result


def percent(probability: float) -> str:
    """A probability as it is read: 98%, 0.4%, or a question mark if it is not finite."""
    if not np.isfinite(probability):
        return "? %"
    return f"{100 * probability:.1f}%" if 0 < probability < 0.01 else f"{100 * probability:.0f}%"


def map_sheet(
    evidence: Evidence,
    tag: str,
    columns: Sequence[tuple[str, Sequence[RGB]]],
    *,
    title: str,
    footer: str,
    drawn: DrawnMaps,
    smooth: bool,
) -> Picture:
    """One row per sample with the given columns of cells; defects of the maps are written under the first column."""
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    labels = None
    if drawn.defects:
        labels = [[drawn.defects.get((row,), "")] + [""] * (len(columns) - 1) for row in range(len(rows))]
    return Picture(
        tag,
        sheet(
            shown_pictures(evidence),
            captions(evidence),
            rows,
            columns=[heading for heading, _ in columns],
            title=title,
            footer=footer,
            cell_labels=labels,
            smooth=smooth,
        ),
        defect_remarks(tag, drawn),
    )


def overlay_sheet(
    evidence: Evidence,
    tag: str,
    maps: Tensor,
    *,
    pictures: Sequence[RGB] | None = None,
    heading: str = "heat map",
    title: str,
    note: str = "",
    colormap: str,
    scale: Scale,
    alpha: float,
    smooth: bool,
    symmetric: bool = False,
) -> Picture:
    """One row per sample with its map (N, h, w), and the same over a picture: that of the sample if none is given."""
    drawn, heats, overlays = laid_over(
        shown_pictures(evidence) if pictures is None else pictures,
        to_numpy(maps[: evidence.shown]),
        colormap=colormap,
        scale=scale,
        alpha=alpha,
        smooth=smooth,
        symmetric=symmetric,
    )
    columns = [(heading, heats), ("overlay", overlays)]
    footer = scale_note(drawn, scale) + note
    return map_sheet(evidence, tag, columns, title=title, footer=footer, drawn=drawn, smooth=smooth)


def with_remark(picture: Picture, remark: str | None) -> Picture:
    """The picture with one more thing to tell the reader, if there is one."""
    return picture if remark is None else replace(picture, remarks=(*picture.remarks, f"About {picture.tag}: {remark}"))


def defect_remarks(tag: str, drawn: DrawnMaps) -> tuple[str, ...]:
    """One sentence if some of the maps have nothing to show."""
    if not drawn.defects:
        return ()
    kinds = sorted(set(drawn.defects.values()))
    return (f"{tag}: {len(drawn.defects)} of {int(np.prod(drawn.limits.shape[:-1]))} maps are {', '.join(kinds[:3])}",)


def scale_note(drawn: DrawnMaps, scale: str) -> str:
    """What the colors mean, with numbers."""
    highest = drawn.limits[..., 1]
    highest = highest[np.isfinite(highest)]
    if not highest.size:
        return "no finite values"
    low, high = format_number(float(highest.min())), format_number(float(highest.max()))
    if scale == "shared":
        return f"one scale for all, maximum {high}"
    return "each map scaled by itself" + (f", maximum {high}" if low == high else f", maxima {low} to {high}")


def laid_over(
    pictures: Sequence[RGB],
    maps: NDArray[np.float32],
    *,
    colormap: str,
    scale: Scale,
    alpha: float,
    smooth: bool,
    symmetric: bool = False,
) -> tuple[DrawnMaps, list[RGB], list[RGB]]:
    """Maps (N, h, w) colored, enlarged to their pictures and laid over them: the drawn maps, heat maps, overlays."""
    drawn = draw_maps(maps, colormap=colormap, scale=scale, symmetric=symmetric)
    heats, overlays = [], []
    for index, picture in enumerate(map(_limited, pictures)):
        size = (picture.shape[0], picture.shape[1])
        if smooth and (index,) not in drawn.defects:
            low, high = drawn.limits[index].tolist()
            heat = draw_enlarged(maps[index], size, colormap=colormap, limits=(low, high))
        else:
            heat = resize(drawn.cells[index], size, smooth=False)
        heats.append(heat)
        overlays.append(overlay(picture, heat, alpha))
    return drawn, heats, overlays


def _limited(picture: RGB) -> RGB:
    largest = max(picture.shape[:2])
    if largest <= LARGEST_SIDE:
        return picture
    factor = LARGEST_SIDE / largest
    return resize(picture, (round(picture.shape[0] * factor), round(picture.shape[1] * factor)), smooth=True)
