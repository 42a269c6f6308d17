"""Containers, objects and generators as they were, put back in place: whoever else refers to them sees it too."""

from __future__ import annotations

import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import chain
from operator import is_
from typing import Any

from lightning_cnnviz.guard.attributes import EMPTY, in_slot, slots
from lightning_cnnviz.guard.reachable import Reachable
from lightning_cnnviz.guard.restoring import Saved
from lightning_cnnviz.guard.switches import SavedSwitch, generator_switch


def saved_objects(found: Reachable) -> Iterator[Saved]:
    """All that was found of a model except tensors, as it is now."""
    for name, container in found.containers:
        yield SavedMapping(name, container) if isinstance(container, dict) else SavedContainer(name, container)
    for name, value in found.objects:
        attributes = getattr(value, "__dict__", None)
        if attributes is not None:
            yield SavedMapping(name, attributes)
        if slots(value):
            yield SavedSlots(name, value)
    # After their attributes, as the last is put back first: which slots something has depends on what it is.
    for name, value in chain(found.modules.items(), found.objects):
        yield SavedClass(name, value)
    for name, generator in found.generators:
        switch = generator_switch(name, generator)
        if switch is not None:
            yield SavedSwitch(switch)


class SavedMapping:
    """The entries of a dict, or of a subclass of one, whatever its own methods do."""

    def __init__(self, name: str, mapping: dict[Any, Any]) -> None:
        self.name = name
        self._mapping = mapping
        self._ordered = isinstance(mapping, OrderedDict)
        self._entries = dict(self._base.items(mapping))

    def differs(self) -> bool:
        """Whether there are other entries, or in another order."""
        mapping, entries = self._mapping, self._entries
        if dict.__len__(mapping) != len(entries):
            return True
        if not entries:
            return False
        keys, values = self._base.keys(mapping), self._base.values(mapping)
        return not (all(map(is_, keys, entries)) and all(map(is_, values, entries.values())))

    def restore(self) -> None:
        """Changes what differs, and nothing else: other threads may be reading."""
        if not self.differs():
            return
        mapping, entries = self._mapping, self._entries
        for key in [key for key in dict.keys(mapping) if key not in entries]:
            self._base.__delitem__(mapping, key)
        for key, value in entries.items():
            if dict.get(mapping, key) is not value:
                self._base.__setitem__(mapping, key, value)
        if self.differs():  # in their order
            self._base.clear(mapping)
            for key, value in entries.items():
                self._base.__setitem__(mapping, key, value)

    @property
    def _base(self) -> Any:
        return OrderedDict if self._ordered else dict


class SavedContainer:
    """The entries of a list, set, deque or array, or of a subclass of one."""

    def __init__(self, name: str, container: Any) -> None:
        self.name = name
        self._container = container
        self._base, self._refill = next((base, fill) for base, fill in _FILLS.items() if isinstance(container, base))
        # Past what a subclass makes of them: it may yield other entries than it holds.
        self._entries = (
            self._base.__getitem__(container, slice(None))
            if self._refill is _fill_sequence  # at once: an iterator makes an object of each byte
            else self._base(self._base.__iter__(container))
        )

    def differs(self) -> bool:
        """Whether there are other entries, or in another order."""
        if self._base.__len__(self._container) != len(self._entries):
            return True
        if isinstance(self._entries, (bytearray, array.array)):
            return bool(self._base.__ne__(self._container, self._entries))
        if isinstance(self._entries, set):
            return {*map(id, set.__iter__(self._container))} != {*map(id, self._entries)}
        return not all(map(is_, self._base.__iter__(self._container), self._entries))

    def restore(self) -> None:
        """Fills it again, if it differs."""
        if self.differs():
            self._refill(self._container, self._entries)


def _fill_sequence(container: Any, entries: Any) -> None:
    type(entries).__setitem__(container, slice(None), entries)


def _fill_set(container: Any, entries: Any) -> None:
    set.clear(container)
    set.update(container, entries)


def _fill_deque(container: Any, entries: Any) -> None:
    deque.clear(container)
    deque.extend(container, entries)


_FILLS: dict[Any, Callable[[Any, Any], None]] = {
    list: _fill_sequence,
    bytearray: _fill_sequence,
    array.array: _fill_sequence,
    set: _fill_set,
    deque: _fill_deque,
}


class SavedClass:
    """What something is: a module that makes its layers in the first call may be of another class from then on."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self._object = value
        self._class = type(value)

    def differs(self) -> bool:
        """Whether it is something else now."""
        return type(self._object) is not self._class

    def restore(self) -> None:
        """Makes it what it was."""
        if self.differs():
            object.__setattr__(self._object, "__class__", self._class)


class SavedSlots:
    """The values of an object's slots."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self._object = value
        self._values = self._read()

    def differs(self) -> bool:
        """Whether a slot holds something else."""
        return not all(now is kept for now, kept in zip(self._read().values(), self._values.values(), strict=True))

    def restore(self) -> None:
        """Fills them again, also those of a frozen object."""
        for slot, value in self._values.items():
            if in_slot(self._object, slot) is value:
                continue
            if value is EMPTY:
                object.__delattr__(self._object, slot)
            else:
                object.__setattr__(self._object, slot, value)

    def _read(self) -> dict[str, Any]:
        return {slot: in_slot(self._object, slot) for slot in slots(self._object)}
