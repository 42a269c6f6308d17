from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from lightning_cnnviz import FixedSamples, GradCAM, explain
from lightning_cnnviz.render import Maps

TOP, LEFT, SIDE = 60, 375, 30
FINISH = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])


@pytest.fixture
def photograph(tmp_path):
    """Grey with a red square, 300 × 600."""
    pixels = np.full((300, 600, 3), 90, np.uint8)
    pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    "transform",
    [
        v2.Resize((96, 96)),
        v2.Compose([v2.Resize(96), v2.CenterCrop(96)]),
        v2.Compose([v2.CenterCrop((250, 500)), v2.Resize((64, 128))]),
        v2.Compose([v2.RandomHorizontalFlip(p=1), v2.Resize(80), v2.Pad((3, 9))]),
        v2.Compose([v2.Pad(40), v2.RandomVerticalFlip(p=1), v2.Resize((200, 100))]),
    ],
)
def test_a_map_lies_on_the_object_that_it_is_of(photograph, transform):
    samples = FixedSamples.from_files([photograph], v2.Compose([transform, FINISH]))
    redness = (samples.images[:, :1] - samples.images[:, 1:2]).numpy()
    maps = Maps(redness, ("red",), colormap="gray", laying="both", alpha=1.0, smooth=True)
    ((alone, over),) = maps.cells(samples.display_pictures(), samples.parts_shown())
    scale = alone.shape[1] / 600
    assert alone.shape == (round(300 * scale), round(600 * scale), 3)
    for cell in (over, np.where(alone == 236, 0, alone)):
        bright = np.argwhere(cell[..., 0] > 200) / scale
        assert bright.mean(axis=0) == pytest.approx([TOP + SIDE / 2, LEFT + SIDE / 2], abs=4)


def test_the_picture_of_a_crop_shows_its_map_on_the_object(photograph):
    """The square is at 65% of the photograph and at 81% of the crop."""
    transform = v2.Compose([v2.Resize(64), v2.CenterCrop(64), FINISH])
    model = nn.Sequential(nn.Conv2d(3, 1, 8, 8, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model.append(nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8))
        model[4].weight.copy_(torch.tensor([[-1.0], [1.0]]))
    found = explain(model, FixedSamples.from_files([photograph], transform), [GradCAM("0", alpha=1.0)], target=1)
    picture = found.pictures["grad_cam/0"].astype(int)
    red = (picture[..., 0] > 200) & (picture[..., 1:].max(axis=2) < 60)
    columns = np.flatnonzero(red.any(axis=0))
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 30) + 1)
    assert len(parts) == 3  # in the photograph, in the map and in the map over the photograph
    # Light grey is what the model did not see: it begins and ends with the cell of the map.
    beyond = np.flatnonzero((np.abs(picture - 236).max(axis=2) < 2).sum(axis=0) > 20)
    assert (parts[1].mean() - beyond[0]) / (beyond[-1] + 1 - beyond[0]) == pytest.approx(0.65, abs=0.03)
