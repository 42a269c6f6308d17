"""Large memory, which is copied when something is about to write to it, and no sooner."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, _ops, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

from lightning_cnnviz.guard.saved_memory import SavedMemory

_COPIED_AT_ONCE = 2**23
_COPIED_ON_DEVICE = 2**30
"""Copies beyond it lie in the memory of the host."""

_OPEN_MEMORY = frozenset(
    {
        "numpy",
        "__array__",
        "__dlpack__",
        "__cuda_array_interface__",
        "data_ptr",
        "storage",
        "untyped_storage",
        "share_memory_",
    }
)
"""Methods and properties of tensors behind which torch no longer sees who writes."""

_trusted: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


class LargeMemory:
    """Large storages of a model, each copied before the first operation that writes to it or opens it to others.

    A few MiB are copied beforehand, which is quicker than to watch. The watch has to prove itself: in the first call of
    a model everything is copied beforehand. If it missed a write, such as one by an extension in C++, this model's
    memory is copied every time from then on.

    Args:
        model: whose memory it is.
        storages: of its tensors.
        watchable: whether the tensors' own operators are seen; everything is copied beforehand where they are not.
    """

    def __init__(self, model: nn.Module, storages: Sequence[torch.UntypedStorage], *, watchable: bool) -> None:
        self.name = "the large memory of the model's tensors"
        self._model = model
        self._storages = {storage._cdata: storage for storage in storages}
        self._copies: dict[int, SavedMemory] = {}
        self._copied = 0
        self._written: set[int] = set()
        self._watched = watchable and sum(storage.nbytes() for storage in storages) > _COPIED_AT_ONCE
        self._modes = (_Operations(self), _Accesses(self))
        self._on_trial = not _trusted.get(model, False)
        if self._on_trial or not self._watched:
            for number in self._storages:
                self._copy(number)

    def watch(self) -> None:
        """Begins; :meth:`restore` ends it."""
        if self._watched:
            _admit_higher_order_operators()
            for mode in self._modes:
                mode.__enter__()  # type: ignore[no-untyped-call]

    def before_write(self, tensor: Tensor) -> None:
        """Copies a tensor's storage, if it is one of the watched and has not been copied yet."""
        with torch._C.DisableTorchFunction():
            if tensor.layout is not torch.strided:
                return
            number = tensor.untyped_storage()._cdata
        if number in self._storages:
            self._written.add(number)
            self._copy(number)

    def differs(self) -> bool:
        """False: to compare every byte would be too dear."""
        return False

    def restore(self) -> None:
        """Ends the watch and writes back what was written to."""
        self._end()
        failed: list[Exception] = []
        for copy in self._copies.values():
            try:
                copy.restore()
            except Exception as error:
                failed.append(error)
        if self._modes[0].called:
            missed = any(copy.wrote and number not in self._written for number, copy in self._copies.items())
            _trusted[self._model] = _trusted.get(self._model, True) and not missed
        if failed:
            raise failed[0]

    def _end(self) -> None:
        # An interrupt may have struck between any two lines: what counts are torch's own lists.
        stacks: tuple[Any, ...] = (_get_current_dispatch_mode_stack, _get_current_function_mode_stack)
        for mode, stack in zip(self._modes, stacks, strict=True):
            while mode in stack():
                stack()[-1].__exit__(None, None, None)

    def _copy(self, number: int) -> None:
        if number not in self._copies:
            storage = self._storages[number]
            self._copied += storage.nbytes()
            self._copies[number] = SavedMemory([storage], on_host=self._copied > _COPIED_ON_DEVICE)


class _Operations(TorchDispatchMode):
    """Sees every operator, those of the backward pass included, just before it runs."""

    supports_higher_order_operators = True
    called = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # by which torch would import its compiler, for a second, at the first operator

    def __init__(self, memory: LargeMemory) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._memory = memory

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.called = True
        kwargs = kwargs or {}
        for value in _written(func, args, kwargs):
            for tensor in _tensors(value):
                self._memory.before_write(tensor)
        return func(*args, **kwargs)


def _admit_higher_order_operators() -> None:
    """Lets operators such as ``torch.cond`` run under the watch in torch 2.6, where each must be told of it."""
    if hasattr(TorchDispatchMode, "supports_higher_order_operators"):
        return
    for operator in list(_ops._higher_order_ops.values()):
        if _Operations not in operator.python_key_table:

            def run(mode: _Operations, *args: Any, _operator: Any = operator, **kwargs: Any) -> Any:
                return mode.__torch_dispatch__(_operator, (), args, kwargs)

            operator.py_impl(_Operations)(run)


class _Accesses(TorchFunctionMode):
    """Sees methods that hand a tensor's memory to something else than torch."""

    def __init__(self, memory: LargeMemory) -> None:
        super().__init__()
        self._memory = memory

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__get__":  # of a property, which has no name itself before Python 3.13
            name = getattr(getattr(func.__self__, "fget", None), "__name__", "")
        if name in _OPEN_MEMORY:
            for tensor in _tensors(args):
                self._memory.before_write(tensor)
        return func(*args, **(kwargs or {}))


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
    """The arguments that an operator may write to."""
    arguments = _written_arguments(func)
    if arguments is None:
        return [*args, *kwargs.values()]
    return [args[position] if position < len(args) else kwargs.get(name) for position, name in arguments]


@functools.cache
def _written_arguments(func: Any) -> Sequence[tuple[int, str]] | None:
    """Position and name of each, None where that is not known."""
    # Batch normalization does not say that it writes to its statistics, nor may an operator of somebody else.
    if func.namespace != "aten" or "batch_norm" in func._schema.name:
        return None
    arguments = enumerate(func._schema.arguments)
    return [(position, one.name) for position, one in arguments if one.alias_info and one.alias_info.is_write]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Iterable):
        for member in value:
            if isinstance(member, Tensor):
                yield member
