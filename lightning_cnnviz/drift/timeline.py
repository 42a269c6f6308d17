"""The whole run in one picture."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_cnnviz.arguments import layer_names, positive
from lightning_cnnviz.drift.distances import FEWEST_SAMPLES
from lightning_cnnviz.drift.frames import FAMILIES, KeptFrame, changes, thinned
from lightning_cnnviz.drift.movements import movements
from lightning_cnnviz.drift.scope import MOST_SAMPLES, Scope, filters
from lightning_cnnviz.drift.snapshots import Snapshot, attention_maps, small_map, take
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import LayerSpec, Layout, check_names
from lightning_cnnviz.model.outputs.readings import Meaning
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import Caption, FilmStrip, Frame, HeatTable, Row, moment
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import ComparesLooks
from lightning_cnnviz.views.captions import percent
from lightning_cnnviz.views.common import heat_map, to_numpy
from lightning_cnnviz.views.strips import save_strip

_SMALLEST_DRIFT = 0.001  # below it the heat map has one color


class Timeline(ComparesLooks):
    """A film strip of each sample, and a heat map of what changed when, over all looks so far.

    How to read it: the strip shows where the model looked for its answer at that time, with a blue line below it if it
    was right and an orange one if not. A heat map's bright column is an epoch in which everything changed; a bright row
    is a layer that does not come to rest. Its rows are the numbers of :class:`Drift` since the column before: features
    and filters by layer, the maps of Grad-CAM, the predictions. Colors are logarithmic: 0.001 is rest, 0.1 is much in
    one epoch.

    When it misleads: a frame without color may only be weak beside the largest value of its row so far. With few
    samples the number for features is noisy: with 8 samples it scatters by about 70%, with 32 by about 25%; with fewer
    there is none.

    :meth:`save` writes the strip as an animation: ``timeline.save("digit.gif", sample=3)``.

    Tags: ``timeline/grad_cam`` and ``timeline/features``. TensorBoard shows the last picture first, and that is the
    whole run.

    Args:
        layers: for whose output Grad-CAM is drawn; of several the last one counts.
        feature_layers: layers of the heat map; ``"auto"`` is the last layer at each spatial size, and for filters all
            convolutions and linear layers, of more than 16 evenly chosen ones.
        frames: most frames kept; the first and the last ones stay, late ones are thinned out before early ones. What a
            layer did in frames that are left out is counted with the next one.
        every_n_epochs: look in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.
    """

    chapter = "change"

    def __init__(
        self,
        layers: LayerSpec = "last",
        feature_layers: LayerSpec = "auto",
        *,
        frames: int = 24,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.layers = layer_names("layers", layers)
        self.feature_layers = layer_names("feature_layers", feature_layers)
        self.frames = positive("frames", frames)
        if self.frames < _FEWEST_FRAMES:
            raise ValueError(f"frames must be at least {_FEWEST_FRAMES}, for the first and the last one, got {frames}")
        self._frames: list[KeptFrame] = []
        self._before: Snapshot | None = None
        self._largest: Tensor | None = None
        self._drawn: object = None

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)
        check_names(model, self.feature_layers, "feature_layers")

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        layout.reading.check_classes()
        scope = self._scope(layout, samples)
        return Request(
            activations=frozenset(scope.features),
            gradients=frozenset(scope.attention),
            weights=frozenset(scope.filters),
        )

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        scope = self._scope(evidence.layout, evidence.samples)
        now = take(evidence, scope)
        if self._before is not None and not self._before.fits(*now.probabilities.shape):
            self._before = None
        tag, maps = next(iter(attention_maps(evidence, scope).items()))
        # A strip cannot go on with other samples: the frames of a run resumed with another number of them go.
        frames = [frame for frame in self._frames if len(frame.maps) == evidence.shown]
        self._frames = thinned([*frames, self._frame(evidence, now, small_map(maps[: evidence.shown]))], self.frames)
        strongest = self._frames[-1].strongest
        self._largest = torch.fmax(self._largest, strongest) if frames and self._largest is not None else strongest
        self._before = now
        picture = self._strip(evidence, tag)
        self._drawn = picture.figure
        yield picture
        if len(self._frames) > 1:
            yield self._heat_map()

    def state_dict(self) -> dict[str, Any]:
        before = None if self._before is None else self._before.state_dict()
        frames = [frame.state_dict() for frame in self._frames]
        return {"frames": frames, "before": before, "largest": self._largest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._frames = [KeptFrame.from_state(frame) for frame in state["frames"]]
        self._largest = state.get("largest")
        self._before = None if state["before"] is None else Snapshot(**state["before"])

    def save(self, path: str | os.PathLike[str], *, sample: int | None = None, seconds: float = 0.6) -> None:
        """Writes the film strip as an animation to share, one look after another.

        Args:
            path: a file whose name ends in ``.gif``, ``.webp`` or ``.png``.
            sample: of which sample, counted from 0; None: of all that are drawn.
            seconds: how long each look is shown.

        Raises:
            ValueError: nothing was drawn yet, there is no such sample, or the file is of another kind.
            OSError: it cannot be written.
        """
        if not isinstance(self._drawn, FilmStrip):
            raise ValueError("nothing was drawn yet")
        count = len(self._drawn.rows)
        if sample is not None and not 0 <= sample < count:
            raise ValueError(f"sample must lie between 0 and {count - 1}, got {sample}")
        save_strip(self._drawn, path, seconds, None if sample is None else [sample])

    def _scope(self, layout: Layout, samples: FixedSamples) -> Scope:
        enough = len(samples) >= FEWEST_SAMPLES
        features = layout.maps(self.feature_layers) if enough else ()
        weights, attention = filters(layout, self.feature_layers), layout.maps(self.layers)[-1:]
        return Scope(features, weights, attention, samples=MOST_SAMPLES)

    def _frame(self, evidence: Evidence, now: Snapshot, maps: Tensor) -> KeptFrame:
        moved = [] if self._before is None else movements(now, self._before)
        shown = evidence.probabilities[: evidence.shown]
        leading = evidence.layout.reading.leading(shown)
        strongest = maps.amax(dim=(1, 2)).float()
        return KeptFrame(
            position=self._frames[-1].position + 1 if self._frames else 0,
            epoch=evidence.epoch,
            maps=(maps / strongest.to(maps)[:, None, None].clamp_min(torch.finfo(maps.dtype).tiny)).half(),
            strongest=strongest,
            classes=leading,
            probabilities=shown.gather(1, leading[:, None])[:, 0],
            drift=changes(moved),
        )

    def _strip(self, evidence: Evidence, tag: str) -> Picture:
        samples, pictures = evidence.samples, evidence.samples.display_pictures()[: evidence.shown]
        labels = None if samples.labels is None else samples.labels.tolist()
        names = [
            Caption((f"sample {index}" if labels is None else f"true {samples.class_name(labels[index])}",))
            for index in range(len(pictures))
        ]
        strip = FilmStrip(
            tuple(Row(picture, names[index], index) for index, picture in enumerate(pictures)),
            tuple(_moment(frame, self._largest, samples, evidence.layout.reading.meaning) for frame in self._frames),
            title=f"Grad-CAM of {tag.partition('/')[2]} by epoch",
            footer="each row on one scale; below each map what the model said, blue if right, orange if wrong",
        )
        return Picture("timeline/grad_cam", strip)

    def _heat_map(self) -> Picture:
        frames = self._frames[1:]
        rows = {name: None for frame in frames for name in frame.drift}
        names = [name for family in FAMILIES.values() for name in rows if name.partition(" ")[0] == family]
        values = np.array([[frame.drift.get(name, math.nan) for frame in frames] for name in names])
        table = HeatTable(
            values,
            tuple(names),
            tuple(moment(frame.epoch) for frame in frames),
            limits=(_SMALLEST_DRIFT, 1.0),
            logarithmic=True,
            colormap="magma",
            label="drift",
            title="What changed since the column before",
            footer=(
                "0: as before · features: 1 − CKA, 1 is unrelated · filters: change beside their size · Grad-CAM, "
                "predictions: Jensen-Shannon distance, 1 is nothing in common"
            ),
        )
        return Picture("timeline/features", table)


_FEWEST_FRAMES = 3


def _moment(frame: KeptFrame, largest: Tensor | None, samples: FixedSamples, meaning: Meaning) -> Frame:
    lines, correct = [], []
    for index, (answer, probability) in enumerate(
        zip(frame.classes.tolist(), frame.probabilities.tolist(), strict=True)
    ):
        share = percent(probability)
        lines.append((f"says {samples.class_name(answer)}", f"on {share}" if meaning == "masks" else share))
        labels = samples.labels if meaning == "classes" else None
        correct.append(None if labels is None else answer == int(labels[index]))
    maps = frame.maps.float()
    if largest is not None:
        maps = maps * (frame.strongest / largest).nan_to_num(0.0).clamp(0, 1)[:, None, None]
    over = replace(heat_map(to_numpy(maps[:, None]), "", laying="over"), limits=(0.0, 1.0))
    return Frame(moment(frame.epoch), over, tuple(lines), tuple(correct))
