"""What views ask of the model (Request) and what they get (Evidence): plain tensors, no hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias, TypeVar

from torch import Tensor

from lightning_cnnviz.arguments import fields, flag, function, instance, positive, sequence, shown
from lightning_cnnviz.methods.backward_rules import Rule, RuledGradient
from lightning_cnnviz.model.answers import Answers
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.samples import FixedSamples


class UnavailableError(ValueError):
    """Something a view asked for could not be had from this model; the message says what and why."""


class Model(Protocol):
    """The model as a procedure may use it: with gradients to its input, and without a trace left behind."""

    @property
    def images(self) -> Tensor:
        """(N, C, H, W) the samples on the model's device, in its dtype."""

    @property
    def classes(self) -> Tensor | None:
        """(N,) the class explained in each sample; None when a function gave the scores."""

    def scores(self, images: Tensor) -> Tensor:
        """(N, classes) class scores before softmax, differentiable."""

    def log_probabilities(self, images: Tensor) -> Tensor:
        """(N, classes) logarithms of the class probabilities, differentiable.

        Raises:
            ValueError: the model has no classes.
        """

    def target_scores(self, images: Tensor) -> Tensor:
        """(k N,) the score explained, differentiable, of k versions of the samples (k N, C, H, W).

        All samples of the first version come first, then all of the second, and so on. The class explained stays that
        of the samples themselves.
        """

    def output_of(self, layer: str, images: Tensor) -> Tensor:
        """What a layer puts out for images (N, C, H, W), differentiable; the forward pass ends there."""

    def explained(
        self, layer: str, images: Tensor, choose: Callable[[Tensor], Sequence[Tensor]]
    ) -> tuple[Tensor, list[Tensor]]:
        """What a layer puts out for images (N, C, H, W), and the gradients of scores by it: maps (N, K, h, w).

        One forward pass, and one backward pass for each of the choices of one class per image (N,) that ``choose``
        makes of the scores (N, classes).
        """

    def multiply_adds(self) -> dict[str, int]:
        """Multiply-adds for one image by layer, those of layers inside it included; "" is the whole model."""

    def progress(self, description: str, done: int, total: int) -> None:
        """Tells whoever waits how far long work is."""


Procedure: TypeAlias = Callable[[Model], Any]
"""Work that calls the model on inputs of its own, such as optimising an image. Its result lands in
``Evidence.results``."""


THE_INPUT = "the input"
"""What the images are called where layers are called by their names; no layer has this one."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Request:
    """What a view needs from one look at the model. Requests of several views are merged with ``|``.

    Attributes:
        activations: layers whose outputs are needed.
        gradients: layers for whose outputs the gradient of the target score is needed; their outputs come with it.
        input_gradient: whether the gradient of the target score with respect to the images is needed.
        rules: by which other rules the gradient with respect to the images is needed, too.
        weights: convolutions and linear layers whose weights are needed.
        procedures: further work with the model, by a name that is unique within the view.
        reference_checkpoints: checkpoints of the same model of which activations, gradients and weights are needed.
    """

    activations: frozenset[str] = frozenset()
    gradients: frozenset[str] = frozenset()
    input_gradient: bool = False
    rules: frozenset[Rule] = frozenset()
    weights: frozenset[str] = frozenset()
    procedures: Mapping[str, Procedure] = field(default_factory=dict)
    reference_checkpoints: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("activations", "gradients", "rules", "weights", "reference_checkpoints"):
            names = sequence(name, getattr(self, name), "a set of names", may_be_empty=True)
            try:
                object.__setattr__(self, name, frozenset(names))
            except TypeError:
                raise TypeError(f"{name} must be a set of names, got {shown(names)}") from None
        flag("input_gradient", self.input_gradient)
        instance("procedures", self.procedures, Mapping, "a mapping from names to functions of the model")
        for key, procedure in self.procedures.items():
            function(f"procedures[{key!r}]", procedure, "a function of the model")

    def owned_by(self, view: int) -> Request:
        """The same request with procedures named so that they can be merged with those of other views."""
        return replace(self, procedures={f"{view} {key}": work for key, work in self.procedures.items()})

    def __or__(self, other: Request) -> Request:
        return Request(
            self.activations | other.activations,
            self.gradients | other.gradients,
            self.input_gradient or other.input_gradient,
            self.rules | other.rules,
            self.weights | other.weights,
            {**self.procedures, **other.procedures},
            self.reference_checkpoints | other.reference_checkpoints,
        )


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
        probabilities: (N, classes) float32 on the CPU, see :class:`~lightning_cnnviz.model.answers.Answers`; (N, 0) if
            the model has no classes.
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
        fields(self)
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
