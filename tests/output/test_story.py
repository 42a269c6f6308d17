from __future__ import annotations

from pathlib import Path

import pytest
from lightning.pytorch import seed_everything
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import lightning_cnnviz
from lightning_cnnviz import (
    CNNVisualizer,
    DriftCallback,
    FeatureMaps,
    Film,
    FixedSamples,
    GradCAM,
    GuidedGradCAM,
    ModelSummary,
    Predictions,
    PrototypeCallback,
    Saliency,
    explain,
)
from lightning_cnnviz.output.artifacts import Picture
from lightning_cnnviz.output.story import CHAPTERS, place, without_place
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.views import View
from lightning_cnnviz.views.base import how_to_read
from tests.helpers.pictures import noise
from tests.helpers.training import events, fit, image_tags, stripes

PUBLIC = [getattr(lightning_cnnviz, name) for name in lightning_cnnviz.__all__]


def test_the_pictures_of_a_run_are_one_group_that_tells_the_story(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer(), PrototypeCallback(), DriftCallback()], max_epochs=1)
    tags = sorted(image_tags(events(tmp_path)).values())
    assert {tag.partition("/")[0] for tag in tags} == {"cnnviz"}
    assert [without_place(tag) for tag in tags] == [
        "predictions",
        "grad_cam/body",
        "saliency/gradient",
        "feature_maps/body",
        "feature_maps/stem",
        "filters/stem.0",
        "prototypes",
        *sorted(tag for tag in map(without_place, tags) if tag.startswith(("flips", "timeline"))),
    ]


def test_what_a_look_costs_stands_behind_all_that_was_trained(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer(), DriftCallback()], max_epochs=1)
    found = events(tmp_path)
    tags = sorted([*found.Tags()["scalars"], *image_tags(found).values(), "loss", "train_loss", "val/acc", "val_loss"])
    costs = [tag for tag in tags if tag.endswith(("/seconds", "/overhead")) or "/seconds_" in tag]
    assert len(costs) == 5
    assert tags[-5:] == costs


def test_variants_stand_beside_each_other() -> None:
    views: list[View] = [
        GradCAM(variant="xgradcam"),
        Saliency(),
        GradCAM(),
        GuidedGradCAM(),
        GradCAM(variant="hirescam"),
    ]
    tags = ["xgradcam/body", "saliency/gradient", "grad_cam/body", "guided_grad_cam/body", "hirescam/body"]
    placed = sorted(place(tag, view.chapter) for tag, view in zip(tags, views, strict=True))
    assert [without_place(tag).partition("/")[0] for tag in placed] == [
        *("grad_cam", "hirescam", "xgradcam"),
        *("guided_grad_cam", "saliency"),
    ]


def test_every_picture_says_how_it_is_read(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer()], max_epochs=1)
    described = {
        without_place(value.tag): value.metadata
        for path in (tmp_path / "events").iterdir()
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "images"
    }
    assert described.keys() == image_tags(events(tmp_path)).keys()
    for tag, metadata in described.items():
        assert metadata.display_name == tag
        assert metadata.summary_description.startswith("How to read it: "), tag
        assert "When it misleads: " in metadata.summary_description, tag


@pytest.mark.parametrize(
    "view",
    [one for one in PUBLIC if isinstance(one, type) and issubclass(one, View)],
    ids=lambda view: view.__name__,
)
def test_every_view_says_how_it_is_read_and_when_it_misleads(view: type[View]) -> None:
    if view in (View, ModelSummary):  # which draw no pictures
        return
    told = how_to_read(view(GradCAM()) if view is Film else view())  # type: ignore[call-arg]
    assert [paragraph.partition(":")[0] for paragraph in told.split("\n\n")] == ["How to read it", "When it misleads"]


def test_a_view_of_ones_own_comes_last_and_may_choose_its_chapter(tmp_path: Path) -> None:
    class Mine(Predictions):
        chapter = "no such chapter"

    class Early(Predictions):
        chapter = "looks"

    fit(tmp_path, [CNNVisualizer([Mine()], tag_prefix="a/"), CNNVisualizer([Early()], tag_prefix="b/")], max_epochs=1)
    assert image_tags(events(tmp_path)) == {
        "a/predictions": "cnnviz/8 more/a/predictions",
        "b/predictions": "cnnviz/2 looks/b/predictions",
    }


def test_a_picture_of_no_chapter_keeps_its_tag(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "events")) as experiment:
        TensorBoardSink(experiment).write(Picture("mine", noise()), 0)
        TensorBoardSink(experiment).write(Picture("mine", noise(), chapter="pixels"), 0)
    assert sorted(events(tmp_path).Tags()["images"]) == ["cnnviz/3 pixels/mine", "mine"]


@pytest.mark.parametrize("tag", ["grad_cam/layer4", "cnnviz/mine", "cnnviz/2 pixels of mine/x", "cnnviz/9 more/x"])
def test_tags_come_back_whatever_they_are(tag: str) -> None:
    assert without_place(tag) == tag
    assert [without_place(place(tag, chapter)) for chapter in CHAPTERS] == [tag] * len(CHAPTERS)


def test_by_default_a_model_of_many_sizes_fills_no_more_than_a_page(tmp_path: Path) -> None:
    seed_everything(0, verbose=False)
    blocks = [nn.Sequential(nn.Conv2d(1 if size == 0 else 4, 4, 3), nn.ReLU()) for size in range(12)]
    model = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = nn.functional.interpolate(stripes(8).tensors[0], 28)
    found = explain(model, FixedSamples(images))
    assert len(found.pictures) == 12
    layers = [tag.partition("/")[2] for tag in found.pictures if tag.startswith("feature_maps/")]
    assert layers == ["0", "2", "3", "5", "6", "8", "9", "11"], "evenly chosen, with the first and the last"
    assert "feature_maps/1" in explain(model, FixedSamples(images), [FeatureMaps("1")]).pictures
