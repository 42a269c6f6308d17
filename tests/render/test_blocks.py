"""What is kept of pictures that have been resized."""

import gc
import weakref

import numpy as np

from lightning_cnnviz.render.blocks import Resized, painted


def test_a_read_only_picture_is_resized_once_and_a_writable_one_at_every_drawing() -> None:
    for frozen in (True, False):
        pixels = np.full((4, 4, 3), 10, np.uint8)
        picture = pixels[:]
        picture.flags.writeable = not frozen
        block = Resized(picture, (2, 2), smooth=True)
        assert (painted(block) == 10).all()
        pixels[:] = 200  # through the array below, which nobody does: it shows what was kept
        assert (painted(block) == (10 if frozen else 200)).all(), f"read-only: {frozen}"
        assert painted(Resized(picture, (3, 2), smooth=True)).shape == (3, 2, 3)


def test_what_is_kept_is_of_that_very_picture_and_does_not_keep_it_alive() -> None:
    for shade in (10, 200):
        picture = np.full((4, 4, 3), shade, np.uint8)
        picture.flags.writeable = False
        assert (painted(Resized(picture, (2, 2), smooth=False)) == shade).all()
        gone = weakref.ref(picture)
        del picture  # its id may become that of the next one
        gc.collect()
        assert gone() is None
