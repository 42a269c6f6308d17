"""The one place that hooks and calls the model: one forward and one backward pass answer all views."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lightning_cnnviz.keys import optional_key
from lightning_cnnviz.model.backward import Pass, derive, recurrent_on_cuda
from lightning_cnnviz.model.checkpoints import with_weights
from lightning_cnnviz.model.entry import Forward, check_reading, entries, unwrapped
from lightning_cnnviz.model.evidence import THE_INPUT, Evidence, Request
from lightning_cnnviz.model.hooks import Recorder, hooked
from lightning_cnnviz.model.isolation import isolated, placed
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.layers.names import kernel_of, named_layers
from lightning_cnnviz.model.outputs.readings import Answers, OutputKind
from lightning_cnnviz.model.outputs.tensors import as_rows, at, describe
from lightning_cnnviz.model.procedures import ProcedureModel, run_procedures
from lightning_cnnviz.model.request import check_request
from lightning_cnnviz.model.survey.survey import survey
from lightning_cnnviz.model.targets import Target, target_scores
from lightning_cnnviz.samples import FixedSamples

__all__ = ["Probe", "Progress"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a description, the steps done and the steps in all."""


class Probe:
    """Looks at one model.

    Args:
        model: any module that takes images (N, C, H, W); if its class defines no ``forward``, or that takes no images,
            its only convolutional child.
        output_key: where in the model's output the class scores are, see
            :func:`~lightning_cnnviz.model.outputs.selection.select_output`.
        forward: what to call instead: the name of a module, or a function of the images or of model and images.
        output: what the output is, see :data:`~lightning_cnnviz.model.outputs.readings.OutputKind`.
        progress: told how far long work is.

    Raises:
        ArgumentError: ``forward`` names no module.
        ValueError: the model has no ``forward`` and no single child that could stand for it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        output_key: int | str | None = None,
        forward: Forward | None = None,
        output: OutputKind = "auto",
        progress: Progress | None = None,
    ) -> None:
        check_reading(output, forward)
        self._model = model = unwrapped(model)
        self._entries = entries(model, forward)
        self._output_key, self._forward, self._output_kind = optional_key("output_key", output_key), forward, output
        self._progress = progress

    def survey(self, samples: FixedSamples) -> Layout:
        """The model's layers and the meaning of its output, found by watching it on a few of the samples."""
        with isolated(self._model):
            named = self._forward is not None
            return survey(self._model, self._entries, samples, self._output_key, self._output_kind, named=named)

    def check(self, request: Request) -> None:
        """Checks that a view asks for nothing that this model cannot have, see :func:`check_request`.

        Raises:
            TypeError: it is no request, or a name in it is no string.
            ValueError: a name in it is none of the model's.
        """
        check_request(request, named_layers(self._model))

    def run(
        self,
        samples: FixedSamples,
        layout: Layout,
        request: Request,
        target: Target = "predicted",
        *,
        shown: int | None = None,
        epoch: int | None = None,
    ) -> Evidence:
        """Answers a request with one forward and, if it asks for gradients, one backward pass.

        What cannot be had, such as gradients of a model that switches them off, is missing from the evidence with a
        reason.

        Raises:
            ValueError: the output or the target does not serve as class scores.
        """
        with isolated(self._model):
            images = placed(samples.images, self._model)
            found = self._shared_pass(images, _Asked(samples, layout, request, target))
            seen = ProcedureModel(self, layout, images.detach(), found.classes, target)
            results = run_procedures(request.procedures, seen)
            modules = named_layers(self._model)
            weights = {name: _kernels(modules[name]) for name in sorted(request.weights)}
        references = self._references(samples, layout, request, target, found.missing)
        return Evidence(
            samples=samples,
            layout=layout,
            probabilities=found.answers.probabilities,
            target_classes=None if found.classes is None else found.classes.cpu(),
            answers=found.answers,
            activations=found.activations,
            gradients=found.gradients,
            input_gradient=found.input_gradient,
            ruled_gradients=found.ruled_gradients,
            weights=weights,
            results=results,
            missing=found.missing,
            references=references,
            epoch=epoch,
            shown=min(len(samples), len(samples) if shown is None else shown),
            remarks=layout.remarks,
        )

    def _references(
        self, samples: FixedSamples, layout: Layout, request: Request, target: Target, missing: dict[str, str]
    ) -> dict[str, Evidence]:
        references: dict[str, Evidence] = {}
        same = dataclasses.replace(request, procedures={}, reference_checkpoints=frozenset())
        for checkpoint in sorted(request.reference_checkpoints):
            try:
                with isolated(self._model):  # closures and patched methods of the copy write to the original
                    probe = Probe(
                        with_weights(self._model, checkpoint),
                        output_key=self._output_key,
                        forward=self._forward,
                        output=self._output_kind,
                    )
                    references[checkpoint] = probe.run(samples, layout, same, target)
            except Exception as error:
                missing[checkpoint] = f"{type(error).__name__}: {error}"
        return references

    def _shared_pass(self, images: Tensor, asked: _Asked) -> Pass:
        if not asked.gradients:
            return self._pass(images, asked, with_gradients=False)
        try:
            return self._pass(images, asked, with_gradients=True)
        except RuntimeError as error:
            # Such as a forward pass that calls numpy(): what needs no gradients is still to be had.
            try:
                found = self._pass(images.detach(), asked, with_gradients=False)
            except Exception:
                raise error from None
            reason = f"the forward pass fails where gradients are recorded: {error}"
            found.missing.update(dict.fromkeys(asked.gradients, reason))
            return found

    def _pass(self, images: Tensor, asked: _Asked, *, with_gradients: bool) -> Pass:
        layout, modules = asked.layout, named_layers(self._model)
        wanted = sorted(asked.request.activations | asked.request.gradients)
        recorder = Recorder()
        images = images.requires_grad_(with_gradients)
        with (
            hooked({name: modules[name] for name in wanted}, recorder.record),
            torch.set_grad_enabled(with_gradients),
            recurrent_on_cuda(self._model),
        ):
            returned = self.call(images, layout)
            # Activation checkpointing calls modules again during the backward pass; what it saw first counts.
            recorder.closed = True
            output = self.scores_in(returned, layout)
            found = Pass(Answers.of(output, layout.reading, len(images)))
            if output is None or (layout.reading.reason and not callable(asked.target)):
                reason = layout.reading.reason or f"the model returned {describe(returned)}, unlike at first"
                found.missing.update(dict.fromkeys(asked.gradients, f"there is no score to explain: {reason}"))
            else:
                targeted = target_scores(output, layout.reading, asked.target, asked.samples.labels)
                found.classes = targeted.classes
                if with_gradients:
                    derive(targeted.scores, asked.request, images, recorder.outputs, layout=layout, found=found)
        for name in wanted:
            if name not in recorder.outputs:
                found.missing[name] = f"{name} {layout.unusable.get(name, 'was not called, or put out no tensor')}"
        found.activations = {name: [t.detach() for t in tensors] for name, tensors in recorder.outputs.items()}
        return found

    def call(self, images: Tensor, layout: Layout) -> Any:
        """What the model returns for images (N, C, H, W)."""
        # A clone, because a model may change its input in place, which autograd forbids where it is to be derived by.
        return self.entry(layout)(images.clone())

    def entry(self, layout: Layout) -> Callable[[Tensor], Any]:
        """What is called with the images (N, C, H, W)."""
        return layout.handing.before(self._entries.get(layout.entry) or next(iter(self._entries.values())))

    def scores_in(self, output: Any, layout: Layout) -> Tensor | None:
        """The tensor of scores in what the model returned, None if it has none."""
        found = at(output, layout.reading.path)
        if not isinstance(found, Tensor) or not found.is_floating_point() or found.ndim == 0:
            return None
        if layout.reading.meaning in ("masks", "reconstruction") and found.ndim == 3:
            found = found[:, None]  # a single score for each place
        found = as_rows(found)
        return found if layout.reading.meaning != "nothing" else None

    @property
    def model(self) -> nn.Module:
        """The model looked at."""
        return self._model

    def progress(self, description: str, done: int, total: int) -> None:
        """Tells whoever waits how far long work is."""
        if self._progress is not None:
            self._progress(description, done, total)


@dataclass(frozen=True)
class _Asked:
    """What one pass is to answer."""

    samples: FixedSamples
    layout: Layout
    request: Request
    target: Target

    @property
    def gradients(self) -> list[str]:
        """What gradients are asked for, by the names under which they may be missing."""
        request = self.request
        return [*request.gradients, *request.rules, *([THE_INPUT] if request.input_gradient else [])]


def _kernels(module: nn.Module) -> Tensor:
    kernels = kernel_of(module)
    assert kernels is not None, "the request was checked"
    return kernels.detach().float().cpu().clone()
