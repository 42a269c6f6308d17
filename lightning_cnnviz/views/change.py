"""What became different since an earlier look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names, one_of, positive, sequence
from lightning_cnnviz.methods.cam import activation_map
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.captions import percent
from lightning_cnnviz.views.change_pictures import Kept, change_of_attention, change_of_features, change_of_filters
from lightning_cnnviz.views.channels import Channels
from lightning_cnnviz.views.common import Strongest, rows

Changing: TypeAlias = Literal["grad_cam", "feature_maps", "filters"]
Since: TypeAlias = Literal["previous", "first"]


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
        self._channels = Channels(self.channels)
        self._limits: dict[str, Tensor] = {}
        self._largest = Strongest()
        self._before: Kept | None = None

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
            "channels": self._channels.state_dict(),
            "limits": {**self._limits},
            "largest": self._largest.state_dict(),
            "before": before,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._channels.load_state_dict(state["channels"])
        self._limits = dict(state["limits"])
        self._largest.load_state_dict(state["largest"])
        self._before = None if state["before"] is None else Kept(**state["before"])

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

    def _look(self, evidence: Evidence) -> Kept:
        shown, values = slice(evidence.shown), {}
        for layer in self._maps("grad_cam", evidence.layout):
            maps = activation_map(evidence.activation(layer), evidence.gradient(layer))
            values[f"grad_cam/{layer}"] = evidence.layout.on_image(maps[shown], layer).float().cpu()
        for layer in self._maps("feature_maps", evidence.layout):
            activations = evidence.activation(layer)
            values[f"feature_maps/{layer}"] = activations[shown, self._channels.of(layer, activations)].float().cpu()
        if "filters" in self.of:
            for layer in evidence.layout.convolutions(self.filter_layers):
                values[f"filters/{layer}"] = evidence.weight(layer)
        return Kept(evidence.epoch, values, _answers(evidence))

    def _picture(self, evidence: Evidence, tag: str, before: Kept, now: Kept) -> Picture:
        kind, _, layer = tag.partition("/")
        then, after, ours = before.values[tag], now.values[tag], f"{self._prefix}/{tag}"
        if kind == "grad_cam":
            looks = ((before, then), (now, after))
            return change_of_attention(ours, layer, rows(evidence), looks, self._limits[tag])
        if kind == "feature_maps":
            title, limits = f"Change of the feature maps of {layer} {before.since}", self._limits[tag]
            channels = self._channels.of(layer, evidence.activation(layer))
            return change_of_features(ours, title, rows(evidence), after - then, limits=limits, channels=channels)
        change, inputs = after - then, after.shape[1]
        if inputs not in (1, 3):
            change = change.norm(dim=1, keepdim=True)
        largest = self._largest.widen(ours, change) or 1.0
        return change_of_filters(ours, f"Change of the filters of {layer} {before.since}", change, inputs, largest)


def _answers(evidence: Evidence) -> tuple[tuple[str, ...], ...]:
    if not evidence.probabilities.shape[1]:
        return ()
    best = evidence.probabilities[: evidence.shown].max(dim=1)
    answers = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple((f"{evidence.samples.class_title(label)} {percent(value)}",) for label, value in answers)


def _fitting(before: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {tag: values for tag, values in before.items() if tag in now and now[tag].shape == values.shape}
