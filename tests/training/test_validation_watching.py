"""Answers to validation batches are heard as they pass by: the right ones, without a call or a trace of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, seed_everything
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_cnnviz import CNNVisualizer, WorstMistakes
from tests.helpers.training import SmallCNN, fit, loader, sha, stripes, trainer
from tests.helpers.watch import Watch


class Wrapped(SmallCNN):
    """The network is a child, which validation_step calls by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images).log_softmax(dim=1)

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))


class Mapping(SmallCNN):
    def forward(self, images: Tensor) -> Any:
        return {"features": images.flatten(1), "logits": super().forward(images)}

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0])["logits"], batch[1])

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        scores = self(batch[0])["logits"]
        scores.zero_()  # what it does with them afterwards is its own business


class InHalves(SmallCNN):
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        for images in batch[0].split(2):
            self(images)


class InPlace(SmallCNN):
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])
        batch[0].sub_(0.5)
        batch[1].zero_()


def expected(model: LightningModule) -> Tensor:
    """What the model answers to all validation images, outside of any Trainer."""
    scores = model.eval()(stripes().tensors[0])
    scores = scores["logits"] if isinstance(scores, dict) else scores
    return scores.log_softmax(dim=1)


@pytest.mark.parametrize(
    "kind", [SmallCNN, Wrapped, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (Mapping, InHalves, InPlace))]
)
def test_answers_are_those_of_the_model(kind: type[SmallCNN], tmp_path: Path) -> None:
    watch = Watch()
    seed_everything(3, verbose=False)
    model = fit(tmp_path, [CNNVisualizer([watch], on_error="raise")], kind())
    assert [len(seen) for seen in watch.seen] == [6, 6], "the sanity check is not counted"
    last = watch.seen[-1]
    labels = torch.cat([answered.labels for answered in last])
    assert labels.equal(stripes().tensors[1]), "as they were before the step changed them"
    said = torch.cat([answered.log_probabilities for answered in last])
    torch.testing.assert_close(said, expected(model))
    if kind is InPlace:
        assert all(answered.images is None for answered in last)
    else:
        assert torch.cat([a.images for a in last if a.images is not None]).equal(stripes().tensors[0])
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("ends_in_sigmoid", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_single_yes_or_no_is_read_as_two_classes(ends_in_sigmoid: bool, tmp_path: Path) -> None:
    class YesOrNo(SmallCNN):
        def forward(self, images: Tensor) -> Tensor:
            scores = super().forward(images)
            return scores.sigmoid() if ends_in_sigmoid else scores

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            lose = F.binary_cross_entropy if ends_in_sigmoid else F.binary_cross_entropy_with_logits
            return lose(self(batch[0])[:, 0], batch[1].float())

        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self(batch[0])

    images, classes = stripes().tensors
    data = DataLoader(TensorDataset(images, (classes == 1).long()), 4)
    watch, model = Watch(), YesOrNo(classes=1)
    trainer(tmp_path, [CNNVisualizer([watch], on_error="raise")]).fit(model, data, data)
    said = torch.cat([answered.log_probabilities for answered in watch.seen[-1]]).exp()
    score = model.eval()(images)[:, 0]
    torch.testing.assert_close(said[:, 1], score if ends_in_sigmoid else score.sigmoid())
    torch.testing.assert_close(said.sum(dim=1), torch.ones(24))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SmallCNN, Wrapped])
def test_the_model_is_called_as_often_as_without_us_and_trains_the_same(kind: type[SmallCNN], tmp_path: Path) -> None:
    calls: dict[str, int] = {}

    class Counting(Callback):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_validation_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            conv = pl_module.stem[0] if kind is SmallCNN else pl_module.net[0]

            def count(*args: Any) -> None:
                calls[self.name] = calls.get(self.name, 0) + 1

            self.handle = conv.register_forward_hook(count)

        def on_validation_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            self.handle.remove()

    def run(name: str, callbacks: list[Callback]) -> str:
        seed_everything(3, verbose=False)
        return sha(fit(tmp_path / name, [Counting(name), *callbacks], kind(), accumulate_grad_batches=4))

    assert run("without", []) == run("with", [CNNVisualizer([Watch()], on_error="raise")])
    assert calls == {"without": 14, "with": 14}, "2 batches of the sanity check, 6 of each validation"


@pytest.mark.parametrize("stage", ["validate", pytest.param("test", marks=pytest.mark.slow)])
def test_under_inference_mode_images_are_kept_before_a_step_changes_them(stage: str, tmp_path: Path) -> None:
    watch, model = Watch(), InPlace()
    model.test_step = model.validation_step  # type: ignore[method-assign]
    run = trainer(tmp_path, [CNNVisualizer([watch], on_error="raise")])
    getattr(run, stage)(model, loader(), verbose=False)
    images = [answered.images for seen in watch.seen for answered in seen]
    assert torch.cat([image for image in images if image is not None]).equal(stripes().tensors[0])
    torch.testing.assert_close(torch.cat([a.log_probabilities for a in watch.seen[0]]), expected(model))


@pytest.mark.slow
def test_a_compiled_child_is_heard_without_another_compilation(tmp_path: Path) -> None:
    compilations = 0

    def backend(graph: Any, inputs: Any) -> Any:
        nonlocal compilations
        compilations += 1
        return graph.forward

    class Compiled(Wrapped):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.compile(self.net, backend=backend, dynamic=False)  # type: ignore[assignment]

    def run(name: str, callbacks: list[Callback]) -> int:
        nonlocal compilations
        compilations = 0
        torch.compiler.reset()
        seed_everything(3, verbose=False)
        fit(tmp_path / name, callbacks, Compiled(), num_sanity_val_steps=0)
        return compilations

    watch = Watch()
    without = run("without", [])
    assert run("with", [CNNVisualizer([watch], on_error="raise")]) == without > 0
    assert [len(seen) for seen in watch.seen] == [6, 6]


@pytest.mark.slow
@pytest.mark.parametrize("in_place", [False, True])
def test_what_only_the_compiler_sees_is_given_up_and_said(in_place: bool, tmp_path: Path) -> None:
    class Unheard(SmallCNN):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.log("val_loss", batch[0].mean())

    watch = Watch()
    model = Wrapped() if in_place else Unheard()
    if in_place:
        model.net.compile(backend="eager")  # type: ignore[operator,union-attr]
    with pytest.warns(UserWarning, match="goes on without Watch: ValueError: validation_step was not heard"):
        fit(tmp_path, [CNNVisualizer([watch])], model, max_epochs=1)
    assert watch.seen == [[]]


def test_images_that_the_loss_passes_over_are_left_out(tmp_path: Path) -> None:
    class Ignoring(SmallCNN):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return F.cross_entropy(self(batch[0]), batch[1], ignore_index=-1)

        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self(batch[0])

    images, labels = stripes().tensors
    labels = labels.clone()
    labels[:5] = -1  # all of the first batch, one of the second
    data = DataLoader(TensorDataset(images, labels), 4)
    watch = Watch()
    trainer(tmp_path, [CNNVisualizer([watch], on_error="raise")], max_epochs=1).fit(Ignoring(), loader(), data)
    (seen,) = watch.seen
    assert [len(answered.labels) for answered in seen] == [3, 4, 4, 4, 4]
    assert torch.cat([answered.labels for answered in seen]).equal(labels[5:])
    assert torch.cat([answered.images for answered in seen if answered.images is not None]).equal(images[5:])
    assert torch.cat([answered.log_probabilities for answered in seen]).shape == (19, 3)


@pytest.mark.parametrize(
    ("options", "validations"),
    [({"max_epochs": 5}, 5), ({"max_epochs": 1, "check_val_every_n_epoch": None, "val_check_interval": 1}, 6)],
    ids=["epochs", "validations"],
)
def test_who_has_no_turn_after_a_validation_sees_nothing_of_it(
    options: dict[str, Any], validations: int, tmp_path: Path
) -> None:
    watches, worst = [Watch(), Watch(every_n_epochs=2)], WorstMistakes(every_n_epochs=4)
    kept: list[bool] = []

    class Looks(Callback):
        def on_validation_end(self, trainer: Any, pl_module: LightningModule) -> None:
            kept.append(worst.state_dict()["worst"] is not None)

    fit(tmp_path, [CNNVisualizer([*watches, worst], every_n_epochs=1), Looks()], SmallCNN(), **options)
    assert [len(watch.seen) for watch in watches] == [validations, validations // 2]
    assert not any(kept), "no image is left for a checkpoint"
