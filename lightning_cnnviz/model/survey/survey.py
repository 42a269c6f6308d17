"""What the first call of a model tells, and further ones after it: what it returns, and what its layers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.process_state import seed
from lightning_cnnviz.model.hooks import hooked, image_like, replaced
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.layers.names import named_layers
from lightning_cnnviz.model.outputs.embeddings import holds_metric_loss
from lightning_cnnviz.model.outputs.readings import Known, OutputKind, Reading
from lightning_cnnviz.model.outputs.recognition import read
from lightning_cnnviz.model.outputs.selection import Hints, select_output
from lightning_cnnviz.model.outputs.tensors import as_rows, at, with_channel
from lightning_cnnviz.model.survey.disturbance import EDGES, changed_rows, disturbed
from lightning_cnnviz.model.survey.first_call import SEED, Entry, FirstCall, first_call
from lightning_cnnviz.model.survey.lie import Lie, find_lie, is_in_doubt
from lightning_cnnviz.model.survey.parts import goes_on
from lightning_cnnviz.samples import FixedSamples, Truth

_COUPLED = (
    "the samples of a batch influence each other in this model, as normalisation without running statistics does: "
    "every gradient is that of the sample's own score, in the company of these samples"
)
_COMPARED = (
    "the output compares the samples of a batch with each other: it has as many columns as there are samples, and no "
    "score of one class; output_key names another part of the output"
)
_UNKNOWN = "labels of -1, -100 and NaN are not known: they are left out of what is true and of what is right or wrong"
_NO_OUTPUT = "there is no score to explain: "


def survey(
    model: nn.Module,
    entries: Mapping[str, Entry],
    samples: FixedSamples,
    key: int | str | None,
    kind: OutputKind,
    *,
    named: bool = False,
) -> Layout:
    """The model's layers, and how its output is read. To be called in isolation.

    Args:
        model: it.
        entries: what may be called with the images, in the order in which to try.
        samples: those to be looked at.
        key: where in the output the scores are, None if that is to be found out.
        kind: what the scores are, as far as the user says.
        named: whether the user said what to call.

    Raises:
        ValueError: the model takes no images.
    """
    modules = named_layers(model)
    first = first_call(model, modules, entries, samples)
    hints = _hints(first, samples)
    remarks = [first.remark, first.handing.remark]
    try:
        selected = select_output(first.output, hints, key)
        output = as_rows(with_channel(selected.tensor, tuple(first.images.shape[1:])))
        known = Known(
            len(first.images),
            tuple(first.images.shape[1:]),
            kind,
            first.watch.ending(output),
            _kind_of_truth(samples.truth, output),
            None if samples.truth is None else samples.truth.highest,
            samples.class_names,
            samples.origin.form.unlabelled,
            holds_metric_loss(modules, first.watch.called),
            _numbers_of(samples.truth),
        )
        refused, columns = first.remark is not None, _columns_of(samples.truth)
        guessed = bool(first.name) and not named
        features = goes_on(model, first.name, output, known, columns=columns, refused=refused) if guessed else ""
        reading = read(output, replace(known, kind="embedding") if features else known, selected.path)
        if features and reading.meaning == "embedding":
            reading = replace(reading, reason=features, remarks=(features,))
        remarks += [selected.remark, *reading.remarks]
        if reading.meaning == "labels" and samples.truth is not None and samples.truth.known is not None:
            remarks.append(_UNKNOWN)
    except ValueError as error:
        if key is not None:
            raise
        output, reading = None, Reading("nothing", reason=str(error))
    explained = None if reading.meaning == "nothing" else output
    coupled = _is_coupled(first, explained, reading)
    if coupled and _compares_samples(first, reading):
        explained, reading = None, Reading("nothing", path=reading.path, reason=_COMPARED)
    if explained is not None:
        _dismiss_undecided(first, explained, reading)
    lie = _lie(first, modules)
    layout = first.watch.layout(model, reading, explained, coupled)
    remarks += [_COUPLED if layout.coupled else None]
    if reading.meaning == "nothing":
        remarks.append(_NO_OUTPUT + reading.reason)
    layout = replace(layout, entry=first.name, handing=first.handing)
    if lie is not None:
        remarks.append(lie.remark)
        layout = lie.of_layers(layout)
    return replace(layout, remarks=tuple(remark for remark in remarks if remark))


def _hints(first: FirstCall, samples: FixedSamples) -> Hints:
    return Hints(
        len(first.images),
        tuple(first.images.shape[1:]),
        None if samples.class_names is None else len(samples.class_names),
        0 if samples.labels is None else int(samples.labels.max()) + 1,
        None if samples.truth is None else samples.truth.kind,
        first.watch.last_logits,
    )


def _is_coupled(first: FirstCall, explained: Tensor | None, reading: Reading) -> bool:
    """Notes what changes with the edges of one image. Whether the scores of other images are among it."""
    rows: set[int] = set()
    for number, edge in enumerate(EDGES):
        if number and not first.watch.needs_another_edge():
            break
        seed(SEED)
        try:
            with first.watch.disturbed(), torch.no_grad():
                output = at(first.entry(disturbed(first.images, edge)), reading.path)
        except Exception:
            break  # whatever it is, the first pass went well
        if explained is not None and isinstance(output, Tensor) and output.numel() == explained.numel():
            rows.update(changed_rows(explained, output.reshape(explained.shape)) or ())
    return any(row > 0 for row in rows)


def _kind_of_truth(truth: Truth | None, output: Tensor) -> str | None:
    """What the data say of each image, see :attr:`Known.truth`."""
    if truth is not None and truth.kind == "multi_hot" and isinstance(truth.values, Tensor):
        return "classes" if truth.values.shape[1] == 1 else truth.kind  # a single yes or no
    if truth is None or truth.kind != "pictures" or not isinstance(truth.values, Tensor):
        return None if truth is None else truth.kind
    several = output.ndim == 4 and output.shape[1] == truth.values.shape[1] > 1
    binary = bool(((truth.values == 0) | (truth.values == 1)).all())
    return "label_masks" if several and binary else truth.kind


def _numbers_of(truth: Truth | None) -> int | None:
    """Of how many whole numbers from 0 on for each image the data are, see :attr:`Known.numbers`."""
    if truth is None or truth.kind != "values" or not isinstance(truth.values, Tensor):
        return None
    are_whole = bool(((truth.values >= 0) & (truth.values == truth.values.round())).all())
    return truth.values.shape[1] if are_whole else None


def _columns_of(truth: Truth | None) -> int | None:
    """How many labels or numbers the data have for each image, where there are so many outputs for them."""
    if truth is None or truth.kind not in ("multi_hot", "soft", "values") or not isinstance(truth.values, Tensor):
        return None
    return truth.values.shape[1]


def _lie(first: FirstCall, modules: Mapping[str, nn.Module]) -> Lie | None:
    """How what the layers see lies on the image, None if there is no doubt about it or no way to tell."""
    found = first.watch.first_weighted()
    straight = frozenset(name for name, call in found.items() if not is_in_doubt(call, first.images))
    name = next(reversed(found), None)
    if name is None or name in straight:
        return None
    seed(SEED)
    try:
        lie = find_lie(name, modules[name], first.entry, first.images.detach())
    except Exception:
        return None  # whatever it is, the first pass went well
    return None if lie is None else replace(lie, straight=straight)


def _compares_samples(first: FirstCall, reading: Reading) -> bool:
    """Whether the output has one column for each sample of the batch."""
    if reading.meaning not in ("classes", "labels", "embedding") or reading.width != len(first.images):
        return False
    seed(SEED)
    try:
        with torch.no_grad():
            output = at(first.entry(first.images[:-1].detach().clone()), reading.path)
    except Exception:
        return False  # it takes no such batch
    return isinstance(output, Tensor) and output.shape == (reading.width - 1, reading.width - 1)


def _dismiss_undecided(first: FirstCall, explained: Tensor, reading: Reading) -> None:
    """Notes which modules under ``no_grad`` change nothing of the scores, such as a teacher beside the student."""
    doubtful = first.watch.undecided(explained)
    if not doubtful:
        return

    def change(name: str, output: Any) -> Any:
        tensor = image_like(output)
        if tensor is None:
            return None
        return replaced(output, tensor, tensor + torch.randn_like(tensor) * tensor.std() + tensor.mean())

    seed(SEED)
    try:
        with hooked(doubtful, change), torch.no_grad():
            output = at(first.entry(first.images.detach().clone()), reading.path)
    except Exception:
        return
    same = isinstance(output, Tensor) and output.numel() == explained.numel()
    if same and torch.equal(output.reshape(explained.shape), explained.detach()):
        first.watch.dismiss(doubtful)
