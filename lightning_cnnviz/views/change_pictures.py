"""How the change since an earlier look is drawn: of Grad-CAM, of feature maps, of filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import Tensor

from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.render import ColorBar, Maps, Row, Sheet, SignedImages, Tiles, format_number, moment
from lightning_cnnviz.views.common import heat_map, picture_of, to_numpy

MOST_FILTERS = 64
_COLORS = "RdBu_r"


@dataclass(frozen=True)
class Kept:
    """One look, as far as a later one is compared with it.

    Attributes:
        epoch: None before training.
        values: by tag, float32 on the CPU.
        said: for each sample drawn what the model answered.
    """

    epoch: int | None
    values: dict[str, Tensor]
    said: tuple[tuple[str, ...], ...] = field(default_factory=tuple)

    @property
    def since(self) -> str:
        """What a title says of it."""
        return "since the start" if self.epoch is None else f"since {moment(self.epoch)}"


def change_of_attention(
    tag: str, layer: str, drawn: tuple[Row, ...], looks: Sequence[tuple[Kept, Tensor]], limits: Tensor
) -> Picture:
    """Grad-CAM of each sample at both looks, and the difference.

    Args:
        tag: of the picture.
        layer: whose maps they are.
        drawn: the samples.
        looks: the earlier and the later one, with the maps (n, h, w).
        limits: (n,) the largest value that the map of each sample ever had.
    """
    then, after = (maps / limits[:, None, None] for _, maps in looks)
    columns = [
        replace(
            heat_map(to_numpy(maps[:, None]), moment(kept.epoch), laying="over", labels=kept.said),
            limits=(0.0, 1.0),
            is_moment=True,
        )
        for maps, (kept, _) in zip((then, after), looks, strict=True)
    ]
    difference = heat_map(to_numpy((after - then)[:, None]), "change", laying="alone")
    columns.append(replace(difference, kind="signed", colormap=_COLORS, limits=(-1.0, 1.0)))
    footer = "one scale in each row: the largest value that it ever had"
    return picture_of(tag, Sheet(drawn, tuple(columns), f"Change of Grad-CAM of {layer}", footer, _bar()))


def change_of_features(
    tag: str, title: str, drawn: tuple[Row, ...], change: Tensor, *, limits: Tensor, channels: Sequence[int]
) -> Picture:
    """The change of each channel drawn, (n, K, h, w), beside the largest value (K,) that it ever had."""
    headings = tuple(f"ch {channel}" for channel in channels)
    shares = to_numpy(change / limits[None, :, None, None])
    maps = Maps(shares, headings, kind="signed", colormap=_COLORS, limits=(-1.0, 1.0))
    footer = "full color: as large as the channel ever was"
    return picture_of(tag, Sheet(drawn, (maps,), title, footer, _bar()))


def change_of_filters(tag: str, title: str, change: Tensor, channels: int, largest: float) -> Picture:
    """The change of each filter.

    Args:
        tag: of the picture.
        title: what it shows.
        change: (out, in, kh, kw); or (out, 1, kh, kw), the norm over the input channels.
        channels: how many input channels the filters have.
        largest: the change at full color.
    """
    count = min(MOST_FILTERS, len(change))
    if count < len(change):
        title += f", {count} of {len(change)}"
    if channels not in (1, 3):
        title += f", norm over {channels} input channels"
    footer = f"full color: ±{format_number(largest)}, the largest change so far"
    values, labels = to_numpy(change[:count]), tuple(map(str, range(count)))
    if channels == 3:
        return picture_of(tag, Tiles(SignedImages(values, limits=(-largest, largest)), labels, title, footer))
    kind: Literal["signed", "activation"] = "signed" if channels == 1 else "activation"
    limits = (-largest if channels == 1 else 0.0, largest)
    colormap = _COLORS if channels == 1 else "viridis"
    maps = Maps(values, ("",), kind=kind, colormap=colormap, limits=limits)
    return picture_of(tag, Tiles(maps, labels, title, footer, has_bar=True, bar_label="weight"))


def _bar() -> ColorBar:
    return ColorBar(_COLORS, -1.0, 1.0, label="", words=("less", "more"))
