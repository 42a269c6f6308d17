"""The model as procedures see it, see :class:`~lightning_cnnviz.model.evidence.Model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightning_cnnviz.model import explaining, measuring
from lightning_cnnviz.model.backward import recurrent_on_cuda
from lightning_cnnviz.model.evidence import Procedure
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.targets import Target, of_classes, target_scores

if TYPE_CHECKING:
    from lightning_cnnviz.model.probe import Probe

_MEASURED_SAMPLES = 2


@dataclass(frozen=True)
class ProcedureModel:
    """The model that a procedure may call."""

    probe: Probe
    layout: Layout
    images: Tensor
    classes: Tensor | None
    target: Target

    def scores(self, images: Tensor) -> Tensor:
        """(N, classes) class scores before softmax, differentiable."""
        return self.layout.reading.scores(self._output(images))

    def log_probabilities(self, images: Tensor) -> Tensor:
        """(N, classes) logarithms of the class probabilities, differentiable."""
        self.layout.reading.check_classes()
        return self.layout.reading.log_probabilities(self._output(images))

    def target_scores(self, images: Tensor) -> Tensor:
        """(k N,) the score explained of k versions of the samples."""
        reading, found = self.layout.reading, []
        for output in self._output(images).split(len(self.images)):
            if self.classes is None:
                found.append(target_scores(output, reading, self.target, None).scores)
            else:
                found.append(of_classes(reading.scores(output), self.classes).scores)
        return torch.cat(found)

    def output_of(self, layer: str, images: Tensor) -> Tensor:
        """What a layer puts out for images (N, C, H, W), differentiable."""
        entry = self.probe.entry(self.layout)
        one_by_one = self.layout[layer].calls.one_by_one
        images = images.to(self.images).clone()
        return measuring.output_of(layer, self.probe.model, entry, images, one_by_one=one_by_one)

    def explained(
        self, layer: str, images: Tensor, choose: Callable[[Tensor], Sequence[Tensor]]
    ) -> tuple[Tensor, list[Tensor]]:
        """What a layer puts out for images, and the gradients by it of the scores of each choice of classes."""
        return explaining.explained(self.probe, self.layout, layer, images.to(self.images), choose)

    def multiply_adds(self) -> dict[str, int]:
        """Multiply-adds for one image by layer; "" is the whole model."""
        entry = self.probe.entry(self.layout)
        return measuring.multiply_adds(self.probe.model, entry, self.images[:_MEASURED_SAMPLES])

    def progress(self, description: str, done: int, total: int) -> None:
        """Tells whoever waits how far long work is."""
        self.probe.progress(description, done, total)

    def _output(self, images: Tensor) -> Tensor:
        # Optimised in float32 also for a model in half precision.
        output = self.probe.scores_in(self.probe.call(images.to(self.images), self.layout), self.layout)
        if output is None:
            raise ValueError(f"there is no score to explain: {self.layout.reading.reason}")
        return output


def run_procedures(procedures: Mapping[str, Procedure], model: ProcedureModel) -> dict[str, Any]:
    """What each procedure returns, or the error it raised."""
    results: dict[str, Any] = {}
    for key, procedure in procedures.items():
        # A clone, because the images may be the samples themselves, and the procedure somebody else's.
        own = replace(model, images=model.images.clone())
        try:
            with recurrent_on_cuda(model.probe.model):
                results[key] = procedure(own)
        except Exception as error:
            results[key] = error
    return results
