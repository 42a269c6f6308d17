"""Where the model's input lies in the picture that it was made of: resizing, cropping, padding and flips followed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from lightning_cnnviz.render.placing import Box

_KEEP_PLACES = frozenset(
    {
        *("ToTensor", "PILToTensor", "ToImage", "ToDtype", "ConvertImageDtype", "ToPILImage", "ToPureTensor"),
        *("Normalize", "Identity", "Grayscale", "RGB", "RandomGrayscale", "ColorJitter", "GaussianBlur"),
        *("GaussianNoise", "RandomInvert", "RandomPosterize", "RandomSolarize", "RandomAdjustSharpness"),
        *("RandomAutocontrast", "RandomEqualize", "RandomErasing", "RandomChannelPermutation", "JPEG"),
        *("RandomPhotometricDistort", "ObjectDetection", "MaybeToTensor", "MaybePILToTensor"),
    }
)
"""Transforms, by their names in torchvision and timm, that leave every pixel where it is."""

_PACKAGES = ("torchvision", "timm")


class UnknownGeometryError(ValueError):
    """A transform moves pixels in a way that cannot be told from its attributes; the message names it."""


@dataclass(frozen=True)
class _Frame:
    """A picture between two transforms: its size, and where its edges lie in the first picture."""

    height: int
    width: int
    box: Box

    def crop(self, top: int, left: int, height: int, width: int) -> _Frame:
        """A part of it, or more than it where the part reaches outside."""
        x0, y0, x1, y1 = self.box
        per_column, per_row = (x1 - x0) / self.width, (y1 - y0) / self.height
        x, y = x0 + left * per_column, y0 + top * per_row
        return _Frame(height, width, (x, y, x + width * per_column, y + height * per_row))

    def flip(self, *, horizontally: bool) -> _Frame:
        x0, y0, x1, y1 = self.box
        return replace(self, box=(x1, y0, x0, y1) if horizontally else (x0, y1, x1, y0))


def input_box(transform: object, size: tuple[int, int], result: tuple[int, int]) -> Box:
    """Returns where the result of a transform lies in the picture that went in.

    Followed are ``Resize``, ``CenterCrop``, ``Pad``, flips that always or never happen, and the presets of
    ``weights.transforms()``, in ``Compose`` and ``nn.Sequential`` and however nested, of torchvision v1 and v2. Only
    attributes are read, nothing is drawn at random.

    Args:
        transform: a transform of pictures.
        size: (height, width) of the picture.
        result: (height, width) of what the transform made of it.

    Raises:
        UnknownGeometryError: there is another transform that may move pixels, or the sizes do not come out as said.

    Example:
        >>> from torchvision.transforms import CenterCrop, Compose, Resize
        >>> input_box(Compose([Resize(64), CenterCrop(64)]), (300, 600), (64, 64))
        (150.0, 0.0, 450.0, 300.0)
    """
    height, width = size
    frame = _follow(transform, _Frame(height, width, (0.0, 0.0, float(width), float(height))))
    if (frame.height, frame.width) != result:
        raise UnknownGeometryError(
            f"{type(transform).__name__} should make {frame.height} × {frame.width} pixels of {height} × {width}, but "
            f"made {result[0]} × {result[1]}"
        )
    return frame.box


def _follow(transform: Any, frame: _Frame) -> _Frame:
    kind = type(transform)
    if isinstance(transform, nn.Sequential) or (kind.__name__ == "Compose" and _is_known(kind)):
        return _follow_all(transform if isinstance(transform, nn.Sequential) else transform.transforms, frame)
    rule = _RULES.get(kind.__name__) if _is_known(kind) else None
    if rule is not None:
        return rule(transform, frame)
    if kind is nn.Identity or (kind.__name__ in _KEEP_PLACES and _is_known(kind)):
        return frame
    raise UnknownGeometryError(f"it is not known where {_name(transform)} puts the pixels")


def _follow_all(transforms: Iterable[object], frame: _Frame) -> _Frame:
    for transform in transforms:
        frame = _follow(transform, frame)
    return frame


def _is_known(kind: type) -> bool:
    # A class of the user's with the name of one of torchvision's may do anything.
    return kind.__module__.partition(".")[0] in _PACKAGES


def _name(transform: object) -> str:
    return getattr(transform, "__name__", type(transform).__name__)


def _resize(transform: Any, frame: _Frame) -> _Frame:
    return _resized(frame, transform.size, transform.max_size)


def _center_crop(transform: Any, frame: _Frame) -> _Frame:
    return _center_cropped(frame, transform.size)


def _pad(transform: Any, frame: _Frame) -> _Frame:
    numbers = _integers(transform.padding)
    left, top, right, bottom = numbers * (4 // len(numbers))
    return frame.crop(-top, -left, frame.height + top + bottom, frame.width + left + right)


def _flip(transform: Any, frame: _Frame) -> _Frame:
    if _certainty(transform):
        return frame.flip(horizontally="Horizontal" in type(transform).__name__)
    return frame


def _random_apply(transform: Any, frame: _Frame) -> _Frame:
    return _follow_all(transform.transforms, frame) if _certainty(transform) else frame


def _random_crop(transform: Any, frame: _Frame) -> _Frame:
    # The one crop that leaves nothing to chance is the whole picture.
    if not transform.padding and list(_integers(transform.size)) == [frame.height, frame.width]:
        return frame
    raise UnknownGeometryError("RandomCrop is random")


def _classification_preset(transform: Any, frame: _Frame) -> _Frame:
    return _center_cropped(_resized(frame, transform.resize_size, None), transform.crop_size)


def _segmentation_preset(transform: Any, frame: _Frame) -> _Frame:
    return frame if transform.resize_size is None else _resized(frame, transform.resize_size, None)


_RULES = {
    "Resize": _resize,
    "CenterCrop": _center_crop,
    "Pad": _pad,
    "RandomHorizontalFlip": _flip,
    "RandomVerticalFlip": _flip,
    "RandomApply": _random_apply,
    "RandomCrop": _random_crop,
    "ImageClassification": _classification_preset,
    "SemanticSegmentation": _segmentation_preset,
}


def _certainty(transform: Any) -> bool:
    """Whether it always happens; raises unless that or the contrary is sure."""
    if 0 < transform.p < 1:
        raise UnknownGeometryError(f"{type(transform).__name__}(p={transform.p}) is random")
    return bool(transform.p >= 1)


def _resized(frame: _Frame, size: Any, largest: int | None) -> _Frame:
    """Torchvision's rule: one number is the shorter side, and ``largest`` bounds, or alone gives, the longer one."""
    numbers = () if size is None else _integers(size)
    if len(numbers) == 2:
        height, width = numbers
        return _Frame(height, width, frame.box)
    short, long = sorted((frame.height, frame.width))
    if numbers:
        new_short, new_long = numbers[0], int(numbers[0] * long / short)
        if largest is not None and new_long > largest:
            new_short, new_long = int(largest * new_short / new_long), largest
    elif largest is not None:
        new_short, new_long = int(largest * short / long), largest
    else:
        raise UnknownGeometryError("Resize has no size")
    height, width = (new_long, new_short) if frame.width <= frame.height else (new_short, new_long)
    return _Frame(height, width, frame.box)


def _center_cropped(frame: _Frame, size: Any) -> _Frame:
    numbers = _integers(size)
    height, width = numbers if len(numbers) == 2 else numbers * 2
    # Torchvision pads first where the crop is larger, and rounds halves to the even number.
    below, beside = max(height - frame.height, 0), max(width - frame.width, 0)
    frame = frame.crop(-(below // 2), -(beside // 2), frame.height + below, frame.width + beside)
    return frame.crop(round((frame.height - height) / 2), round((frame.width - width) / 2), height, width)


def _integers(value: Any) -> tuple[int, ...]:
    return (int(value),) if not isinstance(value, (list, tuple)) else tuple(int(number) for number in value)
