"""How samples came, which decides how they are handed to a model, and what a reader is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lightning_cnnviz.samples.batches import DEFAULT_IMAGE_KEY, DEFAULT_LABEL_KEY
from lightning_cnnviz.samples.forms import Form

AS_THE_MODEL_SEES = "The samples are shown as the model sees them, not as in their files"


@dataclass(frozen=True)
class RawBatch:
    """Samples as a DataLoader would hand them over, before the model's own batch hooks.

    Attributes:
        batch: what the loader's default collation makes of the items.
        image_key: where the images are in it.
        label_key: where the labels are; None if there are none.
    """

    batch: object
    image_key: int | str = DEFAULT_IMAGE_KEY
    label_key: int | str | None = DEFAULT_LABEL_KEY


@dataclass(frozen=True)
class Origin:
    """Where samples are from.

    Attributes:
        form: how the batch held the images.
        raw: what the model's batch hooks are still to be applied to; None where they need not be.
        notes: what a reader should be told once.
        names_found: whether nobody gave the class names, and a dataset or datamodule had some.
    """

    form: Form = field(default_factory=Form)
    raw: RawBatch | None = None
    notes: tuple[str, ...] = ()
    names_found: bool = False
