"""Finding out how the output of a model is to be read: from its graph, its numbers, the data and what the user says."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from lightning_cnnviz.model.outputs.distances import smaller_is_better
from lightning_cnnviz.model.outputs.embeddings import is_embedding, may_be_embedding
from lightning_cnnviz.model.outputs.endings import ending_by_name, ending_by_numbers, ending_of, total_of
from lightning_cnnviz.model.outputs.no_classes import no_classes
from lightning_cnnviz.model.outputs.readings import Ending, Known, Meaning, OutputKind, Reading
from lightning_cnnviz.model.outputs.selection import FORWARD_ADVICE
from lightning_cnnviz.model.outputs.tensors import Path

ADVICE = "return scores before that for maps that do not fade where the model is sure"
_OF_ONE: dict[Ending, Ending] = {"softmax": "sigmoid", "log_softmax": "log_sigmoid"}  # a column says its own yes or no
_BACKGROUNDS = ("background", "bg", "void", "none", "unlabeled", "unlabelled", "0", "__background__")


def read(output: Tensor, known: Known, path: Path = ()) -> Reading:
    """How to read a tensor of a few samples that lies at a path of what the model returned."""
    reason = (
        _unreadable(output, known.samples, path)
        or _places_first(output, known.image_shape)
        or _nearest_last(output, known)
        or no_classes(output, known)
    )
    if reason:
        return Reading("nothing", path=path, reason=reason)
    width = 1 if output.ndim == 1 else output.shape[1]
    named = ending_by_name(output, path[-1]) if path else None
    ending = _said(known.kind, width) or named or ending_of(output) or known.ending or ending_by_numbers(output)
    if ending == "sigmoid" and ending_by_numbers(output) == "softmax":
        ending = "softmax"  # a probability beside what is missing to one
    meaning = "embedding" if known.kind == "embedding" else _meaning(output, known, ending)
    shares = ending == "softmax" and width > 1 and meaning in ("classes", "labels")
    total = (total_of(output) or 1.0) if shares else 1.0
    single = width == 1 and meaning in ("classes", "masks")
    if single or meaning == "labels":
        ending = _OF_ONE.get(ending, ending)
    independent = ending in ("sigmoid", "log_sigmoid") or known.kind == "multilabel" or known.truth == "label_masks"
    overlapping = meaning == "masks" and width > 1 and independent
    reading = Reading(
        meaning,
        ending,
        2 if single else width,
        single,
        path,
        _reason(meaning, output, known),
        skips_first=not overlapping and (known.names is None or known.names[0].lower() in _BACKGROUNDS),
        overlapping=overlapping,
        total=total,
    )
    remark = None if known.kind == "embedding" else _remark(reading, known)
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


def _said(kind: OutputKind, width: int) -> Ending | None:
    if kind == "logits":
        return "logits"
    if kind == "probabilities":
        return "sigmoid" if width == 1 else "softmax"
    return None


def _meaning(output: Tensor, known: Known, ending: Ending) -> Meaning:
    if output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
        return _meaning_of_places(output, known, ending)
    if known.kind == "multilabel":
        return "labels"
    width = 1 if output.ndim == 1 else output.shape[1]
    if _are_values(width, ending, known):
        return "values"
    if known.kind in ("logits", "probabilities"):
        return "classes"
    if width > 1 and (known.truth == "multi_hot" or ending in ("sigmoid", "log_sigmoid")):
        return "labels"
    return "embedding" if is_embedding(output, width, ending, known) else "classes"


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
    if known.kind != "auto" or known.truth == "label_masks" or ending in ("softmax", "log_softmax"):
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


def _remark(reading: Reading, known: Known) -> str | None:
    if reading.meaning == "values" and known.truth == "classes" and known.kind == "auto":
        return (
            f"one score per sample and labels up to {known.highest}: read as a value; output='logits' reads a yes or no"
        )
    if reading.meaning == "reconstruction" and known.truth in ("pictures", "masks"):
        return "the labels are numbers for each place: so the output is read, which has no classes"
    if reading.meaning == "masks" and known.truth != "masks":
        return _remark_on_masks(reading)
    if reading.meaning == "classes":
        return _remark_on_classes(reading, known)
    return _remark_on_ending(reading)


def _remark_on_classes(reading: Reading, known: Known) -> str | None:
    if reading.single:
        if reading.ending == "sigmoid":
            return f"one score per sample: read as the probability of class 1; {ADVICE}"
        if reading.ending == "log_sigmoid":
            return "one score per sample: read as the log-probability of class 1"
        other = "; output='regression' reads it as a value" if known.kind == "auto" else ""
        return f"one score per sample: read as the logit of class 1 against class 0{other}"
    if known.kind == "auto" and may_be_embedding(reading, known):
        return (
            f"the output is {reading.width} wide, the labels go up to {known.highest}: read as scores of classes; "
            "output='embedding' reads it as an embedding, output='logits' leaves out this remark"
        )
    return _remark_on_ending(reading)


def _remark_on_ending(reading: Reading) -> str | None:
    if reading.total != 1:
        return f"the outputs already are probabilities, times {reading.total:.6g}: shown divided by that; {ADVICE}"
    return _REMARKS.get((reading.meaning, reading.ending)) or _REMARKS.get((reading.meaning, ""))


def _remark_on_masks(reading: Reading) -> str:
    if reading.overlapping:
        return "the scores of each place are those of independent classes: its color is the likeliest over one half"
    scores = "one score for each place: read as a mask" if reading.single else "scores for each place: read as masks"
    return f"{scores}; a function as target= sees them all"


_REMARKS: dict[tuple[str, str], str] = {
    ("classes", "softmax"): f"the outputs already are probabilities: shown as they are; {ADVICE}",
    ("classes", "log_softmax"): "the outputs already are log-probabilities: shown as their exponentials",
    ("labels", "sigmoid"): f"the outputs already are probabilities, one for each label: shown as they are; {ADVICE}",
    ("labels", "log_sigmoid"): "the outputs already are log-probabilities: shown as their exponentials",
    ("labels", ""): "the scores are those of independent labels: shown as the sigmoid of each",
    ("reconstruction", ""): "the output has the form of the input: read as its reconstruction, which has no classes",
    ("embedding", ""): ("the output is read as an embedding, which has no classes; output='logits' reads it as scores"),
}


def _unreadable(output: Tensor, samples: int, path: Path) -> str:
    elsewhere = "output_key names another part of the output" if path else FORWARD_ADVICE
    if not output.is_floating_point():
        return f"the model returns {str(output.dtype).removeprefix('torch.')}, which has no gradient: {elsewhere}"
    if output.ndim == 0 or output.shape[0] != samples or output.ndim == 3 or output.ndim > 4 or not output.numel():
        turned = output.ndim == 2 and output.shape[1] == samples
        return (
            f"the model's output has the shape {tuple(output.shape)} for {samples} images; allowed are (N, classes), "
            f"(N, 1), (N,) and (N, classes, H, W); {_TURNED if turned else elsewhere}"
        )
    return ""


_TURNED = "forward=lambda model, images: model(images).T puts the images first"


def _places_first(output: Tensor, image_shape: tuple[int, ...]) -> str:
    """What to do about scores (N, H, W, classes); empty for what is none, and for what may be (N, classes, H, W)."""
    if output.ndim != 4 or len(image_shape) != 3:
        return ""
    size, (_, first, second, third) = image_shape[1:], output.shape
    one_place = first == second == 1 < third
    if not one_place and (not _are_places_of(size, (first, second)) or _are_places_of(size, (second, third))):
        return ""
    return (
        f"the model's output has the shape {tuple(output.shape)}, with the channels last; "
        "forward=lambda model, images: model(images).permute(0, 3, 1, 2) puts them first"
    )


def _nearest_last(output: Tensor, known: Known) -> str:
    """What to do about distances to classes, of which the nearest would come last; empty for what are none."""
    of_classes = output.ndim == 2 and output.shape[1] > 1 and known.truth in (None, "classes", "soft")
    if known.kind != "auto" or not of_classes or not smaller_is_better(output):
        return ""
    return (
        "the output is distances or costs, the smallest of the likeliest class; "
        "forward=lambda model, images: -model(images) makes scores of them, output='logits' takes them as scores"
    )


def _are_places_of(size: tuple[int, ...], places: tuple[int, int]) -> bool:
    """Whether the image is divided into so many places of one size, in both directions alike."""
    (height, width), (rows, columns) = size, places
    return height % rows == 0 and width % columns == 0 and height // rows == width // columns
