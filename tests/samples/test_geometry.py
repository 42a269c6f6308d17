from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import ResNet18_Weights
from torchvision.models.segmentation import FCN_ResNet50_Weights
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms import transforms as v1

from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.samples.geometry import UnknownGeometryError, input_box

HEIGHT, WIDTH = 300, 600
SQUARE = (130, 300, 170, 340)  # top, left, bottom, right: not in the middle, so that flips show
TO_TENSOR = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])


def planted() -> Image.Image:
    """A black picture with a red square."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    top, left, bottom, right = SQUARE
    pixels[top:bottom, left:right, 0] = 255
    return Image.fromarray(pixels)


def seen_in_the_original(image: torch.Tensor, box: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Where the square that the model sees lies in the original, by the box: top, left, bottom, right."""
    height, width = image.shape[1:]
    bright = image[0] > image[0].max() / 2
    rows, columns = bright.any(dim=1).nonzero().flatten(), bright.any(dim=0).nonzero().flatten()
    left, top, right, bottom = box
    xs = [left + (right - left) * float(edge) / width for edge in (columns.min(), columns.max() + 1)]
    ys = [top + (bottom - top) * float(edge) / height for edge in (rows.min(), rows.max() + 1)]
    return min(ys), min(xs), max(ys), max(xs)


KNOWN = [
    v1.Compose([]),
    v1.Resize(150),
    v1.Resize((200, 120)),
    v1.Resize(200, max_size=320),
    v1.CenterCrop(250),
    v1.CenterCrop((200, 301)),
    v1.CenterCrop(640),
    v1.CenterCrop((250, 900)),
    v1.Pad(30),
    v1.Pad((10, 40)),
    v1.Pad((10, 20, 30, 40), padding_mode="edge"),
    v1.RandomHorizontalFlip(p=1),
    v1.RandomHorizontalFlip(p=0),
    v1.RandomVerticalFlip(p=1.0),
    v1.RandomApply([v1.CenterCrop(260)], p=1),
    v1.RandomCrop((HEIGHT, WIDTH)),
    v1.Compose([v1.Resize(150), v1.CenterCrop(140)]),
    v1.Compose([v1.Pad(50), v1.RandomHorizontalFlip(p=1), v1.Resize(180), v1.CenterCrop((170, 333))]),
    v1.Compose([v1.CenterCrop((280, 560)), v1.Grayscale(3), v1.ColorJitter(0.1)]),
    v2.Resize(150),
    v2.Resize([150], max_size=250),
    v2.Resize(None, max_size=333),
    v2.Resize((90, 200), interpolation=InterpolationMode.NEAREST_EXACT),
    v2.CenterCrop(251),
    v2.CenterCrop((400, 200)),
    v2.Pad([15]),
    v2.Pad([15, 5, 0, 60]),
    v2.RandomHorizontalFlip(p=1),
    v2.RandomApply([v2.RandomVerticalFlip(p=1)], p=1.0),
    v2.Compose([v2.Identity(), v2.Compose([v2.RandomVerticalFlip(p=1), v2.Resize(160)]), v2.CenterCrop(150)]),
    v2.Compose([v2.Resize(280), v2.CenterCrop(260), v2.Pad(20), v2.RandomHorizontalFlip(p=1)]),
]


@pytest.mark.parametrize("transform", KNOWN, ids=lambda transform: " ".join(repr(transform).split())[:90])
def test_a_planted_square_lies_where_it_was_planted(transform):
    image = TO_TENSOR(transform(planted()))
    box = input_box(v2.Compose([transform, TO_TENSOR]), (HEIGHT, WIDTH), tuple(image.shape[1:]))
    scale = max(abs(box[2] - box[0]) / image.shape[2], abs(box[3] - box[1]) / image.shape[1])
    assert seen_in_the_original(image, box) == pytest.approx(SQUARE, abs=1.01 * scale)


def test_modules_in_sequence_and_presets_are_followed():
    picture = TO_TENSOR(planted())
    chain = nn.Sequential(v2.Resize(150), nn.Identity(), v2.Normalize([0.5] * 3, [0.5] * 3), v2.CenterCrop(100))
    assert input_box(chain, (HEIGHT, WIDTH), tuple(chain(picture).shape[1:])) == (200, 50, 400, 250)
    preset = ResNet18_Weights.DEFAULT.transforms()
    box = input_box(preset, (HEIGHT, WIDTH), tuple(preset(picture).shape[1:]))
    side = 224 * HEIGHT / 256
    assert box == pytest.approx((300 - side / 2, 150 - side / 2, 300 + side / 2, 150 + side / 2))
    dense = FCN_ResNet50_Weights.DEFAULT.transforms()
    assert input_box(dense, (HEIGHT, WIDTH), tuple(dense(picture).shape[1:])) == (0, 0, WIDTH, HEIGHT)


def test_the_edges_by_hand():
    assert input_box(v1.RandomHorizontalFlip(p=1), (10, 20), (10, 20)) == (20, 0, 0, 10)
    assert input_box(v1.RandomVerticalFlip(p=1), (10, 20), (10, 20)) == (0, 10, 20, 0)
    assert input_box(v1.Pad((1, 2, 3, 4)), (10, 20), (16, 24)) == (-1, -2, 23, 14)
    assert input_box(v1.CenterCrop((12, 10)), (10, 20), (12, 10)) == (5, -1, 15, 11)
    assert input_box(v1.Compose([v1.Resize((5, 5)), v1.CenterCrop((5, 3))]), (10, 20), (5, 3)) == (4, 0, 16, 10)


class CenterCrop:
    """Of the user's, with a name of torchvision's."""

    size = 10


@pytest.mark.parametrize(
    ("transform", "named"),
    [
        (v1.RandomResizedCrop(10), "RandomResizedCrop"),
        (v2.RandomHorizontalFlip(), r"RandomHorizontalFlip\(p=0.5\)"),
        (v1.RandomCrop(10), "RandomCrop"),
        (v1.RandomRotation(10), "RandomRotation"),
        (v1.Lambda(lambda picture: picture), "Lambda"),
        (v1.Compose([v1.Resize(10), v2.RandomAffine(3)]), "RandomAffine"),
        (lambda picture: picture, "lambda"),
        (CenterCrop(), "CenterCrop"),
        (v1.RandomApply([v1.CenterCrop(10)], p=0.5), r"RandomApply\(p=0.5\)"),
        (v1.Resize(20), "should make 20 × 20 pixels of 20 × 20, but made 10 × 10"),
    ],
)
def test_what_is_not_known_is_named(transform, named):
    with pytest.raises(UnknownGeometryError, match=named):
        input_box(transform, (20, 20), (10, 10))


def test_files_know_where_the_models_input_lies(tmp_path):
    planted().save(tmp_path / "wide.png")
    planted().resize((300, 300)).save(tmp_path / "square.png")
    transform = v1.Compose([v1.Resize(64), v1.CenterCrop(48), v1.ToTensor()])
    samples = FixedSamples.from_files([tmp_path / "wide.png", tmp_path / "square.png"], transform)
    # 48 of 64 pixels are three quarters of 300; the crop of the second has its own aspect ratio and is none the less.
    assert samples.display_boxes().tolist() == [[187.5, 37.5, 412.5, 262.5], [37.5, 37.5, 262.5, 262.5]]
    assert samples.display_pictures()[0].shape == (300, 600, 3)
    assert samples.display_note() is None
    restored = FixedSamples.from_state_dict(samples.state_dict())
    assert torch.equal(restored.original_boxes, samples.original_boxes)


@pytest.mark.parametrize("shape", [(600, 300), (300, 300)])
def test_files_of_a_transform_that_is_not_known_show_the_models_input(tmp_path, shape):
    planted().resize(shape).save(tmp_path / "a.png")
    transform = v1.Compose([v1.Resize(64), v1.RandomCrop(48), v1.ToTensor()])
    samples = FixedSamples.from_files([tmp_path / "a.png"], transform)
    assert samples.originals is None
    assert samples.display_pictures()[0].shape == (48, 48, 3)
    assert samples.display_boxes().tolist() == [[0, 0, 48, 48]]
    assert "as the model sees them" in samples.display_note()
    assert "RandomCrop" in samples.display_note()


def test_originals_without_boxes_are_shown_whole():
    samples = FixedSamples(torch.zeros(1, 3, 4, 4), originals=[np.zeros((20, 30, 3), np.uint8)])
    assert samples.display_boxes().tolist() == [[0, 0, 30, 20]]
    boxes = torch.tensor([[25, 0, 5, 20]])
    mirrored = FixedSamples(samples.images, originals=samples.originals, original_boxes=boxes)
    assert mirrored.display_boxes().tolist() == [[25, 0, 5, 20]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"original_boxes": torch.zeros(1, 4)}, "there are no originals"),
        ({"original_boxes": torch.zeros(2, 4), "originals": True}, r"shape \(1, 4\), got Tensor of shape \(2, 4\)"),
        ({"original_boxes": torch.zeros(1, 4), "originals": True}, "not empty"),
        ({"original_boxes": torch.tensor([[0, 0, float("nan"), 1]]), "originals": True}, "finite"),
    ],
)
def test_refuses_boxes_that_do_not_fit(arguments, message):
    if "originals" in arguments:
        arguments = {**arguments, "originals": [np.zeros((20, 30, 3), np.uint8)]}
    with pytest.raises(ValueError, match=message):
        FixedSamples(torch.zeros(1, 3, 4, 4), **arguments)


def gradient() -> Image.Image:
    """Shades that rise evenly: a crop of it looks like the whole but for its range."""
    return Image.fromarray(np.linspace(0, 255, 300 * 300).reshape(300, 300).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("picture", [planted(), planted().resize((300, 300)), gradient()])
@pytest.mark.parametrize("normalization", [[], [v1.Normalize([0.5] * 3, [0.25] * 3)]])
def test_functions_that_resize_all_of_it_are_told_from_those_that_crop(tmp_path, picture, normalization):
    picture.save(tmp_path / "a.png")
    finish = v1.Compose([v1.ToTensor(), *normalization])

    class Transform:
        def __init__(self, crop: float) -> None:
            self.crop, self.transforms = crop, [finish]

        def __call__(self, picture: Image.Image) -> torch.Tensor:
            left, top = (round(side * self.crop) for side in picture.size)
            box = (left, top, picture.width - left, picture.height - top)
            return finish(picture.crop(box).resize((60, 60), Image.Resampling.BICUBIC))

    whole = FixedSamples.from_files([tmp_path / "a.png"], Transform(0))
    assert whole.display_pictures()[0].shape == (picture.height, picture.width, 3)
    assert whole.display_note() is None
    cropped = FixedSamples.from_files([tmp_path / "a.png"], Transform(0.06))
    assert cropped.display_pictures()[0].shape == (60, 60, 3)
    assert "not known where Transform puts the pixels" in cropped.display_note()
