"""What Drift takes, and what it says of anything else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_cnnviz import Drift, DriftCallback
from tests.helpers.drift import look, samples, small_cnn
from tests.helpers.training import SmallCNN, events, fit, loader, trainer


@pytest.mark.parametrize("few", [7, samples(7)])
def test_seven_samples_are_refused(few: Any) -> None:
    with pytest.raises(MisconfigurationException, match="samples must be at least 8, got 7"):
        DriftCallback(samples=few)


def test_a_validation_set_of_seven_samples_costs_the_drift_and_not_the_run(tmp_path: Path) -> None:
    callback = DriftCallback()
    run = trainer(tmp_path, [callback])
    with pytest.warns(UserWarning, match="without Drift: ValueError: drift needs at least 8 samples, got 7"):
        run.fit(SmallCNN(), loader(count=7), loader(count=7))
    assert run.global_step == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": []}, "reference must be .*got none"),
        ({"reference": ["previous", "previous"]}, "'previous' twice"),
        ({"maps": ["cam"]}, "'grad_cam', 'hirescam', 'saliency'"),
        ({"samples": 7}, "at least 8, got 7"),
        ({"alarm": {"drift/flips": math.nan}}, "finite"),
        ({"warm_up": 0}, "warm_up must be a positive integer"),
    ],
)
def test_errors_name_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Drift(**options)


@pytest.mark.parametrize(
    ("tag", "near"),
    [
        ("drift/typo", "drift/"),
        ("drift/grad_cam/focus_shift", "drift/grad_cam_focus_shift"),
        ("drift_layers/features/bodi/previous", "drift_layers/features/body/previous"),
        ("shortcuts/hirescam_border", "shortcuts/grad_cam_border"),
        ("drift_layers/features/head/previous", "drift_layers/features/body/previous"),  # has no maps
    ],
)
def test_a_limit_for_no_number_is_refused_before_training(tmp_path: Path, tag: str, near: str) -> None:
    callback = DriftCallback(samples=samples(16), alarm={tag: 0.5})
    with pytest.raises(MisconfigurationException, match="there is no such number") as caught:
        fit(tmp_path, [callback])
    assert near in str(caught.value)
    assert not (tmp_path / "events").exists() or "drift/features" not in events(tmp_path).Tags()["scalars"]


def test_every_number_of_a_look_can_have_a_limit() -> None:
    judged, model = samples(16, regions=torch.tensor([[0, 0, 8, 8]] * 16)), small_cnn()
    drift = Drift()
    look([drift], model, judged)
    numbers = look([drift], model, judged).scalars
    assert len(numbers) > 50
    look([Drift(alarm=dict.fromkeys(numbers, 9.0))], model, judged)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="on_alarm must be a function that takes the alarm, got 'print'"):
        Drift(on_alarm="print")  # type: ignore[arg-type]


@pytest.mark.parametrize("reference", ["previous", ["previous", "first"]])
def test_a_command_line_builds_the_callback(tmp_path: Path, reference: str | list[str]) -> None:
    from lightning.pytorch.cli import LightningCLI

    config = {
        "trainer.callbacks": [
            {"class_path": "lightning_cnnviz.DriftCallback", "init_args": {"reference": reference, "alarm": "auto"}}
        ]
    }
    arguments = [f"--{key}={json.dumps(value)}" for key, value in config.items()]
    built = LightningCLI(SmallCNN, run=False, args=arguments, save_config_callback=None).trainer
    (callback,) = (one for one in built.callbacks if isinstance(one, DriftCallback))
    drift = callback.views[0]
    assert isinstance(drift, Drift)
    assert drift.reference == ((reference,) if isinstance(reference, str) else tuple(reference))
