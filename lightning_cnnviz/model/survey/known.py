"""Surveys of models that were explained before: the second time nothing but the pass itself is left to do."""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.survey.first_call import SAMPLES
from lightning_cnnviz.samples import FixedSamples, Truth

_SETTINGS = (bool, int, float, str, type(None))

_known: WeakKeyDictionary[nn.Module, tuple[object, Layout]] = WeakKeyDictionary()


def survey_once(probe: Probe, samples: FixedSamples, reading: tuple[object, ...]) -> Layout:
    """The layout of the probe's model, from an earlier survey if nothing has changed since that one can see.

    That is: the modules and their settings, the parameters and buffers, the images, what is known of them, and how the
    output is to be read.

    Args:
        probe: of the model.
        samples: those to be looked at.
        reading: whatever else the probe was made with. With a function in it the survey is made each time: what that
            does cannot be seen, and it may hold the model, which would then never be freed.
    """
    if any(map(callable, reading)):
        return probe.survey(samples)
    key = (_state(probe.model), _content(samples), reading)
    known = _known.get(probe.model)
    if known is None or known[0] != key:
        known = _known[probe.model] = (key, probe.survey(samples))
    return known[1]


def _state(model: nn.Module) -> object:
    modules = tuple((name, id(module), _settings(module)) for name, module in model.named_modules())
    return modules, tuple(map(_version, chain(model.parameters(), model.buffers())))


def _version(tensor: Tensor) -> object:
    # Changes to tensors of inference mode cannot be seen, and lazy ones are none yet: each time they count as others.
    return object() if is_lazy(tensor) or tensor.is_inference() else (id(tensor), tensor._version)


def _settings(module: nn.Module) -> object:
    """What a module's own attributes say, such as whether an auxiliary head is used, or that ``forward`` is another."""
    return tuple(
        (name, value if isinstance(value, _SETTINGS) else id(value))
        for name, value in vars(module).items()
        if name != "training" and not name.startswith("_")
    )


def _content(samples: FixedSamples) -> object:
    images: Any = samples.images[:SAMPLES].detach().cpu().contiguous().float().numpy()
    labels = None if samples.labels is None else tuple(samples.labels.tolist())
    said = labels, samples.class_names, samples.origin.form, samples.origin.form.unlabelled
    return samples.images.shape, hashlib.blake2b(images.tobytes()).digest(), _truth(samples.truth), said


def _truth(truth: Truth | None) -> object:
    if truth is None:
        return None
    digest = hashlib.blake2b(truth.kind.encode())
    values = truth.values if isinstance(truth.values, tuple) else (truth.values,)
    for tensor in (*values, *(() if truth.known is None else (truth.known,))):
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()
