"""Another view as a film strip: what it showed at every look of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from lightning_cnnviz.arguments import integer, positive, shown
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.overheard import Answered
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import FilmStrip
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View, how_to_read
from lightning_cnnviz.views.strips import Rows, Still, rows_of, save_strip, small, thinned

_FEWEST_FRAMES = 3


def _of_the_filmed(name: str) -> Any:
    return property(lambda film: getattr(film.view, name))


class Film(View):
    """Another view and its film strip: a row for each filter, class, channel or sample, a column for each look so far.

    Stands in the place of the view that it films: ``Film(Filters())``, ``Film(Prototypes())``,
    ``Film(FeatureMaps("layer4"))``, ``Film(GradCAM())``. That view draws as it would without it.

    How to read it: from left to right, what was seen at that time; a row that no longer changes has come to rest. All
    frames of a row, or of the whole strip where the view draws all on one scale, are on one scale, so that what is
    brighter is more.

    When it misleads: a row that begins dark may only be weak beside what it became. Late looks are thinned out before
    early ones, so columns are not evenly spaced: see the epochs above them. Frames are kept small; of more than seven
    a picture shows seven, and an animation all.

    Tags: those of the view, and ``film/<tag>`` for each of its pictures that has rows.

    Args:
        view: what is filmed.
        rows: most rows of a strip, the first ones.
        frames: most frames kept, of the first look and the last ones.
        sample: of whose maps a strip is made where a view draws several channels of every sample.
        every_n_epochs: draw in every n-th epoch in which the callback looks; None: as the view.

    Raises:
        TypeError: what is filmed is no view.
        ValueError: an argument is out of its range.
    """

    def __init__(
        self, view: View, *, rows: int = 10, frames: int = 16, sample: int = 0, every_n_epochs: int | None = None
    ) -> None:
        if not isinstance(view, View) or isinstance(view, Film):
            raise TypeError(f"view must be a view such as Filters(), got {shown(view)}")
        super().__init__(every_n_epochs=view.every_n_epochs if every_n_epochs is None else every_n_epochs)
        self.view = view
        self.rows = positive("rows", rows)
        self.frames = positive("frames", frames)
        if self.frames < _FEWEST_FRAMES:
            raise ValueError(f"frames must be at least {_FEWEST_FRAMES}, for the first and the last one, got {frames}")
        self.sample = integer("sample", sample, least=0)
        self.chapter = view.chapter
        self._looks = 0
        self._kept: dict[str, list[Still]] = {}
        self._strips: dict[str, FilmStrip] = {}

    @property
    def name(self) -> str:
        return f"{super().name} of {self.view.name}"

    @property
    def remembers_samples(self) -> bool:
        return True

    monitored_tags = _of_the_filmed("monitored_tags")
    wanted_samples = _of_the_filmed("wanted_samples")
    most_samples = _of_the_filmed("most_samples")
    sees_all_samples = _of_the_filmed("sees_all_samples")
    watches_training = _of_the_filmed("watches_training")
    watches_validation = _of_the_filmed("watches_validation")

    def check(self, model: nn.Module) -> None:
        self.view.check(model)

    def observe(self, images: Tensor, labels: Tensor) -> None:
        self.view.observe(images, labels)

    def finish_observing(self) -> None:
        self.view.finish_observing()

    def begin_validation(self) -> None:
        self.view.begin_validation()

    def observe_validation(self, answered: Answered) -> None:
        self.view.observe_validation(answered)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return self.view.request(layout, samples)

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for artifact in self.view.draw(evidence):
            if not isinstance(artifact, Picture):
                yield artifact
                continue
            yield replace(artifact, description=artifact.description or how_to_read(self.view))
            rows = rows_of(artifact.figure, self.rows, self.sample)
            if rows is not None:
                yield self._strip(artifact.tag, rows, evidence.epoch)
        self._looks += 1

    def state_dict(self) -> dict[str, Any]:
        kept = {tag: [dict(vars(still)) for still in stills] for tag, stills in self._kept.items()}
        return {"view": self.view.state_dict(), "looks": self._looks, "kept": kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.view.load_state_dict(state["view"])
        self._looks = state["looks"]
        self._kept = {tag: [Still(**still) for still in kept] for tag, kept in state["kept"].items()}

    def may_round(self, key: str) -> bool:
        return self.view.may_round(key)

    def save(self, path: str | os.PathLike[str], tag: str | None = None, *, seconds: float = 0.6) -> None:
        """Writes a strip as an animation to share, one look after another.

        Args:
            path: a file whose name ends in ``.gif``, ``.webp`` or ``.png``.
            tag: of which picture of the view, where it draws several.
            seconds: how long each look is shown.

        Raises:
            ValueError: nothing was drawn yet, there is no such picture, or the file is of another kind.
            OSError: it cannot be written.
        """
        tags = sorted(self._strips)
        if tag is None and len(tags) == 1:
            tag = tags[0]
        if tag not in self._strips:
            raise ValueError(f"tag must be one of {tags}, got {tag!r}" if tags else "nothing was drawn yet")
        save_strip(self._strips[tag], path, seconds)

    def _strip(self, tag: str, rows: Rows, epoch: int | None) -> Picture:
        still = Still(self._looks, epoch, small(rows.values), rows.lines, rows.correct)
        earlier = [one for one in self._kept.get(tag, ()) if one.values.shape == still.values.shape]
        self._kept[tag] = kept = thinned([*earlier, still], self.frames)
        self._strips[tag] = strip = rows.strip(kept)
        return Picture(f"film/{tag}", strip)
