"""What became different since an earlier look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names, one_of, positive, sequence
from lightning_cnnviz.methods.cam import activation_map
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import ColorBar, Maps, Row, Sheet, SignedImages, Tiles, format_number
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.captions import percent
from lightning_cnnviz.views.common import Strongest, heat_map, most_varied, picture_of, rows, to_numpy

Changing: TypeAlias = Literal["grad_cam", "feature_maps", "filters"]
Since: TypeAlias = Literal["previous", "first"]

_MOST_FILTERS = 64
_COLORS = "RdBu_r"


class Change(View):
    """Change: Grad-CAM, feature maps and filters of this look minus those of the one before, or of the first one.

    How to read it: red is more than before, blue is less, white is the same. The scale is fixed over the run: of
    Grad-CAM and feature maps full color is a change by the largest value that the map of this sample, or the channel,
    ever had; of filters it is the largest change of a weight so far. A network that comes to rest fades to white.
    Grad-CAM that moves while the answer stays has found other evidence for it.

    When it misleads: the map before belongs to the class predicted before, which stands below it. A scale grows when a
    larger value comes, so early pictures were drawn on a smaller one. With the learning rate all changes get smaller,
    whether the network has learnt what it should or not.

    Tags and arrays, all signed: ``change/grad_cam/<layer>``, (n, h, w) for the samples drawn;
    ``change/feature_maps/<layer>``, (n, K, h, w); ``change/filters/<layer>``, (out, in, kh, kw). With
    ``since="first"`` the first part is ``change_since_first``. Nothing at the first look.

    Args:
        of: what is compared.
        since: the ``"previous"`` look, or the ``"first"`` one.
        layers: whose maps; ``"last"`` is the last layer of the spatial size of the last convolution. Maps of many or
            large layers make large checkpoints.
        filter_layers: whose filters; ``"first"`` is the first convolution that the model runs.
        channels: how many feature maps, those that vary most at the first look.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "change"

    def __init__(
        self,
        of: Sequence[Changing] = ("grad_cam", "feature_maps", "filters"),
        since: Since = "previous",
        *,
        layers: LayerSpec = "last",
        filter_layers: LayerSpec = "first",
        channels: int = 6,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        what = f"at least one of {', '.join(get_args(Changing))}"
        self.of = tuple(sequence("of", [of] if isinstance(of, str) else of, what))
        for one in self.of:
            one_of("of", one, get_args(Changing))
        one_of("since", since, get_args(Since))
        self.since = since
        self.layers = layer_names("layers", layers)
        self.filter_layers = layer_names("filter_layers", filter_layers)
        self.channels = positive("channels", channels)
        self._channels: dict[str, list[int]] = {}
        self._limits: dict[str, Tensor] = {}
        self._largest = Strongest()
        self._before: _Kept | None = None

    @property
    def _prefix(self) -> str:
        return "change" if self.since == "previous" else "change_since_first"

    @property
    def remembers_samples(self) -> bool:
        return True

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)
        check_names(model, self.filter_layers, "filter_layers")

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request(
            activations=frozenset(self._maps("feature_maps", layout)),
            gradients=frozenset(self._maps("grad_cam", layout)),
            weights=frozenset(layout.convolutions(self.filter_layers) if "filters" in self.of else ()),
        )

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        now, before = self._look(evidence), self._before
        for tag, values in now.values.items():
            self._widen(tag, values)
            earlier = None if before is None else before.values.get(tag)
            if before is not None and earlier is not None and earlier.shape == values.shape:
                yield Array(f"{self._prefix}/{tag}", values - earlier)
                yield self._picture(evidence, tag, before, now)
        if before is None or self.since == "previous":
            self._before = now
        else:  # what is new, such as a layer that was replaced
            self._before = replace(before, values={**now.values, **_fitting(before.values, now.values)})

    def state_dict(self) -> dict[str, Any]:
        before = None if self._before is None else dict(vars(self._before))
        return {
            "channels": {**self._channels},
            "limits": {**self._limits},
            "largest": self._largest.state_dict(),
            "before": before,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._channels = {layer: list(channels) for layer, channels in state["channels"].items()}
        self._limits = dict(state["limits"])
        self._largest.load_state_dict(state["largest"])
        self._before = None if state["before"] is None else _Kept(**state["before"])

    def may_round(self, key: str) -> bool:
        return key.startswith(("grad_cam/", "feature_maps/"))  # changes of filters are far smaller than the filters

    def _widen(self, tag: str, values: Tensor) -> None:
        """The largest magnitude of each sample's map, or of each channel; never less than before."""
        if tag.startswith("filters/"):
            return
        over = (1, 2) if values.ndim == 3 else (0, 2, 3)
        limits = values.nan_to_num(0, 0, 0).abs().amax(dim=over)
        before = self._limits.get(tag)
        if before is not None and before.shape == limits.shape:
            limits = torch.maximum(limits, before)
        self._limits[tag] = limits.where(limits > 0, torch.finfo(limits.dtype).tiny)

    def _maps(self, kind: Changing, layout: Layout) -> tuple[str, ...]:
        return layout.maps(self.layers) if kind in self.of else ()

    def _look(self, evidence: Evidence) -> _Kept:
        shown, values = slice(evidence.shown), {}
        for layer in self._maps("grad_cam", evidence.layout):
            maps = activation_map(evidence.activation(layer), evidence.gradient(layer))
            values[f"grad_cam/{layer}"] = maps[shown].float().cpu()
        for layer in self._maps("feature_maps", evidence.layout):
            activations = evidence.activation(layer)
            chosen = self._channels.get(layer)
            if chosen is None or max(chosen) >= activations.shape[1]:
                chosen = self._channels[layer] = most_varied(activations, self.channels)
            values[f"feature_maps/{layer}"] = activations[shown, chosen].float().cpu()
        if "filters" in self.of:
            for layer in evidence.layout.convolutions(self.filter_layers):
                values[f"filters/{layer}"] = evidence.weight(layer)
        return _Kept(evidence.epoch, values, _answers(evidence))

    def _picture(self, evidence: Evidence, tag: str, before: _Kept, now: _Kept) -> Picture:
        kind, _, layer = tag.partition("/")
        then, after = before.values[tag], now.values[tag]
        since = "since the start" if before.epoch is None else f"since epoch {before.epoch}"
        if kind == "filters":
            return self._of_filters(f"{self._prefix}/{tag}", after - then, f"Change of the filters of {layer} {since}")
        drawn = rows(evidence)
        if kind == "grad_cam":
            return self._of_attention(f"{self._prefix}/{tag}", layer, drawn, before, now)
        title = f"Change of the feature maps of {layer} {since}"
        limit = self._limits[tag][None, :, None, None]
        headings = tuple(f"ch {channel}" for channel in self._channels[layer])
        change = to_numpy((after - then) / limit)
        maps = Maps(change, headings, kind="signed", colormap=_COLORS, limits=(-1.0, 1.0))
        footer = "full color: as large as the channel ever was"
        return picture_of(f"{self._prefix}/{tag}", Sheet(drawn, (maps,), title, footer, _bar()))

    def _of_attention(self, tag: str, layer: str, drawn: tuple[Row, ...], before: _Kept, now: _Kept) -> Picture:
        limit = self._limits[f"grad_cam/{layer}"][:, None, None]
        then, after = (kept.values[f"grad_cam/{layer}"] / limit for kept in (before, now))
        columns = [
            replace(
                heat_map(to_numpy(maps[:, None]), _moment(kept.epoch), laying="over", labels=kept.said),
                limits=(0.0, 1.0),
            )
            for maps, kept in ((then, before), (after, now))
        ]
        difference = heat_map(to_numpy((after - then)[:, None]), "change", laying="alone")
        columns.append(replace(difference, kind="signed", colormap=_COLORS, limits=(-1.0, 1.0)))
        footer = "one scale in each row: the largest value that it ever had"
        title = f"Change of Grad-CAM of {layer}"
        return picture_of(tag, Sheet(drawn, tuple(columns), title, footer, _bar()))

    def _of_filters(self, tag: str, change: Tensor, title: str) -> Picture:
        out, channels = change.shape[:2]
        count = min(_MOST_FILTERS, out)
        if count < out:
            title += f", {count} of {out}"
        if channels not in (1, 3):
            change = change.norm(dim=1, keepdim=True)
            title += f", length over {channels} input channels"
        largest = self._largest.widen(tag, change) or 1.0
        footer = f"full color: ±{format_number(largest)}, the largest change so far"
        values, labels = to_numpy(change[:count]), tuple(map(str, range(count)))
        if channels == 3:
            return picture_of(tag, Tiles(SignedImages(values, limits=(-largest, largest)), labels, title, footer))
        kind: Literal["signed", "activation"] = "signed" if channels == 1 else "activation"
        limits = (-largest if channels == 1 else 0.0, largest)
        colormap = _COLORS if channels == 1 else "viridis"
        maps = Maps(values, ("",), kind=kind, colormap=colormap, limits=limits)
        return picture_of(tag, Tiles(maps, labels, title, footer, "all", "weight"))


@dataclass(frozen=True)
class _Kept:
    """One look, as far as a later one is compared with it.

    Attributes:
        epoch: None before training.
        values: by tag, float32 on the CPU.
        said: for each sample drawn what the model answered.
    """

    epoch: int | None
    values: dict[str, Tensor]
    said: tuple[tuple[str, ...], ...] = field(default_factory=tuple)


def _answers(evidence: Evidence) -> tuple[tuple[str, ...], ...]:
    if not evidence.probabilities.shape[1]:
        return ()
    best = evidence.probabilities[: evidence.shown].max(dim=1)
    answers = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple((f"{evidence.samples.class_name(label)} {percent(value)}",) for label, value in answers)


def _fitting(before: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {tag: values for tag, values in before.items() if tag in now and now[tag].shape == values.shape}


def _moment(epoch: int | None) -> str:
    return "untrained" if epoch is None else f"epoch {epoch}"


def _bar() -> ColorBar:
    return ColorBar(_COLORS, -1.0, 1.0, label="", words=("less", "more"))
