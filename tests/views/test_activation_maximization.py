from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import ActivationMaximization, FixedSamples, explain
from lightning_cnnviz.methods.activation_maximization import Regularizers
from tests.helpers.training import SmallCNN, sha


class Net(nn.Module):
    """Counts how often the part behind its convolutions runs."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 5, padding=2)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)
        self.head_calls: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.relu(self.conv(images)).mean(dim=(2, 3))
        self.head_calls.append(len(features))
        scores: Tensor = self.head(features)
        return scores


def samples(channels: int = 1, side: int = 28) -> FixedSamples:
    return FixedSamples(0.5 + 2 * torch.randn(4, channels, side, side))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_excite_their_channels_the_strongest_first(channels: int) -> None:
    model, given = Net(channels).eval(), samples(channels)
    found = explain(model, given, [ActivationMaximization("conv", [2, 0, 3])])
    images = found.arrays["activation_max/conv"]
    assert images.shape == (3, channels, 28, 28)
    assert images.dtype == torch.float32
    alone = {
        channel: explain(model, given, [ActivationMaximization("conv", [channel])]).arrays["activation_max/conv"]
        for channel in (2, 0, 3)
    }
    with torch.no_grad():
        reached = {channel: model.conv(image)[0, channel].mean().item() for channel, image in alone.items()}
        ordinary = model.conv(given.images).mean(dim=(0, 2, 3))
    assert all(value > ordinary[channel] for channel, value in reached.items())
    strongest_first = sorted(alone, key=lambda channel: -reached[channel])
    assert torch.allclose(images, torch.cat([alone[channel] for channel in strongest_first]), atol=1e-4)


def test_the_pass_ends_at_the_layer_and_all_channels_share_it() -> None:
    model = Net()
    view = ActivationMaximization("relu", channels=4, steps=7)
    calls: list[int] = []
    model.relu.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    head = model.head_calls
    explain(model, samples(), [view])
    assert calls.count(4) >= 9  # seven steps, and the activations before and after them
    assert head == []  # the look is undone; what ran of the head ran in the survey and the shared pass
    assert max(calls) == 4


def test_a_count_means_the_first_channels_at_most_all() -> None:
    found = explain(Net(), samples(), [ActivationMaximization("conv", channels=2), ActivationMaximization("relu", 99)])
    assert len(found.arrays["activation_max/conv"]) == 2
    assert len(found.arrays["activation_max/relu"]) == 4


def test_a_model_that_catches_exceptions_is_stopped_all_the_same() -> None:
    class Catching(Net):
        def forward(self, images: Tensor) -> Tensor:
            try:
                return super().forward(images)
            except Exception:
                return torch.zeros(len(images), 3)

    assert explain(Catching(), samples(), [ActivationMaximization("relu")]).arrays["activation_max/relu"].shape[0] == 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_models_of_any_precision(dtype: torch.dtype) -> None:
    images = explain(Net().to(dtype), samples(), [ActivationMaximization(steps=2)]).arrays["activation_max/relu"]
    assert images.isfinite().all()


def test_the_model_is_left_as_it_was_and_looks_repeat() -> None:
    model = SmallCNN()
    before, state = sha(model), torch.get_rng_state()
    given = FixedSamples(torch.randn(4, 1, 8, 8))
    torch.set_rng_state(state)
    view = ActivationMaximization(jitter=1, rotation=10, zoom=0.2, blur=0.5, total_variation=1.0, decorrelated=True)
    first, second = (explain(model, given, [view]).arrays["activation_max/body"] for _ in range(2))
    assert torch.equal(first, second)
    assert sha(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("channels", "side", "expected"),
    [
        (3, 224, (40, Regularizers(jitter=8, rotation=10, zoom=0.1, decorrelated=True))),
        (3, 64, (40, Regularizers(jitter=2, rotation=10, zoom=0.1, decorrelated=True))),
        (3, 63, (20, Regularizers())),
        (1, 224, (20, Regularizers())),
    ],
)
def test_photographs_are_begun_and_moved_so_that_people_can_read_them(
    channels: int, side: int, expected: tuple[int, Regularizers]
) -> None:
    images, view = torch.zeros(1, channels, side, side), ActivationMaximization()
    assert (view._steps(images), view._regularizers(images)) == expected
    given = ActivationMaximization(steps=3, jitter=0, rotation=0, zoom=0, decorrelated=False)
    assert (given._steps(images), given._regularizers(images)) == (3, Regularizers())


@pytest.mark.slow
def test_photograph_sized_color_images() -> None:
    found = explain(Net(3), samples(3, 224), [ActivationMaximization("relu", decorrelated=True, steps=3)])
    assert found.arrays["activation_max/relu"].shape == (4, 3, 224, 224)
    assert found.pictures["activation_max/relu"].dtype.name == "uint8"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, "channels must be a positive integer, got 0"),
        ({"steps": 0}, "steps must be a positive integer, got 0"),
        ({"rate": 0.0}, "rate must be above 0, got 0.0"),
        ({"blur": -1.0}, "blur must be at least 0, got -1.0"),
        ({"jitter": -1}, "jitter must be at least 0, got -1"),
        ({"rotation": 181}, "rotation must be at least 0 and at most 180, got 181"),
        ({"zoom": -0.1}, "zoom must be at least 0 and at most 1, got -0.1"),
        ({"total_variation": 3.0}, "total_variation must be at most 0.25/rate = 2.5, got 3.0"),
        ({"scale": "log"}, "scale='log': allowed are 'each', 'shared'"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ActivationMaximization(**arguments)


def test_channels_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"channels=\[4, 9\] are out of range: relu has channels 0 to 3"):
        explain(Net(), samples(), [ActivationMaximization(channels=[1, 4, 9])])


def test_channels_that_no_image_can_move_are_said_to_be_noise() -> None:
    class Rounds(Net):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward((images * 255).round() / 255)

    [remark] = explain(Rounds(), samples(), [ActivationMaximization("conv", channels=3)]).remarks
    assert remark.startswith("About activation_max/conv: 3 of 3 are the noise that they started from")
    assert explain(Net(), samples(), [ActivationMaximization("conv", channels=3)]).remarks == []
