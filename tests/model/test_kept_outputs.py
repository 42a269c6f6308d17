"""Outputs of layers that cannot be kept: what needs them is left out and says what to do, the rest is drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import GradCAM, Saliency, explain
from tests.helpers.blocks import IMAGES, Blocks, arrays, assert_same

UNKEPT = {"predictions", "saliency/gradient"}


class OneByOne(Blocks):
    """Calls itself on each image alone, all of them at once."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.func.vmap(lambda image: super(OneByOne, self).forward(image[None])[0])(images)


class Field:
    """As escnn hands features from layer to layer."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class FieldConvolution(nn.Conv2d):
    def forward(self, field: Any) -> Any:
        return Field(super().forward(field.tensor))


class Steerable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = FieldConvolution(1, 4, 3)
        self.plain = nn.Identity()
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Any:
        return self.head(self.hand_over(self.convolution(Field(images))).relu().mean(dim=(2, 3)))

    def hand_over(self, field: Field) -> Tensor:
        return field.tensor


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (OneByOne(), "early.0 is called inside torch.vmap, .*forward= takes a function of model and images"),
        (Steerable(), "convolution puts out Field, no tensor; an nn.Identity.* its 'tensor' can be looked at"),
    ],
    ids=["vmap", "an object"],
)
def test_only_views_of_layers_are_left_out(model: nn.Module, advice: str) -> None:
    assert explain(model, IMAGES).pictures.keys() == UNKEPT
    with pytest.raises(ValueError, match=advice):
        explain(model, IMAGES, [GradCAM("last")])


def test_pixels_of_a_vmapped_model_equal_those_of_its_plain_twin() -> None:
    assert_same(arrays(OneByOne().eval(), [Saliency()]), arrays(Blocks().eval(), [Saliency()]))


def test_the_function_that_the_message_asks_for_is_looked_at() -> None:
    whole = explain(OneByOne(), IMAGES, [GradCAM("late")], forward=Blocks.forward)

    assert_same(whole.arrays, arrays(Blocks(), [GradCAM("late")]))


def test_the_identity_that_the_message_asks_for_is_looked_at() -> None:
    class Plain(Steerable):
        def hand_over(self, field: Field) -> Tensor:
            tensor: Tensor = self.plain(field.tensor)
            return tensor

    assert explain(Plain(), IMAGES, [GradCAM("plain")]).arrays["grad_cam/plain"].shape == (4, 6, 6)
