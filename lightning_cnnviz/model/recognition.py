"""Finding out how the output of a model is to be read: from its graph, its numbers, the data and what the user says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.model.outputs import Path
from lightning_cnnviz.model.readings import Ending, Meaning, OutputKind, Reading

ADVICE = "return scores before that for maps that do not fade where the model is sure"
_ENDINGS: dict[str, Ending] = {
    "SoftmaxBackward": "softmax",
    "LogSoftmaxBackward": "log_softmax",
    "SigmoidBackward": "sigmoid",
}
_LINEAR = ("AddmmBackward", "MmBackward", "BmmBackward", "ConvolutionBackward", "NativeLayerNorm", "LinearBackward")
_RESHAPING = (
    *("View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice", "Transpose", "Permute", "T", "Clone"),
    *("Alias", "ToCopy", "Upsample", "Expand", "Unbind", "Split", "Mean", "AdaptiveAvgPool2D", "AvgPool2D"),
)
_COMBINING = ("Add", "Mul", "Div", "Sum", "Stack", "Cat", "Clamp", "Amax", "Max", "Amin", "Min")
_CLEAR = 1e-3  # what a probability must be away from 0 and 1 to tell something
_NARROWEST_EMBEDDING, _NARROWEST_UNIT_VECTORS, _UNIT = 32, 8, 1e-3
_BACKGROUNDS = ("background", "bg", "void", "none", "unlabeled", "unlabelled", "0", "__background__")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an output beside its numbers.

    Attributes:
        samples: N.
        image_shape: (C, H, W) of what the model was given.
        kind: what the user says of it.
        ending: what the model did last to it, where something tells better than its own graph.
        truth: what the data say of each image: ``"classes"``, ``"multi_hot"``, ``"values"``, ``"masks"`` and so on.
        highest: the highest class, where what the data say may be classes.
        names: of the classes.
    """

    samples: int
    image_shape: tuple[int, ...] = ()
    kind: OutputKind = "auto"
    ending: Ending | None = None
    truth: str | None = None
    highest: int | None = None
    names: tuple[str, ...] | None = None


def read(output: Tensor, known: Known, path: Path = ()) -> Reading:
    """How to read a tensor of a few samples that lies at a path of what the model returned."""
    reason = _unreadable(output, known.samples)
    if reason:
        return Reading("nothing", path=path, reason=reason)
    width = 1 if output.ndim == 1 else output.shape[1]
    ending = _said(known.kind, width) or ending_of(output) or known.ending or _by_numbers(output)
    if ending == "sigmoid" and _by_numbers(output) == "softmax":
        ending = "softmax"  # a probability beside what is missing to one
    meaning = _meaning(output, known, ending)
    if meaning == "labels" and ending in ("softmax", "log_softmax"):
        ending = "logits"
    single = width == 1 and meaning in ("classes", "masks")
    reading = Reading(
        meaning,
        ending,
        2 if single else width,
        single,
        path,
        _reason(meaning, output, known),
        skips_first=known.names is None or known.names[0].lower() in _BACKGROUNDS,
    )
    remark = _remark(reading, known)
    return replace(reading, remarks=() if remark is None else (remark,))


def _reason(meaning: Meaning, output: Tensor, known: Known) -> str:
    """Why there is no score of one class, empty where there are scores."""
    if meaning == "embedding":
        return (
            "the output is an embedding, which has no score of one class; give target=, a function of the output "
            "(N, D) to scores (N,), or say what it is with output='logits'"
        )
    if meaning != "reconstruction":
        return ""
    what = "a picture of the size of the input" if _is_picture(output, known) else "numbers for each place"
    return (
        f"the output is {what}, which has no score of one class; give target=, a function of the output "
        "(N, C, H, W) to scores (N,)"
    )


def ending_of(output: Tensor) -> Ending | None:
    """What a tensor's own graph says was done last, "logits" if that was a linear layer, None if it cannot be told.

    Means of several outputs, as of an ensemble, end as those do, if the numbers agree.
    """
    nodes, combined = _last_nodes(output.grad_fn)
    found = {_ending_of(node, output.ndim) for node in nodes}
    ending = found.pop() if len(found) == 1 else None
    if not combined:
        return ending
    if ending == "sigmoid":
        return ending if bool(((output >= 0) & (output <= 1)).all()) else None
    return ending if ending == _by_numbers(output) else None


def _ending_of(node: Any, dimensions: int) -> Ending | None:
    name = node.name()
    for start, ending in _ENDINGS.items():
        if name.startswith(start):
            dim = getattr(node, "_saved_dim", 1)
            across = dim in (1, 2**64 - 1, -1) or dimensions == 1
            across = across or (dimensions == 4 and dim == 2**64 - 3)
            return ending if across else None
    return "logits" if name.startswith(_LINEAR) else None


def _last_nodes(node: Any) -> tuple[list[Any], bool]:
    """The last operations that changed numbers, and whether several or scaled outputs were put together since."""
    waiting, found, combined = [node], [], False
    while waiting:
        node = waiting.pop()
        name = "" if node is None else node.name()
        combines = any(name.startswith(f"{kind}Backward") for kind in _COMBINING)
        passes = name.startswith("Upsample") or any(name.startswith(f"{kind}Backward") for kind in _RESHAPING)
        if node is None or not (combines or passes):
            found += [] if node is None else [node]
            continue
        combined = combined or combines
        waiting += [before for before, _ in node.next_functions if before is not None]
    return found, combined


def _said(kind: OutputKind, width: int) -> Ending | None:
    if kind == "logits":
        return "logits"
    if kind == "probabilities":
        return "sigmoid" if width == 1 else "softmax"
    return None


def _by_numbers(output: Tensor) -> Ending:
    """What the numbers alone tell: rows that sum to one, unless they may be scores that happen to."""
    values = output.detach().float()
    if values.ndim < 2 or values.shape[1] < 2:
        return "logits"
    tolerance = max(1e-3, 4 * torch.finfo(output.dtype).eps)

    def sums_to_one(rows: Tensor) -> bool:
        close = bool((rows >= 0).all() and ((rows.sum(dim=1) - 1).abs() <= tolerance).all())
        # Ones and zeros alone are what scores may be by chance.
        return close and bool(((rows > _CLEAR) & (rows < 1 - _CLEAR)).any())

    if sums_to_one(values):
        return "softmax"
    if bool((values <= 0).all()) and sums_to_one(values.exp()):
        return "log_softmax"
    return "logits"


def _meaning(output: Tensor, known: Known, ending: Ending) -> Meaning:
    if known.kind == "multilabel":
        return "labels"
    if output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
        return _meaning_of_places(output, known, ending)
    width = 1 if output.ndim == 1 else output.shape[1]
    if _are_values(width, ending, known):
        return "values"
    if known.kind in ("logits", "probabilities"):
        return "classes"
    if width > 1 and (known.truth == "multi_hot" or ending == "sigmoid"):
        return "labels"
    return "embedding" if _is_embedding(output, width, ending, known) else "classes"


def _are_values(width: int, ending: Ending, known: Known) -> bool:
    """Whether numbers are predicted: the labels are no classes that so many scores could be of."""
    if known.kind != "auto":
        return known.kind == "regression"
    if known.truth == "classes":
        return width == 1 and known.highest is not None and known.highest > 1
    if known.truth != "values" or (width > 1 and ending in ("softmax", "log_softmax")):
        return False
    return not (width > 1 and known.highest is not None and known.highest < width)


def _meaning_of_places(output: Tensor, known: Known, ending: Ending) -> Meaning:
    if known.kind == "regression":
        return "reconstruction"
    if known.kind != "auto" or ending in ("softmax", "log_softmax"):
        return "masks"
    if known.truth == "masks":
        return "reconstruction" if output.shape[1] == 1 and known.highest is not None and known.highest > 1 else "masks"
    if known.truth is None and known.names is not None and len(known.names) == output.shape[1]:
        return "masks"
    return "reconstruction" if known.truth == "pictures" or _is_picture(output, known) else "masks"


def _is_picture(output: Tensor, known: Known) -> bool:
    """Whether it has the form of the input, or is that enlarged."""
    channels, height = output.shape[1:3]
    return output.shape[1:] == known.image_shape or (
        (channels,) == known.image_shape[:1] and height > known.image_shape[1]
    )


def _is_embedding(output: Tensor, width: int, ending: Ending, known: Known) -> bool:
    if width == 1 or ending != "logits" or output.ndim != 2:
        return False
    lengths = output.detach().float().norm(dim=1)
    if width >= _NARROWEST_UNIT_VECTORS and bool(((lengths - 1).abs() < _UNIT).all()):
        return True
    # A head of a thousand classes for ten is a pretrained one; widths of embeddings are round in the other way.
    names = known.names if known.truth in (None, "classes") else None
    return names is not None and width >= max(_NARROWEST_EMBEDDING, 4 * len(names)) and width % 8 == 0 and width != 1000


def _remark(reading: Reading, known: Known) -> str | None:
    if reading.meaning == "values" and known.truth == "classes" and known.kind == "auto":
        return (
            f"one score per sample and labels up to {known.highest}: read as a value; output='logits' reads a yes or no"
        )
    if reading.meaning == "reconstruction" and known.truth in ("pictures", "masks"):
        return "the labels are numbers for each place: so the output is read, which has no classes"
    if reading.meaning == "masks" and known.truth != "masks":
        scores = (
            "one score for each place: read as a mask" if reading.single else "scores for each place: read as masks"
        )
        return f"{scores}; a function as target= sees them all"
    if reading.meaning == "classes" and reading.single:
        if reading.ending == "sigmoid":
            return f"one score per sample: read as the probability of class 1; {ADVICE}"
        other = "; output='regression' reads it as a value" if known.kind == "auto" else ""
        return f"one score per sample: read as the logit of class 1 against class 0{other}"
    return _REMARKS.get((reading.meaning, reading.ending)) or _REMARKS.get((reading.meaning, ""))


_REMARKS: dict[tuple[str, str], str] = {
    ("classes", "softmax"): f"the outputs already are probabilities: shown as they are; {ADVICE}",
    ("classes", "log_softmax"): "the outputs already are log-probabilities: shown as their exponentials",
    ("labels", "sigmoid"): f"the outputs already are probabilities, one for each label: shown as they are; {ADVICE}",
    ("labels", ""): "the scores are those of independent labels: shown as the sigmoid of each",
    ("reconstruction", ""): "the output has the form of the input: read as its reconstruction, which has no classes",
    ("embedding", ""): ("the output is read as an embedding, which has no classes; output='logits' reads it as scores"),
}


def _unreadable(output: Tensor, samples: int) -> str:
    if not output.is_floating_point():
        return (
            f"the model returns {str(output.dtype).removeprefix('torch.')}, which has no gradient: "
            "output_key names scores in its output"
        )
    if output.ndim == 0 or output.shape[0] != samples or output.ndim == 3 or output.ndim > 4 or not output.numel():
        return (
            f"the model's output has the shape {tuple(output.shape)} for {samples} images; "
            "allowed are (N, classes), (N, 1), (N,) and (N, classes, H, W); output_key names another part of the output"
        )
    return ""
