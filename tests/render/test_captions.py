"""What stands beside a sample, as lines of type."""

from __future__ import annotations

import math

import numpy as np

from lightning_cnnviz.render.blocks import Block, painted
from lightning_cnnviz.render.captions import Caption, caption_blocks, caption_lines, fit_beside, label_blocks
from lightning_cnnviz.render.text import DARK, line_height, text_width

PLAIN, LARGE = Caption(("4 → 2", "true 2")), Caption(("4 → 2", "true 2"), emphasis=1.5)


def inked_rows(block: Block) -> int:
    """How many rows of pixels from the first to the last that something is written in."""
    rows = np.flatnonzero((painted(block) < 200).any(axis=(1, 2)))
    return int(rows[-1] - rows[0]) + 1


def test_the_first_line_is_so_many_times_as_large() -> None:
    assert (LARGE.size_of(0, 20), LARGE.size_of(1, 20), PLAIN.size_of(0, 20)) == (30, 20, 20)
    [plain], [large] = (caption_blocks([one], [200], 200, 20) for one in (PLAIN, LARGE))
    assert large.shape[0] - plain.shape[0] == line_height(30) - line_height(20)
    [plain], [large] = (
        caption_lines([Caption(one.lines[:1], emphasis=one.emphasis)], 300, 20) for one in (PLAIN, LARGE)
    )
    assert 1.3 < inked_rows(large) / inked_rows(plain) < 1.7


def test_what_is_larger_needs_more_room() -> None:
    height = 2 * line_height(20)
    assert fit_beside([PLAIN], [height], 200, 20)
    assert not fit_beside([LARGE], [height], 200, 20)
    assert fit_beside([LARGE], [line_height(30) + line_height(20)], 200, 20)


def test_a_label_ends_no_line_with_a_dot() -> None:
    width = math.ceil(text_width("true 0 ·", 31))
    [block] = label_blocks(["true 0 · all 0"], width, 31, DARK)
    first, second = painted(block)[: line_height(31)], painted(block)[line_height(31) :]
    assert (first == painted(label_blocks(["true 0"], width, 31, DARK)[0])).all()
    assert (second == painted(label_blocks(["all 0"], width, 31, DARK)[0])).all()
