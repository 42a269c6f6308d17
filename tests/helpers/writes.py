"""A model that holds something of everything, what its code may write there, and all of it in one description."""

from __future__ import annotations

import array
import random
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from tests.helpers.training import SmallCNN

IMAGES = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@dataclass
class Memory:
    queue: list[Tensor] = field(default_factory=lambda: [torch.zeros(2)])
    calls: int = 0


class Slotted:
    __slots__ = ("calls", "seen")

    def __init__(self) -> None:
        self.calls, self.seen = 0, torch.zeros(2)


class Bank:
    """Has a length and items, as datasets have."""

    def __init__(self) -> None:
        self.items, self.mean, self.pointer = [0.5], torch.zeros(2), 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> float:
        return self.items[index]

    def push(self) -> None:
        self.items.append(1.0)
        self.mean += 1
        self.pointer += 1


class Trusting(dict[Any, bool]):
    """Stands for the watches that have proved themselves: all of them."""

    def get(self, *_: Any) -> bool:
        return True


class Countdown:
    """An iterator that is all there is to it."""

    def __init__(self) -> None:
        self.left = 9

    def __next__(self) -> int:
        self.left -= 1
        return self.left


def bump(tensor: Tensor) -> None:
    tensor.data.add_(1.0)


def backward(model: SmallCNN) -> None:
    with torch.enable_grad():
        model.stem(IMAGES).sum().backward()


def retire_stem(model: SmallCNN) -> None:
    model.stem[0] = nn.Conv2d(1, model.stem[0].out_channels, 3, padding=1)


def lazy_buffer(model: SmallCNN) -> None:
    if not hasattr(model, "lazily"):
        model.register_buffer("lazily", torch.zeros(3))
    model.lazily += 1


def graph_in_buffer(model: SmallCNN) -> None:
    with torch.enable_grad():
        model.b.mul_(0.9).add_(model.head.weight.mean())


def enqueue(model: SmallCNN) -> None:
    model.bank[:, int(model.pointer)] = 7.0
    model.pointer[0] = (model.pointer + 1) % model.bank.shape[1]


def hidden_call(model: SmallCNN) -> None:
    hidden = vars(model)["teacher"]
    hidden.eval().train()(torch.ones(4, 1, 2, 2) * 5)
    hidden.eval()
    hidden.register_forward_hook(lambda *_: None)


def setup(model: SmallCNN) -> None:
    """Gives a model something of everything that its code may write to."""
    model.register_buffer("b", torch.ones(3))
    model.register_buffer("bank", torch.zeros(2, 4))
    model.register_buffer("pointer", torch.zeros(1, dtype=torch.long))
    model.register_buffer("tied", model.b)
    model.register_buffer("view", model.bank[0])
    model.register_buffer("missing", torch.tensor([float("nan"), 1.0]))
    model.register_buffer("waves", torch.ones(3, dtype=torch.complex64))
    model.register_buffer("nothing", torch.empty(3, device="meta"))
    model.register_buffer("sparse", torch.eye(3).to_sparse(), persistent=False)
    model.register_buffer("rows", torch.eye(3).to_sparse_csr(), persistent=False)
    model.quantized = torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8)
    model.nested = {"a": [torch.ones(2), (torch.ones(2),)], "b": deque([torch.ones(2)], maxlen=2)}
    model.memory, model.slotted = Memory(), Slotted()
    model.pushed, model.countdown = Bank(), Countdown()
    model.space = types.SimpleNamespace(x=torch.ones(2), log=[])
    model.counts, model.lists, model.order = Counter(), defaultdict(list), OrderedDict(a=1, b=2)
    model.names, model.history, model.n, model.flat = {"a"}, [1], 0, array.array("d", [1.0])
    model.numbers, model.strided = np.zeros(3), np.zeros((4, 4))[:, ::2]
    model.things = np.array([None, "a"], dtype=object)
    model.generators = [torch.Generator().manual_seed(1), np.random.default_rng(1), random.Random(1)]
    model.__dict__["teacher"] = nn.BatchNorm2d(1, momentum=0.5)
    model.teachers = [nn.BatchNorm2d(1)]
    model.head.weight.grad = torch.ones_like(model.head.weight)


WRITES: dict[str, Callable[[Any], Any]] = {
    "gradient accumulated": backward,
    "gradient in place": lambda m: m.head.weight.grad is None or m.head.weight.grad.add_(1),
    "gradient dropped": lambda m: m.zero_grad(),
    "requires_grad": lambda m: m.head.weight.requires_grad_(False),
    "parameter's data": lambda m: bump(m.head.weight),
    "parameter's storage": lambda m: m.head.weight.untyped_storage().fill_(1),
    "parameter replaced": lambda m: setattr(m.head, "weight", nn.Parameter(torch.ones_like(m.head.weight))),
    "buffer replaced": lambda m: setattr(m, "b", torch.zeros(9)),
    "buffer resized": lambda m: m.b.resize_(9),
    "buffer with a graph": graph_in_buffer,
    "buffer made lazily": lazy_buffer,
    "buffer deleted": lambda m: delattr(m, "b"),
    "tied buffer": lambda m: bump(m.tied),
    "view": lambda m: bump(m.view),
    "nan": lambda m: m.missing.fill_(float("nan")),
    "complex": lambda m: bump(m.waves),
    "sparse": lambda m: m.sparse.mul_(2),
    "sparse added": lambda m: m.sparse.add_(torch.ones(3, 3).to_sparse()),
    "sparse rows": lambda m: m.rows.values().add_(1),
    "quantized": lambda m: m.quantized.copy_(torch.zeros(4)),
    "queue and pointer": enqueue,
    "list in dict": lambda m: bump(m.nested["a"][0]),
    "tuple in list in dict": lambda m: bump(m.nested["a"][1][0]),
    "deque in dict": lambda m: (bump(m.nested["b"][0]), m.nested["b"].append(torch.zeros(1))),
    "dataclass": lambda m: (setattr(m.memory, "calls", 5), m.memory.queue.append(1), bump(m.memory.queue[0])),
    "slots": lambda m: (setattr(m.slotted, "calls", 5), bump(m.slotted.seen)),
    "memory bank": lambda m: m.pushed.push(),
    "iterator": lambda m: next(m.countdown),
    "namespace": lambda m: (bump(m.space.x), m.space.log.append(1), setattr(m.space, "new", 1)),
    "counter": lambda m: m.counts.update("abc"),
    "defaultdict": lambda m: m.lists["x"].append(1),
    "order": lambda m: m.order.move_to_end("a"),
    "set": lambda m: m.names.add("b"),
    "growing list": lambda m: m.history.append(2),
    "number": lambda m: setattr(m, "n", m.n + 1),
    "attribute deleted": lambda m: delattr(m, "n"),
    "array of Python": lambda m: m.flat.append(2.0),
    "array of NumPy": lambda m: m.numbers.__iadd__(1),
    "strided array": lambda m: m.strided.__iadd__(1),
    "array of objects": lambda m: m.things.__setitem__(0, "b"),
    "torch's generator": lambda m: torch.rand(1, generator=m.generators[0]),
    "NumPy's generator": lambda m: m.generators[1].random(),
    "Python's generator": lambda m: m.generators[2].random(),
    "module set past nn.Module": hidden_call,
    "module in a list": lambda m: (m.teachers[0].train(), m.teachers[0](torch.ones(4, 1, 2, 2)), m.teachers.clear()),
    "module swapped": retire_stem,
    "module added": lambda m: m.add_module("late", nn.Linear(2, 2)),
    "mode toggled": lambda m: m.train(not m.training),
    "hook": lambda m: m.stem[0].register_forward_hook(lambda *_: None),
    "tensor hook": lambda m: m.head.weight.register_hook(lambda g: g * 2),
    "pruned": lambda m: prune.l1_unstructured(m.head, "weight", 0.5),
    "weight_norm": lambda m: parametrizations.weight_norm(m.head),
    "default dtype": lambda m: torch.set_default_dtype(torch.float64),
}


def described(value: Any, seen: dict[int, int]) -> Any:  # noqa: PLR0911 - one for each kind of value
    """Every value below, by content, and which of them are one object."""
    if id(value) in seen and not isinstance(value, (int, float, str, type(None))):
        return f"see {seen[id(value)]}"
    seen[id(value)] = len(seen)
    if isinstance(value, Tensor):
        facts = [type(value).__name__, value.dtype, tuple(value.shape), value.requires_grad, value.is_leaf]
        if value.device.type != "meta":
            plain = value.detach()
            plain = plain.to_dense() if plain.layout is not torch.strided else plain
            plain = plain.int_repr() if plain.is_quantized else plain
            facts.append(plain.contiguous().clone().numpy().tobytes())
        gradient = described(value.grad, seen) if value.is_leaf else None
        return [*facts, gradient, len(value._backward_hooks or ())]
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype.hasobject else value.tobytes()
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, dict):
        return [(key, described(entry, seen)) for key, entry in value.items()]
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, (list, tuple, deque, array.array)):
        return [described(entry, seen) for entry in value]
    if isinstance(value, Slotted):
        return [described(value.calls, seen), described(value.seen, seen)]
    if isinstance(value, (nn.Module, Memory, Bank, Countdown, types.SimpleNamespace)):
        return described(vars(value), seen)
    return value if isinstance(value, (int, float, str, bytes)) else id(value)
