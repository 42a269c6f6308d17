"""What a view hands over: pictures, numbers, notes and raw arrays, each under a tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_cnnviz.arguments import flag, instance, one_of, sequence, shown, text

PictureFormat: TypeAlias = Literal["png", "jpeg", "smallest"]
"""How pictures are stored: exactly, with losses, or each in whichever of the two makes it smaller."""

RGB: TypeAlias = NDArray[np.uint8]
"""A picture of shape (H, W, 3), uint8, channels in the order red, green, blue."""


def check_rgb(image: RGB, name: str = "image") -> None:
    """Raises ValueError, under the name given, for what is no picture."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"{name} must be uint8 of shape (H, W, 3), got {image.dtype} of shape {image.shape}")


class DrawingError(RuntimeError):
    """A figure could not be drawn; ``__cause__`` says why."""


@dataclass(frozen=True, slots=True)
class Style:
    """What a picture is told by whoever asked for it.

    Attributes:
        font: the font file that text is set in; None is the default one.
        moment: when it was, for example ``"epoch 4"``; stands in the title.
    """

    font: str | None = None
    moment: str = ""


PLAIN = Style()


class Figure(Protocol):
    """What a picture is drawn from: final data that nobody changes, as the classes in ``render/figures.py`` hold it."""

    def draw(self, style: Style = PLAIN) -> RGB:
        """The picture, (H, W, 3) uint8 RGB."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, finished or as the data it is drawn from.

    Attributes:
        tag: where it appears, for example ``grad_cam/layer4``.
        figure: (H, W, 3) uint8 RGB; or a figure, which is drawn when :attr:`image` is first asked for, on the thread
            that asks.
        remarks: what the reader should be told once, for example that a map is constant.
        format: how it is stored.
        style: how a figure is drawn.
        chapter: one of :data:`~lightning_cnnviz.output.story.CHAPTERS`, for sinks that order their pictures; empty
            where it belongs to none.
        description: how to read it and when it misleads, in Markdown.

    Raises:
        TypeError: the figure is neither.
        ValueError: an array is no picture.
    """

    tag: str
    figure: RGB | Figure
    remarks: tuple[str, ...] = ()
    format: PictureFormat = "png"
    style: Style = PLAIN
    chapter: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        # Here, in the view that drew it: the sink's thread would know only that some picture cannot be encoded.
        _check_words(self.tag, self.remarks)
        one_of("format", self.format, get_args(PictureFormat))
        instance("style", self.style, Style, "a Style")
        text("chapter", self.chapter)
        text("description", self.description)
        if isinstance(self.figure, np.ndarray):
            check_rgb(self.figure, f"{self.tag}: figure")
        elif not callable(getattr(self.figure, "draw", None)):
            raise TypeError(f"{self.tag}: figure must be an RGB array or a figure, got {type(self.figure).__name__}")

    @cached_property
    def image(self) -> RGB:
        """The picture itself, (H, W, 3) uint8 RGB.

        Raises:
            DrawingError: the figure is at fault, not who asked for the picture.
        """
        if isinstance(self.figure, np.ndarray):
            return self.figure
        try:
            image = self.figure.draw(self.style)
            check_rgb(image)
        except Exception as error:
            raise DrawingError(f"{self.tag} could not be drawn: {type(error).__name__}: {error}") from error
        return image


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number under a tag.

    Attributes:
        tag: where it appears, for example ``prototypes/cost``.
        value: the number.
        monitored: whether Lightning logs it, so that callbacks such as ``ModelCheckpoint`` can monitor it under its
            tag.
        detail: whether it is kept with the look, for the page and for ``explain()``, but shown in no logger.

    Raises:
        TypeError: the value is no number, or the tag no string.
    """

    tag: str
    value: float
    monitored: bool = False
    detail: bool = False

    def __post_init__(self) -> None:
        _check_words(self.tag)
        flag("monitored", self.monitored)
        flag("detail", self.detail)
        object.__setattr__(self, "value", _as_number(self.tag, self.value))


@dataclass(frozen=True, slots=True)
class Note:
    """A text in Markdown under a tag.

    Attributes:
        tag: where it appears, for example ``alarms``.
        text: Markdown.
        remarks: what the reader should be told once, as of a picture.
    """

    tag: str
    text: str
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_words(self.tag, self.remarks)
        text("text", self.text)


@dataclass(frozen=True, slots=True)
class Array:
    """The values behind a picture: float32 on the CPU, before any scaling for display."""

    tag: str
    values: Tensor

    def __post_init__(self) -> None:
        _check_words(self.tag)
        instance("values", self.values, Tensor, "a tensor")


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples as people look at them; the same object at every look.

    Attributes:
        pictures: (H, W, 3) uint8 RGB of each.
        labels: the true class of each, None where there are none.
        class_names: by class, None where they have none.
        boxes: where in its picture lies what the model sees, its left, top, right and bottom edge in pixels; None: it
            is all of it. Left beyond right, or top beyond bottom: mirrored.
    """

    pictures: tuple[RGB, ...]
    labels: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None
    boxes: tuple[tuple[float, float, float, float] | None, ...] | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """What views showed of the same samples in one pass, and what the model answered.

    Attributes:
        samples: those that the model was shown.
        shown: how many of them are drawn, counted from the first.
        artifacts: the name of each view with what it handed over.
        descriptions: how a view is read, by its name.
        probabilities: (N, classes); None where one class of several is not what the model answers.
        explained: the class that maps are of, for each sample; None where a function gave the scores.
        captions: for each sample lines of text about an answer of another kind, and whether it was right; None where
            the probabilities say it.
        name: of the samples, to tell them from others of the same run.
    """

    samples: SampleSet
    shown: int
    artifacts: tuple[tuple[str, Picture | Scalar | Note | Array], ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    probabilities: NDArray[np.float32] | None = None
    explained: tuple[int, ...] | None = None
    captions: tuple[tuple[tuple[str, ...], bool | None], ...] | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class Look:
    """A whole look as data, of which a sink may make a record; it comes after everything that it holds.

    Attributes:
        tag: the same at every look.
        time: seconds since 1970.
        epoch: counted from 0, None outside of training.
        seen: one for each pass.
    """

    tag: str
    time: float
    epoch: int | None
    seen: tuple[Seen, ...]


def _as_number(tag: str, value: Any) -> float:
    """What float() makes of anything but a string: also of an array or a tensor of one number, finite or not."""
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except Exception:  # whatever an array of several numbers raises
        pass
    raise TypeError(f"{tag}: value must be a number, got {shown(value)}")


def _check_words(tag: object, remarks: object = ()) -> None:
    if not text("tag", tag):
        raise ValueError("tag must not be empty")
    for remark in sequence("remarks", remarks, "a sequence of strings", may_be_empty=True):
        text("every entry of remarks", remark)


Artifact: TypeAlias = Picture | Scalar | Note | Array | Look
