"""Telling embeddings, of which only the distances mean something, from scores of classes."""

from __future__ import annotations

from collections.abc import Mapping, Set

import torch
from torch import Tensor, nn

from lightning_cnnviz.model.outputs.readings import Ending, Known, Reading

_NARROWEST, _NARROWEST_WITHOUT_LABELS, _UNIT = 32, 16, 1e-3
_LIBRARY = "pytorch_metric_learning"
_WORDS = (
    *("triplet", "contrastive", "arcface", "cosface", "sphereface", "magface", "adaface", "arcmargin", "proxy"),
    *("ntxent", "nt_xent", "supcon", "infonce", "multisimilarity", "circleloss", "liftedstruct", "npair", "softtriple"),
    *("cosineembedding", "hingeembedding", "negativecosine", "barlow", "vicreg", "miner"),
)


def holds_metric_loss(modules: Mapping[str, nn.Module], called: Set[str]) -> bool:
    """Whether a loss or miner of metric learning is among the modules that ``forward`` leaves to the training.

    One that is called turns embeddings into scores itself.

    Args:
        modules: those of the model, by name.
        called: the names of those that the forward pass called.
    """
    return any(_is_metric(type(module)) for name, module in modules.items() if name not in called)


def is_embedding(output: Tensor, width: int, ending: Ending, known: Known) -> bool:
    """Whether the model, the numbers or the data say that it is one."""
    if width == 1 or ending != "logits" or output.ndim != 2:
        return False
    if known.compared and width != known.classes:
        return True
    if _are_unit_vectors(output.detach().float()):
        return True
    # A head of a thousand classes for ten is a pretrained one; widths of embeddings are round in the other way.
    if width % 8 or width == 1000 or known.truth not in (None, "classes"):
        return False
    if known.names is not None:
        return width >= max(_NARROWEST, 4 * len(known.names))
    return known.unlabelled and width >= _NARROWEST_WITHOUT_LABELS


def may_be_embedding(reading: Reading, known: Known) -> bool:
    """Whether it is far wider than the labels show and of a width that embeddings have."""
    round_width = reading.width % 32 == 0 and reading.ending == "logits"
    return round_width and known.names is None and known.classes is not None and reading.width >= 4 * known.classes


def _is_metric(cls: type) -> bool:
    if (cls.__module__ or "").partition(".")[0] == _LIBRARY:
        return True
    return any(word in cls.__name__.lower() for word in _WORDS)


def _are_unit_vectors(rows: Tensor) -> bool:
    """Whether all rows have the length 1, other than a single one among zeros has it."""
    distance = torch.minimum(rows.abs(), (rows - 1).abs())
    return bool(((rows.norm(dim=1) - 1).abs() < _UNIT).all()) and bool((distance.amax(dim=1) > _UNIT).all())
