"""Every transform of torchvision: a planted square is found where it was planted, or the transform is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import transforms as v1
from torchvision.transforms import v2

from lightning_cnnviz.samples.geometry import UnknownGeometryError, input_box
from tests.samples.test_geometry import HEIGHT, SQUARE, WIDTH, planted, seen_in_the_original

FINISH = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

ARGUMENTS: dict[str, dict[str, Any]] = {
    "AugMix": {},
    "CenterCrop": {"size": (200, 401)},
    "ClampBoundingBoxes": {},
    "ColorJitter": {"brightness": 0.1},
    "Compose": {"transforms": [v2.Resize(200), v2.CenterCrop(180)]},
    "ConvertBoundingBoxFormat": {"format": "XYXY"},
    "ConvertImageDtype": {"dtype": torch.float32},
    "FiveCrop": {"size": 200},
    "GaussianBlur": {"kernel_size": 3},
    "JPEG": {"quality": 90},
    "Lambda": {"lambd": lambda picture: picture},
    "LinearTransformation": {"transformation_matrix": torch.eye(3), "mean_vector": torch.zeros(3)},
    "Normalize": {"mean": [0.5] * 3, "std": [0.5] * 3},
    "Pad": {"padding": (5, 50)},
    "RandomAffine": {"degrees": 0, "translate": (0.3, 0.3)},
    "RandomApply": {"transforms": [v2.CenterCrop(200)]},
    "RandomChoice": {"transforms": [v2.CenterCrop(200), v2.Resize(200)]},
    "RandomCrop": {"size": (150, 300)},
    "RandomErasing": {"p": 0.0},
    "RandomInvert": {"p": 0.0},
    "RandomOrder": {"transforms": [v2.CenterCrop(200), v2.Resize(100)]},
    "RandomPosterize": {"bits": 4},
    "RandomResize": {"min_size": 100, "max_size": 200},
    "RandomResizedCrop": {"size": (150, 300)},
    "RandomRotation": {"degrees": (90, 90)},
    "RandomShortestSize": {"min_size": 120},
    "RandomSolarize": {"threshold": 300},
    "RandomAdjustSharpness": {"sharpness_factor": 2},
    "Resize": {"size": (100, 170)},
    "ScaleJitter": {"target_size": (200, 200)},
    "SetClampingMode": {"clamping_mode": None},
    "TenCrop": {"size": 200},
    "ToDtype": {"dtype": torch.float32, "scale": True},
    "UniformTemporalSubsample": {"num_samples": 1},
}
_ON_TENSORS = {"ConvertImageDtype", "GaussianNoise", "LinearTransformation", "Normalize", "RandomErasing", "ToPILImage"}
_OF_NO_PICTURE = {"Transform", "RandomTransforms", "CutMix", "MixUp"}  # abstract ones, and those of whole batches


def classes_of(module: Any) -> list[type]:
    """All transforms of single pictures that a module offers."""
    found = (getattr(module, name) for name in sorted(dir(module)) if not name.startswith("_"))
    kinds = [kind for kind in found if isinstance(kind, type) and kind.__module__.startswith("torchvision.transforms")]
    usable = [kind for kind in kinds if callable(getattr(kind, "forward", None)) or "__call__" in vars(kind)]
    return [kind for kind in usable if kind.__name__ not in _OF_NO_PICTURE]


def built(kind: type) -> Callable[[Any], Any]:
    made: Callable[[Any], Any] = kind(**ARGUMENTS.get(kind.__name__, {}))
    return made


def image_of(result: object) -> Tensor | None:
    """What a model would take; None where the transform makes several pictures, or none."""
    try:
        image = FINISH(result)
    except Exception:
        return None
    return image if isinstance(image, Tensor) and image.ndim == 3 else None


EVERY = [
    pytest.param(kind, id=f"{name} {kind.__name__}")
    for name, module in (("v1", v1), ("v2", v2))
    for kind in classes_of(module)
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The transform `ToTensor")
@pytest.mark.parametrize("kind", EVERY)
def test_a_square_is_where_it_was_planted_or_it_is_said_that_nobody_knows(kind: type) -> None:
    torch.manual_seed(0)
    transform = built(kind)
    picture = FINISH(planted()) if kind.__name__ in _ON_TENSORS else planted()
    try:
        image = image_of(transform(picture))
    except Exception:
        image = None
    size = (HEIGHT, WIDTH) if image is None else (image.shape[1], image.shape[2])
    try:
        box = input_box(transform, (HEIGHT, WIDTH), size)
    except UnknownGeometryError:
        return
    if image is None:
        pytest.fail(f"{kind.__name__} made no picture, but its geometry is taken for known: {box}")
    scale = max(abs(box[2] - box[0]) / size[1], abs(box[3] - box[1]) / size[0])
    assert seen_in_the_original(image.amax(dim=0, keepdim=True), box) == pytest.approx(SQUARE, abs=2.01 * scale)


def test_there_are_as_many_as_there_should_be() -> None:
    assert len(EVERY) > 90
    assert {kind.values[0].__name__ for kind in EVERY} > {"Resize", "CenterCrop", "FiveCrop", "RandomRotation", "JPEG"}


@pytest.mark.parametrize("aspect", [(150, 300), (75, 150)])
def test_a_crop_of_the_same_aspect_ratio_does_not_slip_through(aspect: tuple[int, int]) -> None:
    transform = nn.Sequential(v2.CenterCrop((200, 400)), v2.Resize(aspect))
    image = FINISH(transform(planted()))
    box = input_box(transform, (HEIGHT, WIDTH), (image.shape[1], image.shape[2]))
    assert box == (100, 50, 500, 250)
    assert seen_in_the_original(image, box) == pytest.approx(SQUARE, abs=400 / aspect[1])
