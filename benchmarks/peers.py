"""What people use instead, task by task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from captum.attr import LayerActivation, LayerGradCam, Saliency
from pytorch_grad_cam import GradCAM as PytorchGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam.methods import GradCAM as TorchcamGradCAM
from torchvision.models.feature_extraction import create_feature_extractor

from benchmarks.timing import interleaved

Task: TypeAlias = Callable[[], object]


def fastest(model: nn.Module, stages: list[str], images: Tensor) -> dict[str, Task]:
    """For each of the four tasks the peer that is fastest in a trial, by name."""
    with torch.no_grad():
        classes = model(images).argmax(dim=1).tolist()
    chosen = {}
    for candidates in (
        _grad_cam(model, stages, images, classes),
        {"captum Saliency": partial(_captum_saliency, model, images, classes)},
        _feature_maps(model, stages, images),
        {"torch, 5 best classes": partial(_best_classes, model, images)},
    ):
        trial = interleaved(candidates, 1)
        name = min(candidates, key=trial.median)
        chosen[name] = candidates[name]
    return chosen


def _grad_cam(model: nn.Module, stages: list[str], images: Tensor, classes: list[int]) -> dict[str, Task]:
    return {
        "torchcam GradCAM": partial(_torchcam, model, stages, images, classes),
        "captum LayerGradCam": partial(_captum_grad_cam, model, stages, images, classes),
        "pytorch-grad-cam GradCAM": partial(_pytorch_grad_cam, model, stages, images, classes),
    }


def _feature_maps(model: nn.Module, stages: list[str], images: Tensor) -> dict[str, Task]:
    # Made outside the race: it traces the model, which is to be done once.
    extractor = create_feature_extractor(model, stages)
    return {
        "torchvision create_feature_extractor": partial(_without_gradients, extractor, images),
        "captum LayerActivation": partial(_captum_activations, model, stages, images),
    }


def _torchcam(model: nn.Module, stages: list[str], images: Tensor, classes: list[int]) -> object:
    with TorchcamGradCAM(model, target_layer=list(stages)) as extractor:
        return extractor(classes, model(images))


def _captum_grad_cam(model: nn.Module, stages: list[str], images: Tensor, classes: list[int]) -> object:
    target = torch.tensor(classes)
    return [
        LayerGradCam(model, model.get_submodule(stage)).attribute(images, target, relu_attributions=True)
        for stage in stages
    ]


def _pytorch_grad_cam(model: nn.Module, stages: list[str], images: Tensor, classes: list[int]) -> object:
    targets = [ClassifierOutputTarget(index) for index in classes]
    maps = []
    for stage in stages:
        with PytorchGradCAM(model, [model.get_submodule(stage)]) as method:
            maps.append(method(images, targets))
    return maps


def _captum_saliency(model: nn.Module, images: Tensor, classes: list[int]) -> object:
    return Saliency(model).attribute(images.clone().requires_grad_(), torch.tensor(classes), abs=False)


def _captum_activations(model: nn.Module, stages: list[str], images: Tensor) -> object:
    with torch.no_grad():
        return [LayerActivation(model, model.get_submodule(stage)).attribute(images) for stage in stages]


def _without_gradients(model: nn.Module, images: Tensor) -> object:
    with torch.no_grad():
        return model(images)


def _best_classes(model: nn.Module, images: Tensor) -> object:
    with torch.no_grad():
        return model(images).softmax(dim=1).topk(5)
