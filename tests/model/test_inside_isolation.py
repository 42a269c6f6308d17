"""What is in force while the user's model is called: modes, gradients, precision, random numbers."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, GradCAM, Saliency, explain
from lightning_cnnviz.guard.process_state import process_state_preserved
from lightning_cnnviz.model.isolation import isolated, placement
from tests.helpers.fingerprint import fingerprint
from tests.helpers.regime_models import CountsCalls, DrawsInForward
from tests.helpers.training import SmallCNN

IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_inside_the_model_is_in_evaluation_mode_and_random_numbers_repeat() -> None:
    model = DrawsInForward()
    answers = []
    for _ in range(2):
        with isolated(model):
            assert not any(module.training for module in model.modules())
            answers.append(model(IMAGES))
        torch.rand(5), np.random.rand(5), random.random()  # noqa: NPY002

    assert torch.equal(*answers)


def test_gradients_under_no_grad_and_under_inference_mode_equal_the_ordinary_ones() -> None:
    model, samples = SmallCNN().eval(), FixedSamples(IMAGES)
    images = IMAGES.clone().requires_grad_()
    expected = torch.autograd.grad(model(images).amax(dim=1).sum(), images)[0]

    with torch.no_grad():
        under_no_grad = explain(model, samples, [Saliency()]).arrays["saliency/gradient"]
    with torch.inference_mode():
        under_inference = explain(model, samples, [Saliency()]).arrays["saliency/gradient"]

    torch.testing.assert_close(under_no_grad, expected)
    torch.testing.assert_close(under_inference, expected)


def test_samples_made_under_inference_mode_serve() -> None:
    with torch.inference_mode():
        samples = FixedSamples(IMAGES.clone())

    assert explain(SmallCNN(), samples, [GradCAM()]).arrays["grad_cam/body"].shape == (4, 4, 4)


def test_samples_copied_under_inference_mode_serve() -> None:
    with torch.inference_mode():
        samples = copy.deepcopy(FixedSamples(IMAGES.clone()))
        assert samples.images.is_inference()

    assert explain(SmallCNN(), samples, [GradCAM()]).arrays["grad_cam/body"].shape == (4, 4, 4)


def test_a_model_made_under_inference_mode_is_explained() -> None:
    with torch.inference_mode():
        model = CountsCalls()
        model.running = torch.zeros(())
    ordinary = CountsCalls()
    ordinary.load_state_dict(model.state_dict())
    before = fingerprint(model)

    maps = explain(model, IMAGES, [GradCAM()]).arrays["grad_cam/body"]

    torch.testing.assert_close(maps, explain(ordinary, IMAGES, [GradCAM()]).arrays["grad_cam/body"])
    assert before.differences(fingerprint(model)) == []


def test_a_model_without_parameters_can_be_called() -> None:
    model = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    with isolated(model):
        assert model(IMAGES).shape == (4, 4)
    assert placement(model) == (torch.device("cpu"), torch.float32)


def test_double_precision_models_get_double_precision() -> None:
    # As under Lightning's "64-true", where a matrix product with a new tensor of another precision would be refused.
    class MakesTensors(SmallCNN):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) @ torch.eye(3)

    assert explain(MakesTensors().double(), IMAGES, [Saliency()]).arrays["saliency/gradient"].shape == IMAGES.shape
    assert torch.get_default_dtype() == torch.float32


def test_users_backward_hooks_do_not_see_our_gradients() -> None:
    model, seen = SmallCNN(), []
    model.body.register_full_backward_hook(lambda module, given, received: seen.append("full"))
    model.body.register_full_backward_pre_hook(lambda module, received: seen.append("before"))

    explain(model, IMAGES, [Saliency(), GradCAM()])
    assert seen == []

    model(IMAGES.clone().requires_grad_()).sum().backward()
    assert seen == ["before", "full"]


def test_autocast_around_us_does_not_reach_the_look() -> None:
    # Half precision makes small gradients zero, so what is drawn would depend on where we are called from.
    model = SmallCNN()
    expected = explain(model, IMAGES, [Saliency()]).arrays["saliency/gradient"]

    with torch.autocast("cpu", torch.bfloat16):
        found = explain(model, IMAGES, [Saliency()]).arrays["saliency/gradient"]

    assert torch.equal(found, expected)


class NotANumber(SmallCNN):
    """Its gradient is not a number, as in a training that has diverged."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + (0 * images.sum()).sqrt()


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_anomaly_detection_does_not_stop_a_look_at_a_model_that_has_diverged() -> None:
    model = NotANumber()
    with torch.autograd.detect_anomaly():
        found = explain(model, IMAGES, [Saliency()]).arrays["saliency/gradient"]

    assert found.isnan().any()


def test_deterministic_algorithms_only_warn_on_cuda_while_the_model_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    # Some backward passes have no deterministic kernel there and would refuse to run.
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    with process_state_preserved():
        torch.use_deterministic_algorithms(True)
        with isolated(SmallCNN()):
            assert torch.get_deterministic_debug_mode() == 1  # 1 warns, 2 raises
        assert torch.get_deterministic_debug_mode() == 2


def test_scripted_modules_are_in_evaluation_mode_and_then_in_training_mode_again() -> None:
    model, ones = nn.Sequential(torch.jit.script(nn.Dropout(0.5))), torch.ones(64)
    with isolated(model):
        assert torch.equal(model(ones), ones)
    assert set(model(ones).tolist()) == {0.0, 2.0}


def test_compiled_code_runs_eagerly() -> None:
    compiled = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    model = torch.compile(nn.Flatten(), backend=backend)
    with isolated(model):
        model(IMAGES)
    assert len(compiled) == 0
    model(IMAGES)
    assert len(compiled) == 1
