"""Captum finds the same attributions on torchvision's networks, or a case worked out by hand says why not."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, GradCAM, GuidedGradCAM, Saliency, explain
from lightning_cnnviz.methods.backward_rules import Rule
from tests.helpers.architectures import (
    ARCHITECTURES,
    architecture,
    functions_out_of_place,
    relative_error,
    without_in_place,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:captum")

STEPS, LABEL = 4, 2
_INTEGRATED = Saliency("integrated_gradients", steps=STEPS, baseline="zero")
# Captum applies its rules to modules of the class nn.ReLU; these networks call F.relu or use ReLU6.
CAPTUM_MISSES_RELUS = {"densenet121", "googlenet", "mobilenet_v2"}


@lru_cache(maxsize=1)
def _case(name: str) -> tuple[nn.Module, Tensor, dict[str, Tensor]]:
    """A twin that captum can hook, images for it, and what our views give of the network itself."""
    model, images = architecture(name)
    methods = ("gradient", "input_x_gradient", "guided", "deconvnet")
    views = [Saliency(method) for method in methods]  # type: ignore[arg-type]
    arrays = explain(model, FixedSamples(images.float()), [*views, GradCAM()], target=LABEL).arrays
    return without_in_place(model), images.float().double(), arrays


def _compare(name: str, tag: str, found: Tensor) -> None:
    expected = _case(name)[2][tag]
    assert relative_error(expected, found.detach().reshape(expected.shape)) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_captum_agrees(name: str) -> None:
    from captum import attr

    model, images, _ = _case(name)
    layer = ARCHITECTURES[name][1]
    images = images.clone().requires_grad_()
    _compare(name, "saliency/gradient", attr.Saliency(model).attribute(images, target=LABEL, abs=False))
    _compare(name, "saliency/input_x_gradient", attr.InputXGradient(model).attribute(images, target=LABEL))
    with functions_out_of_place():
        grad_cam = attr.LayerGradCam(model, model.get_submodule(layer))
        _compare(name, f"grad_cam/{layer}", grad_cam.attribute(images, target=LABEL, relu_attributions=True))
    if name not in CAPTUM_MISSES_RELUS:
        _compare(name, "saliency/guided", attr.GuidedBackprop(model).attribute(images, target=LABEL))
        _compare(name, "saliency/deconvnet", attr.Deconvolution(model).attribute(images, target=LABEL))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "resnet18", "shufflenet_v2_x0_5"])
def test_captum_agrees_on_what_takes_many_passes(name: str) -> None:
    from captum import attr

    (model, images), layer = architecture(name), ARCHITECTURES[name][1]
    model, images = without_in_place(model), images.float().double()
    samples, views = FixedSamples(images.float()), [_INTEGRATED, GuidedGradCAM()]
    ours = explain(model, samples, views, target=LABEL).arrays
    path = attr.IntegratedGradients(model).attribute(images, target=LABEL, n_steps=STEPS, method="riemann_middle")
    assert relative_error(ours["saliency/integrated_gradients"], path.detach()) <= 1e-5
    guided = attr.GuidedGradCam(model, model.get_submodule(layer))
    found = guided.attribute(images.clone().requires_grad_(), target=LABEL, interpolate_mode="bilinear")
    assert relative_error(ours[f"guided_grad_cam/{layer}"], found.detach()) <= 1e-5


class _RuledReLU(torch.autograd.Function):
    """Guided backpropagation and deconvnet as textbooks write them: a ReLU with another backward."""

    rule: Rule = "guided"

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor, most: float) -> Tensor:
        ctx.save_for_backward((values > 0) & (values < most))
        return values.clamp(0, most)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        (passing,) = ctx.saved_tensors  # type: ignore[attr-defined]
        positive = gradients[0].relu()
        return (positive * passing if _RuledReLU.rule == "guided" else positive), None


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CAPTUM_MISSES_RELUS | {"resnet18"}))
def test_rules_agree_with_another_relu_put_in_everywhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, images, _ = _case(name)
    monkeypatch.setattr(F, "relu", lambda values, inplace=False: _RuledReLU.apply(values, float("inf")))
    monkeypatch.setattr(F, "hardtanh", lambda values, low, high, inplace=False: _RuledReLU.apply(values, high))
    for rule in ("guided", "deconvnet"):
        monkeypatch.setattr(_RuledReLU, "rule", rule)
        inputs = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(inputs)[:, LABEL].sum(), inputs)
        _compare(name, f"saliency/{rule}", gradient)


class _Functional(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return (F.relu(images) * torch.tensor([1.0, -1.0])).flatten(1)


def test_captum_misses_a_relu_that_is_no_module() -> None:
    from captum import attr

    # Score: 1·ReLU(x0) − 1·ReLU(x1) with both inputs positive. Guided backpropagation stops the negative gradient.
    class Summed(_Functional):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images).sum(dim=1, keepdim=True).expand(-1, 2)

    images = torch.tensor([[[[2.0, 3.0]]]])
    ours = explain(Summed(), FixedSamples(images), [Saliency("guided")], target=0).arrays["saliency/guided"]
    assert ours.flatten().tolist() == [1.0, 0.0]
    theirs = attr.GuidedBackprop(Summed()).attribute(images.clone().requires_grad_(), target=0)
    assert theirs.flatten().tolist() == [1.0, -1.0]
