"""Networks of torchvision as the tests of attributions take them: small heads, lively activations, float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

CLASSES = 7


def _small_alexnet() -> nn.Module:
    """AlexNet has 60 million weights in its classifier; its shape matters here, not its size."""
    model = torchvision.models.alexnet()
    hidden = nn.Linear(model.classifier[1].in_features, 24)
    model.classifier = nn.Sequential(nn.Dropout(), hidden, nn.ReLU(inplace=True), nn.Linear(24, CLASSES))
    return model


def _plain(name: str, **options: bool) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, num_classes=CLASSES, **options)


# The model, and the layer that layers="last" means in it.
ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "alexnet": (_small_alexnet, "features.11"),
    "densenet121": (_plain("densenet121"), "features"),
    "efficientnet_b0": (_plain("efficientnet_b0"), "features"),
    "googlenet": (_plain("googlenet", init_weights=False, aux_logits=False), "inception5b"),
    "mobilenet_v2": (_plain("mobilenet_v2"), "features"),
    "resnet18": (_plain("resnet18"), "layer4"),
    "shufflenet_v2_x0_5": (_plain("shufflenet_v2_x0_5"), "conv5"),
    "squeezenet1_1": (_plain("squeezenet1_1"), "classifier.2"),
}


def architecture(name: str, *, samples: int = 2, size: int = 64) -> tuple[nn.Module, Tensor]:
    """A network with random weights in evaluation mode, in float64, and images for it.

    Batch normalisation has seen a batch: without, activations of a fresh network fade to nothing in its depth.
    """
    torch.manual_seed(0)
    model = ARCHITECTURES[name][0]()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    images = torch.randn(16, 3, size, size)
    with torch.no_grad():
        model.train()(images)
    return model.eval().double(), images[:samples].double()


def without_in_place(model: nn.Module) -> nn.Module:
    """A copy whose activation functions write to new memory, as hooks of other packages need it."""
    twin = copy.deepcopy(model)
    for module in twin.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return twin


@contextmanager
def functions_out_of_place() -> Iterator[None]:
    """Lets ``F.relu(x, inplace=True)`` write to new memory: DenseNet calls it on what a hook has kept."""
    relu = F.relu
    F.relu = lambda input, inplace=False: relu(input)
    try:
        yield
    finally:
        F.relu = relu


def relative_error(found: Tensor, expected: Tensor) -> float:
    """The largest difference as a share of the largest value."""
    return float((found.double() - expected.double()).abs().max() / expected.abs().max())
