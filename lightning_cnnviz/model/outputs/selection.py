"""Which of the tensors that a model returns are its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from lightning_cnnviz.arguments import ArgumentError
from lightning_cnnviz.model.outputs.graph import node_of, walked
from lightning_cnnviz.model.outputs.tensors import Path, at, describe, entries, key_path, with_channel

FORWARD_ADVICE = "forward= takes a function of model and images that returns one row of scores for each image"

_COMMON_KEYS = ("logits", "out", "output", "outputs", "pred", "preds", "prediction", "y_hat")
_FEATURES = {"feature", "features", "feats", "embedding", "embeddings", "hidden_states", "attentions"}
_OF_PLACES = ("masks", "pictures")
_GUESSES = (3, 4)  # of the reasons for a choice, those that are told
_MOST_COMPARED = 8


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of the scores before the model is called.

    Attributes:
        samples: N.
        image_shape: (C, H, W).
        classes: how many classes have names, None if none have.
        labels: how many classes the labels show at least.
        truth: what the data say of each image, see :data:`~lightning_cnnviz.samples.truth.TruthKind`; None if nothing.
        last_linear: the output of the last linear layer that was called, None if unknown.
    """

    samples: int
    image_shape: tuple[int, ...] = ()
    classes: int | None = None
    labels: int = 0
    truth: str | None = None
    last_linear: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """A tensor in the model's output.

    Attributes:
        tensor: it.
        path: where it is.
        remark: which of several was taken, if that was a guess.
    """

    tensor: Tensor
    path: Path = ()
    remark: str | None = None


def select_output(output: Any, hints: Hints, key: int | str | None = None) -> Selected:
    """The tensor of scores in what a model returned.

    Args:
        output: a tensor, or a tuple, mapping or object with attributes that holds it, also nested.
        hints: what is known of the scores.
        key: where it is, ``"a.b"`` in nested outputs. None: the tensor itself; one with as many columns as there are
            classes; one that is not detached where others are; one under a common name such as ``"logits"``; the output
            of the last linear layer; or the first that is not a single number such as a loss. That is the main output
            where auxiliary ones follow it.

    Raises:
        ArgumentError: there is nothing under ``key``.
        ValueError: there is no tensor at all.
    """
    if key is not None:
        found = at(output, key_path(key))
        if not isinstance(found, Tensor):
            raise ArgumentError(f"output_key={key!r} finds no tensor in the model's output: {describe(output)}")
        return Selected(found, key_path(key))
    if isinstance(output, Tensor):
        return Selected(output)
    candidates = [(path, tensor) for path, tensor in entries(output) if tensor.ndim > 0]
    if isinstance(output, Sequence) and output and all(isinstance(entry, Mapping) for entry in output):
        candidates = []  # one mapping for each image, as detectors return them
    if _are_features(candidates, hints):
        raise ValueError(
            f"the model returns maps of features, not scores: {describe(output)}; output_key names one that is scores"
        )
    if not candidates:
        raise ValueError(f"the model's output holds no class scores: {describe(output)}; {FORWARD_ADVICE}")
    grades = _grades(candidates, hints)
    best = grades.index(max(grades))
    # Of several heads alike the first is the main one, whichever was called last.
    alike = [grade[:-1] == grades[best][:-1] for grade in grades]
    best = next(i for i, (_, other) in enumerate(candidates) if alike[i] and other.shape == candidates[best][1].shape)
    path, tensor = candidates[best]
    return Selected(tensor, path, _guessed(candidates, grades, best))


def _grades(candidates: list[tuple[Path, Tensor]], hints: Hints) -> Sequence[tuple[bool, ...]]:
    """How likely each tensor is the scores; the first of the likeliest is taken."""
    fitting = [t for _, t in candidates if t.is_floating_point() and t.shape[:1] == (hints.samples,)]
    has_image = any(tensor.shape[1:] == hints.image_shape for tensor in fitting)
    widths = [tensor.shape[1] for tensor in fitting if tensor.ndim == 2]
    # Mean and variance beside an image are the code of a variational autoencoder.
    of_images = (
        has_image and hints.classes not in widths and (hints.classes is not None or len(widths) > len({*widths}))
    )
    codes = _codes(candidates)
    attached = any(tensor.requires_grad for tensor in fitting)
    grades = []
    for index, (path, tensor) in enumerate(candidates):
        fits = tensor.is_floating_point() and tensor.shape[:1] == (hints.samples,)
        width = tensor.shape[1] if tensor.ndim in (2, 4) else 1
        is_image = tensor.shape[1:] == hints.image_shape
        enough = width >= hints.labels or (width == 1 and hints.labels <= 2)
        of_places = with_channel(tensor, hints.image_shape).ndim == 4 and tensor[0].numel() > width
        grades.append(
            (
                fits,
                fits and tensor.ndim == 2 and width == hints.classes,
                of_images and is_image,
                index not in codes and not {*path} & _FEATURES,
                fits and of_places == (hints.truth in _OF_PLACES) and (of_places or enough) and hints.truth is not None,
                fits and (is_image or enough),
                fits and tensor.requires_grad is attached,  # beside a target that is detached, as distillation has it
                path[-1] in _COMMON_KEYS,
                "logits" in str(path[-1]),
                # Where there is an image, too, the last linear layer may as well give its code.
                fits and not has_image and hints.last_linear is not None and _same(tensor, hints.last_linear),
            )
        )
    return grades


def _are_features(candidates: list[tuple[Path, Tensor]], hints: Hints) -> bool:
    """Whether there is nothing but maps of several widths, as backbones return them, and nothing asks for masks."""
    if hints.truth in _OF_PLACES or len(candidates) < 2:
        return False
    is_image = any(tensor.shape[1:] == hints.image_shape for _, tensor in candidates)
    of_places = all(tensor.ndim == 4 and tensor.shape[2] * tensor.shape[3] > 1 for _, tensor in candidates)
    return of_places and not is_image and len({tensor.shape[1] for _, tensor in candidates}) > 1


def _codes(candidates: list[tuple[Path, Tensor]]) -> set[int]:
    """Which tensors others are computed from by further weights: scores from features, an image from a code."""
    tensors = [tensor for _, tensor in candidates[:_MOST_COMPARED]]
    nodes = [node_of(tensor) for tensor in tensors]
    behind = [set() if node is None else {*walked([node])} for node in nodes]
    weights = [{node for node in found if node.name().endswith("AccumulateGrad")} for found in behind]
    return {
        earlier
        for earlier, later in permutations(range(len(tensors)), 2)
        if nodes[earlier] in behind[later]
        and (tensors[earlier].ndim, *tensors[earlier].shape[1:2]) != (tensors[later].ndim, *tensors[later].shape[1:2])
        and weights[later] - weights[earlier]
    }


def _same(tensor: Tensor, other: Tensor) -> bool:
    return tensor is other or (tensor.shape == other.shape and torch.equal(tensor.detach(), other.detach()))


def _guessed(candidates: list[tuple[Path, Tensor]], grades: Sequence[Any], best: int) -> str | None:
    def certain(grade: Sequence[Any]) -> list[Any]:
        return [reason for number, reason in enumerate(grade[:-1]) if number not in _GUESSES]

    rivals = [
        path for (path, _), grade in zip(candidates, grades, strict=True) if certain(grade) == certain(grades[best])
    ]
    if len(rivals) < 2:
        return None
    codes = _codes(candidates)
    if candidates[best][1].ndim == 2:  # maps from which the scores are computed are none
        features = [path for index, (path, tensor) in enumerate(candidates) if index in codes and tensor.ndim == 4]
        rivals = [path for path in rivals if path not in features]
    if len(rivals) < 2:
        return None
    names = [".".join(map(str, path)) for path in rivals]
    taken = ".".join(map(str, candidates[best][0]))
    return (
        f"the model returns several tensors that may be its scores ({', '.join(names[:6])}): "
        f"taken is {taken!r}; output_key names another"
    )
