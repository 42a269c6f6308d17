"""Calling a model for the first time: how it takes images, what it returns, and what its layers are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.process_state import seed
from lightning_cnnviz.model.disturbance import EDGES, changed_rows, disturbed
from lightning_cnnviz.model.embeddings import holds_metric_loss
from lightning_cnnviz.model.entry import refused
from lightning_cnnviz.model.frame import Lie, find_lie, is_in_doubt
from lightning_cnnviz.model.handing import Handing, for_bytes, ways
from lightning_cnnviz.model.hooks import hooked, image_like, replaced
from lightning_cnnviz.model.isolation import placement
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.model.names import named_layers
from lightning_cnnviz.model.outputs import Hints, at, select_output, with_channel
from lightning_cnnviz.model.readings import Known, OutputKind, Reading
from lightning_cnnviz.model.recognition import read
from lightning_cnnviz.model.survey import Survey
from lightning_cnnviz.samples import FixedSamples, Truth
from lightning_cnnviz.samples.forms import Form

SAMPLES = 3  # the same number as parts of a sample or channels is rare, and a BatchNorm refuses a single value
_SEED = 0
_COUPLED = (
    "the samples of a batch influence each other in this model, as normalisation without running statistics does: "
    "every gradient is that of the sample's own score, in the company of these samples"
)
_COMPARED = (
    "the output compares the samples of a batch with each other: it has as many columns as there are samples, and no "
    "score of one class; output_key names another part of the output"
)
_NO_OUTPUT = "there is no score to explain: "

Entry = Callable[[Tensor], Any]


@dataclass
class _FirstCall:
    name: str
    entry: Entry
    images: Tensor
    output: Any
    watch: Survey
    remark: str | None
    handing: Handing


def survey(
    model: nn.Module, entries: Mapping[str, Entry], samples: FixedSamples, key: int | str | None, kind: OutputKind
) -> Layout:
    """The model's layers, and how its output is read. To be called in isolation.

    Args:
        model: it.
        entries: what may be called with the images, in the order in which to try.
        samples: those to be looked at.
        key: where in the output the scores are, None if that is to be found out.
        kind: what the scores are, as far as the user says.

    Raises:
        ValueError: the model takes no images.
    """
    modules = named_layers(model)
    first = _call(model, modules, entries, samples)
    hints = _hints(first, samples)
    remarks = [first.remark, first.handing.remark]
    try:
        selected = select_output(first.output, key, hints)
        output = with_channel(selected.tensor, tuple(first.images.shape[1:]))
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
        )
        reading = read(output, known, selected.path)
        remarks += [selected.remark, *reading.remarks]
    except ValueError as error:
        if key is not None:
            raise
        output, reading = None, Reading("nothing", reason=str(error))
    explained = None if reading.meaning == "nothing" else output
    coupled = _is_coupled(first, explained, reading)
    if coupled and _compares_samples(first, reading):
        explained, reading = None, Reading("nothing", path=reading.path, reason=_COMPARED)
    if explained is not None:
        _dismiss_undecided(modules, first, explained, reading)
    lie = _lie(first, modules)
    layout = first.watch.layout(model, reading, explained, coupled)
    remarks += [_COUPLED if layout.coupled else None]
    if reading.meaning == "nothing":
        remarks.append(_NO_OUTPUT + reading.reason)
    layout = replace(layout, entry=first.name, handing=first.handing)
    if lie is not None:
        remarks.append(lie.remark)
        layers = layout.layers if lie.remark else tuple(layer.lying(lie.turn) for layer in layout.layers)
        layout = replace(layout, layers=layers, frame=lie.frame)
    return replace(layout, remarks=tuple(remark for remark in remarks if remark))


def placed(images: Tensor, model: nn.Module) -> Tensor:
    """The images where the model expects them, free to be derived by, which those made under inference mode are not."""
    device, dtype = placement(model)
    moved = images.to(device=device, dtype=dtype)
    return moved.clone() if moved.is_inference() else moved.detach()


def _call(
    model: nn.Module, modules: Mapping[str, nn.Module], entries: Mapping[str, Entry], samples: FixedSamples
) -> _FirstCall:
    few = [index % len(samples) for index in range(SAMPLES)]
    everything = list(range(len(samples)))
    form = samples.origin.form
    if form.views is not None and any(isinstance(module, nn.Conv3d) for module in modules.values()):
        raise ValueError("the model takes volumes or videos, which cannot be drawn, only images")
    failure, what_failed = None, None
    attempts = [(name, way) for name in entries for way in ways(form)]
    for (name, way), (chosen, with_gradients) in product(attempts, ((few, True), (few, False), (everything, False))):
        images = placed(samples.images[chosen], model).requires_grad_(with_gradients)
        entry, watch = way.before(entries[name]), Survey(modules, images)
        seed(_SEED)
        try:
            with hooked(modules, watch.record, watch.record_input), torch.set_grad_enabled(with_gradients):
                output = entry(images.clone())
        except Exception as error:
            failure, what_failed = failure or error, what_failed or refused(model, way(images), error)
            continue
        remark = None
        if failure is not None and name:
            remark = f"{what_failed}. Looked at is {name!r}, its only part with convolutions"
        return _for_bytes(_FirstCall(name, entry, images, output, watch, remark, way), modules, entries[name], form)
    raise ValueError(what_failed) from failure


def _for_bytes(first: _FirstCall, modules: Mapping[str, nn.Module], entry: Entry, form: Form) -> _FirstCall:
    """The first call, made again where the model takes images of integers in another way than those."""

    def call(handed: Tensor) -> Any:
        seed(_SEED)
        return entry(handed)

    with torch.no_grad():
        handing = for_bytes(first.handing, form, first.images.detach(), first.output, call)
    if handing == first.handing:
        return first
    seed(_SEED)
    watch, own = Survey(modules, first.images), handing.before(entry)
    with hooked(modules, watch.record, watch.record_input), torch.set_grad_enabled(first.images.requires_grad):
        output = own(first.images.clone())
    return replace(first, entry=own, output=output, watch=watch, handing=handing)


def _hints(first: _FirstCall, samples: FixedSamples) -> Hints:
    return Hints(
        len(first.images),
        tuple(first.images.shape[1:]),
        None if samples.class_names is None else len(samples.class_names),
        0 if samples.labels is None else int(samples.labels.max()) + 1,
        None if samples.truth is None else samples.truth.kind,
        first.watch.last_logits,
    )


def _is_coupled(first: _FirstCall, explained: Tensor | None, reading: Reading) -> bool:
    """Notes what changes with the edges of one image. Whether the scores of other images are among it."""
    rows: set[int] = set()
    for number, edge in enumerate(EDGES):
        if number and not first.watch.needs_another_edge():
            break
        seed(_SEED)
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


def _lie(first: _FirstCall, modules: Mapping[str, nn.Module]) -> Lie | None:
    """How what the layers see lies on the image, None if there is no doubt about it or no way to tell."""
    found = first.watch.first_weighted()
    if found is None or not is_in_doubt(found[1], first.images):
        return None
    seed(_SEED)
    try:
        return find_lie(found[0], modules[found[0]], first.entry, first.images.detach())
    except Exception:
        return None  # whatever it is, the first pass went well


def _compares_samples(first: _FirstCall, reading: Reading) -> bool:
    """Whether the output has one column for each sample of the batch."""
    if reading.meaning not in ("classes", "labels", "embedding") or reading.width != len(first.images):
        return False
    seed(_SEED)
    try:
        with torch.no_grad():
            output = at(first.entry(first.images[:-1].detach().clone()), reading.path)
    except Exception:
        return False  # it takes no such batch
    return isinstance(output, Tensor) and output.shape == (reading.width - 1, reading.width - 1)


def _dismiss_undecided(
    modules: Mapping[str, nn.Module], first: _FirstCall, explained: Tensor, reading: Reading
) -> None:
    """Notes which modules under ``no_grad`` change nothing of the scores, such as a teacher beside the student."""
    doubtful = first.watch.undecided(explained)
    if not doubtful:
        return

    def change(name: str, output: Any) -> Any:
        tensor = image_like(output)
        if tensor is None:
            return None
        return replaced(output, tensor, tensor + torch.randn_like(tensor) * tensor.std() + tensor.mean())

    seed(_SEED)
    try:
        with hooked(doubtful, change), torch.no_grad():
            output = at(first.entry(first.images.detach().clone()), reading.path)
    except Exception:
        return
    if isinstance(output, Tensor) and torch.equal(output, explained.detach()):
        first.watch.dismiss(doubtful)
