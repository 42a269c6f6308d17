"""What stays the same over the looks of a run: the samples, and how views are read."""

from __future__ import annotations

import base64
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lightning_cnnviz.output.artifacts import RGB, PictureFormat
from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.record_json import text, to_blob
from lightning_cnnviz.output.record_names import VERSION
from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.resampling import within

PICTURE_SIDE = 256
_SIDE_OF_MANY = 128
_MANY = 16
_MOST_PICTURES = 64
_KEY_DIGITS = 8


class Constant(ABC):
    """What is encoded once and stored under a name made of its contents, so that a resumed run has the same one."""

    @property
    def name(self) -> str:
        """16 hexadecimal digits."""
        return self._encoded[0]

    @property
    def blobs(self) -> list[bytes]:
        """JSON, then the pictures if there are any."""
        return self._encoded[1]

    @abstractmethod
    def _contents(self) -> tuple[Mapping[str, Any], list[bytes]]:
        """What becomes JSON, and the encoded pictures."""

    @cached_property
    def _encoded(self) -> tuple[str, list[bytes]]:
        contents, pictures = self._contents()
        head = {"version": VERSION, **contents}
        name = hashlib.sha256(b"".join([to_blob(head), *pictures])).hexdigest()[:16]
        return name, [to_blob({**head, "id": name}), *pictures]


@dataclass(frozen=True, eq=False)
class Setup(Constant):
    """Samples; the same object for all looks at them, so that they are encoded once.

    Attributes:
        pictures: (H, W, 3) uint8 RGB of each; the first 64 are stored.
        labels: the true class of each, None where there are none.
        class_names: by class, None where they have none.
        boxes: where in its picture lies what the model sees, see :class:`SampleSet`.
        picture_format: how the pictures are stored.
    """

    pictures: Sequence[RGB]
    labels: Sequence[int] | None = None
    class_names: Sequence[str] | None = None
    boxes: Sequence[tuple[float, float, float, float] | None] | None = None
    picture_format: PictureFormat = "png"

    def _contents(self) -> tuple[Mapping[str, Any], list[bytes]]:
        stored = self.pictures[:_MOST_PICTURES]
        side = PICTURE_SIDE if len(stored) <= _MANY else _SIDE_OF_MANY
        pictures = [encode(within(picture, side), self.picture_format) for picture in stored]
        return (
            {
                "labels": None if self.labels is None else [int(label) for label in self.labels],
                "class_names": None if self.class_names is None else [text(name) for name in self.class_names],
                "boxes": None if self.boxes is None else [*map(_share, self.boxes, stored)],
                "pictures": len(pictures),
                "keys": [hashlib.sha256(picture).hexdigest()[:_KEY_DIGITS] for picture in pictures],
            },
            pictures,
        )


@dataclass(frozen=True)
class Legend(Constant):
    """How views are read.

    Attributes:
        descriptions: how a view is read and when it misleads, by the name of the view.
        colormaps: names of the color maps used.
    """

    descriptions: Mapping[str, str] = field(default_factory=dict)
    colormaps: Sequence[str] = ()

    def _contents(self) -> tuple[Mapping[str, Any], list[bytes]]:
        tables = {name: base64.b64encode(lookup_table(name).tobytes()).decode() for name in self.colormaps}
        descriptions = {name: text(words) for name, words in self.descriptions.items()}
        return {"descriptions": descriptions, "colormaps": tables}, []


def _share(box: tuple[float, float, float, float] | None, picture: RGB) -> list[float] | None:
    """The box in shares of the picture, which is stored in another size."""
    if box is None:
        return None
    height, width = picture.shape[:2]
    return [round(edge / length, 5) for edge, length in zip(box, (width, height, width, height), strict=True)]
