from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from lightning_cnnviz.render import format_number, missing_glyphs
from lightning_cnnviz.render.text import (
    DARK,
    MUTED,
    RIGHT,
    in_lines,
    line_block,
    line_height,
    load_font,
    shortened,
    text_block,
    text_width,
    using_font,
    wrapped,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.31, "0.31"), (-0.0, "0"), (-2.54e-7, "−2.54e−07"), (1234.5, "1.23e+03"), (5, "5"), (float("nan"), "NaN")],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_the_default_font_has_latin_cyrillic_greek_and_arabic() -> None:
    assert missing_glyphs("cat, собака, γάτα, سلام, é\n\t") == set()


def test_a_font_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    not_a_font = tmp_path / "font.ttf"
    not_a_font.write_text("no font")
    for path in (str(not_a_font), str(tmp_path / "missing.ttf")):
        with pytest.raises(ValueError, match=r"font must be the path .* got '.*ttf'"):
            missing_glyphs("a", path)


def test_another_font_file_is_used() -> None:
    mono = Path(str(load_font(None, 20).path)).with_name("DejaVuSansMono.ttf")
    with using_font(str(mono)):
        assert text_width("iii", 20) == text_width("WWW", 20)
    assert text_width("iii", 20) < text_width("WWW", 20)


@pytest.mark.parametrize("text", ["飞机", "猫", "한국어", "हिन्दी", "القطط", "ไทย"])
def test_scripts_of_fine_strokes_are_darker_than_latin_letters_beside_them(text: str) -> None:
    for drawn, darkest in ((text, 60), ("airplane", MUTED[0]), (f"true {text}", 60)):
        assert int(text_block(drawn, 32, MUTED).min()) == pytest.approx(darkest, abs=3), drawn
    assert np.array_equal(text_block(text, 32, RIGHT).min(axis=(0, 1)), RIGHT), "what has a color keeps it"


@pytest.fixture
def chinese_font(tmp_path: Path) -> str:
    """A font of squares, placed and with lines as high as in Noto Sans CJK."""
    builder, pen = FontBuilder(1000, isTTF=True), TTGlyphPen(None)
    pen.moveTo((50, -80))
    for corner in ((50, 800), (950, 800), (950, -80)):
        pen.lineTo(corner)
    pen.closePath()
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap(dict.fromkeys(map(ord, "國際龜龍"), "square"))
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 50)})
    builder.setupHorizontalHeader(ascent=1160, descent=-288)
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "squares.ttf")
    return str(tmp_path / "squares.ttf")


def test_chinese_is_larger_than_latin_letters_beside_it_and_within_the_line(chinese_font: str) -> None:
    with using_font(chinese_font):
        block = text_block("國際龜龍", 33, DARK)
        assert block.shape == (line_height(33), 4 * 39, 3), "13 for 11 pixels"
        assert text_width("國 a", 33) == text_width("國", 33) + text_width(" a", 33)
    ink = np.flatnonzero((block < 200).any(axis=(1, 2)))
    assert 0 < ink.min() < ink.max() < len(block) - 1


def test_a_box_for_chinese_that_no_font_has_is_as_large_as_latin_letters(chinese_font: str) -> None:
    unassigned = "\u2e9a"
    assert missing_glyphs(unassigned) == {unassigned}
    assert text_width(unassigned, 33) == load_font(None, 33).getlength(unassigned)
    with using_font(chinese_font):
        assert text_width(f"國{unassigned}", 33) == 2 * 33, "nor are the signs that it stands among"


def test_text_is_dark_on_white_and_as_high_as_its_line() -> None:
    block = text_block("I", 40)
    assert block.shape[0] == line_height(40)
    assert tuple(block.min(axis=(0, 1))) == DARK
    assert (block[0] == 255).all()
    assert (text_block("", 40) == 255).all()


@pytest.mark.parametrize("text", ["a\nb", "\r\u2028\u2029\x85", "\ud800", "\x00", "e\u0301 \u200d\ufe0f"])
def test_no_text_breaks_the_drawing(text: str) -> None:
    assert text_block(text, 20).shape[0] == line_height(20)
    assert shortened(text, 1, 20)


def test_a_long_text_loses_its_middle_and_keeps_its_end() -> None:
    text = "a very long class name indeed 56%"
    short = shortened(text, 150, 20)
    assert text_width(short, 20) <= 150 < text_width(text, 20)
    head, tail = short.split("…")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert tail.endswith("56%")
    assert shortened("56%", 150, 20) == "56%"
    assert shortened(text, 0, 20) == "…"


def test_shortening_keeps_as_much_as_fits() -> None:
    for width in range(50, 250, 7):
        kept = len(shortened("x" * 100, width, 20)) - 1
        assert text_width("x" * kept + "…", 20) <= width < text_width("x" * (kept + 1) + "…", 20)


def test_a_line_is_cut_and_never_made_smaller() -> None:
    assert line_block("a" * 1000, 100, 30).shape[1] <= 100
    assert line_block("a" * 1000, 100, 30).shape[0] == line_height(30)


def test_lines_break_at_spaces_only_where_they_must() -> None:
    width = text_width("long name", 20) + 1
    assert wrapped("long name  7%", width, 20) == ["long name", "7%"]
    assert wrapped("7  98%", width, 20) == ["7  98%"]
    assert wrapped("a Donaudampfschiff", width, 20) == ["a", "Donaudampfschiff"]


def test_lines_break_after_hyphens_and_between_wide_characters_too() -> None:
    width = text_width("black-and-", 20) + 1
    assert wrapped("black-and-white", width, 20) == ["black-and-", "white"]
    assert wrapped("1e-05 x", text_width("1e-05", 20) + 1, 20) == ["1e-05", "x"], "no break within a number"
    assert wrapped("true 1 26% · all 0", text_width("true 1 26% · all", 20) + 1, 20) == ["true 1 26% ·", "all 0"]
    assert wrapped("猫科动物", text_width("猫科", 20) + 1, 20) == ["猫科", "动物"]


@pytest.mark.parametrize("end", [" 0.1%", " (458)", " · all 0", " · NaN"])
def test_a_short_end_stays_whole_where_a_text_is_cut(end: str) -> None:
    text = f"the greater tree-frog of the northern Atlas mountains{end}"
    for width in range(int(text_width("…" + end, 20) / 0.6) + 1, int(text_width(text, 20)), 20):
        cut = shortened(text, width, 20)
        assert cut.endswith("…" + end), cut
        assert cut.startswith("t")
        assert text_width(cut, 20) <= width


@pytest.mark.parametrize("text", ["家猫 (虎斑)", "家猫（虎斑），黑色。", "猫、犬「大」"])
def test_a_bracket_or_a_comma_stays_with_the_wide_characters_that_it_belongs_to(text: str) -> None:
    for room in range(3, 12):
        lines = wrapped(text, text_width("猫", 20) * room / 2, 20)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert not any(line[-1] in "(（「" or line[0] in ")）」，。、" for line in lines), lines


@pytest.mark.parametrize(
    ("word", "widest", "expected"),
    [
        ("untrained", "trained", ["un-", "trained"]),
        ("magnitude", "magnit-", ["magni-", "tude"]),
        ("butterfly", "butter-", ["butter-", "fly"]),
    ],
)
def test_a_word_that_is_too_wide_keeps_three_letters_or_a_syllable_on_each_line(
    word: str, widest: str, expected: list[str]
) -> None:
    for room in (1, 12, 24):
        found = in_lines(word, min(text_width(widest, 32) + room, text_width(word, 32) - 1), 32)
        assert found == expected, f"{room} pixels wider than {widest}"


def test_a_text_takes_as_many_lines_as_it_may_before_it_is_cut() -> None:
    width = text_width("long name", 20) + 1
    assert in_lines("long name 7%", width, 20) == ["long name", "7%"]
    first, second = in_lines("long name of the 56th kind", width, 20)
    assert first == "long name"
    assert second.startswith("o")
    assert second.endswith("d")
    assert "…" in second
    assert in_lines("long name 7%", width, 20, 1) == [shortened("long name 7%", width, 20)]
    assert not in_lines("", width, 20)[0]


def test_a_single_word_is_broken_before_it_is_cut() -> None:
    width = text_width("classifi-", 20) + 1
    assert in_lines("classification", width, 20)[0] == "classifi-"
    assert in_lines("butterfly", text_width("butter-", 20) + 1, 20, 1) == [
        shortened("butterfly", text_width("butter-", 20) + 1, 20)
    ]
    assert in_lines("हवाई-हिरणहिरणहिरण", width, 20)[-1].count("-") == 0, "not within letters that join"
    assert len(in_lines("layer4.0.downsample", width, 20)) == 1


def test_what_belongs_together_stays_on_one_line() -> None:
    assert wrapped("Grad-CAM · epoch\u00a04", text_width("Grad-CAM · epoch", 20) + 1, 20) == [
        "Grad-CAM ·",
        "epoch\u00a04",
    ]


def test_a_number_behind_a_name_from_right_to_left_stays_on_its_right() -> None:
    name, number = text_block("سيارة", 40), text_block(" 23%", 40)
    ink = [np.nonzero((block < 128).all(axis=2).any(axis=0))[0] for block in (name, number)]
    both = text_block("سيارة 23%", 40)
    assert (both[:, : name.shape[1] - 1] == name[:, : name.shape[1] - 1]).all(), "the name comes first"
    columns = np.nonzero((both < 128).all(axis=2).any(axis=0))[0]
    assert columns.max() - ink[0].max() == pytest.approx(ink[1].max() + name.shape[1] - ink[0].max(), abs=2)


def test_a_rendered_text_is_kept_and_cannot_be_changed() -> None:
    assert text_block("cat", 20) is text_block("cat", 20)
    with pytest.raises(ValueError, match="read-only"):
        text_block("cat", 20)[0] = np.uint8(0)
