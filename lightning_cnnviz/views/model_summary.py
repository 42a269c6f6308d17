"""What the model is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lightning_cnnviz.model.evidence import Evidence, Request
from lightning_cnnviz.model.layers.layout import Layer, Layout
from lightning_cnnviz.output.artifacts import Artifact, Note
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.markdown import markdown_table

_HEADINGS = ("layer", "type", "kernel", "output", "parameters", "multiply-adds", "state")
_KEY = "multiply_adds"


class ModelSummary(View):
    """A table of the layers: kernel, output of one sample, parameters, multiply-adds for one image, trained or frozen.

    How to read it: the row with the most multiply-adds is where the time goes, the one with the most parameters where
    the memory goes and what overfits first; an output of 1×1 early on is a picture thrown away. Listed are layers that
    hold parameters, multiply, or change the shape, in the order in which the model calls them. Multiply-adds are those
    of convolutions, matrix products and attention, as torch counts them; element-wise work is left out.

    Written once, at the first look: what is frozen or thawed later does not show.

    Tag: ``model_summary``, a table in Markdown.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: Layout | None = None

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        if layout is self._written:
            return Request()
        return Request(procedures={_KEY: lambda model: model.multiply_adds()})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        if evidence.layout is not self._written:
            self._written = evidence.layout
            sample = tuple(evidence.samples.images.shape[1:])
            yield Note("model_summary", summary(evidence.layout, evidence.result(_KEY), sample))


def summary(layout: Layout, multiply_adds: Mapping[str, int], sample: tuple[int, ...]) -> str:
    """The table and the totals in Markdown.

    Args:
        layout: the model's layers.
        multiply_adds: for one image by layer, those of the layers inside it included; "" is the whole model.
        sample: the shape of the model's input for one image.
    """
    rows = _layer_rows(layout, multiply_adds, sample)
    table = markdown_table(_HEADINGS, rows, numbers=("parameters", "multiply-adds"))
    frozen = layout.parameters - layout.trainable
    totals = [
        f"input {_shape(sample)}",
        f"{layout.parameters:,} parameters, {layout.trainable:,} trained and {frozen:,} frozen",
        f"{multiply_adds['']:,} multiply-adds",
        f"{sum(layer.is_convolution for layer in layout.layers)} convolutions",
    ]
    return f"{table}\n\n" + "\n".join(f"- {total}" for total in totals)


def _layer_rows(layout: Layout, multiply_adds: Mapping[str, int], sample: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    own = _without_inner(multiply_adds)
    blocks = {ancestor for layer in layout.layers for ancestor in _ancestors(layer.name)}
    shape_before, parameters, multiplied = sample, 0, 0
    for layer in layout.layers:
        reshapes = layer.name not in blocks and layer.shape != shape_before
        shape_before = layer.shape
        if layer.parameters or own.get(layer.name) or reshapes:
            parameters += layer.parameters
            multiplied += own.get(layer.name, 0)
            yield _row(layer, own.get(layer.name, 0))
    parameters, multiplied = layout.parameters - parameters, multiply_adds[""] - multiplied
    if parameters or multiplied:
        yield "elsewhere", "", "", "", _number(parameters), _number(multiplied), ""


def _without_inner(multiply_adds: Mapping[str, int]) -> dict[str, int]:
    """What each layer multiplies itself, outside the layers inside it."""
    own = dict(multiply_adds)
    for name, count in multiply_adds.items():
        outer = next((ancestor for ancestor in _ancestors(name) if ancestor in own), None)
        if outer is not None:
            own[outer] -= count
    return own


def _ancestors(name: str) -> Iterator[str]:
    """The modules around a module, the nearest first, without the model itself."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _row(layer: Layer, multiply_adds: int) -> tuple[str, ...]:
    if not layer.parameters:
        state = ""
    elif layer.trainable == layer.parameters:
        state = "trained"
    else:
        state = "partly frozen" if layer.trainable else "frozen"
    return (
        layer.name,
        layer.kind,
        _shape(layer.kernel) if len(layer.kernel) > 1 else "",
        _shape(layer.shape),
        _number(layer.parameters),
        _number(multiply_adds),
        state,
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _number(count: int) -> str:
    return f"{count:,}" if count else ""
