from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.render.placing import lay_over, map_size, outlined, rescaled

PICTURE = np.full((6, 10, 3), 100, np.uint8)
HEAT = np.zeros((4, 4, 3), np.uint8)
HEAT[0, 3] = 200  # the upper right corner


@pytest.mark.parametrize(
    ("box", "row", "column"),
    [
        ((2.0, 1.0, 6.0, 5.0), 1, 5),
        ((6.0, 1.0, 2.0, 5.0), 1, 2),
        ((2.0, 5.0, 6.0, 1.0), 4, 5),
        ((6.0, 5.0, 2.0, 1.0), 4, 2),
        ((-1.0, 3.0, 3.0, 7.0), 3, 2),
        ((8.0, -1.0, 4.0, 3.0), None, None),
    ],
)
def test_a_corner_of_the_map_lies_in_its_place(box, row, column):
    assert map_size(box) == (4, 4)
    alone, over = lay_over(PICTURE, HEAT, box, 0.5)
    assert over.shape == alone.shape == PICTURE.shape
    bright = np.argwhere(alone[..., 0] == 200).tolist()
    assert bright == ([] if row is None else [[row, column]])
    covered = alone[..., 0] != 236
    assert (over[..., 0][~covered] == 100).all()
    assert sorted(set(over[..., 0][covered].tolist())) == ([50, 150] if bright else [50])
    left, right = sorted((int(box[0]), int(box[2])))
    top, bottom = sorted((int(box[1]), int(box[3])))
    assert covered.sum() == len(range(max(left, 0), min(right, 10))) * len(range(max(top, 0), min(bottom, 6)))
    assert (PICTURE == 100).all()


def test_a_box_outside_changes_nothing():
    alone, over = lay_over(PICTURE, HEAT, (20.0, 1.0, 24.0, 5.0), 0.5)
    assert np.array_equal(over, PICTURE)
    assert (alone == 236).all()


def test_boxes_follow_the_size_of_the_picture():
    assert rescaled((2.0, 1.0, -6.0, 5.0), PICTURE, np.zeros((3, 20, 3), np.uint8)) == (4.0, 0.5, -12.0, 2.5)


def test_a_frame_stands_around_a_part_and_not_around_all():
    picture = np.full((60, 100, 3), 100, np.uint8)
    marked = outlined(picture, (20.0, 10.0, 60.0, 50.0))
    changed = np.argwhere((marked != picture).any(axis=2))
    assert changed.min(axis=0).tolist() == [10, 20]
    assert changed.max(axis=0).tolist() == [49, 59]
    assert marked[30, 20].tolist() == [0] * 3
    assert marked[30, 21].tolist() == [255] * 3
    assert (marked[12:48, 22:58] == 100).all()
    assert outlined(picture, (100.0, 0.0, 0.0, 60.0)) is picture
    assert outlined(picture, (0.0, 0.0, 1.0, 1.0)) is picture
