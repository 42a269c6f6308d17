"""What views ask of the model: tensors of one pass, and work of their own that calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias, get_args

from torch import Tensor, nn

from lightning_cnnviz.arguments import flag, function, instance, sequence, shown
from lightning_cnnviz.methods.backward_rules import Rule
from lightning_cnnviz.model.layers.names import has_kernel, nearest


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


def check_request(request: object, modules: Mapping[str, nn.Module]) -> None:
    """Checks a request against the modules of the model.

    Args:
        request: what a view's ``request`` returned.
        modules: the model's modules by name.

    Raises:
        TypeError: it is no :class:`Request`, or a name in it is no string.
        ValueError: it names a layer that does not exist, weights of a module that has none that could be drawn, or an
            unknown rule.
    """
    if not isinstance(request, Request):
        raise TypeError(f"request() must return a Request, got {type(request).__name__}")
    for asked in ("activations", "gradients", "weights"):
        for name in getattr(request, asked):
            if not isinstance(name, str):
                raise TypeError(f"Request({asked}=…) takes names of layers, got {name!r}")
            if name not in modules:
                raise ValueError(f"Request({asked}=…): the model has no layer {name!r}; {nearest(name, modules)}")
    for name in sorted(request.weights):
        if not has_kernel(modules[name]):
            usable = nearest(name, (other for other, module in modules.items() if has_kernel(module)))
            kind = type(modules[name]).__name__
            raise ValueError(f"Request(weights=…): {name!r} has no kernels, it is a {kind}; {usable}")
    unknown = request.rules - set(get_args(Rule))
    if unknown:
        raise ValueError(f"Request(rules=…): allowed are {', '.join(get_args(Rule))}, got {sorted(map(str, unknown))}")
