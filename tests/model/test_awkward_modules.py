"""Models on which hooks go wrong quietly: each is right, or left out with one clear message."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lightning_cnnviz import (
    ActivationMaximization,
    CNNVisualizer,
    FeatureMaps,
    GradCAM,
    GuidedGradCAM,
    Prototypes,
    Saliency,
    explain,
)
from lightning_cnnviz.model.evidence import UnavailableError
from lightning_cnnviz.views import View
from tests.helpers.fingerprint import fingerprint
from tests.helpers.training import CLASSES, SmallCNN, fit, image_steps, loader, sha, trainer

IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
VARIANTS = ("gradcam", "gradcam++", "hirescam", "xgradcam", "layercam")


def arrays(model: nn.Module, views: list[View], images: Tensor = IMAGES) -> dict[str, Tensor]:
    """What the views found; the model must be as before."""
    before = fingerprint(model)
    found = explain(model, images, views).arrays
    assert before.differences(fingerprint(model)) == []
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for tag, values in expected.items():
        torch.testing.assert_close(found[tag], values, msg=lambda text, tag=tag: f"{tag}: {text}")
        assert values.abs().max() > 0, f"{tag} is blank and proves nothing"


class Blocks(nn.Module):
    """Convolution, normalisation and activation, twice; the ways to write it differ between tests."""

    def __init__(self, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.early = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), activation())
        self.late = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), activation())
        self.head = nn.Linear(4, CLASSES)

    def forward(self, images: Tensor) -> Any:
        return self.classify(self.late(self.early(images)))

    def classify(self, maps: Tensor) -> Tensor:
        scores: Tensor = self.head(maps.mean(dim=(2, 3)))
        return scores


EVERYTHING: list[View] = [
    FeatureMaps(["early.*", "late.*"], channels=4),
    Saliency(),
    *(GradCAM(["early.*", "late.*"], variant) for variant in VARIANTS),
]


def test_in_place_activations_equal_their_out_of_place_twins() -> None:
    in_place = Blocks(lambda: nn.ReLU(inplace=True))

    assert_same(arrays(in_place, EVERYTHING), arrays(Blocks(), EVERYTHING))


def test_functional_in_place_activation_after_a_hooked_convolution() -> None:
    class Functional(Blocks):
        def forward(self, images: Tensor) -> Tensor:
            return self.classify(F.relu_(self.late[1](self.late[0](F.relu_(self.early[1](self.early[0](images)))))))

    layers: list[View] = [GradCAM(["early.0", "late.1"], "hirescam"), Saliency()]
    assert_same(arrays(Functional(), layers), arrays(Blocks(), layers))


def test_input_changed_in_place_equals_its_out_of_place_twin() -> None:
    class Normalises(Blocks):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images.sub_(0.5).div_(2.0))

    class Twin(Blocks):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward((images - 0.5) / 2.0)

    kept = IMAGES.clone()
    assert_same(arrays(Normalises(), EVERYTHING), arrays(Twin(), EVERYTHING))
    assert torch.equal(kept, IMAGES)


def test_of_a_module_used_twice_the_maps_of_both_calls_add_up() -> None:
    class Shared(Blocks):
        def __init__(self) -> None:
            super().__init__()
            self.third = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())

        def forward(self, images: Tensor) -> Tensor:
            maps = self.early(images)
            return self.classify(self.third(self.third(maps)))

    class Twin(Shared):
        def __init__(self) -> None:
            super().__init__()
            self.again = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
            self.again.load_state_dict(self.third.state_dict())

        def forward(self, images: Tensor) -> Tensor:
            return self.classify(self.again(self.third(self.early(images))))

    shared = arrays(Shared(), [GradCAM(["third.0", "third"]), FeatureMaps("third", channels=8)])

    twin = Twin().eval()
    put_out: dict[str, Tensor] = {}
    for name, module in twin.named_modules():
        module.register_forward_hook(lambda _, __, output, name=name: put_out.setdefault(name, output.clone()))
    twin.again[1] = twin.third[1] = nn.ReLU(inplace=False)
    scores = twin(IMAGES).amax(dim=1).sum()
    expected = {"feature_maps/third": torch.cat([put_out["third"], put_out["again"]], dim=1).detach()}
    for layer in ("third.0", "third"):
        calls = [put_out[layer], put_out[layer.replace("third", "again")]]
        maps = [
            (gradient.mean(dim=(2, 3), keepdim=True) * call).sum(dim=1)
            for gradient, call in zip(torch.autograd.grad(scores, calls, retain_graph=True), calls, strict=True)
        ]
        expected[f"grad_cam/{layer}"] = (maps[0] + maps[1]).relu().detach()
    assert_same(shared, expected)


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


class Checkpointed(Blocks):
    """Computes its blocks again during the backward pass instead of keeping what is inside them."""

    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant

    def forward(self, images: Tensor) -> Tensor:
        maps = checkpoint(self.early, images, use_reentrant=self.reentrant)
        return self.classify(checkpoint(self.late, maps, use_reentrant=self.reentrant))


def test_checkpointing_without_reentry_equals_the_plain_model() -> None:
    assert_same(arrays(Checkpointed(reentrant=False), EVERYTHING), arrays(Blocks(), EVERYTHING))


@pytest.mark.parametrize("view", [GradCAM("late"), Saliency()])
def test_reentrant_checkpointing_is_left_out_with_a_message(view: View) -> None:
    model = Checkpointed(reentrant=True)
    before = fingerprint(model)

    with pytest.raises(UnavailableError, match="use_reentrant=False"):
        explain(model, IMAGES, [view])

    assert before.differences(fingerprint(model)) == []
    assert_same(arrays(model, [FeatureMaps("late")]), arrays(Blocks(), [FeatureMaps("late")]))


class BackboneWithoutGradients(Blocks):
    """Runs its first block under ``no_grad``, as fine-tuning recipes do."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            maps = self.early(images)
        return self.classify(self.late(maps))


def test_no_grad_inside_forward() -> None:
    assert_same(arrays(BackboneWithoutGradients(), [GradCAM("late")]), arrays(Blocks(), [GradCAM("late")]))
    with pytest.raises(UnavailableError, match=r"no gradient for early: .* torch\.no_grad"):
        explain(BackboneWithoutGradients(), IMAGES, [GradCAM("early")])
    # Whatever is derived by the image says so in the same words.
    of_the_image = [Saliency(), Saliency("guided"), Saliency("integrated_gradients"), Prototypes()]
    for view in (*of_the_image, GuidedGradCAM("late"), ActivationMaximization("early")):
        with pytest.raises(ValueError, match=r"detached, rounded or computed under torch\.no_grad"):
            explain(BackboneWithoutGradients(), IMAGES, [view])


class Kinds(nn.Module):
    """A branch whose output is of a kind that has no maps, beside or before the convolution."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.branch, self.late = Converts(kind), nn.Conv2d(1, 4, 3, padding=1)
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
        return torch.fft.fft2(images) if self.kind == "complex64" else (images * 255).long()


@pytest.mark.parametrize("kind", ["int64", "complex64", "quint8"])
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


class Wrapper(LightningModule):
    """Has no ``forward`` of its own: its steps call a submodule."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = nn.CrossEntropyLoss()
        self.net = Blocks()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss: Tensor = self.loss(self.net(batch[0]), batch[1])
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def test_a_model_that_calls_a_submodule_with_the_images(tmp_path: Path) -> None:
    inner = arrays(Blocks(), [GradCAM("late"), Saliency()])
    assert_same(
        arrays(Wrapper(), [GradCAM("net.late"), Saliency()]),
        {tag.replace("late", "net.late"): values for tag, values in inner.items()},
    )

    torch.manual_seed(0)
    with_us = fit(tmp_path / "with", [CNNVisualizer(show=1, on_error="raise")], Wrapper())
    torch.manual_seed(0)
    without_us = fit(tmp_path / "without", [], Wrapper())

    assert sha(with_us) == sha(without_us)
    assert image_steps(tmp_path / "with")["grad_cam/net.late"] == [0, 5, 11]


def test_scripted_submodule_equals_its_twin() -> None:
    scripted = Blocks()
    scripted.early = torch.jit.script(scripted.early)

    assert_same(arrays(scripted, [GradCAM("late"), Saliency()]), arrays(Blocks(), [GradCAM("late"), Saliency()]))


class Lazy(SmallCNN):
    """Finds out the width of its head in its first call, which belongs to the training."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.LazyLinear(CLASSES)


def test_lazy_modules_are_not_initialized_by_us() -> None:
    model = Lazy()

    with pytest.raises(ValueError, match=r"head\.weight is not initialized yet"):
        explain(model, IMAGES, [GradCAM()])

    assert isinstance(model.head, nn.LazyLinear)
    model(IMAGES)
    assert arrays(model, [GradCAM()]).keys() == {"grad_cam/body"}


def test_of_a_view_that_cannot_have_its_gradients_the_others_are_drawn(tmp_path: Path) -> None:
    class Detached(SmallCNN):
        def forward(self, images: Tensor) -> Tensor:
            with torch.no_grad():
                maps = self.stem(images)
            return self.head(self.body(maps).mean(dim=(2, 3)))

    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(tmp_path, [CNNVisualizer(show=1)]).fit(Detached(), loader(), loader())

    told = [str(warning.message) for warning in caught if "goes on without" in str(warning.message)]
    assert len(told) == 1
    assert told[0].startswith("CNNVisualizer goes on without Saliency: UnavailableError: ")
    assert set(image_steps(tmp_path)) >= {"predictions", "feature_maps/body", "filters/stem.0", "grad_cam/body"}
    assert not any(tag.startswith("saliency") for tag in image_steps(tmp_path))
