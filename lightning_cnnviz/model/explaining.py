"""Scores of several classes explained in one layer, from one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lightning_cnnviz.model.backward import Pass, differentiate
from lightning_cnnviz.model.hooks import Recorder, hooked
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.layers.names import named_layers
from lightning_cnnviz.model.outputs.readings import Answers
from lightning_cnnviz.model.targets import of_classes

if TYPE_CHECKING:
    from lightning_cnnviz.model.probe import Probe


def explained(
    probe: Probe, layout: Layout, layer: str, images: Tensor, choose: Callable[[Tensor], Sequence[Tensor]]
) -> tuple[Tensor, list[Tensor]]:
    """What a layer puts out for images, and the gradients by it of the scores of each choice of classes.

    Args:
        probe: calls the model.
        layout: its layers.
        layer: the layer's name.
        images: (N, C, H, W) on the model's device, in its dtype.
        choose: from scores (N, classes) to choices of one class for each image, (N,) each.

    Returns:
        Maps (N, K, h, w), detached: the output, and a gradient for each choice.

    Raises:
        ValueError: there is no score, or no gradient of it.
    """
    recorder, gradients = Recorder(), []
    images = images.detach().clone().requires_grad_()
    with hooked({layer: named_layers(probe.model)[layer]}, recorder.record):
        output = probe.scores_in(probe.call(images, layout), layout)
        recorder.closed = True
        if output is None or layer not in recorder.outputs:
            raise ValueError(f"there is no score to explain in {layer}: {layout.reading.reason or 'it was not called'}")
        scores = layout.reading.scores(output)
        choices = choose(scores.detach())
        sources: dict[str, Sequence[Tensor]] = {layer: recorder.outputs[layer]}
        for number, classes in enumerate(choices, start=1):
            found = Pass(Answers.of(None, layout.reading, len(images)))
            own = of_classes(scores, classes).scores
            coupled = layout if layout.coupled else None
            differentiate(own, sources, found, retain_graph=number < len(choices), layout=coupled)
            if layer not in found.gradients:
                raise ValueError(found.missing[layer])
            gradients.append(_maps(layout, layer, found.gradients[layer]))
    return _maps(layout, layer, [tensor.detach() for tensor in recorder.outputs[layer]]), gradients


def _maps(layout: Layout, layer: str, calls: Any) -> Tensor:
    return layout[layer].as_maps(calls)
