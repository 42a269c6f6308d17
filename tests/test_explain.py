from __future__ import annotations

import copy
import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from PIL import Image
from torch import Tensor, nn

from lightning_cnnviz import (
    Explanation,
    FeatureMaps,
    FixedSamples,
    GradCAM,
    ModelSummary,
    Predictions,
    Prototypes,
    Saliency,
    View,
    explain,
)
from lightning_cnnviz.output.record_json import from_blob
from lightning_cnnviz.page.report import read_report
from tests.helpers.browser import chromium, needs_chromium
from tests.helpers.page import clean, painted
from tests.helpers.training import CLASSES, SIZE, SmallCNN, sha


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 1, SIZE, SIZE)


def test_the_default_views_and_their_values() -> None:
    model, given = SmallCNN().eval(), images()
    found = explain(model, given)
    assert found.pictures.keys() == found.arrays.keys()
    assert {tag.partition("/")[0] for tag in found.pictures} == {
        "predictions",
        "feature_maps",
        "filters",
        "saliency",
        "grad_cam",
    }
    given = given.requires_grad_()
    scores = model(given)
    (gradient,) = torch.autograd.grad(scores.amax(dim=1).sum(), given)
    assert torch.allclose(found.arrays["predictions"], scores.softmax(dim=1), atol=1e-6)
    assert torch.allclose(found.arrays["saliency/gradient"], gradient, atol=1e-6)
    assert torch.equal(found.arrays["filters/stem.0"], model.stem[0].weight)
    for picture in found.pictures.values():
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3


def test_the_model_is_left_as_it_was() -> None:
    model = SmallCNN()
    model.stem[1].eval()
    modes = [module.training for module in model.modules()]
    before, state = sha(model), torch.get_rng_state()
    explain(model, images())
    assert sha(model) == before
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    state_after = torch.get_rng_state()
    torch.set_rng_state(state)
    images()
    assert torch.equal(state_after, torch.get_rng_state())  # only this test's own images were drawn


def test_samples_with_labels_and_names() -> None:
    samples = FixedSamples(images(), torch.tensor([0, 1, 2]), class_names=["a", "b", "c"])
    by_label = explain(SmallCNN(), samples, [Saliency()], target="label").arrays["saliency/gradient"]
    one_each = explain(SmallCNN(), samples, [Saliency()], target=[0, 1, 2]).arrays["saliency/gradient"]
    assert by_label.shape == one_each.shape
    model = SmallCNN()
    by_label = explain(model, samples, [Saliency()], target="label").arrays["saliency/gradient"]
    one_each = explain(model, samples, [Saliency()], target=[0, 1, 2]).arrays["saliency/gradient"]
    assert torch.equal(by_label, one_each)


def test_scores_under_another_key() -> None:
    class Two(SmallCNN):
        def forward(self, images: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            return {"features": images.flatten(1), "classes": super().forward(images)}

    found = explain(Two(), images(), [Predictions()], output_key="classes")
    assert found.arrays["predictions"].shape == (3, CLASSES)


def test_photographs_are_drawn_at_their_own_resolution(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (10, 200, 30)).save(tmp_path / "wide.png")

    def transform(photograph: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(photograph.resize((SIZE, SIZE)).convert("L"))[None] / 255.0).float()

    samples = FixedSamples.from_files([tmp_path / "wide.png"], transform)
    picture = explain(SmallCNN(), samples, [GradCAM(alpha=0.0)]).pictures["grad_cam/body"]
    green = (np.abs(picture.astype(int) - (10, 200, 30)).max(axis=2) < 4).any(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], green, [False]]).astype(int)))
    widths = edges[1::2] - edges[::2]
    heights = (np.abs(picture.astype(int) - (10, 200, 30)).max(axis=2) < 4).any(axis=1).sum()
    assert len(widths) == 2  # the photograph, and the overlay that lets all of it through
    assert all(width / heights == pytest.approx(1.5, rel=0.02) for width in widths)


def test_saved_files_hold_what_was_found(tmp_path: Path) -> None:
    samples = FixedSamples(images(), torch.arange(3))
    found = explain(SmallCNN(), samples, [GradCAM(), Prototypes(steps=2), ModelSummary()])
    for _ in range(2):  # the second time replaces the files of the first
        found.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "grad_cam/body.png",
        "grad_cam/body.npy",
        "prototypes.png",
        "prototypes.npy",
        "model_summary.md",
        "scalars.csv",
        "report.html",
    }
    (run,) = read_report((folder / "report.html").read_bytes())
    assert (run.name, run.is_single, len(run.looks)) == ("SmallCNN", True, 1)
    head = from_blob(run.looks[0][0])
    assert head["items"][0]["tag"] == "grad_cam/body"
    assert head["notes"] == found.notes
    assert np.array_equal(np.load(folder / "grad_cam" / "body.npy"), found.arrays["grad_cam/body"].numpy())
    assert np.array_equal(cv2.imread(str(folder / "prototypes.png"))[..., ::-1], found.pictures["prototypes"])
    assert (folder / "model_summary.md").read_text() == found.notes["model_summary"]
    with (folder / "scalars.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["tag", "value"]
    assert {tag: float(value) for tag, value in rows} == found.scalars


def test_no_tag_leads_out_of_the_folder(tmp_path: Path) -> None:
    Explanation(arrays={"../../outside": torch.ones(1)}, notes={"/etc/x": "y"}).save(tmp_path / "in" / "side")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        "in/side/_x2e__x2e_/_x2e__x2e_/outside.npy",
        "in/side/_x2f_etc/x.md",
    ]


def test_what_cannot_be_on_a_page_is_shown_as_pictures() -> None:
    found = explain(SmallCNN(), images(), [GradCAM()])
    found.looks["SmallCNN"] = replace(found.looks["SmallCNN"], seen=(None,))  # type: ignore[arg-type]
    assert found._repr_html_().startswith("<h4>grad_cam/body</h4><img")


@pytest.mark.slow
@needs_chromium
def test_the_page_in_a_notebook_works_and_reaches_nothing_around_it(tmp_path: Path) -> None:
    found = explain(SmallCNN(), images(), [GradCAM()])
    (tmp_path / "notebook.html").write_text(f"<!doctype html><p id='outside'></p>{found._repr_html_()}")
    with chromium(tmp_path / "profile") as driver:
        driver.get(f"file://{tmp_path}/notebook.html")
        driver.switch_to.frame(driver.find_element("tag name", "iframe"))
        painted(driver)
        assert len(driver.find_elements("css selector", "main canvas")) == 3
        assert not driver.find_element("css selector", ".time").is_displayed(), "there are no epochs to move along"
        loaded = "return Promise.all([...document.images].map((one) => one.decode().then(() => one.naturalWidth)))"
        assert min(driver.execute_script(loaded)) > 0
        assert driver.execute_script("try { return parent.document.title } catch { return null }") is None
        assert clean(driver)


def test_shows_itself_in_a_notebook() -> None:
    found = explain(SmallCNN(), images(), [GradCAM(), Prototypes(steps=1)])
    found.notes["<b>"] = "1 < 2"
    found.remarks.append("a & b")
    found.pictures["of my own"] = np.zeros((2, 2, 3), np.uint8)
    shown = found._repr_html_()
    assert shown.count('<iframe sandbox="allow-scripts"') == 1
    assert shown.count("<img") == 1, "what the page has no numbers of"
    assert "<td>prototypes/cost</td>" in shown
    assert "<h4>&lt;b&gt;</h4><pre>1 &lt; 2</pre>" in shown
    assert "<p>a &amp; b</p>" in shown


@pytest.mark.parametrize(
    ("views", "options", "message"),
    [
        ([GradCAM("bodi")], {}, "layers='bodi': the model has no such layer; nearest: body"),
        ([FeatureMaps("head")], {}, "layers='head': this layer has no spatial output"),
        ([Saliency()], {"target": "label"}, "target='label' needs labelled samples"),
        ([Saliency()], {"target": 3}, "the model has classes 0 to 2"),
        ([Saliency()], {"target": "best"}, "target='best': allowed are"),
        ([Saliency()], {"output_key": "x"}, "output_key='x' finds no tensor"),
    ],
)
def test_what_cannot_be_done_is_said(views: list[View], options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(SmallCNN(), images(), views, **options)  # type: ignore[arg-type]


def test_of_a_model_without_convolutions_only_what_was_named_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 2))
    refused = "needs a model with a two-dimensional convolution, Sequential has none"
    with pytest.raises(ValueError, match=refused):
        explain(model, images(), [GradCAM()])
    found = explain(model, images())
    assert found.pictures.keys() == {"predictions", "saliency/gradient"}
    assert [remark.partition(":")[0] for remark in found.remarks if refused in remark] == [
        "FeatureMaps is left out",
        "Filters is left out",
        "GradCAM is left out",
    ]
    assert explain(model, images(), [Saliency()]).pictures.keys() == {"saliency/gradient"}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
def test_a_module_of_fabric(precision: str) -> None:
    torch.manual_seed(0)
    bare, shown = SmallCNN(), images()
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    model = fabric.setup(copy.deepcopy(bare))
    expected = explain(bare.to(next(model.parameters()).dtype), shown)
    before = sha(model)
    found = explain(model, shown)
    assert found.remarks == expected.remarks
    assert set(found.pictures) == set(expected.pictures) >= {"grad_cam/body", "saliency/gradient"}
    for tag, array in expected.arrays.items():
        assert torch.equal(found.arrays[tag], array), tag
    assert sha(model) == before
    fabric.backward(model(shown.to(next(model.parameters()).dtype)).sum())  # which the wrapper still allows
    assert all(parameter.grad is not None for parameter in model.parameters())
