"""What every view is: something that says what it needs from the model and draws what it got."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

from lightning_cnnviz.arguments import positive, text
from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.overheard import Answered
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.render import lookup_table
from lightning_cnnviz.render.fonts import load_font
from lightning_cnnviz.samples import FixedSamples


class View(ABC):
    """One thing to look at.

    A view knows nothing of Trainers, hooks or loggers. :meth:`request` says what it needs, :meth:`draw` turns that into
    pictures, numbers and notes. Views that remember something keep it in :meth:`state_dict`.

    Args:
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: ``every_n_epochs`` is no positive integer.
    """

    every_n_epochs = 1
    chapter = "more"
    """What its pictures are about, one of :data:`~lightning_cnnviz.output.story.CHAPTERS`: where TensorBoard
    shows them."""

    def __init__(self, *, every_n_epochs: int = 1) -> None:
        self.every_n_epochs = positive("every_n_epochs", every_n_epochs)

    @property
    def name(self) -> str:
        """What messages call this view."""
        return type(self).__name__

    @property
    def monitored_tags(self) -> tuple[str, ...]:
        """Tags of the numbers that :meth:`draw` gives with ``monitored=True``, as far as they are known before.

        Any such number is logged. Where a callback such as ``ModelCheckpoint`` monitors one of these, it is 0 until
        there is one, because the lack of it would end the run.
        """
        return ()

    @property
    def remembers_samples(self) -> bool:
        """Whether what the view remembers belongs to the samples that it was made of, and to no others."""
        return False

    @property
    def wanted_samples(self) -> int:
        """How many samples :meth:`draw` wants to see when the callback takes them from batches; 0 is any number."""
        return 0

    @property
    def most_samples(self) -> int:
        """Up to how many samples make its numbers better, where images are small; 0: as many as it wants."""
        return 0

    @property
    def sees_all_samples(self) -> bool:
        """Whether :meth:`draw` sees the samples taken for numbers, too, or only those that are to be drawn."""
        return self.wanted_samples > 0

    @property
    def watches_training(self) -> bool:
        """Whether :meth:`observe` wants to see the training batches."""
        return False

    @property
    def watches_validation(self) -> bool:
        """Whether :meth:`observe_validation` wants to see the validation batches with the model's answers."""
        return False

    def check(self, model: nn.Module) -> None:
        """Raises ValueError before training if the view cannot work on this model."""

    @abstractmethod
    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        """What the view needs from one look at a model with these layers."""

    @abstractmethod
    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        """Pictures, numbers, notes and arrays made of the evidence."""

    def observe(self, images: Tensor, labels: Tensor) -> None:
        """Sees a training batch as it passes by, if :attr:`watches_training`."""

    def finish_observing(self) -> None:
        """The first training epoch is over."""

    def begin_validation(self) -> None:
        """The first validation batch comes, if :attr:`watches_validation`."""

    def observe_validation(self, answered: Answered) -> None:
        """Sees a validation batch with the model's answers, on rank 0, if :attr:`watches_validation`."""

    def state_dict(self) -> dict[str, Any]:
        """What the view remembers, as tensors and primitives."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up what :meth:`state_dict` gave."""

    def may_round(self, key: str) -> bool:
        """Whether a checkpoint may keep the tensors under a key of :meth:`state_dict` in half precision.

        Asked where what our own views remember would take more than 16 MB of every checkpoint.
        """
        return False

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in vars(self).items() if not key.startswith("_"))
        return f"{self.name}({arguments})"


class ComparesLooks(View):
    """A view that compares all samples with what it remembers of them, those taken for numbers among them."""

    @property
    def remembers_samples(self) -> bool:
        return True

    @property
    def sees_all_samples(self) -> bool:
        return True


def color_map(value: str) -> str:
    """An argument ``colormap``, if it names one.

    Raises:
        TypeError: it is no string.
        ValueError: neither OpenCV nor matplotlib has a color map of this name.
    """
    name = text("colormap", value)
    with suppress(ImportError):  # an OpenCV that cannot be imported is said once, when something is to be drawn
        lookup_table(name)
    return value


def check_font(font: object) -> None:
    """Checks an argument ``font``.

    Raises:
        TypeError: it is neither None nor a string.
        ValueError: it is no font file that can be loaded.
    """
    if font is not None:
        load_font(text("font", font), size=16)


def how_to_read(view: View) -> str:
    """What the documentation of a view says on how to read it and when it misleads; empty where it says nothing."""
    paragraphs = (inspect.getdoc(type(view)) or "").split("\n\n")
    told = [" ".join(text.split()) for text in paragraphs if text.startswith(("How to read it:", "When it misleads:"))]
    return "\n\n".join(told)
