"""The record of a look: what was seen as numbers, in the format of docs/record.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.output.quantize import Quantized, halved, quantized
from lightning_cnnviz.output.record_json import from_blob, number, text, to_blob
from lightning_cnnviz.output.record_names import VERSION
from lightning_cnnviz.output.record_setup import PICTURE_SIDE, Constant, Legend, Setup

_TOP = 5


@dataclass(frozen=True, slots=True)
class Maps:
    """Maps that a view shows.

    Attributes:
        tag: of the picture that shows the same.
        values: (S, K, h, w); with ``planes=3`` each three channels in turn are red, green and blue of one picture.
        view: the name of the view, as in the descriptions.
        title: what is shown.
        columns: what each of the K maps (or K / 3 pictures) of a sample is.
        group: to which samples they belong, as the index of a group of the look; None: not to samples, and S is 1.
        colormap: a name that `lookup_table` accepts.
        symmetric: whether zero is the middle color.
        smooth: whether maps are enlarged by interpolation.
        over: whether they are laid over the pictures of their samples.
        planes: 1 or 3.
        shared: whether all maps are on one scale at first.
        grey: whether the pictures below lose their colors.
        limits: the values of the lowest and the highest color; None: found in the maps.
        rows: the samples shown, in this order, where they are not the first S.
        labels: for each of the S rows a text for each map; empty where there are none.
        classes: index, name and color of each class where values are classes of places, NaN where there is none.
    """

    tag: str
    values: NDArray[np.floating[Any]]
    view: str = ""
    title: str = ""
    columns: Sequence[str] = ()
    group: int | None = 0
    colormap: str = "viridis"
    symmetric: bool = False
    smooth: bool = False
    over: bool = False
    planes: int = 1
    shared: bool = False
    grey: bool = False
    limits: tuple[float, float] | None = None
    rows: Sequence[int] | None = None
    labels: Sequence[Sequence[str]] = ()
    classes: Sequence[tuple[int, str, tuple[int, int, int]]] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A picture without numbers behind it.

    Attributes:
        tag: where it appears.
        content: PNG or JPEG.
        view: the name of the view, as in the descriptions.
    """

    tag: str
    content: bytes
    view: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The samples that one or several views were shown, and what the model answered.

    Attributes:
        setup: where the samples are.
        probabilities: (N, classes), None where classes are not what the model answers.
        explained: (N,) the class explained, None where a function gave the scores.
        captions: for each sample lines of text about another kind of answer, and whether it was right.
        name: of the samples, to tell them from others of the same run.
        shown: how many of them are drawn, counted from the first; None: all.
        heading: what they are, such as class means, where they are no samples.
        is_own: whether these are no samples that stay the same, but what one sheet of this look shows.
    """

    setup: Setup
    probabilities: NDArray[np.floating[Any]] | None = None
    explained: Sequence[int] | None = None
    captions: Sequence[tuple[Sequence[str], bool | None]] | None = None
    name: str = ""
    shown: int | None = None
    is_own: bool = False
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One look as it is stored.

    Attributes:
        time: seconds since 1970.
        epoch: counted from 0, None outside of training.
        groups: the samples with the model's answers.
        legend: how views are read.
        maps: what the views show.
        scalars: numbers by tag.
        notes: Markdown by tag.
        pictures: those that views hand over without numbers.
    """

    time: float
    epoch: int | None = None
    groups: Sequence[Group] = ()
    legend: Legend = field(default_factory=Legend)
    maps: Sequence[Maps] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[Finished] = ()


@dataclass(frozen=True)
class EncodedLook:
    """The blobs of a look, and those of its setups by their names."""

    setups: Mapping[str, list[bytes]]
    look: list[bytes]


def encode_look(record: Record, step: int) -> EncodedLook:
    """A look with everything that it refers to."""
    parts: list[Constant] = [*(group.setup for group in record.groups), record.legend]
    return EncodedLook({part.name: part.blobs for part in parts}, encode_record(record, step))


def step_of(blobs: Sequence[bytes]) -> int:
    """The step of an encoded look."""
    step: int = from_blob(blobs[0])["step"]
    return step


def encode_record(record: Record, step: int) -> list[bytes]:
    """The blobs of a look: JSON, then those of its maps, then its pictures.

    Args:
        record: the look.
        step: its step.
    """
    stacks = [_stack(maps) for maps in record.maps]
    head = {
        "version": VERSION,
        "step": step,
        "epoch": record.epoch,
        "time": record.time,
        "legend": record.legend.name,
        "groups": [_group(group) for group in record.groups],
        "scalars": {text(tag): number(value) for tag, value in record.scalars.items()},
        "notes": {text(tag): text(words) for tag, words in record.notes.items()},
        "items": [
            _item(maps, stack, blob + 1) for blob, (maps, stack) in enumerate(zip(record.maps, stacks, strict=True))
        ],
        "pictures": [
            {"tag": text(picture.tag), "view": picture.view, "blob": blob}
            for blob, picture in enumerate(record.pictures, start=1 + len(stacks))
        ],
    }
    return [to_blob(head), *(stack.blob for stack in stacks), *(picture.content for picture in record.pictures)]


def _stack(maps: Maps) -> Quantized:
    """No finer than the pictures of the samples, so that numbers never take more room than drawn pictures."""
    if maps.classes is not None:  # between two classes lies none
        step = -(-max(maps.values.shape[2:]) // PICTURE_SIDE)
        return quantized(maps.values[:, :, ::step, ::step])
    stack = quantized(maps.values)
    while min(stack.shape[2:]) > 1 and max(stack.shape[2:]) > PICTURE_SIDE:
        stack = halved(stack)
    return stack


def _group(group: Group) -> dict[str, Any]:
    described: dict[str, Any] = {
        "setup": group.setup.name,
        "name": text(group.name),
        "shown": len(group.setup.pictures) if group.shown is None else group.shown,
        "classes": None,
        "probabilities": None,
        "explained": None if group.explained is None else [int(index) for index in group.explained],
        "captions": None,
        "own": group.is_own,
        "heading": text(group.heading),
    }
    if group.probabilities is not None:
        values = np.asarray(group.probabilities, np.float64)
        best = np.argsort(-np.nan_to_num(values), axis=1, kind="stable")[:, :_TOP]
        described["classes"] = best.tolist()
        values = np.where(np.isfinite(values).all(axis=1, keepdims=True), values, np.nan)
        leading = np.take_along_axis(values, best, axis=1).tolist()
        described["probabilities"] = [[number(float(f"{value:.4g}")) for value in row] for row in leading]
    if group.captions is not None:
        described["captions"] = [{"lines": [*map(text, lines)], "right": right} for lines, right in group.captions]
    return described


def _item(maps: Maps, stack: Quantized, blob: int) -> dict[str, Any]:
    return {
        "tag": text(maps.tag),
        "view": maps.view,
        "title": text(maps.title),
        "columns": [text(name) for name in maps.columns],
        "group": maps.group,
        "shape": list(stack.shape),
        "full_shape": list(maps.values.shape),
        "bits": stack.bits,
        "range": [number(end) for end in stack.range],
        "planes": maps.planes,
        "colormap": maps.colormap,
        "symmetric": maps.symmetric,
        "smooth": maps.smooth,
        "over": maps.over,
        "shared": maps.shared,
        "grey": maps.grey,
        "limits": None if maps.limits is None else [number(end) for end in maps.limits],
        "rows": None if maps.rows is None else [int(index) for index in maps.rows],
        "labels": [[text(label) for label in row] for row in maps.labels],
        "classes": None
        if maps.classes is None
        else [[index, text(name), "#" + bytes(color).hex()] for index, name, color in maps.classes],
        "blob": blob,
    }
