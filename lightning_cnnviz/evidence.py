"""What views ask of the model (Request) and what they get (Evidence): plain tensors, no hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from lightning_cnnviz.layers import Layout
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

    def progress(self, description: str, done: int, total: int) -> None:
        """Tells whoever waits how far long work is."""


Procedure: TypeAlias = Callable[[Model], Any]
"""Work that calls the model on inputs of its own, such as optimising an image. Its result lands in
``Evidence.results``."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a view needs from one look at the model. Requests of several views are merged with ``|``.

    Attributes:
        activations: layers whose outputs are needed.
        gradients: layers for whose outputs the gradient of the target score is needed; their outputs come with it.
        input_gradient: whether the gradient of the target score with respect to the images is needed.
        weights: convolutions whose kernels are needed.
        procedures: further work with the model, by a name unique to the view and its arguments.
    """

    activations: frozenset[str] = frozenset()
    gradients: frozenset[str] = frozenset()
    input_gradient: bool = False
    weights: frozenset[str] = frozenset()
    procedures: Mapping[str, Procedure] = field(default_factory=dict)

    def __or__(self, other: Request) -> Request:
        return Request(
            self.activations | other.activations,
            self.gradients | other.gradients,
            self.input_gradient or other.input_gradient,
            self.weights | other.weights,
            {**self.procedures, **other.procedures},
        )


@dataclass(frozen=True)
class Evidence:
    """What one look at the model gave.

    Tensors stay on the model's device until a view needs them on the CPU; none is attached to an autograd graph.

    Attributes:
        samples: the images looked at.
        layout: the model's layers.
        probabilities: (N, classes) float32 on the CPU.
        target_classes: (N,) the class explained in each sample; None when a function gave the scores.
        activations: layer to its output (N, K, h, w), of its last call when it was called several times.
        gradients: layer to the gradient of the target score with respect to its output, same shapes.
        input_gradient: (N, C, H, W) gradient of the target score with respect to the images, None if not requested.
        weights: convolution to its kernels (out, in, kh, kw), float32 on the CPU.
        results: what the procedures returned, or the exception that ended them.
        missing: why a requested tensor is not there, by the name of the layer, ``"input"`` for the images.
        shown: how many samples are to be drawn, counted from the first.
        remarks: what to tell the reader once, for example how the outputs were read.
    """

    samples: FixedSamples
    layout: Layout
    probabilities: Tensor
    target_classes: Tensor | None
    activations: Mapping[str, Tensor] = field(default_factory=dict)
    gradients: Mapping[str, Tensor] = field(default_factory=dict)
    input_gradient: Tensor | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    shown: int = 8
    remarks: tuple[str, ...] = ()

    def activation(self, layer: str) -> Tensor:
        """The output of a layer, (N, K, h, w).

        Raises:
            UnavailableError: the pass could not give it.
        """
        return self._found(self.activations.get(layer), layer)

    def gradient(self, layer: str) -> Tensor:
        """The gradient of the target score with respect to a layer's output, (N, K, h, w).

        Raises:
            UnavailableError: the pass could not give it.
        """
        return self._found(self.gradients.get(layer), layer)

    def image_gradient(self) -> Tensor:
        """The gradient of the target score with respect to the images, (N, C, H, W).

        Raises:
            UnavailableError: the pass could not give it.
        """
        return self._found(self.input_gradient, "input")

    def result(self, key: str) -> Any:
        """What a procedure returned; if it failed, its exception is raised here."""
        outcome = self.results[key]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _found(self, tensor: Tensor | None, name: str) -> Tensor:
        if tensor is None:
            raise UnavailableError(self.missing.get(name, f"{name} was not requested"))
        return tensor
