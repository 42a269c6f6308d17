"""Calling a model for the first time: which part of it, in which way, on a few of the samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.process_state import seed
from lightning_cnnviz.model.entry import refused
from lightning_cnnviz.model.handing import Handing, for_bytes, ways
from lightning_cnnviz.model.hooks import hooked
from lightning_cnnviz.model.isolation import placed
from lightning_cnnviz.model.survey.watched_layers import WatchedLayers
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.samples.forms import Form

SAMPLES = 3  # the same number as parts of a sample or channels is rare, and a BatchNorm refuses a single value
SEED = 0

Entry = Callable[[Tensor], Any]


@dataclass
class FirstCall:
    """The first call of a model that went well.

    Attributes:
        name: of the part of the model that was called, empty for the model itself.
        entry: what is called with the images (N, C, H, W), and gives them the form that the model takes.
        images: the few that it was called with, where the model expects them.
        output: what it returned.
        watch: what its layers did.
        remark: what the reader should know of the way in.
        handing: how the model takes images.
    """

    name: str
    entry: Entry
    images: Tensor
    output: Any
    watch: WatchedLayers
    remark: str | None
    handing: Handing


def first_call(
    model: nn.Module, modules: Mapping[str, nn.Module], entries: Mapping[str, Entry], samples: FixedSamples
) -> FirstCall:
    """Calls what there is to be called, in every way of handing over images, until one goes well.

    Args:
        model: it.
        modules: the layers to be watched, by name.
        entries: what may be called, in the order in which to try.
        samples: of which a few are taken; all, where that is what the model needs.

    Raises:
        ValueError: the model takes no images.
        MemoryError: or torch's own error, there is no memory for the call.
    """
    few = [index % len(samples) for index in range(SAMPLES)]
    everything = list(range(len(samples)))
    form = samples.origin.form
    if form.views is not None and any(isinstance(module, nn.Conv3d) for module in modules.values()):
        raise ValueError("the model takes volumes or videos, which cannot be drawn, only images")
    failure, what_failed = None, None
    attempts = [(name, way) for name in entries for way in ways(form)]
    for (name, way), (chosen, with_gradients) in product(attempts, ((few, True), (few, False), (everything, False))):
        images = placed(samples.images[chosen], model).requires_grad_(with_gradients)
        entry, watch = way.before(entries[name]), WatchedLayers(modules, images)
        seed(SEED)
        try:
            with hooked(modules, watch.record, watch.record_input), torch.set_grad_enabled(with_gradients):
                output = entry(images.clone())
        except Exception as error:
            if _is_of_memory(error):  # which another way of calling the model would not give
                raise
            failure, what_failed = failure or error, what_failed or refused(model, way(images), error)
            continue
        remark = None
        if failure is not None and name:
            remark = f"{what_failed}. Looked at is {name!r}, its only part with convolutions"
        return _for_bytes(FirstCall(name, entry, images, output, watch, remark, way), modules, entries[name], form)
    ways_in = [way.before(entries[name]) for name, way in attempts]
    if form.batch is not None and _takes(form.batch, model, samples, ways_in):
        raise ValueError(f"the model takes batches of {form.batch} images only: samples={form.batch} looks at so many")
    raise ValueError(what_failed) from failure


def _takes(size: int, model: nn.Module, samples: FixedSamples, ways_in: Sequence[Entry]) -> bool:
    """Whether the model takes a batch of a size, in any way."""
    images = placed(samples.images[[index % len(samples) for index in range(size)]], model)
    for entry in ways_in:
        seed(SEED)
        try:
            with torch.no_grad():
                entry(images.clone())
        except Exception:
            continue
        return True
    return False


def _for_bytes(first: FirstCall, modules: Mapping[str, nn.Module], entry: Entry, form: Form) -> FirstCall:
    """The first call, made again where the model takes images of integers in another way than those."""

    def call(handed: Tensor) -> Any:
        seed(SEED)
        return entry(handed)

    with torch.no_grad():
        handing = for_bytes(first.handing, form, first.images.detach(), first.output, call)
    if handing == first.handing:
        return first
    seed(SEED)
    watch, own = WatchedLayers(modules, first.images), handing.before(entry)
    with hooked(modules, watch.record, watch.record_input), torch.set_grad_enabled(first.images.requires_grad):
        output = own(first.images.clone())
    return replace(first, entry=own, output=output, watch=watch, handing=handing)


def _is_of_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in str(error)
