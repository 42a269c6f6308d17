"""Where the fixed samples come from: given, restored from a checkpoint, or taken from batches as they pass by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning_cnnviz.arguments import integer
from lightning_cnnviz.samples.checks import checked_bands, checked_class_names, checked_normalization
from lightning_cnnviz.samples.collector import SampleCollector
from lightning_cnnviz.samples.datasets import count_classes
from lightning_cnnviz.samples.fixed import FixedSamples
from lightning_cnnviz.samples.state import bounded, fingerprint, unbounded

MOST_BATCHES = 1000
"""After so many batches the search for classes that are still missing ends."""


class SampleSource:
    """The samples of one callback, once there are any.

    Args:
        given: the samples themselves, or how many are to be taken from batches.
        most: up to how many are taken where images are small, see :class:`SampleCollector`.
        image_key: where the images are in a batch.
        label_key: where the labels are; None if there are none.
        class_names: the name of each class, where the samples do not say.
        mean: what the images were normalised with, where the samples do not say.
        std: as ``mean``.
        bands: the channels shown as red, green and blue, where the samples do not say.

    Attributes:
        samples: None until they are chosen.
        remarks: what the user is to be told of them; whoever tells it takes it out.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its range or does not fit the given samples.
    """

    def __init__(
        self,
        given: FixedSamples | int,
        *,
        image_key: int | str,
        label_key: int | str | None,
        class_names: Sequence[str] | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        bands: Sequence[int] | None = None,
        most: int | None = None,
    ) -> None:
        self.samples: FixedSamples | None = None
        self.remarks: list[str] = []
        self._display: dict[str, Any] = {
            "class_names": checked_class_names(class_names),
            "mean": mean,
            "std": std,
            "bands": checked_bands(bands, None),
        }
        checked_normalization(mean, std, None)
        self._keys = (image_key, label_key)
        self._given: FixedSamples | None = None
        self._collector: SampleCollector | None = None
        self._batches = 0
        self._classes: int | None = None
        self._fingerprint: str | None = None
        if isinstance(given, FixedSamples):
            self._given = given.with_display_defaults(**self._display)
        else:
            count = integer("samples", given, least=1)
            self._collector = SampleCollector(count, image_key, label_key, most=most)

    @property
    def is_given(self) -> bool:
        """Whether the user gave the samples."""
        return self._given is not None

    @property
    def batches(self) -> int:
        """How many batches have been shown to :meth:`add`."""
        return self._batches

    @property
    def missing(self) -> int:
        """How many samples more would have been taken from the batches if there had been as many."""
        if self.samples is None or self._collector is None or self._collector.empty:
            return 0
        return max(0, self._collector.count - len(self.samples))

    @property
    def wants_batches(self) -> bool:
        """Whether batches are still to be shown to :meth:`add`."""
        collector = self._collector
        if self.samples is not None or collector is None or self._batches >= MOST_BATCHES:
            return False
        return not collector.has_enough(self._classes)

    def restart(self) -> None:
        """Forgets the batches shown so far: they come again."""
        if self._collector is not None and self.samples is None:
            self._collector = SampleCollector(self._collector.least, *self._keys, most=self._collector.most)
            self._batches = 0

    def add(self, batch: object, dataset: object = None) -> None:
        """Takes copies of what may be chosen from a batch.

        Args:
            batch: what the loader yields.
            dataset: where it is from; asked, without reading it, how many classes there are.

        Raises:
            ValueError: there are no images in it.
        """
        if self._collector is None:
            return
        if self._batches == 0:
            names = self._display["class_names"]
            self._classes = count_classes(dataset) if names is None else len(names)
        self._batches += 1
        self._collector.add(batch)

    def choose(self, *things: object, model: object = None, early: bool = False) -> FixedSamples | None:
        """The samples, with class names and normalisation found where nobody gave any.

        None if there are no samples yet.

        Args:
            *things: what may know class names and normalisation, first the dataset.
            model: may know class names.
            early: whether more batches are to come, so that a poor choice can wait for them.

        Raises:
            ValueError: class names or normalisation do not fit the images.
        """
        if self.samples is not None:
            return self.samples
        if self._given is not None:
            self.samples = self._given.with_display_from(*things, model=model)
        elif self._collector is not None and not self._collector.empty:
            if early and not self._collector.has_much(self._classes):
                return None
            self.samples = self._collector.finish(**self._display).with_display_from(*things, model=model)
            self._remark_on_choice(self._collector, self.samples)
            self._compare(fingerprint(self.samples))
        return self.samples

    def state_dict(self) -> dict[str, Any]:
        """Samples taken from batches, no more of them than is bearable; of all samples, by what to know them again."""
        kept = None
        if not self.is_given and self.samples is not None:
            kept, remark = bounded(self.samples)
            if remark is not None and remark not in self.remarks:
                self.remarks.append(remark)
        return {
            **(kept or {"images": None}),
            "fingerprint": self._known_by(),
            "count": None if self._collector is None else self._collector.most,
        }

    def load_state_dict(self, state: Mapping[str, Any] | None) -> bool:
        """Takes up what :meth:`state_dict` gave.

        Returns:
            Whether the samples are, as far as is known yet, those of the checkpoint: what views remember of samples is
            worth nothing for others.
        """
        if state is None:
            return True
        kept = dict(state)
        before, count = kept.pop("fingerprint", None), kept.pop("count", None)  # an older version wrote neither
        if self._given is not None:
            return self._compare(fingerprint(self._given), before)
        assert self._collector is not None
        if isinstance(count, int) and count != self._collector.most:
            most, chosen = self._collector.most, self._collector.most == self._collector.least
            taken = f"samples={most} replaces" if chosen else f"up to {most} samples, which views want now, replace"
            self.remarks.append(
                f"{taken} the {count} samples of the checkpoint: new ones are taken, and what views remember begins "
                "anew"
            )
            return False
        self._fingerprint = before
        if kept["images"] is not None:
            self.samples = self._displayed(FixedSamples.from_state_dict(unbounded(kept)))
        return True

    def _displayed(self, samples: FixedSamples) -> FixedSamples:
        """Restored samples with what the user says now of how to show them."""
        said = {name: value for name, value in self._display.items() if value is not None}
        shown = samples._with(**said) if said else samples
        changed = [name for name in said if getattr(shown, name) != getattr(samples, name)]
        if changed:
            self.remarks.append(f"{' and '.join(changed)} given now replace those of the checkpoint")
        return shown

    def _known_by(self) -> str | None:
        if self._fingerprint is None:
            samples = self._given or self.samples
            self._fingerprint = None if samples is None else fingerprint(samples)
        return self._fingerprint

    def _compare(self, now: str, before: str | None = None) -> bool:
        before = before or self._fingerprint
        self._fingerprint = now
        if before in (None, now):
            return True
        self.remarks.append(
            "the samples are others than those of the checkpoint: what views remember of them begins anew"
        )
        return False

    def _remark_on_choice(self, collector: SampleCollector, samples: FixedSamples) -> None:
        wanted = None if self._classes is None else min(collector.least, self._classes)
        of_classes = collector.classes or 0
        if len(samples) < collector.least:
            self.remarks.append(
                f"only {len(samples)} of {collector.least} samples were found in the first {_batches(self._batches)}: "
                "FixedSamples.from_dataset(...) takes as many as you like"
            )
        elif wanted is not None and 0 < of_classes < wanted:
            self.remarks.append(
                f"the samples are of {of_classes} of {self._classes} classes, found in the first "
                f"{_batches(self._batches)}: FixedSamples.from_dataset(..., per_class=1) takes one of each"
            )


def _batches(count: int) -> str:
    return "batch" if count == 1 else f"{count} batches"
