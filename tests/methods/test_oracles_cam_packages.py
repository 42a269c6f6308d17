"""torchcam and pytorch-grad-cam find the same maps, or a case worked out by hand says why not."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import CAM, FixedSamples, GradCAM, explain
from lightning_cnnviz.methods.cam import Variant, activation_map
from tests.helpers.architectures import (
    ARCHITECTURES,
    architecture,
    functions_out_of_place,
    relative_error,
    without_in_place,
)

pytestmark = pytest.mark.filterwarnings("ignore")

TORCHCAM = {"gradcam": "GradCAM", "gradcam++": "GradCAMpp", "xgradcam": "XGradCAM", "layercam": "LayerCAM"}
PYTORCH_GRAD_CAM = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAMPlusPlus",
    "hirescam": "HiResCAM",
    "xgradcam": "XGradCAM",
    "layercam": "LayerCAM",
}
WITH_LINEAR_HEAD = sorted(set(ARCHITECTURES) - {"alexnet", "squeezenet1_1"})


def _tag(variant: str, layer: str) -> str:
    return f"{'grad_cam' if variant == 'gradcam' else variant}/{layer}"


@lru_cache(maxsize=1)
def _case(name: str) -> tuple[nn.Module, Tensor, list[int], dict[str, Tensor]]:
    """A twin that others can hook, images, the predicted classes, and what our views give of the network itself."""
    model, images = architecture(name)
    _amplify(model)
    views = [GradCAM(variant=variant) for variant in get_args(Variant)] + [CAM()] * (name in WITH_LINEAR_HEAD)
    arrays = explain(model, FixedSamples(images.float()), views).arrays
    images = images.float().double()
    return without_in_place(model), images, model(images).argmax(dim=1).tolist(), arrays


def _amplify(model: nn.Module) -> None:
    """Large gradients: pytorch-grad-cam adds 1e-6 to a denominator made of their squares, see below."""
    weighing = [module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    with torch.no_grad():
        for parameter in weighing[-1].parameters():
            parameter.mul_(1e4)


def _torchcam(method: str, model: nn.Module, layer: str, images: Tensor, classes: list[int]) -> Tensor:
    import torchcam.methods as torchcam

    with getattr(torchcam, method)(model, layer) as extractor:
        scores = model(images.clone().requires_grad_())
        arguments = (classes,) if method == "CAM" else (classes, scores)
        found: Tensor = extractor(*arguments, normalized=False)[0]
    return found.detach()


def _pytorch_grad_cam(method: str, model: nn.Module, layer: str, images: Tensor, classes: list[int]) -> Tensor:
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets: list[Any] = [ClassifierOutputTarget(index) for index in classes]
    module = model.get_submodule(layer)
    with getattr(pytorch_grad_cam, method)(model, [module]) as extractor:
        extractor(images.clone().requires_grad_(), targets)
        (activations,), (gradients,) = (
            extractor.activations_and_grads.activations,
            extractor.activations_and_grads.gradients,
        )
        found = extractor.get_cam_image(images, module, targets, activations.numpy(), gradients.numpy(), False)
    return torch.from_numpy(np.maximum(found, 0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_both_packages_agree(name: str) -> None:
    model, images, classes, ours = _case(name)
    layer = ARCHITECTURES[name][1]
    # DenseNet's layer comes before its last ReLU: activations of both signs, of which some channels sum to almost zero.
    left_out = {"xgradcam"} if name == "densenet121" else set()
    with functions_out_of_place():
        for variant in sorted(TORCHCAM.keys() - {"gradcam++"} - left_out):
            found = _torchcam(TORCHCAM[variant], model, layer, images, classes)
            assert relative_error(ours[_tag(variant, layer)], found) <= 1e-5, f"torchcam {variant}"
        for variant in sorted(PYTORCH_GRAD_CAM.keys() - left_out):
            found = _pytorch_grad_cam(PYTORCH_GRAD_CAM[variant], model, layer, images, classes)
            assert relative_error(ours[_tag(variant, layer)], found) <= 1e-5, f"pytorch-grad-cam {variant}"


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_LINEAR_HEAD)
def test_torchcam_agrees_on_cam(name: str) -> None:
    model, images, classes, ours = _case(name)
    layer = ARCHITECTURES[name][1]
    found = _torchcam("CAM", model, layer, images, classes)
    assert relative_error(ours[f"cam/{layer}"], found) <= 1e-5


class _Tiny(nn.Module):
    """Two maps of two pixels, each weighed by a number of its own: activations and gradients are known."""

    def __init__(self, weights: list[list[float]], activations: list[list[float]], *, in_place: bool = False) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 2, 1)
        self.maps.weight.data = torch.ones(2, 1, 1, 1)
        self.maps.bias.data.zero_()  # type: ignore[union-attr]
        self.scale = nn.Parameter(torch.tensor(activations)[:, None, :])
        self.relu = nn.ReLU(in_place)
        self.last = _Scaled(self.scale)
        self.weights = nn.Parameter(torch.tensor(weights)[:, None, :])
        self.in_place = in_place

    def forward(self, images: Tensor) -> Tensor:
        maps = self.last(self.maps(images))
        maps = torch.relu_(maps) if self.in_place else torch.relu(maps)
        return (maps * self.weights).sum(dim=(1, 2, 3))[:, None].expand(-1, 2)


class _Scaled(nn.Module):
    def __init__(self, scale: nn.Parameter) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, maps: Tensor) -> Tensor:
        return maps * self.scale


IMAGES = torch.ones(1, 1, 1, 2)


@pytest.mark.slow
def test_torchcam_forgets_the_denominator_of_grad_cam_plus_plus() -> None:
    # Activations 1, 3 and 2, 1; gradients 1, 2 and 1, -1. By equation 19: shares 1/(2+4) and 4/(8+32), so channel 0
    # weighs 1/6 + 2/10 = 11/30; share 1/(2+3), so channel 1 weighs 1/5. torchcam divides a copy that it drops, and
    # weighs by the cubes of the positive gradients: 1 + 8 = 9 and 1.
    model = _Tiny([[1.0, 2.0], [1.0, -1.0]], [[1.0, 3.0], [2.0, 1.0]])
    ours = explain(model, IMAGES, [GradCAM("last", "gradcam++")], target=0).arrays["gradcam++/last"]
    torch.testing.assert_close(ours, torch.tensor([[[11 / 30 + 2 / 5, 33 / 30 + 1 / 5]]]))
    theirs = _torchcam("GradCAMpp", model, "last", IMAGES, [0])
    torch.testing.assert_close(theirs, torch.tensor([[[9.0 + 2.0, 27.0 + 1.0]]]))
    correct = _pytorch_grad_cam("GradCAMPlusPlus", model, "last", IMAGES, [0])
    torch.testing.assert_close(ours, correct, rtol=1e-5, atol=0)


@pytest.mark.slow
def test_pytorch_grad_cam_plus_plus_fades_with_small_gradients() -> None:
    import pytorch_grad_cam

    # Twice the gradient of 1e-3 squared is 2e-6, to which pytorch-grad-cam adds 1e-6: a third of the map is lost.
    activations, gradients = torch.tensor([[[[1e-6, 1e-6]]]]), torch.full((1, 1, 1, 2), 1e-3)
    ours = activation_map(activations, gradients, "gradcam++")
    torch.testing.assert_close(ours, torch.tensor([[[1e-9, 1e-9]]]))  # each share is 1/2
    extractor = object.__new__(pytorch_grad_cam.GradCAMPlusPlus)
    weights = extractor.get_cam_weights(None, None, None, activations.numpy(), gradients.numpy())
    assert float(weights[0, 0]) == pytest.approx(2 / 3 * 1e-3, rel=1e-3)


@pytest.mark.slow
def test_others_add_a_constant_to_the_sum_of_activations_in_xgrad_cam() -> None:
    import pytorch_grad_cam

    # Activations 3e-7 and -2e-7 sum to 1e-7; gradients 1 and -1: the weight is (3e-7 + 2e-7) / 1e-7 = 5.
    # pytorch-grad-cam divides by 1e-7 more, hence by twice as much, torchcam by 1e-8 more.
    activations, gradients = torch.tensor([[[[3e-7, -2e-7]]]]).double(), torch.tensor([[[[1.0, -1.0]]]]).double()
    ours = activation_map(activations, gradients, "xgradcam")
    torch.testing.assert_close(ours, torch.tensor([[[15e-7, 0.0]]]).double())
    extractor = object.__new__(pytorch_grad_cam.XGradCAM)
    weights = extractor.get_cam_weights(None, None, None, activations.numpy(), gradients.numpy())
    assert float(weights[0, 0]) == pytest.approx(2.5)


@pytest.mark.slow
def test_a_function_in_place_after_the_layer_changes_what_others_kept() -> None:
    # Activations -2, 1 and 1, 2 before the ReLU, weights 0, 1 and 1, 0 behind it. Gradients with respect to the
    # layer's output: 0, 1 and 1, 0. Channel weights 1/2 and 1/2: the map is (-2 + 1)/2 = -1/2, cut off, and 3/2.
    # Packages that kept the output see 0 instead of -2 once the ReLU has written over it: (0 + 1)/2 = 1/2.
    for in_place in (False, True):
        model = _Tiny([[0.0, 1.0], [1.0, 0.0]], [[-2.0, 1.0], [1.0, 2.0]], in_place=in_place)
        ours = explain(model, IMAGES, [GradCAM("last")], target=0).arrays["grad_cam/last"]
        assert ours.tolist() == [[[0.0, 1.5]]]
        for package in (_torchcam, _pytorch_grad_cam):
            assert package("GradCAM", model, "last", IMAGES, [0]).tolist() == [[[0.5 if in_place else 0.0, 1.5]]]
