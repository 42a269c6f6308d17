"""What a model answers for each place: masks of classes over the sample, or a picture beside its input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Images, Maps, Masks, MaskSheet, Sheet
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.captions import true_masks
from lightning_cnnviz.views.common import picture_of, rows, sign_key, to_numpy


def predicted_masks(evidence: Evidence) -> Iterator[Artifact]:
    """The predicted class of each place over the sample, with the borders of the true ones."""
    assert evidence.answers is not None
    decided = evidence.answers.decisions
    yield Array("predictions", decided.float())
    shown = decided[: evidence.shown]
    truth = true_masks(evidence)
    columns = [Masks(without_background(shown, evidence), "predicted")]
    if truth is not None:
        truth = truth[: evidence.shown]
        true = without_background(truth, evidence)
        columns = [Masks(without_background(shown, evidence), "predicted", true), Masks(true, "true")]
    legend = legend_of(evidence, shown, *(() if truth is None else (truth,)))
    footer = "" if truth is None else "lines are the borders of the true mask"
    sheet = MaskSheet(rows(evidence), tuple(columns), "Predictions, the class of each place", footer, legend=legend)
    yield Picture("predictions", sheet)


def reconstructions(evidence: Evidence) -> Iterator[Artifact]:
    """Input, output and their difference; the difference from a true picture where the data have one."""
    assert evidence.answers is not None
    samples, output = evidence.samples, evidence.answers.values
    yield Array("predictions", output)
    shown = output[: evidence.shown]
    truth = _true_pictures(samples, shown)
    wanted = samples.images[: evidence.shown].float() if truth is None else truth
    columns: list[Images | Maps] = _pictures(samples, {"output": shown, **({} if truth is None else {"true": truth})})
    footer, bar = "", None
    if wanted.shape[1] == shown.shape[1]:
        difference = shown - F.interpolate(wanted, shown.shape[2:], mode="bilinear", antialias=True)
        off_by: list[float] = difference.flatten(1).abs().mean(dim=1).tolist()
        signed = Maps(
            to_numpy(difference.mean(dim=1, keepdim=True)),
            ("difference",),
            kind="signed",
            colormap="RdBu_r",
            scale="shared",
            labels=tuple((f"off by {error:.2g}",) for error in off_by),
        )
        columns.append(signed)
        bar = replace(sign_key(signed), label="too low · too high")
        footer = f"output minus {'input' if truth is None else 'truth'}, off by its mean size"
    title = "Predictions, a picture of each sample"
    yield picture_of("predictions", Sheet(rows(evidence), tuple(columns), title, footer, bar, first="input"))


def _true_pictures(samples: FixedSamples, output: Tensor) -> Tensor | None:
    """(N, C, H, W) what the output should be, None where the data do not say."""
    truth = samples.truth
    if truth is None or isinstance(truth.values, tuple) or truth.kind not in ("pictures", "masks"):
        return None
    values = truth.values[: len(output)].float()
    values = values if values.ndim == 4 else values[:, None]
    return values if values.shape[1] == output.shape[1] else None


def without_background(classes: Tensor, evidence: Evidence) -> NDArray[np.integer]:
    """Classes as they are drawn: a background is -1, which gets no color."""
    drawn: NDArray[np.integer] = classes.where(classes != _background(evidence), -1).numpy()
    return drawn


def legend_of(evidence: Evidence, *masks: Tensor) -> tuple[tuple[str, int], ...]:
    """Name and index of each class in some masks that is drawn."""
    present = {int(index) for classes in masks for index in classes.unique() if index >= 0}
    return tuple((evidence.samples.class_name(index), index) for index in sorted(present - {_background(evidence)}))


def _background(evidence: Evidence) -> int:
    reading = evidence.layout.reading
    return 0 if reading.skips_first and reading.width > 1 else -1


def _pictures(samples: FixedSamples, given: Mapping[str, Tensor]) -> list[Images | Maps]:
    """Values in the input's space as pictures; of other channels their mean as maps of one scale."""
    if all(values.shape[1] == samples.images.shape[1] for values in given.values()):
        shown = {
            heading: FixedSamples(values, mean=samples.mean, std=samples.std, bands=samples.bands)
            for heading, values in given.items()
        }
        return [Images(tuple(one.pictures()), heading) for heading, one in shown.items()]
    maps = {heading: to_numpy(values.mean(dim=1, keepdim=True)) for heading, values in given.items()}
    finite = np.concatenate([values[np.isfinite(values)] for values in maps.values()])
    limits = (float(finite.min()), float(finite.max())) if finite.size else None
    return [Maps(values, (heading,), kind="intensity", limits=limits) for heading, values in maps.items()]
