"""Fonts: what one lacks is taken from another, glyph by glyph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lightning_cnnviz.render import fonts, missing_glyphs
from lightning_cnnviz.render.fonts import fonts_of, load_font, missing_glyphs_remark
from lightning_cnnviz.render.text import text_block, text_width, using_font

FOLDER = Path(str(load_font(None, 20).path)).parent
STIX, ROMAN = str(FOLDER / "STIXGeneral.ttf"), str(FOLDER / "cmr10.ttf")
SCRIPT_G = "ℊ"  # STIX has it, DejaVu Sans has not
NOWHERE = "\U0010fffd"  # for private use: in no font


@pytest.fixture(autouse=True)
def only_stix_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def forget() -> None:
        fonts._font_with.cache_clear()
        for cached in (text_block.__globals__["_text_block"], text_block.__globals__["_text_width"]):
            cached.cache_clear()

    monkeypatch.setattr(fonts, "installed_fonts", lambda: (str(FOLDER / "no such font.ttf"), STIX))
    forget()
    yield
    forget()


def test_each_piece_of_a_text_has_the_first_font_that_can_show_it() -> None:
    assert fonts_of("cat", None) == [("cat", None)]
    assert fonts_of(f"cat {SCRIPT_G}1", None) == [("cat ", None), (SCRIPT_G, STIX), ("1", None)]
    assert fonts_of(f"a я {SCRIPT_G}", ROMAN) == [("a ", ROMAN), ("я", None), (" ", ROMAN), (SCRIPT_G, STIX)]


def test_a_mark_stays_with_the_letter_before_it() -> None:
    assert fonts_of(f"{SCRIPT_G}\u0301\u200da", None) == [(f"{SCRIPT_G}\u0301\u200d", STIX), ("a", None)]


def test_words_from_right_to_left_are_one_piece_in_a_font_that_the_space_is_not_of() -> None:
    for name in ("القطط الصغيرة", "חתול קטן", "قِطٌّ كَبِيرٌ جِدًّا"):
        assert fonts_of(name, ROMAN) == [(name, None)]
        with using_font(ROMAN):
            around = text_block(name, 40)
        np.testing.assert_array_equal((around < 128).any(axis=(0, 2)), (text_block(name, 40) < 128).any(axis=(0, 2)))
    assert fonts_of("قط cat я", ROMAN) == [("قط", None), (" cat ", ROMAN), ("я", None)]


def test_a_glyph_of_another_font_stands_where_it_belongs() -> None:
    mixed, alone = text_block(f"ab{SCRIPT_G}", 40), text_block("ab", 40)
    with using_font(STIX):
        width = text_width(SCRIPT_G, 40)
        glyph = text_block(SCRIPT_G, 40)
    assert text_width(f"ab{SCRIPT_G}", 40) == pytest.approx(text_width("ab", 40) + width)
    assert mixed.shape[0] == alone.shape[0]
    np.testing.assert_array_equal(mixed[:, : alone.shape[1] - 1], alone[:, :-1])
    drawn = mixed[:, alone.shape[1] :]
    assert (drawn < 128).any(axis=2).sum() == pytest.approx((glyph < 128).any(axis=2).sum(), rel=0.1)


def test_what_no_font_has_is_named() -> None:
    assert missing_glyphs(f"cat {SCRIPT_G}{NOWHERE}") == {NOWHERE}
    assert missing_glyphs_remark(("cat", SCRIPT_G), None) is None
    assert missing_glyphs_remark(None, None) is None
    remark = missing_glyphs_remark(("cat", f"x{NOWHERE}"), None)
    assert remark is not None
    assert NOWHERE in remark
    assert "font=" in remark


def test_each_script_that_is_missing_is_named_with_its_first_characters() -> None:
    remark = missing_glyphs_remark(("कुत्ता बिल्ली", "猫", "🚀", "cat"), None)
    assert remark is not None
    assert "boxes stand for Devanagari (क त ब …), CJK (猫), emoji and symbols (🚀): install" in remark


def test_signs_for_all_missing_characters_count_as_no_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    folder = tmp_path / ".fonts"
    folder.mkdir()
    for name in ("LastResortHE-Regular.ttf", "STIXGeneral.ttf"):
        (folder / name).symlink_to(FOLDER / name)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    fonts.installed_fonts.cache_clear()
    found = fonts.installed_fonts()
    fonts.installed_fonts.cache_clear()
    assert str(folder / "STIXGeneral.ttf") in found
    assert not any("LastResort" in path for path in found)
