"""What is drawn when, beside a training of the same bits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_cnnviz import (
    CNNVisualizer,
    Evidence,
    FeatureMapCallback,
    FilterCallback,
    FixedSamples,
    GradCAM,
    GradCAMCallback,
    Predictions,
    PrototypeCallback,
    Request,
    SaliencyCallback,
    View,
)
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.output.artifacts import Artifact, Scalar
from tests.helpers.training import (
    DEFAULT_TAGS,
    SmallCNN,
    events,
    fit,
    image_steps,
    loader,
    sha,
    stripes,
    trainer,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec", "ignore:.*log_every"
)


class Failing(View):
    """Fails where it is told to."""

    def __init__(self, where: str = "draw", *, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        self.where = where

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        if self.where == "procedure":
            return Request(procedures={"failing": _fail})
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        if self.where == "procedure":
            evidence.result("failing")
        yield Scalar("half_way", 1.0)
        raise RuntimeError("broken on purpose")


def _fail(model: Any) -> None:
    model.scores(model.images)
    raise RuntimeError("broken on purpose")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"accumulate_grad_batches": 4, "val_check_interval": 3}])
@pytest.mark.parametrize("failing", [None, "draw", "procedure"])
def test_training_gives_the_same_bits(tmp_path: Path, options: dict[str, Any], failing: str | None) -> None:
    alone = fit(tmp_path / "alone", [], **options)
    callbacks = [CNNVisualizer(), PrototypeCallback()]
    callbacks += [CNNVisualizer([Failing(failing)])] if failing else []
    with pytest.warns(UserWarning, match="broken on purpose") if failing else nullcontext():
        watched = fit(tmp_path / "watched", callbacks, **options)
    assert sha(watched) == sha(alone)
    assert image_steps(tmp_path / "watched").keys() == DEFAULT_TAGS | {"prototypes"}


def test_every_tag_is_drawn_untrained_and_after_every_epoch(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer(), PrototypeCallback(steps=2)])
    validation = [scalar.step for scalar in events(tmp_path).Scalars("val_loss")]
    steps = image_steps(tmp_path)
    assert steps.pop("prototypes") == validation
    assert steps == dict.fromkeys(DEFAULT_TAGS, [0, *validation])


def test_one_view_callbacks_draw_their_view_only(tmp_path: Path) -> None:
    callbacks = [FeatureMapCallback("stem"), FilterCallback(), SaliencyCallback(), GradCAMCallback("body", "hirescam")]
    fit(tmp_path, callbacks, max_epochs=1)
    assert image_steps(tmp_path).keys() == {"feature_maps/stem", "filters/stem.0", "saliency/gradient", "hirescam/body"}


def test_several_callbacks_share_one_pass(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counting(SmallCNN):
        def forward(self, images: Tensor) -> Tensor:
            if torch.is_grad_enabled() and not self.training:
                calls.append(len(images))
            return super().forward(images)

    fit(
        tmp_path,
        [CNNVisualizer(), SaliencyCallback(tag_prefix="again/"), GradCAMCallback("stem")],
        Counting(),
        max_epochs=1,
    )
    assert calls == [3, 8, 8]  # the survey looks at three samples, then one pass untrained and one after the epoch
    assert {"again/saliency/gradient", "grad_cam/stem", "grad_cam/body"} <= image_steps(tmp_path).keys()


def test_schedules_count_epochs(tmp_path: Path) -> None:
    views = [Predictions(), GradCAM(every_n_epochs=2)]
    fit(tmp_path, [CNNVisualizer(views, every_n_epochs=2, log_untrained=False)], max_epochs=4)
    steps = image_steps(tmp_path)
    assert steps["predictions"] == [11, 23]  # second and fourth epoch of six batches
    assert steps["grad_cam/body"] == [23]


def test_untrained_look_is_not_repeated_on_resume(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path, save_last=True)
    first = CNNVisualizer([Predictions()])
    fit(tmp_path / "first", [first, checkpoint], enable_checkpointing=True)
    second = CNNVisualizer([Predictions()])
    model = SmallCNN()
    resumed = trainer(tmp_path / "second", [second], max_epochs=3)
    resumed.fit(model, loader(shuffle=True), DataLoader(stripes(24), 4, shuffle=True), ckpt_path=tmp_path / "last.ckpt")
    assert first.samples is not None
    assert second.samples is not None
    assert torch.equal(first.samples.images, second.samples.images)  # though the loader now shuffles
    assert image_steps(tmp_path / "second")["predictions"] == [17]


def test_prototypes_resume_where_they_were(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path, save_last=True)
    first = PrototypeCallback(steps=2)
    fit(tmp_path / "first", [first, checkpoint], enable_checkpointing=True, max_epochs=1)
    second = PrototypeCallback(steps=2)
    resumed = trainer(tmp_path / "second", [second], max_epochs=2)
    resumed.fit(SmallCNN(), loader(shuffle=True), loader(), ckpt_path=tmp_path / "last.ckpt")
    assert image_steps(tmp_path / "second")["prototypes"] == [11]
    means = [callback.views[0].state_dict()["means"]["sums"] for callback in (first, second)]
    assert torch.equal(*means)  # summed up in the first epoch, and never again


@pytest.mark.parametrize("method", ["validate", "test"])
def test_standalone_evaluation_is_looked_at(tmp_path: Path, method: str) -> None:
    run = trainer(tmp_path, [CNNVisualizer()])
    getattr(run, method)(SmallCNN(), loader(), verbose=False)
    assert image_steps(tmp_path) == dict.fromkeys(DEFAULT_TAGS, [0])


def test_validation_after_training_keeps_steps_increasing(tmp_path: Path) -> None:
    run = trainer(tmp_path, [CNNVisualizer([Predictions()])], max_epochs=1)
    model = SmallCNN()
    run.fit(model, loader(), loader())
    run.validate(model, loader(), verbose=False)
    run.test(model, loader(), verbose=False)
    assert image_steps(tmp_path)["predictions"] == [0, 5, 6, 7]


def test_without_a_sanity_check_the_first_look_comes_after_an_epoch(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer([Predictions()])], num_sanity_val_steps=0)
    assert image_steps(tmp_path)["predictions"] == [5, 11]


def test_epochs_of_one_batch_still_get_increasing_steps(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer([Predictions()])], limit_train_batches=1, max_epochs=3)
    assert image_steps(tmp_path)["predictions"] == [0, 1, 2, 3]


def test_a_failing_view_is_switched_off_and_said_once(tmp_path: Path) -> None:
    callback = CNNVisualizer([Predictions(), Failing()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(tmp_path, [callback]).fit(SmallCNN(), loader(), loader())
    said = [str(warning.message) for warning in caught if "broken on purpose" in str(warning.message)]
    assert said == ["CNNVisualizer goes on without Failing: RuntimeError: broken on purpose"]
    assert image_steps(tmp_path) == {"predictions": [0, 5, 11]}


def test_on_error_raise_raises(tmp_path: Path) -> None:
    run = trainer(tmp_path, [CNNVisualizer([Failing()], on_error="raise")])
    with pytest.raises(RuntimeError, match="broken on purpose"):
        run.fit(SmallCNN(), loader(), loader())


def test_state_is_made_of_tensors_and_primitives(tmp_path: Path) -> None:
    callbacks = [CNNVisualizer(), PrototypeCallback(steps=2)]
    fit(tmp_path, callbacks, max_epochs=1)
    torch.save([callback.state_dict() for callback in callbacks], tmp_path / "state")
    assert len(torch.load(tmp_path / "state", weights_only=True)) == 2


def test_state_keys_differ_between_instances() -> None:
    callbacks = [
        CNNVisualizer(),
        CNNVisualizer(tag_prefix="other/"),
        GradCAMCallback(),
        GradCAMCallback("stem"),
        CNNVisualizer([GradCAM(variant="layercam")]),
    ]
    assert len({callback.state_key for callback in callbacks}) == len(callbacks)


def test_a_model_without_forward_is_looked_at_through_its_network(tmp_path: Path) -> None:
    class Wrapper(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = SmallCNN()

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            pass

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    trainer(tmp_path, [CNNVisualizer()], max_epochs=1).fit(Wrapper(), loader(), loader())
    assert "grad_cam/net.body" in image_steps(tmp_path)
