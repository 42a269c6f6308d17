"""What a model answers while somebody else calls it: read as it passes by, without a call of our own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lightning_cnnviz.model.hooks import is_vmapped
from lightning_cnnviz.model.layers.names import clean_name, is_convolution
from lightning_cnnviz.model.outputs.readings import Ending, Reading
from lightning_cnnviz.model.outputs.selection import Hints, select_output
from lightning_cnnviz.model.outputs.tensors import as_rows, at

_ROUNDED = 1.001


@dataclass(frozen=True)
class Answered:
    """A batch with what the model answered.

    Attributes:
        images: (N, C, H, W) as the model took them; None where they were changed in place after that.
        labels: (N,) true classes.
        log_probabilities: (N, classes) logarithms of the class probabilities.
        processes: on how many processes the model is validated; this is a batch of the first one.
    """

    images: Tensor | None
    labels: Tensor
    log_probabilities: Tensor
    processes: int = 1


class Overhearing:
    """Hears what a model, or a child of it with convolutions, puts out between :meth:`start` and :meth:`stop`."""

    def __init__(self) -> None:
        self._handles: list[RemovableHandle] = []
        self._heard: dict[str, list[Any]] = {}

    def start(self, model: nn.Module) -> None:
        """Begins to listen; what was heard before is forgotten."""
        self.stop()
        self._heard = {}
        for name, module in _speakers(model):
            self._handles.append(module.register_forward_hook(self._hook(name)))

    def stop(self) -> None:
        """Ends listening; the model has as many hooks as before."""
        while self._handles:
            self._handles.pop().remove()

    def log_probabilities(
        self, count: int, reading: Reading | None, output_key: int | str | None = None
    ) -> Tensor | None:
        """Logarithms of class probabilities (N, classes) in what was heard; None if nothing there has N rows.

        Args:
            count: N.
            reading: how the output of the model is read; None if that is not known yet: then as logits.
            output_key: where in the output the scores are.
        """
        for _, outputs in sorted(self._heard.items()):  # the model itself comes before its children
            found = [_scores(output, reading, output_key, count) for output in outputs]
            whole = [scores for scores in found if scores is not None and len(scores) == count]
            parts = [scores for scores in found if scores is not None]
            if whole:
                return _read(whole[-1], reading)
            if parts and sum(map(len, parts)) == count:
                return _read(torch.cat(parts), reading)
        return None

    def _hook(self, name: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if not torch.compiler.is_compiling():
                self._heard.setdefault(name, []).append(_copied(output))

        return keep


def _speakers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The model and its children with convolutions, as far as a hook changes nothing for the compiler."""
    if getattr(model, "_compiler_ctx", None) is not None:  # then the compiler sees all of its validation_step
        return
    for name, module in (("", model), *model.named_children()):
        compiled = getattr(module, "_compiled_call_impl", None) is not None
        if compiled or isinstance(module, torch.jit.ScriptModule):
            continue
        if not name or any(is_convolution(member) for member in module.modules()):
            yield clean_name(name), module


def _copied(output: Any) -> Any:
    """The output with tensors that nobody else changes, as far down as scores may be."""
    if isinstance(output, Tensor):
        return output.detach().clone() if as_rows(output).ndim in (1, 2) and not is_vmapped(output) else None
    if isinstance(output, dict):
        return {key: _copied(value) for key, value in output.items()}
    if isinstance(output, (tuple, list)) and not hasattr(output, "_fields"):
        return type(output)(map(_copied, output))
    return output


def _scores(output: Any, reading: Reading | None, key: int | str | None, count: int) -> Tensor | None:
    if reading is not None:
        found = at(output, reading.path)
    else:
        try:
            found = select_output(output, Hints(count), key).tensor
        except ValueError:
            return None
    found = as_rows(found) if isinstance(found, Tensor) else None
    if found is None or not found.is_floating_point() or found.ndim not in (1, 2):
        return None
    if reading is not None and (found.shape[1] if found.ndim == 2 else 1) != (1 if reading.single else reading.width):
        return None
    return found if reading is not None or (found.ndim == 2 and found.shape[1] > 1) else None


def _read(scores: Tensor, reading: Reading | None) -> Tensor:
    if reading is not None and not _ends_as(scores, reading.ending, reading.total):
        reading = replace(reading, ending="logits", total=1.0)  # of a child, before the model goes on with them
    return (reading or Reading()).log_probabilities(scores)


def _ends_as(scores: Tensor, ending: Ending, total: float) -> bool:
    if ending == "logits":
        return True
    if ending in ("log_softmax", "log_sigmoid"):
        return bool((scores <= 0).all())
    return bool(((scores >= 0) & (scores <= total * _ROUNDED)).all())
