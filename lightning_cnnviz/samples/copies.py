"""Copies of samples in which something differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_cnnviz.samples.datasets import Normalization, find_class_names, find_normalization
from lightning_cnnviz.samples.forms import Form
from lightning_cnnviz.samples.pictures import normalized
from lightning_cnnviz.samples.shown import ShownSamples
from lightning_cnnviz.samples.truth import Truth

if TYPE_CHECKING:
    from typing_extensions import Self  # a part of typing from Python 3.11 on


class CopiedSamples(ShownSamples):
    """Samples that tell what they would be with other images, names or normalisation; they themselves never change."""

    def with_display_defaults(
        self,
        *,
        class_names: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        bands: Sequence[int] | None = None,
    ) -> Self:
        """Returns a copy with class names, normalisation and bands filled in where these samples have none.

        Raises:
            TypeError: as the constructor.
            ValueError: as the constructor.
        """
        return self._with(
            class_names=class_names if self.class_names is None else self.class_names,
            mean=mean if self.mean is None else self.mean,
            std=std if self.std is None else self.std,
            bands=bands if self.bands is None else self.bands,
        )

    def with_display_from(self, *things: object, model: object = None) -> Self:
        """Returns a copy in which what is missing is filled in, as far as it fits.

        Args:
            *things: datasets, transforms, datamodules: class names and normalisation come from the first that has them.
            model: asked for class names only, because a normalisation of its own is still to be applied.
        """
        sources = map(find_class_names, (*things, model))
        class_names = next((names for names in sources if self._could_name(names)), None)
        found = next((one for one in map(find_normalization, things) if one is not None), None)
        if found is not None and not {len(found[0]), len(found[1])} <= {1, self.images.shape[1]}:
            found = None
        mean, std = found or (None, None)
        filled = self.with_display_defaults(class_names=class_names, mean=mean, std=std)
        if self.class_names is None and class_names is not None:
            filled.origin = replace(filled.origin, names_found=True)
        return filled

    def _could_name(self, names: tuple[str, ...] | None) -> bool:
        return names is not None and (self.labels is None or int(self.labels.max()) < len(names))

    def fitting(self, classes: int, *, one_each: bool = False) -> Self:
        """Returns samples for a model of so many classes: without class names that were found and are of other classes.

        Names that the user gave stay. The very same object for the same arguments.

        Args:
            classes: how many.
            one_each: whether each image is of one of them: whole numbers that the data hold as floats then are labels.
        """
        if one_each and self.labels is None and self.truth is not None and self.truth.kind == "values":
            highest = self.truth.highest
            if highest is not None and highest < classes:
                return self._labelled.fitting(classes)
        if not self.origin.names_found or self.class_names is None or len(self.class_names) == classes:
            return self
        return self._unnamed

    def labelled_below(self, classes: int) -> Self:
        """Returns samples without labels where one is beyond so many classes; the very same object where none is.

        Labels that count from 1 are wrong below that, too.
        """
        return self if self.labels is None or int(self.labels.max()) < classes else self._unlabelled

    @cached_property
    def _unlabelled(self) -> Self:
        return self._with(labels=None, truth=None)

    @cached_property
    def _labelled(self) -> Self:
        assert self.truth is not None
        assert isinstance(self.truth.values, Tensor)
        labels = self.truth.values[:, 0].long()
        return self._with(labels=labels, truth=Truth("classes", labels))

    @cached_property
    def _unnamed(self) -> Self:
        return self._with(class_names=None, origin=replace(self.origin, names_found=False))

    @property
    def _plain(self) -> Form:
        """That of images (N, C, H, W) of floating point."""
        return Form(unlabelled=self.origin.form.unlabelled)

    def with_images(self, images: Tensor, *notes: str) -> Self:
        """Returns a copy with other images of the same samples, which are shown themselves instead of the originals."""
        same = images.shape == self.images.shape
        return self._with(
            images=images,
            originals=None,
            original_boxes=None,
            regions=self.regions if same else None,
            perturbed=None,
            origin=replace(self.origin, raw=None, form=self._plain, notes=(*self.origin.notes, *notes)),
        )

    def chosen(self, indices: Sequence[int]) -> Self:
        """Returns some of the samples, in this order, with all that belongs to them.

        Raises:
            IndexError: there is no such sample.
        """
        order = list(indices)
        arguments = self._arguments()
        for name in ("images", "labels", "regions", "original_boxes"):
            values = arguments[name]
            arguments[name] = None if values is None else values[order]
        return type(self)(
            **{
                **arguments,
                "originals": self.originals and [self.originals[index] for index in order],
                "perturbed": {name: copies[order] for name, copies in self.perturbed.items()},
                "truth": self.truth and self.truth.chosen(order),
                "origin": replace(self.origin, raw=None),
            }
        )

    def hooked(self, images: Tensor, normalization: Normalization | None, *, keep_originals: bool) -> Self:
        """Returns these samples as batch hooks changed them.

        Args:
            images: (N, C, H, W) as the model takes them.
            normalization: what undoes the values for display, where that is known.
            keep_originals: whether every pixel is where it was.
        """
        same = images.shape == self.images.shape
        if same and torch.equal(images, self.images):
            return self._with(origin=replace(self.origin, raw=None))
        mean, std = normalization or (None, None)
        perturbed = {}
        if normalization is not None:
            perturbed = {name: normalized(self.denormalized_copy(name), normalization) for name in self.perturbed}
        return self._with(
            images=images,
            mean=mean,
            std=std,
            originals=self.originals if keep_originals else None,
            original_boxes=self.original_boxes if keep_originals else None,
            regions=self.regions if same else None,
            bands=self.bands if images.shape[1] == self.images.shape[1] else None,
            perturbed=perturbed,
            origin=replace(self.origin, raw=None, form=self._plain),
        )
