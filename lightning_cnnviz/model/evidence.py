"""What views get of one look at the model: plain tensors, no hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from torch import Tensor

from lightning_cnnviz.arguments import positive
from lightning_cnnviz.fields import check_fields
from lightning_cnnviz.methods.backward_rules import Rule, RuledGradient
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.outputs.readings import Answers
from lightning_cnnviz.model.request import Model, Procedure, Request
from lightning_cnnviz.samples import FixedSamples

__all__ = ["THE_INPUT", "Evidence", "Model", "Procedure", "Request", "Training", "UnavailableError"]


class UnavailableError(ValueError):
    """Something a view asked for could not be had from this model; the message says what and why."""


THE_INPUT = "the input"
"""What the images are called where layers are called by their names; no layer has this one."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Training:
    """How training went since the last look.

    Attributes:
        learning_rate: mean over the batches of the sum over the optimizers' groups; None where nobody told.
        loss: mean over the batches of what ``training_step`` returned; None where it returned none.
    """

    learning_rate: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What one look at the model gave.

    Views read it through the methods, which say why something is not there. Tensors stay on the model's device until a
    view needs them on the CPU; none is attached to an autograd graph.

    Attributes:
        samples: the images looked at.
        layout: the model's layers.
        probabilities: (N, classes) float32 on the CPU, see
            :class:`~lightning_cnnviz.model.outputs.readings.Answers`; (N, 0) if the model has no classes.
        target_classes: (N,) the class explained in each sample; None when a function gave the scores.
        answers: what the model answered, of whatever kind.
        activations: layer to its output, or to those of all its calls.
        gradients: layer to the gradient of the target score with respect to its output, same shapes.
        input_gradient: (N, C, H, W) gradient of the target score with respect to the images, None if not requested.
        ruled_gradients: by rule, the gradient with respect to the images that the rule gives.
        weights: convolution to its kernels (out, in, kh, kw), linear layer to its weights (out, in), float32 on the
            CPU.
        results: what the procedures returned, or the exception that ended them.
        missing: why a requested tensor is not there, by the name of the layer, rule, checkpoint or :data:`THE_INPUT`.
        references: what the same samples gave with the weights of other checkpoints.
        epoch: in which epoch the Trainer was, counted from 0; None before training and without a Trainer.
        shown: how many samples are to be drawn, counted from the first.
        remarks: what to tell the reader once, for example how the outputs were read.
        training: how training went since the last look.
    """

    samples: FixedSamples
    layout: Layout
    probabilities: Tensor
    target_classes: Tensor | None
    answers: Answers | None = None
    activations: Mapping[str, Tensor | Sequence[Tensor]] = field(default_factory=dict)
    gradients: Mapping[str, Tensor | Sequence[Tensor]] = field(default_factory=dict)
    input_gradient: Tensor | None = None
    ruled_gradients: Mapping[Rule, RuledGradient] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, Evidence] = field(default_factory=dict)
    epoch: int | None = None
    shown: int = 8
    remarks: tuple[str, ...] = ()
    training: Training = field(default_factory=Training)
    _computed: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self)
        positive("shown", self.shown)

    def once(self, key: object, compute: Callable[[], _Value]) -> _Value:
        """What ``compute`` gives, computed for the first view of this look that asks under this key."""
        if key not in self._computed:
            self._computed[key] = compute()
        value: _Value = self._computed[key]
        return value

    def reshaped(self, size: tuple[int, int] | None) -> Evidence:
        """The same evidence with tokens read as maps of the given height and width where they fit."""
        return self if size is None else replace(self, layout=self.layout.reshaped(size), _computed={})

    def activation(self, layer: str) -> Tensor:
        """The output of a layer as maps, (N, K, h, w); of a layer called several times see :attr:`Layer.calls`.

        Raises:
            UnavailableError: the pass could not give it.
        """
        output: Any = self._found(self.activations.get(layer), layer)
        return self.layout[layer].as_maps(output)

    def gradient(self, layer: str) -> Tensor:
        """The gradient of the target score with respect to a layer's output as maps, (N, K, h, w).

        Raises:
            UnavailableError: the pass could not give it.
        """
        gradient: Any = self._found(self.gradients.get(layer), layer)
        return self.layout[layer].as_maps(gradient)

    def image_gradient(self) -> Tensor:
        """The gradient of the target score with respect to the images, (N, C, H, W).

        Raises:
            UnavailableError: the pass could not give it.
        """
        return self._found(self.input_gradient, THE_INPUT)

    def ruled_gradient(self, rule: Rule) -> RuledGradient:
        """The gradient with respect to the images by a rule such as guided backpropagation.

        Raises:
            UnavailableError: the pass could not give it.
        """
        return self._found(self.ruled_gradients.get(rule), rule)

    def weight(self, layer: str) -> Tensor:
        """The weights of a convolution (out, in, kh, kw) or of a linear layer (out, in), float32 on the CPU.

        Raises:
            UnavailableError: nobody requested them.
        """
        return self._found(self.weights.get(layer), layer, "the weights of ")

    def reference(self, checkpoint: str) -> Evidence:
        """What the same samples gave with the weights of a checkpoint.

        Raises:
            UnavailableError: its weights could not be put into the model, or the pass failed with them.
        """
        return self._found(self.references.get(checkpoint), checkpoint)

    def result(self, key: str) -> Any:
        """What a procedure returned; if it failed, its exception is raised here."""
        if key not in self.results:
            raise UnavailableError(f"nobody requested {key!r}; there are {sorted(self.results)}")
        outcome = self.results[key]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def owned_by(self, view: int) -> Evidence:
        """The same evidence with only the results of a view's own procedures, see :meth:`Request.owned_by`."""
        own = f"{view} "
        results = {key.removeprefix(own): found for key, found in self.results.items() if key.startswith(own)}
        return replace(self, results=results)

    def _found(self, value: _Value | None, name: str, what: str = "") -> _Value:
        if value is None:
            raise UnavailableError(self.missing.get(name, f"nobody requested {what}{name}"))
        return value
