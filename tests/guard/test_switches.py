"""Switches are put back, also where writing one of them sets another."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from torch import nn

from lightning_cnnviz.guard.restoring import restored
from lightning_cnnviz.guard.switches import SavedSwitch, Switch, generator_switch
from lightning_cnnviz.model.isolation import isolated


def _restored(*switches: Switch | None) -> AbstractContextManager[None]:
    return restored(lambda: [SavedSwitch(switch) for switch in switches if switch])


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64, np.random.Philox, np.random.SFC64])
def test_generators_of_numpy_go_on_where_they_were(bits: Any) -> None:
    generator, old, alone = np.random.Generator(bits(5)), np.random.RandomState(bits(6)), bits(7)
    old.standard_normal()  # the second of a pair is kept for later
    expected = [np.random.Generator(bits(5)).random(), np.random.RandomState(bits(6)).standard_normal(2)[1]]
    expected.append(bits(7).random_raw())
    switches = [generator_switch("new", generator), generator_switch("old", old), generator_switch("alone", alone)]
    with _restored(*switches):
        generator.random(700)
        old.standard_normal(700)
        alone.random_raw(700)
    assert [generator.random(), old.standard_normal(), alone.random_raw()] == expected


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64DXSM])
def test_bits_of_numpy_that_a_model_holds_go_on_where_they_were(bits: Any) -> None:
    model, held = nn.Conv2d(1, 1, 1), bits(5)
    vars(model)["kept"] = [held]
    with isolated(model):
        np.random.Generator(held).normal(size=700)
    assert held.random_raw() == bits(5).random_raw()


def test_random_numbers_of_the_system_are_nowhere_and_stay_there() -> None:
    assert generator_switch("drawn from the system", random.SystemRandom()) is None


def test_a_switch_that_another_sets_along_is_put_right_with_a_warning() -> None:
    values = {"first": 1, "second": 1}

    def write_second(value: int) -> None:
        values.update(first=0, second=value)

    # The last is put back first: "first" is right by then, and wrong once "second" has been written.
    first = Switch("first", lambda: values["first"], lambda value: values.update(first=value))
    second = Switch("second", lambda: values["second"], write_second)
    said = pytest.warns(RuntimeWarning, match="first was put back only at the second attempt")
    with said, _restored(second, first):
        values["second"] = 2
    assert values == {"first": 1, "second": 1}


def test_a_switch_that_does_not_stay_is_said() -> None:
    values = [1]
    said = pytest.warns(RuntimeWarning, match="deaf could not be put back: RuntimeError: it does not stay")
    with said, _restored(Switch("deaf", lambda: values[0], lambda value: None)):
        values[0] = 2


def test_nothing_is_read_a_third_time_where_nothing_had_to_be_put_back() -> None:
    reads: list[str] = []
    with _restored(Switch("quiet", lambda: reads.append("read"), lambda value: None)):
        pass
    assert len(reads) == 2
