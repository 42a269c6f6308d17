"""The record of a look: what was seen as numbers, in the format of docs/record.md."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_cnnviz.output.artifacts import RGB, PictureFormat
from lightning_cnnviz.output.encoding import encode_alike, file_extension
from lightning_cnnviz.output.quantize import Quantized, halved, quantized
from lightning_cnnviz.output.record_names import VERSION
from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.resampling import resize

_PICTURE_SIDE = 256
_TOP = 5


@dataclass(frozen=True, slots=True)
class Setup:
    """What stays the same over the looks of a run: the samples, and how views are read.

    Attributes:
        pictures: (H, W, 3) uint8 RGB of the samples that are drawn, the first ones.
        labels: the true class of every sample, None where there are none.
        class_names: by class, None where they have none.
        descriptions: how a view is read and when it misleads, by the name of the view.
        colormaps: names of the color maps used.
        picture_format: how the pictures are stored.
    """

    pictures: Sequence[RGB]
    labels: Sequence[int] | None = None
    class_names: Sequence[str] | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    colormaps: Sequence[str] = ()
    picture_format: PictureFormat = "png"


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


@dataclass(frozen=True, slots=True)
class Group:
    """The samples that one or several views were shown, and what the model answered.

    Attributes:
        setup: where the samples are.
        probabilities: (N, classes), None where nobody asked.
        explained: (N,) the class explained, None where a function gave the scores.
    """

    setup: Setup
    probabilities: NDArray[np.floating[Any]] | None = None
    explained: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One look as it is stored.

    Attributes:
        time: seconds since 1970.
        epoch: counted from 0, None outside of training.
        groups: the samples with the model's answers.
        maps: what the views show.
        scalars: numbers by tag.
        notes: Markdown by tag.
    """

    time: float
    epoch: int | None = None
    groups: Sequence[Group] = ()
    maps: Sequence[Maps] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EncodedLook:
    """The blobs of a look, and those of its setups by their names."""

    setups: Mapping[str, list[bytes]]
    look: list[bytes]


def encode_look(record: Record, step: int) -> EncodedLook:
    """A look with everything that it refers to."""
    setups = [encode_setup(group.setup) for group in record.groups]
    names = [setup_id(blobs) for blobs in setups]
    return EncodedLook(dict(zip(names, setups, strict=True)), encode_record(record, step, names))


def encode_setup(setup: Setup) -> list[bytes]:
    """The blobs of a setup: JSON, then the pictures."""
    pictures = encode_alike([_in_display_size(picture) for picture in setup.pictures], setup.picture_format)
    head: dict[str, Any] = {
        "version": VERSION,
        "labels": None if setup.labels is None else [int(label) for label in setup.labels],
        "class_names": None if setup.class_names is None else [_text(name) for name in setup.class_names],
        "pictures": len(pictures),
        "picture_type": f"image/{file_extension(pictures[0]) if pictures else 'png'}",
        "descriptions": {name: _text(text) for name, text in setup.descriptions.items()},
        "colormaps": {name: base64.b64encode(lookup_table(name).tobytes()).decode() for name in setup.colormaps},
    }
    # What it holds names it: a resumed run with the same samples has the same setup.
    digest = hashlib.sha256(b"".join([_json(head), *pictures])).hexdigest()[:16]
    return [_json({**head, "id": digest}), *pictures]


def setup_id(blobs: Sequence[bytes]) -> str:
    """The name of an encoded setup."""
    name: str = json.loads(zlib.decompress(blobs[0]))["id"]
    return name


def step_of(blobs: Sequence[bytes]) -> int:
    """The step of an encoded look."""
    step: int = json.loads(zlib.decompress(blobs[0]))["step"]
    return step


def encode_record(record: Record, step: int, setups: Sequence[str]) -> list[bytes]:
    """The blobs of a look: JSON, then those of its maps.

    Args:
        record: the look.
        step: its step.
        setups: the names of the setups of its groups.
    """
    stacks = [_within_picture(quantized(maps.values)) for maps in record.maps]
    head = {
        "version": VERSION,
        "step": step,
        "epoch": record.epoch,
        "time": record.time,
        "groups": [_group(group, name) for group, name in zip(record.groups, setups, strict=True)],
        "scalars": {_text(tag): _number(value) for tag, value in record.scalars.items()},
        "notes": {_text(tag): _text(text) for tag, text in record.notes.items()},
        "items": [
            _item(maps, stack, blob + 1) for blob, (maps, stack) in enumerate(zip(record.maps, stacks, strict=True))
        ],
    }
    return [_json(head), *(stack.blob for stack in stacks)]


def _within_picture(stack: Quantized) -> Quantized:
    """No finer than the pictures of the samples, so that numbers never take more room than drawn pictures."""
    while min(stack.shape[2:]) > 1 and max(stack.shape[2:]) > _PICTURE_SIDE:
        stack = halved(stack)
    return stack


def _group(group: Group, setup: str) -> dict[str, Any]:
    described: dict[str, Any] = {"setup": setup, "classes": None, "probabilities": None, "explained": None}
    if group.probabilities is not None:
        values = np.nan_to_num(np.asarray(group.probabilities, np.float64))
        best = np.argsort(-values, axis=1, kind="stable")[:, :_TOP]
        described["classes"] = best.tolist()
        described["probabilities"] = np.take_along_axis(values, best, axis=1).round(4).tolist()
    if group.explained is not None:
        described["explained"] = [int(index) for index in group.explained]
    return described


def _item(maps: Maps, stack: Quantized, blob: int) -> dict[str, Any]:
    return {
        "tag": _text(maps.tag),
        "view": maps.view,
        "title": _text(maps.title),
        "columns": [_text(name) for name in maps.columns],
        "group": maps.group,
        "shape": list(stack.shape),
        "full_shape": list(maps.values.shape),
        "bits": stack.bits,
        "range": [_number(end) for end in stack.range],
        "planes": maps.planes,
        "colormap": maps.colormap,
        "symmetric": maps.symmetric,
        "smooth": maps.smooth,
        "over": maps.over,
        "shared": maps.shared,
        "grey": maps.grey,
        "blob": blob,
    }


def _in_display_size(picture: RGB) -> RGB:
    largest = max(picture.shape[:2])
    if largest <= _PICTURE_SIDE:
        return picture
    height, width = (max(1, round(side * _PICTURE_SIDE / largest)) for side in picture.shape[:2])
    return resize(picture, (height, width), smooth=True)


def _number(value: float) -> float | str:
    """JSON has no NaN and no infinity."""
    value = float(value)
    return float(f"{value:.7g}") if math.isfinite(value) else str(value)


def _text(text: str) -> str:
    """File systems yield names that are not Unicode; JSON in an event file must be."""
    return str(text).encode("utf-8", "replace").decode()


def _json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return zlib.compress(text.encode())
