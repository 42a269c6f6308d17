"""Long names that are cut stay different from each other."""

from __future__ import annotations

import pytest

from lightning_cnnviz.render import Bar, Caption
from lightning_cnnviz.render.blocks import painted
from lightning_cnnviz.render.captions import caption_blocks, label_blocks
from lightning_cnnviz.render.charts import bar_chart
from lightning_cnnviz.render.telling import lines_told_apart
from lightning_cnnviz.render.text import DARK, in_lines, text_width

NAMES = [f"a class of the long kind number {number} with many words" for number in (17, 28, 31)]


def told(text: str, room: str, most: int, among: list[str]) -> list[str]:
    return lines_told_apart(text, text_width(room, 20) + 1, 20, most, among)


def test_names_that_would_be_cut_alike_keep_the_word_in_which_they_differ() -> None:
    room = "a class…31 with…"
    assert [told(name, room, 1, NAMES) for name in NAMES] == [["a class…17 with…"], ["a class…28 with…"], [room]]


def test_what_is_left_goes_to_what_stands_before_and_after_that_word() -> None:
    room = "a class of the…31 with many…"
    assert told(NAMES[2], room, 1, NAMES) == [room]
    assert told(NAMES[2], "kind number 31", 2, NAMES) == ["a class of…31", "with many…"]


def test_words_before_a_name_are_not_what_tells_it_apart() -> None:
    room = "12% · true a…31…"
    for lead in ("", "true ", "maps of ", "says ", "12% · true ", "\u200e✗ "):
        others = [*NAMES[:2], f"true {NAMES[2]}"]
        assert told(lead + NAMES[2], room, 1, others)[0].startswith(f"{lead}a")
        assert "…31" in told(lead + NAMES[2], room, 1, others)[0]


def test_every_place_where_names_differ_is_kept() -> None:
    names = [f"a photograph of a {kind} animal outdoors, {age} one of all" for kind in ("wild", "tame") for age in "xy"]
    cut = [told(name, "a…wild…x…and more", 1, names)[0] for name in names]
    assert len(set(cut)) == len(names)
    for name, line in zip(names, cut, strict=True):
        assert name.split()[4] in line
        assert f"…{name.split()[7]}" in line


@pytest.mark.parametrize(
    "others", [[], ["a class of the long kind"], ["golden retriever", "something else of the kind"]]
)
def test_names_that_are_told_apart_as_they_are_lose_their_middle(others: list[str]) -> None:
    for room in ("a class…", "a class of the…31 with many…"):
        assert told(NAMES[2], room, 1, [NAMES[2], *others]) == in_lines(NAMES[2], text_width(room, 20) + 1, 20, 1)


def test_names_that_fit_are_left_alone() -> None:
    assert told(NAMES[0], NAMES[0], 1, NAMES) == [NAMES[0]]


@pytest.mark.parametrize("script", ["猫", "x", "ب"])
def test_names_without_spaces_differ_too_and_keep_within_their_width(script: str) -> None:
    names = [script * 30 + str(number) + script * 30 for number in range(3)]
    width = text_width(script * 12, 20)
    cut = [lines_told_apart(name, width, 20, 1, names) for name in names]
    assert len({*map(tuple, cut)}) == len(names)
    assert all(text_width(line, 20) <= width for lines in cut for line in lines)


def test_a_name_that_begins_another_is_told_from_it() -> None:
    names = ["a class of the long kind", "a class of the long kind of all kinds"]
    first, second = (told(name, "a class of…", 1, names)[0] for name in names)
    assert first != second


def test_bars_captions_and_labels_of_one_picture_differ() -> None:
    alike = [f"{'a very long beginning ' * 8}{number}{' and a very long end' * 8}" for number in range(2)]
    bars = [Bar(name, 0.0, "0%") for name in alike]
    charts = [bar_chart([bar], width=300, height=100, size=18, among=bars) for bar in bars]
    assert (charts[0] != charts[1]).any()
    captions = [Caption((name,)) for name in alike]
    beside = [painted(block) for block in caption_blocks(captions, [60, 60], 200, 18)]
    assert (beside[0] != beside[1]).any()
    below = [painted(block) for block in label_blocks(alike, 200, 18, DARK)]
    assert (below[0] != below[1]).any()
