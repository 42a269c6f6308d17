"""Modules that put out something other than a floating point tensor: unpacked, or left out with one clear message."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import FeatureMaps, GradCAM, Predictions, Saliency, explain
from lightning_cnnviz.views import View
from tests.helpers.blocks import IMAGES, Blocks, arrays, assert_same
from tests.helpers.training import CLASSES

Named = namedtuple("Named", "maps extra")


@dataclass
class Record:
    maps: Tensor
    extra: str


PACKED: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]] = {
    "tuple": (lambda maps: (maps, "extra"), lambda packed: packed[0]),
    "list": (lambda maps: ["extra", maps], lambda packed: packed[1]),
    "named tuple": (lambda maps: Named(maps, "extra"), lambda packed: packed.maps),
    "dict": (lambda maps: {"extra": None, "maps": maps}, lambda packed: packed["maps"]),
    "dataclass": (lambda maps: Record(maps, "extra"), lambda packed: packed.maps),
}


@pytest.mark.parametrize("kind", PACKED)
def test_outputs_of_inner_modules_that_are_not_tensors(kind: str) -> None:
    pack, unpack = PACKED[kind]

    class Packs(nn.Sequential):
        def forward(self, images: Tensor) -> Any:
            return pack(super().forward(images))

    class Packing(Blocks):
        def __init__(self) -> None:
            super().__init__()
            self.late = Packs(*self.late)

        def forward(self, images: Tensor) -> Any:
            return self.classify(F.relu_(unpack(self.late(self.early(images))) - 0.1))

    class Twin(Blocks):
        def forward(self, images: Tensor) -> Any:
            return self.classify(F.relu(self.late(self.early(images)) - 0.1))

    layers: list[View] = [GradCAM("late"), FeatureMaps("late")]
    assert_same(arrays(Packing(), layers), arrays(Twin(), layers))


@pytest.mark.parametrize("kind", PACKED)
def test_outputs_of_the_model_that_are_not_tensors(kind: str) -> None:
    class Packing(Blocks):
        def forward(self, images: Tensor) -> Any:
            return PACKED[kind][0](super().forward(images))

    assert_same(arrays(Packing(), [GradCAM()]), arrays(Blocks(), [GradCAM()]))


class Kinds(nn.Module):
    """A branch whose output is of a kind that has no maps, beside or before the convolution."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.branch: nn.Module = Converts(kind)
        self.late = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        self.branch(images)
        scores: Tensor = self.head(self.late(images).relu().mean(dim=(2, 3)))
        return scores


class Converts(nn.Module):
    """Makes something else of images."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.weight = kind, nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        if self.kind == "quint8":
            return torch.quantize_per_tensor(images.detach(), 0.01, 0, torch.quint8)
        if self.kind == "sparse or nested float32":
            return torch.nested.nested_tensor(list(images.flatten(1)), layout=torch.jagged)
        return torch.fft.fft2(images) if self.kind == "complex64" else (images * 255).long()


@pytest.mark.parametrize("kind", ["int64", "complex64", "quint8", "sparse or nested float32"])
def test_outputs_of_other_kinds_are_left_out_and_the_rest_works(kind: str) -> None:
    found = explain(Kinds(kind), IMAGES)
    assert set(found.arrays) == {
        "predictions",
        "feature_maps/late",
        "filters/late",
        "saliency/gradient",
        "grad_cam/late",
    }
    with pytest.raises(ValueError, match=f"layers='branch' cannot be looked at: it puts out {kind}"):
        explain(Kinds(kind), IMAGES, [GradCAM("branch")])


def test_of_a_model_whose_only_maps_are_complex_a_message_says_so() -> None:
    class Spectral(Kinds):
        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.head(self.late(images.to(torch.complex64)).abs().mean(dim=(2, 3)))
            return scores

    model = Spectral("int64")
    model.late = nn.Conv2d(1, 4, 3, dtype=torch.complex64)
    found = explain(model, IMAGES)
    assert set(found.arrays) == {"predictions", "saliency/gradient"}
    assert sum("late puts out complex64" in remark for remark in found.remarks) == 3


class Aside(nn.Conv2d):
    """A 1×1 convolution, as those that make class scores of channels, of which something else is made."""

    def __init__(self, kind: str) -> None:
        super().__init__(1, 4, 1)
        self.kind = kind

    def forward(self, images: Tensor) -> Tensor:
        maps = super().forward(images)
        if self.kind == "sparse":
            return maps.detach().flatten(1).to_sparse()
        if self.kind == "nested":
            return torch.nested.nested_tensor(list(maps.detach().flatten(1)), layout=torch.jagged)
        return {
            "one number": maps.mean(),
            "no box": maps[:0],
            "one per channel": maps[0, :, 0, 0],
        }[self.kind]


@pytest.mark.parametrize("kind", ["one number", "one per channel", "no box", "sparse", "nested"])
def test_a_layer_that_puts_out_no_maps_takes_nothing_from_the_others(kind: str) -> None:
    model, alone = Kinds("int64"), Kinds("int64")
    alone.load_state_dict(model.state_dict())
    model.branch, alone.branch = Aside(kind), nn.Identity()
    views: list[View] = [Predictions(), Saliency(), FeatureMaps(), GradCAM()]
    assert_same(arrays(model, views), arrays(alone, views))
