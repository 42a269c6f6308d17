"""The one place that hooks and calls the model: one forward and one backward pass answer all views."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lightning_cnnviz.model import measuring
from lightning_cnnviz.model.backward import Pass, apply_rules, differentiate
from lightning_cnnviz.model.checkpoints import with_weights
from lightning_cnnviz.model.evidence import THE_INPUT, Evidence, Procedure, Request
from lightning_cnnviz.model.hooks import Recorder, hooked
from lightning_cnnviz.model.isolation import isolated, placement
from lightning_cnnviz.model.layers import CONVOLUTIONS, Layout, named_layers
from lightning_cnnviz.model.request_check import check_request
from lightning_cnnviz.model.survey import Survey
from lightning_cnnviz.model.targets import Outputs, Target, class_scores, probabilities, select_output, target_scores
from lightning_cnnviz.samples import FixedSamples

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a description, the steps done and the steps in all."""

_SURVEY_SAMPLES = 2  # one would do, but a BatchNorm without running statistics refuses a single value per channel


class Probe:
    """Looks at one model.

    Args:
        model: any module that takes images (N, C, H, W); if its class defines no ``forward``, its only convolutional
            child.
        output_key: where in the model's output the class scores are, see
            :func:`~lightning_cnnviz.model.targets.select_output`.
        progress: told how far long work is.

    Raises:
        ValueError: the model has no ``forward`` and no single child that could stand for it.
    """

    def __init__(
        self, model: nn.Module, *, output_key: int | str | None = None, progress: Progress | None = None
    ) -> None:
        self._model = model
        self._entry = entry_point(model)
        self._output_key = output_key
        self._progress = progress

    def survey(self, samples: FixedSamples) -> Layout:
        """The model's layers, found by watching one forward pass of two samples without gradients."""
        modules = named_layers(self._model)
        with isolated(self._model), torch.no_grad():
            images = _place(samples.images[:_SURVEY_SAMPLES], self._model)
            watch = Survey(modules, images)
            with hooked(modules, watch.record):
                scores = self._scores(images)
            # In here, because reading a reparametrised weight computes it, and may take a step in doing so.
            return watch.layout(scores, self._model)

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
            images = _place(samples.images, self._model)
            found = self._shared_pass(images, samples, request, target, layout.outputs)
            results = self._run(request.procedures, images, found.classes, target)
            weights = {name: _kernels(named_layers(self._model)[name]) for name in sorted(request.weights)}
        references = self._references(samples, layout, request, target, found.missing)
        return Evidence(
            samples=samples,
            layout=layout,
            probabilities=found.probabilities.cpu(),
            target_classes=None if found.classes is None else found.classes.cpu(),
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
            remarks=() if found.remark is None else (found.remark,),
        )

    def _references(
        self, samples: FixedSamples, layout: Layout, request: Request, target: Target, missing: dict[str, str]
    ) -> dict[str, Evidence]:
        references: dict[str, Evidence] = {}
        same = dataclasses.replace(request, procedures={}, reference_checkpoints=frozenset())
        for checkpoint in sorted(request.reference_checkpoints):
            try:
                with isolated(self._model):  # closures and patched methods of the copy write to the original
                    probe = Probe(with_weights(self._model, checkpoint), output_key=self._output_key)
                    references[checkpoint] = probe.run(samples, layout, same, target)
            except Exception as error:
                missing[checkpoint] = f"{type(error).__name__}: {error}"
        return references

    def _shared_pass(
        self, images: Tensor, samples: FixedSamples, request: Request, target: Target, outputs: Outputs
    ) -> Pass:
        modules = named_layers(self._model)
        wanted = sorted(request.activations | request.gradients)
        recorder = Recorder()
        with_gradients = bool(request.gradients or request.rules) or request.input_gradient
        images = images.requires_grad_(with_gradients)
        with hooked({name: modules[name] for name in wanted}, recorder.record), torch.set_grad_enabled(with_gradients):
            output = self._output(images)
            # Activation checkpointing calls modules again during the backward pass; what it saw first counts.
            recorder.closed = True
            targeted = target_scores(class_scores(output, len(samples)), target, samples.labels)
            found = Pass(*probabilities(output, len(samples), outputs), classes=targeted.classes)
            if with_gradients:
                sources = {name: recorder.outputs[name] for name in request.gradients if name in recorder.outputs}
                if request.input_gradient:
                    sources[THE_INPUT] = images
                differentiate(targeted.scores, sources, found, retain_graph=bool(request.rules))
                apply_rules(targeted.scores, images, sorted(request.rules), found)
        for name in wanted:
            if name not in recorder.outputs:
                found.missing[name] = f"{name} was not called, or put out no tensor"
        found.activations = {name: tensor.detach() for name, tensor in recorder.outputs.items()}
        found.input_gradient = found.gradients.pop(THE_INPUT, None)
        return found

    def _run(
        self, procedures: Mapping[str, Procedure], images: Tensor, classes: Tensor | None, target: Target
    ) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for key, procedure in procedures.items():
            # A clone, because the images may be the samples themselves, and the procedure somebody else's.
            model = _DifferentiableModel(self, images.detach().clone(), classes, target)
            try:
                results[key] = procedure(model)
            except Exception as error:
                results[key] = error
        return results

    def _scores(self, images: Tensor) -> Tensor:
        return class_scores(self._output(images), len(images))

    def _output(self, images: Tensor) -> Tensor:
        # A clone, because a model may change its input in place, which autograd forbids where it is to be derived by.
        return select_output(self._entry(images.clone()), self._output_key)


def entry_point(model: nn.Module) -> nn.Module:
    """The module to call with images: the model, or its one convolutional child if its class defines no ``forward``.

    Raises:
        ValueError: there is no ``forward`` and not exactly one such child.
    """
    if _defines_forward(model):
        return model
    children = [
        child for child in model.children() if any(isinstance(module, CONVOLUTIONS) for module in child.modules())
    ]
    if len(children) == 1:
        return children[0]
    raise ValueError(
        f"{type(model).__name__} defines no forward(images), and {len(children)} of its children contain convolutions; "
        "define forward so that it takes images and returns class scores"
    )


def _defines_forward(model: nn.Module) -> bool:
    if "forward" in vars(model):  # a LightningModule that went through torch.compile
        return True
    owner = next(cls for cls in type(model).__mro__ if "forward" in vars(cls))
    return owner is not nn.Module and owner.__name__ != "LightningModule"


@dataclass(frozen=True)
class _DifferentiableModel:
    """The model as procedures see it, see :class:`~lightning_cnnviz.model.evidence.Model`."""

    probe: Probe
    images: Tensor
    classes: Tensor | None
    target: Target

    def scores(self, images: Tensor) -> Tensor:
        return self.probe._scores(images.to(self.images))  # optimised in float32 also for a model in half precision

    def target_scores(self, images: Tensor) -> Tensor:
        versions = self.scores(images).split(len(self.images))
        target = self.target if self.classes is None else self.classes.tolist()
        return torch.cat([target_scores(scores, target, None).scores for scores in versions])

    def output_of(self, layer: str, images: Tensor) -> Tensor:
        return measuring.output_of(layer, self.probe._model, self.probe._entry, images.to(self.images).clone())

    def multiply_adds(self) -> dict[str, int]:
        return measuring.multiply_adds(self.probe._model, self.probe._entry, self.images[:_SURVEY_SAMPLES])

    def progress(self, description: str, done: int, total: int) -> None:
        if self.probe._progress is not None:
            self.probe._progress(description, done, total)


def _place(images: Tensor, model: nn.Module) -> Tensor:
    """The images where the model expects them, free to be derived by, which those made under inference mode are not."""
    device, dtype = placement(model)
    placed = images.to(device=device, dtype=dtype)
    return placed.clone() if placed.is_inference() else placed.detach()


def _kernels(module: nn.Module) -> Tensor:
    weight: Any = module.weight
    full = getattr(weight, "full_tensor", None)  # a sharded parameter
    kernels: Tensor = weight if full is None else full()
    return kernels.detach().float().cpu().clone()
