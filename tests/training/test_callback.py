from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms

from lightning_cnnviz import (
    CNNVisualizer,
    Evidence,
    FeatureMapCallback,
    FeatureMaps,
    FileSink,
    FilterCallback,
    FixedSamples,
    GradCAM,
    GradCAMCallback,
    Predictions,
    PrototypeCallback,
    Prototypes,
    Request,
    SaliencyCallback,
    View,
)
from lightning_cnnviz.model.layers import Layout
from lightning_cnnviz.output.artifacts import Artifact, Scalar
from tests.helpers.training import (
    CLASSES,
    SIZE,
    SmallCNN,
    events,
    fit,
    image_steps,
    image_tags,
    loader,
    sha,
    stripes,
    trainer,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec", "ignore:.*log_every"
)

DEFAULT_TAGS = {
    "predictions",
    "feature_maps/stem",
    "feature_maps/body",
    "filters/stem.0",
    "saliency/gradient",
    "grad_cam/body",
}


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


def test_class_means_are_those_of_the_training_images(tmp_path: Path) -> None:
    callback = PrototypeCallback(steps=2)
    fit(tmp_path, [callback], max_epochs=2)
    images, labels = stripes(24).tensors
    view = callback.views[0]
    assert isinstance(view, Prototypes)
    found = view._means.fill(torch.zeros(CLASSES, 1, SIZE, SIZE), CLASSES)
    wanted = torch.stack([images[labels == index].mean(dim=0) for index in range(CLASSES)])
    assert torch.allclose(found, wanted, atol=1e-6)


def test_samples_are_spread_over_classes_and_taken_once(tmp_path: Path) -> None:
    callback = CNNVisualizer([Predictions()], samples=5)
    fit(tmp_path, [callback], max_epochs=1)
    assert callback.samples is not None
    assert callback.samples.labels is not None
    assert sorted(callback.samples.labels.tolist()) == [0, 0, 1, 1, 2]


def test_normalisation_and_class_names_come_from_the_dataset(tmp_path: Path) -> None:
    class Named(TensorDataset):
        classes = ("top", "middle", "bottom")
        transform = transforms.Compose([transforms.Normalize((0.25,), (0.5,))])

    callback = CNNVisualizer([Predictions()])
    run = trainer(tmp_path, [callback], max_epochs=1)
    run.fit(SmallCNN(), loader(), DataLoader(Named(*stripes(12).tensors), 4))
    assert callback.samples is not None
    assert callback.samples.class_names == ("top", "middle", "bottom")
    assert (callback.samples.mean, callback.samples.std) == ((0.25,), (0.5,))


@pytest.mark.parametrize("batch_kind", ["dict", "nested", "bare"])
def test_batches_of_other_forms(tmp_path: Path, batch_kind: str) -> None:
    images, labels = stripes(12).tensors

    def collate(items: list[Any]) -> Any:
        batch = {"image": torch.stack([item[0] for item in items]), "label": torch.stack([item[1] for item in items])}
        return {"dict": batch, "nested": {"inputs": batch}, "bare": batch["image"]}[batch_kind]

    class AnyBatch(SmallCNN):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            pass

    keys = {"image_key": "inputs.image", "label_key": "inputs.label"} if batch_kind == "nested" else {}
    callback = CNNVisualizer([Predictions()], **keys)
    run = trainer(tmp_path, [callback], max_epochs=1)
    run.fit(AnyBatch(), loader(), DataLoader(TensorDataset(images, labels), 4, collate_fn=collate))
    assert callback.samples is not None
    assert (callback.samples.labels is None) == (batch_kind == "bare")
    assert len(image_steps(tmp_path)["predictions"]) == 2


def test_given_samples_need_no_validation(tmp_path: Path) -> None:
    samples = FixedSamples(*stripes(4).tensors)
    run = trainer(tmp_path, [CNNVisualizer([Predictions()], samples)], limit_val_batches=0)
    run.fit(SmallCNN(), loader())
    assert image_steps(tmp_path)["predictions"] == [0, 6, 12]


def test_without_validation_it_takes_training_images_and_says_so(tmp_path: Path) -> None:
    run = trainer(tmp_path, [CNNVisualizer()], limit_val_batches=0, max_epochs=1)
    with pytest.warns(UserWarning, match="no validation to take samples from, so they are training images"):
        run.fit(SmallCNN(), loader())
    assert image_steps(tmp_path).keys() == set(DEFAULT_TAGS)


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


def test_all_tensorboard_loggers_get_the_pictures(tmp_path: Path) -> None:
    loggers = [TensorBoardLogger(tmp_path / name, name="", version="events") for name in ("one", "two")]
    fit(tmp_path, [CNNVisualizer([Predictions()])], logger=[*loggers, CSVLogger(tmp_path)], max_epochs=1)
    assert image_steps(tmp_path / "one") == image_steps(tmp_path / "two") == {"predictions": [0, 5]}


def test_a_logger_that_takes_no_pictures_and_none_at_all_have_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class MyLogger(DummyLogger):
        pass

    caplog.set_level(logging.INFO, logger="lightning.pytorch")
    tags = {"predictions_000000.png", "predictions_000005.png"}
    for version, logger in enumerate((False, MyLogger())):
        run = trainer(
            tmp_path, [CNNVisualizer([Predictions()])], logger=logger, max_epochs=1, default_root_dir=tmp_path
        )
        model = SmallCNN()
        run.fit(model, loader(), loader())
        run.validate(model, loader(), verbose=False)
        directory = tmp_path / "cnnviz" / f"version_{version}"
        assert {path.name for path in directory.glob("*.png")} == tags | {"predictions_000006.png"}
    said = [record.message for record in caplog.records if "they are written to" in record.message]
    assert said == [
        f"the Trainer has no logger: they are written to {tmp_path / 'cnnviz' / 'version_0'}",
        f"pictures cannot be logged to MyLogger yet: they are written to {tmp_path / 'cnnviz' / 'version_1'}",
    ]


def test_pictures_beside_the_metrics_of_a_csv_logger(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="csv")
    fit(tmp_path, [CNNVisualizer([Predictions()])], logger=logger)
    assert sorted(path.name for path in (tmp_path / "csv" / "cnnviz").glob("*.png")) == [
        f"predictions_{step:06d}.png" for step in (0, 5, 11)
    ]


def test_each_callback_writes_to_its_own_sinks(tmp_path: Path) -> None:
    theirs, ours = FileSink(tmp_path / "a"), FileSink(tmp_path / "b")
    callbacks = [
        CNNVisualizer([Predictions()], sinks=[theirs, ours]),
        FilterCallback(sinks=[ours]),
        SaliencyCallback(),
        GradCAMCallback(sinks=[]),
    ]
    fit(tmp_path, callbacks, max_epochs=1)
    assert sorted(path.parent.name for path in tmp_path.glob("a/**/*_000005.png")) == ["a"]
    assert sorted(path.parent.name for path in tmp_path.glob("b/**/*_000005.png")) == ["b", "filters"]
    assert image_steps(tmp_path) == {"saliency/gradient": [0, 5]}


def test_what_is_no_sink_is_refused_before_training() -> None:
    with pytest.raises(MisconfigurationException, match="CNNVisualizer: sinks must be None or a sequence of sinks"):
        CNNVisualizer(sinks=FileSink("pictures"))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"fast_dev_run": True}, {"barebones": True, "logger": None}])
def test_nowhere_to_write_is_said_once_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    # A trial of the code ends before anybody reads advice.
    if options.get("barebones"):
        options |= {"enable_checkpointing": None, "enable_progress_bar": None, "enable_model_summary": None}
        options |= {"log_every_n_steps": None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
            trainer(tmp_path, [CNNVisualizer()], **options).fit(SmallCNN(), loader(), loader())
    said = [str(warning.message) for warning in caught if "lightning_cnnviz" in warning.filename]
    said += [record.message for record in caplog.records if "lightning_cnnviz" in record.pathname]
    assert said == ["nothing will be drawn: fast_dev_run and barebones switch the loggers off"]


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


class NoConvolution(SmallCNN):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.head = nn.Flatten(), nn.Identity(), nn.Linear(SIZE * SIZE, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.stem(images))
        return scores


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "views of another kind": ({"views": ["GradCAM"]}, "views must be a sequence of views"),
    "no views": ({"views": []}, "at least one view"),
    "no samples": ({"samples": 0}, "samples must be at least 1, got 0"),
    "show": ({"show": 0}, "show must be a positive integer"),
    "every_n_epochs": ({"every_n_epochs": 0}, "every_n_epochs must be a positive integer"),
    "unknown target": ({"target": "winner"}, "allowed are 'predicted', 'label'"),
    "negative target": ({"target": -1}, "classes count from 0"),
    "on_error": ({"on_error": "ignore"}, "allowed are 'warn', 'raise'"),
    "mean without std": ({"samples": FixedSamples(torch.zeros(1, 1, 8, 8)), "mean": [0.5]}, "std"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_refused_at_once(case: str) -> None:
    options, message = BAD_ARGUMENTS[case]
    with pytest.raises(MisconfigurationException, match=message):
        CNNVisualizer(**options)


def _samples(**changes: Any) -> FixedSamples:
    images, labels = stripes(4).tensors
    return FixedSamples(**{"images": images, "labels": labels, **changes})


BAD_FITS: dict[str, tuple[dict[str, Any], type[SmallCNN], str]] = {
    "unknown layer": ({"views": [FeatureMaps("bodi")]}, SmallCNN, "nearest: body"),
    "layer without map": ({"views": [GradCAM("head")]}, SmallCNN, "no spatial output"),
    "class names too few": ({"class_names": ["a", "b"]}, SmallCNN, "class_names|label"),
    "mean of another length": ({"mean": [0.1, 0.2], "std": [1.0, 1.0]}, SmallCNN, "mean"),
    "target out of range": ({"target": 3}, SmallCNN, "classes 0 to 2"),
    "targets of another number": ({"target": [0, 1]}, SmallCNN, "2 classes for 8 samples"),
    "label without labels": ({"target": "label", "label_key": None}, SmallCNN, "needs labelled samples"),
    "no image under the key": ({"image_key": 1}, SmallCNN, "image_key"),
    "channels out of range": ({"views": [FeatureMaps(channels=[99])]}, SmallCNN, "channels=\\[99\\]"),
}


@pytest.mark.parametrize("case", BAD_FITS)
def test_bad_input_is_refused_before_training(tmp_path: Path, case: str) -> None:
    options, model, message = BAD_FITS[case]
    run = trainer(tmp_path, [CNNVisualizer(**options)])
    with pytest.raises(MisconfigurationException, match=message):
        run.fit(model(), loader(), loader())
    assert run.global_step == 0


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


def test_pictures_can_be_stored_as_jpeg(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer([Predictions()], picture_format="jpeg"), SaliencyCallback()], max_epochs=1)
    accumulator = events(tmp_path)
    tags = image_tags(accumulator)
    starts = {tag: accumulator.Images(placed)[0].encoded_image_string[:4] for tag, placed in tags.items()}
    assert starts == {"predictions": b"\xff\xd8\xff\xe0", "saliency/gradient": b"\x89PNG"}
