from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lightning_cnnviz import CNNVisualizer, FixedSamples, SampleCards, explain
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import Card, Maps
from tests.helpers.training import fit, image_steps, sha
from tests.views.test_grad_cam import COUNTING, MAP, Hand


class Keeping(SampleCards):
    def __init__(self, **options: int) -> None:
        super().__init__("conv", **options)  # type: ignore[arg-type]
        self._cards: list[Card] = []

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for artifact in super().draw(evidence):
            if isinstance(artifact, Picture) and isinstance(artifact.figure, Card):
                self._cards.append(artifact.figure)
            yield artifact


def hand(*, second: float = 2.0) -> Hand:
    """The second channel is so many times the first one."""
    model = Hand([[0.01] * 8, [0.0] * 8])
    with torch.no_grad():
        model.conv.weight[1] = second
    return model


def test_by_hand() -> None:
    view = Keeping(channels=1)
    samples = FixedSamples(COUNTING, torch.tensor([1]), class_names=["ant", "bee"])
    explain(hand(), samples, [view])
    [card] = view._cards
    attention, pixels, channel = card.columns
    assert isinstance(attention, Maps)
    assert isinstance(pixels, Maps)
    assert isinstance(channel, Maps)
    # Both channels weigh 0.01, and the maps are 1 and 2 times the same.
    torch.testing.assert_close(torch.from_numpy(attention.values[0, 0]), 0.03 * MAP)
    assert channel.headings == ("ch 1",)
    assert (channel.values[0, 0] == 2 * MAP.numpy()).all()
    # A pixel in the middle is part of four windows, one in a corner of one.
    assert pixels.values[0, 0, 1, 1] > pixels.values[0, 0, 0, 0] > 0
    assert card.title == "Sample 0: ✗ ant, 100%, true bee"
    assert [(bar.name, bar.correct) for bar in card.bars] == [("ant", False), ("bee", True)]


def test_channels_are_chosen_for_each_sample_and_kept_from_the_first_epoch_on() -> None:
    view = Keeping(channels=1)
    explain(hand(), COUNTING, [view])  # before training: not kept
    explain(hand(second=0.5), COUNTING, [view])
    assert [card.columns[2].column_headings for card in view._cards] == [("ch 1",), ("ch 0",)]
    view.load_state_dict({"channels": {0: [1]}})
    explain(hand(second=0.5), COUNTING, [view])
    assert view._cards[-1].columns[2].column_headings == ("ch 1",)
    assert view.state_dict() == {"channels": {0: [1]}}


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (2, 2), (9, 3)])
def test_as_many_cards_as_samples_or_as_asked_for(most: int, expected: int) -> None:
    pictures = explain(hand(), COUNTING.repeat(3, 1, 1, 1), [SampleCards("conv", most=most)]).pictures
    assert list(pictures) == [f"sample_cards/{index}" for index in range(expected)]


def test_a_model_of_values_has_bars_of_its_values() -> None:
    view = Keeping()
    explain(Hand([[0.01] * 8]), COUNTING, [view], output="regression")
    assert [(bar.name, bar.share, bar.label) for bar in view._cards[0].bars] == [("predicted", 1.0, "5.4")]


@pytest.mark.slow
def test_in_training(tmp_path: Path) -> None:
    view = SampleCards(most=2)
    model = fit(tmp_path / "with", [CNNVisualizer([view], on_error="raise")], max_epochs=1)
    assert sha(model) == sha(fit(tmp_path / "without", [], max_epochs=1))
    assert image_steps(tmp_path / "with") == {"sample_cards/0": [0, 5], "sample_cards/1": [0, 5]}
    assert view.state_dict()["channels"].keys() == {0, 1}
