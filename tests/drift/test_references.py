"""Drift from a model that was saved before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from lightning_cnnviz import Drift, DriftCallback
from tests.helpers.drift import look, moved, samples, small_cnn
from tests.helpers.training import SmallCNN, events, fit, sha


def test_a_checkpoint_of_the_same_weights_is_zero_away(tmp_path: Path) -> None:
    model = small_cnn()
    torch.save(model.state_dict(), tmp_path / "deployed.pt")
    numbers = moved(look([Drift(reference=tmp_path / "deployed.pt")], model, samples()))
    assert numbers["drift_layers/features/body/deployed"] == 0
    assert numbers["drift_layers/grad_cam/body/deployed"] == 0


def test_equals_a_look_at_the_other_model_itself(tmp_path: Path) -> None:
    model, other = small_cnn(1), small_cnn(2)
    torch.save({"state_dict": other.state_dict()}, tmp_path / "deployed.ckpt")
    before = sha(model)
    by_path = moved(look([Drift(reference=tmp_path / "deployed.ckpt")], model, samples()))
    drift = Drift(reference="previous")
    look([drift], other, samples())
    by_model = moved(look([drift], model, samples()))
    assert by_path["drift_layers/features/body/deployed"] == by_model["drift_layers/features/body/previous"] > 0
    assert by_path["drift_layers/saliency/input/deployed"] == by_model["drift_layers/saliency/input/previous"]
    assert sha(model) == before


def test_the_file_is_read_once(tmp_path: Path) -> None:
    drift, path = Drift(reference=tmp_path / "deployed.pt"), tmp_path / "deployed.pt"
    torch.save(small_cnn(2).state_dict(), path)
    first = moved(look([drift], small_cnn(), samples()))
    path.unlink()
    assert moved(look([drift], small_cnn(), samples())) == first


@pytest.mark.parametrize("content", ["nothing", "other model", "no state", "other shape"])
def test_what_does_not_fit_is_said_before_training(tmp_path: Path, content: str) -> None:
    path = tmp_path / "deployed.pt"
    if content == "other model":
        torch.save(nn.Linear(2, 2).state_dict(), path)
    elif content == "no state":
        torch.save([1, 2], path)
    elif content == "other shape":
        torch.save(SmallCNN(classes=7).state_dict(), path)
    with pytest.raises(MisconfigurationException, match=r"checkpoint .*deployed\.pt"):
        fit(tmp_path, [DriftCallback(reference=["previous", path], samples=samples())])


@pytest.mark.slow
def test_training_against_a_baseline_stays_the_same_to_the_bit(tmp_path: Path) -> None:
    torch.save(small_cnn(2).state_dict(), tmp_path / "deployed.pt")
    callback = DriftCallback(reference=["previous", tmp_path / "deployed.pt"], samples=samples(), details=True)
    assert sha(fit(tmp_path / "a", [])) == sha(fit(tmp_path / "b", [callback]))
    assert len(events(tmp_path / "b").Scalars("drift_layers/features/body/deployed")) == 3
