from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import FeatureMaps, FixedSamples, explain
from lightning_cnnviz.render import lookup_table

WEIGHTS = [1.0, -2.0, 0.5]


def known_model(*weights: float) -> nn.Module:
    """A channel for each weight, which is the image times that weight; two classes."""
    convolution = nn.Conv2d(1, len(weights), 1, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor(weights)[:, None, None, None])
    return nn.Sequential(convolution, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * len(weights), 2))


def steps() -> Tensor:
    """Two images of 4×4: four values from left to right, and twice as much."""
    image = torch.tensor([0.0, 1.0, 2.0, 4.0]).expand(1, 4, 4)
    return torch.stack([image, 2 * image])


def drawn_with(picture: np.ndarray, level: int) -> bool:
    """Whether there is an area, not just a pixel, of a color of viridis."""
    return int((picture == lookup_table("viridis")[level]).all(axis=-1).sum()) > 100


def test_a_channel_is_the_image_times_its_weight() -> None:
    found = explain(known_model(*WEIGHTS), steps(), [FeatureMaps("0", channels=3)])
    assert list(found.pictures) == list(found.arrays) == ["feature_maps/0"]
    expected = torch.stack([weight * steps()[:, 0] for weight in WEIGHTS], dim=1)
    assert torch.equal(found.arrays["feature_maps/0"], expected)
    assert found.arrays["feature_maps/0"].dtype == torch.float32


def test_the_strongest_channels_are_drawn_in_the_order_of_their_index() -> None:
    maps = explain(known_model(0.5, 1.0, -2.0, 0.1), steps(), [FeatureMaps("0", channels=2)]).arrays["feature_maps/0"]
    assert torch.equal(maps, torch.stack([steps()[:, 0], -2 * steps()[:, 0]], dim=1))


def test_a_channel_that_is_not_finite_is_never_overlooked() -> None:
    found = explain(known_model(3.0, float("nan"), 2.0), steps(), [FeatureMaps("0", channels=1)])
    assert found.arrays["feature_maps/0"].isnan().all()
    assert any("NaN" in remark for remark in found.remarks)


def test_named_channels_are_drawn_in_the_order_given() -> None:
    maps = explain(known_model(*WEIGHTS), steps(), [FeatureMaps("0", channels=(2, 0))]).arrays["feature_maps/0"]
    assert maps[1, :, 0, 3].tolist() == [4.0, 8.0]


def test_one_sample_can_have_all_its_channels_as_a_grid() -> None:
    found = explain(known_model(*WEIGHTS), steps(), [FeatureMaps("0", channels=2, sample=1)])
    assert found.arrays["feature_maps/0"][1, :, 0, 3].tolist() == [8.0, -16.0]  # the first two, not the strongest
    row = explain(known_model(*WEIGHTS), steps(), [FeatureMaps("0", channels=2)])
    assert found.pictures["feature_maps/0"].shape != row.pictures["feature_maps/0"].shape


def test_auto_takes_the_last_layer_of_each_size() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 3, 1), nn.Flatten(), nn.Linear(12, 2)
    )
    found = explain(model, steps(), [FeatureMaps()])
    assert {tag: tuple(maps.shape) for tag, maps in found.arrays.items()} == {
        "feature_maps/1": (2, 2, 4, 4),
        "feature_maps/3": (2, 3, 2, 2),
    }


def test_each_map_has_all_colors_or_all_maps_have_one_scale() -> None:
    # Level 64 of 255 is the value 1 of 4: a color of the strong channel alone, or, shared, of the weaker one's 4, too.
    alike = explain(known_model(1.0, 4.0), steps()[:1], [FeatureMaps("0")]).pictures["feature_maps/0"]
    shared = explain(known_model(1.0, 4.0), steps()[:1], [FeatureMaps("0", scale="shared")]).pictures["feature_maps/0"]
    bright = lookup_table("viridis")[255]
    areas = [int((picture == bright).all(axis=-1).sum()) for picture in (alike, shared)]
    assert drawn_with(alike, 0)
    assert areas[0] == 2 * areas[1] > 100
    assert drawn_with(shared, 16)  # 1 of 16


def test_all_samples_are_in_the_array_though_few_are_drawn() -> None:
    samples = FixedSamples(steps().repeat(6, 1, 1, 1))
    maps = explain(known_model(*WEIGHTS), samples, [FeatureMaps("0")]).arrays["feature_maps/0"]
    assert maps.shape == (12, 3, 4, 4)


def test_what_is_out_of_range_is_refused() -> None:
    model = known_model(*WEIGHTS)
    with pytest.raises(ValueError, match=r"channels=\[3\] are out of range: 0 has channels 0 to 2"):
        explain(model, steps(), [FeatureMaps("0", channels=(0, 3))])
    with pytest.raises(ValueError, match="sample=2 is out of range for 2 samples"):
        explain(model, steps(), [FeatureMaps("0", sample=2)])
    with pytest.raises(ValueError, match="channels must be a positive integer, got 0"):
        FeatureMaps(channels=0)
    with pytest.raises(ValueError, match="scale='all': allowed are 'each', 'shared'"):
        FeatureMaps(scale="all")  # type: ignore[arg-type]


def test_a_grid_of_one_sample_shows_the_sample_above_its_channels() -> None:
    images = torch.stack([torch.full((1, 4, 4), level) for level in (0.0, 0.4)])
    images[:, :, 0, 0] = 1.0
    for sample in (1, -1):
        view = FeatureMaps("0", channels=2, sample=sample)
        picture = explain(known_model(1.0, 0.5), images, [view]).pictures["feature_maps/0"]
        shown = np.argwhere((picture == 102).all(axis=-1))  # 0.4 · 255
        cells = np.argwhere((picture == lookup_table("viridis")[255]).all(axis=-1))
        assert len(shown) > 100 * 100
        assert shown[:, 0].max() < cells[:, 0].min()
