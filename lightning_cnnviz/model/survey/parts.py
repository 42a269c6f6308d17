"""Whether a part of the model that is looked at in its place gives scores, or features for the rest of it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from lightning_cnnviz.model.entry import needed_arguments
from lightning_cnnviz.model.layers.names import clean_name
from lightning_cnnviz.model.outputs.readings import Known
from lightning_cnnviz.model.outputs.selection import FORWARD_ADVICE


def goes_on(model: nn.Module, part: str, output: Tensor, known: Known, *, columns: int | None, refused: bool) -> str:
    """Why the output of a part is features; empty where it may be scores.

    Args:
        model: the whole.
        part: the name of the module looked at.
        output: what it puts out, (N, ...).
        known: what is known of scores.
        columns: how many labels or numbers the data have for each image; None where they say none of it.
        refused: whether the model took no images alone: then it may need other numbers beside them.
    """
    width = output.shape[1] if output.ndim > 1 else 1
    exact = columns if known.names is None else len(known.names)
    at_least = known.classes or 0
    if known.kind != "auto" or width == exact or (exact is None and width == at_least) or width == 1 >= at_least - 1:
        return ""
    rest = list(_weighed(model, part))
    sizes, several = {width, output[0].numel()}, refused and needed_arguments(model.forward) > 1
    fed = [
        name
        for name, out, taken in rest
        if taken in sizes
        or (several and taken > width > out)
        or any(taken == width + beside for other, beside, _ in rest if other != name)
    ]
    if not fed and (not refused or exact is None or not rest):
        return ""
    return (
        f"{part!r} is a part of the model and puts out {width} numbers, read as features that others go on with, as "
        f"{(fed or [rest[-1][0]])[-1]!r} may; {FORWARD_ADVICE}, forward={part!r} reads them as scores"
    )


def _weighed(model: nn.Module, part: str) -> Iterator[tuple[str, int, int]]:
    """What else has matrices of weights, how many numbers they give, and how many they take."""
    for name, module in model.named_modules():
        own = clean_name(name)
        if f"{own}.".startswith(f"{part}."):
            continue
        for of_module, weight in module.named_parameters(recurse=False):
            if weight.ndim > 1 and isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
                yield own, weight.shape[1], 0
            elif weight.ndim > 1:
                yield own or of_module, weight.shape[0], weight.shape[1]
