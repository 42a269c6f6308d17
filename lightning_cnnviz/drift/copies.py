"""Whether answers depend on what was changed in copies of the samples: the one test that proves a shortcut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.model.evidence import Evidence, Model, Procedure
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.render import Caption, Images, Row, Sheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.captions import short_answer

_ROWS = 4


def copies_of(samples: FixedSamples, layout: Layout) -> tuple[str, ...]:
    """The names of the copies that the model can be asked about."""
    return tuple(samples.perturbed) if layout.reading.meaning == "classes" else ()


def flips_name(copy: str) -> str:
    """What the share of the samples is called whose class is another one in a copy."""
    return f"flips_{copy.replace('/', '_')}"


def asking(samples: FixedSamples, names: Sequence[str], most: int) -> dict[str, Procedure]:
    """What asks the model about the copies of the first samples."""
    return {_key(name): partial(_answers, samples.perturbed[name][:most]) for name in names}


def flips_of_copies(evidence: Evidence, names: Sequence[str]) -> list[Measurement]:
    """The share of the samples whose class is another one in their copy, by the name of the copy."""
    found = []
    for name in names:
        flipped = _flipped(evidence, name)
        found.append(Measurement("shortcuts", flips_name(name), None, float(flipped.mean()), flipped))
    return found


def flipped_copies(evidence: Evidence, names: Sequence[str]) -> Iterator[Picture]:
    """The samples with most flips beside their copies, if there are any."""
    flips = torch.stack([_flipped(evidence, name) for name in names]).sum(dim=0) if names else torch.zeros(0)
    order = flips.sort(descending=True, stable=True).indices[:_ROWS].tolist()
    chosen = [index for index in order if flips[index] > 0]
    if not chosen:
        return
    samples = evidence.samples.chosen(chosen)
    columns = []
    for name in names:
        answers: Tensor = evidence.result(_key(name))
        labels = tuple("  ".join(short_answer(evidence, answers[index])) for index in chosen)
        columns.append(Images(tuple(samples.perturbed_samples(name).display_pictures()), name, labels))
    captions = [
        Caption((f"sample {index}", *short_answer(evidence, evidence.probabilities[index]))) for index in chosen
    ]
    rows = [
        Row(picture, caption, index)
        for picture, caption, index in zip(samples.display_pictures(), captions, chosen, strict=True)
    ]
    title = f"{int((flips > 0).sum())} of {len(flips)} samples are taken for another class in a copy"
    yield Picture("flipped_copies", Sheet(tuple(rows), tuple(columns), title))


def _answers(copies: Tensor, model: Model) -> Tensor:
    """(N, classes) probabilities on the CPU."""
    with torch.no_grad():
        return model.log_probabilities(copies.to(model.images)).exp().float().cpu()


def _flipped(evidence: Evidence, name: str) -> Tensor:
    answers: Tensor = evidence.result(_key(name))
    return (answers.argmax(dim=1) != evidence.probabilities[: len(answers)].argmax(dim=1)).float()


def _key(name: str) -> str:
    return f"copies {name}"
