"""What `FixedSamples` and `SampleCollector` accept, with errors that name the argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_cnnviz.arguments import integer, sequence, shown
from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.samples.datasets import Normalization, as_floats, is_normalization
from lightning_cnnviz.samples.forms import describe


def checked_images(images: Tensor) -> Tensor:
    """Returns a copy of `images` if they are (N, C, H, W) floating point and not empty."""
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor, got {describe(images)}")
    if not images.is_floating_point():
        raise TypeError(
            f"images must be floating point, got {images.dtype}: convert them as the model takes them, "
            "for example images.float() / 255 and then the normalisation"
        )
    if images.ndim != 4 or images.numel() == 0:
        raise ValueError(f"images must have the shape (N, C, H, W) with N >= 1 and pixels, got {tuple(images.shape)}")
    return own_copy(images)


def checked_labels(labels: Tensor | None, count: int, class_names: tuple[str, ...] | None) -> Tensor | None:
    """Returns a copy of `labels` as int64 if they are `count` class indices, with a name each if there are names."""
    if labels is None:
        return None
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels must be a tensor, got {describe(labels)}")
    if labels.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        raise TypeError(f"labels must be class indices of an integer dtype, got {labels.dtype}")
    if labels.shape != (count,):
        raise ValueError(f"labels must have the shape ({count},), one per image, got {tuple(labels.shape)}")
    if int(labels.min()) < 0:
        raise ValueError(f"labels must not be negative, got {int(labels.min())}")
    if class_names is not None and int(labels.max()) >= len(class_names):
        raise ValueError(f"labels must be below {len(class_names)}, the number of class_names, got {int(labels.max())}")
    return own_copy(labels).long()


def checked_class_names(class_names: Iterable[str] | Mapping[int, str] | None) -> tuple[str, ...] | None:
    """Returns `class_names` as a tuple if they are strings, one per class; a mapping has them by class index.

    Characters that no file may hold, as file systems and damaged files yield them, become "�".
    """
    if class_names is None:
        return None
    if isinstance(class_names, Mapping):
        class_names = _in_order(class_names)
    what = "a sequence of strings, one per class"
    names = sequence("class_names", class_names, what)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"class_names must be {what}, got {shown(class_names)}")
    return tuple(printable(name) for name in names)


def printable(text: str) -> str:
    """The text with "�" for lone surrogates, which cannot be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _in_order(names: Mapping[Any, str]) -> list[str]:
    try:
        indices = sorted(int(index) for index in names)
    except (TypeError, ValueError):
        raise TypeError(f"class_names must have class indices as keys, got {shown(names)}") from None
    if indices != list(range(len(names))):
        raise ValueError(f"class_names must have the keys 0 to {len(names) - 1}, got {list(names)}")
    by_index = {int(index): name for index, name in names.items()}
    return [by_index[index] for index in indices]


def checked_normalization(
    mean: Sequence[float] | None, std: Sequence[float] | None, channels: int | None
) -> Normalization | None:
    """Returns `mean` and `std` as tuples if they can be undone on images of so many channels; None: not known yet."""
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise ValueError(f"mean and std must be given together, got mean={shown(mean)} and std={shown(std)}")
    means, deviations = as_floats(mean), as_floats(std)
    if means is None or deviations is None:
        raise TypeError(f"mean and std must be sequences of numbers, got mean={shown(mean)} and std={shown(std)}")
    for name, numbers in (("mean", means), ("std", deviations)):
        if channels is not None and len(numbers) not in (1, channels):
            raise ValueError(
                f"{name} must have 1 or {channels} numbers, one per channel, got {len(numbers)}: {numbers}"
            )
    if not is_normalization(means, deviations):
        raise ValueError(f"mean must be finite and std finite and positive, got mean={means} and std={deviations}")
    return means, deviations


def checked_originals(originals: Sequence[RGB] | None, count: int) -> tuple[RGB, ...] | None:
    """Returns read-only copies of `originals` if they are `count` pictures of shape (H, W, 3), uint8."""
    if originals is None:
        return None
    without_length = not hasattr(originals, "__len__") or getattr(originals, "ndim", 1) == 0
    if isinstance(originals, str | bytes | Mapping) or without_length:
        raise TypeError(f"originals must be {count} pictures, one per image, got {shown(originals)}")
    if len(originals) != count:
        raise ValueError(f"originals must be {count} pictures, one per image, got {len(originals)}")
    for index, picture in enumerate(originals):
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
            raise TypeError(f"originals must be uint8 arrays, got {describe(picture)} at {index}")
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
            raise ValueError(f"originals must have the shape (H, W, 3), got {picture.shape} at {index}")
    copies = tuple(picture.copy() for picture in originals)
    for picture in copies:
        picture.flags.writeable = False
    return copies


def checked_boxes(boxes: Tensor | None, originals: tuple[RGB, ...] | None) -> Tensor | None:
    """Returns a float copy of (N, 4) edges in the originals if they are finite and enclose something."""
    if boxes is None:
        return None
    if originals is None:
        raise ValueError("original_boxes say where the images lie in originals, and there are no originals")
    if not isinstance(boxes, Tensor) or boxes.shape != (len(originals), 4) or boxes.is_complex():
        raise ValueError(
            "original_boxes must be a tensor (left, top, right, bottom) of shape "
            f"({len(originals)}, 4), got {describe(boxes)}"
        )
    edges = own_copy(boxes).float()
    if not bool(edges.isfinite().all()) or bool((edges[:, :2] == edges[:, 2:]).any()):
        raise ValueError(f"original_boxes must be finite and not empty, got {edges.tolist()}")
    return edges


def checked_bands(bands: Iterable[Any] | None, channels: int | None) -> tuple[int, int, int] | None:
    """Returns the three channels, of so many, shown as red, green and blue; None: it is not known yet of how many."""
    if bands is None:
        return None
    of_all = "" if channels is None else f" of 0 to {channels - 1}"
    what = f"three channels{of_all}, shown as red, green and blue"
    numbers = [integer("every entry of bands", band) for band in sequence("bands", bands, what)]
    if len(numbers) != 3 or min(numbers) < 0 or (channels is not None and max(numbers) >= channels):
        raise ValueError(f"bands must be {what}, got {shown(bands)}")
    return numbers[0], numbers[1], numbers[2]


def checked_copies(copies: Mapping[str, Tensor], images: Tensor) -> dict[str, Tensor]:
    """Returns copies of changed versions of all images, by name."""
    checked = {}
    for name, changed in copies.items():
        if not isinstance(name, str):
            raise TypeError(f"perturbed must have names as keys, got {shown(name)}")
        if not isinstance(changed, Tensor) or changed.shape != images.shape or not changed.is_floating_point():
            raise ValueError(
                f"perturbed[{name!r}] must be a floating point tensor of the images' shape {tuple(images.shape)}, "
                f"got {describe(changed)}"
            )
        checked[name] = own_copy(changed)
    return checked


def checked_regions(regions: Tensor | None, shape: tuple[int, int, int]) -> Tensor | None:
    """Returns boolean masks (N, H, W) if `regions` are such masks, or integer boxes (N, 4) inside the images."""
    if regions is None:
        return None
    count, height, width = shape
    if not isinstance(regions, Tensor):
        raise TypeError(f"regions must be a tensor, got {describe(regions)}")
    if regions.dtype == torch.bool and regions.shape == shape:
        return own_copy(regions)
    if regions.is_floating_point() or regions.is_complex() or regions.shape != (count, 4):
        raise ValueError(
            f"regions must be boolean masks of shape {shape} or integer boxes (left, top, right, bottom) of shape "
            f"({count}, 4), got {regions.dtype} of shape {tuple(regions.shape)}"
        )
    left, top, right, bottom = own_copy(regions).long().T[..., None]
    for name, low, high, size in (("left < right", left, right, width), ("top < bottom", top, bottom, height)):
        if bool(((low < 0) | (low >= high) | (high > size)).any()):
            raise ValueError(f"regions must be boxes with 0 <= {name} <= {size}, got {regions.tolist()}")
    rows, columns = torch.arange(height), torch.arange(width)
    masks: Tensor = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
    return masks


def own_copy(tensor: Tensor) -> Tensor:
    """Returns a plain copy on the CPU that shares nothing with `tensor`, subclass and inference mode included."""
    # A copy made under inference mode could never take part in a backward pass.
    with torch.inference_mode(False):
        return tensor.detach().as_subclass(Tensor).to("cpu", copy=True)
