"""Models on which hooks go wrong quietly: each is right, or left out with one clear message."""

from __future__ import annotations

import warnings
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
from tests.helpers.blocks import EVERYTHING, IMAGES, Blocks, arrays, assert_same
from tests.helpers.fingerprint import fingerprint
from tests.helpers.training import CLASSES, SmallCNN, fit, image_steps, loader, sha, trainer


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
