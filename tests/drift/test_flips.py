"""The picture of the samples whose answer changed."""

from __future__ import annotations

import torch

from lightning_cnnviz import Flips
from tests.helpers.drift import look, samples, small_cnn, through_file


def test_draws_the_samples_that_flipped_and_nothing_else() -> None:
    flips, model, judged = Flips(), small_cnn(), samples()
    assert not look([flips], model, judged).pictures
    assert not look([flips], model, judged).pictures
    with torch.no_grad():
        model.head.bias[2] += 100
    assert list(look([flips], model, judged, epoch=1).pictures) == ["flips"]


def test_more_rows_for_more_flips() -> None:
    def height(rows: int) -> int:
        flips, model = Flips(rows=rows, changed_only=False), small_cnn()
        look([flips], model, samples())
        return int(look([flips], model, samples()).pictures["flips"].shape[0])

    assert height(1) < height(2) < height(4)


def test_the_state_survives_a_file() -> None:
    flips, model = Flips(), small_cnn()
    look([flips], model, samples(), epoch=3)
    resumed = Flips()
    resumed.load_state_dict(through_file(flips.state_dict()))
    with torch.no_grad():
        model.head.bias[2] += 100
    expected, found = look([flips], model, samples(), epoch=4), look([resumed], model, samples(), epoch=4)
    assert (expected.pictures["flips"] == found.pictures["flips"]).all()
