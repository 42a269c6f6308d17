from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from lightning_cnnviz import FixedSamples, compare
from lightning_cnnviz.comparison.most_changed import most_changed
from lightning_cnnviz.output.record_json import from_blob
from lightning_cnnviz.page.report import read_report
from tests.helpers.drift import samples, small_cnn
from tests.helpers.training import SmallCNN, sha, stripes


def test_a_model_is_zero_away_from_itself() -> None:
    found = compare(small_cnn(1), small_cnn(1), samples())
    assert {value for tag, value in found.scalars.items() if tag.startswith("drift/")} == {0.0}


def test_is_symmetric_where_the_numbers_are() -> None:
    there, back = compare(small_cnn(1), small_cnn(2), samples()), compare(small_cnn(2), small_cnn(1), samples())
    for tag in ("drift_layers/features/body/first", "drift/grad_cam", "drift/predictions", "drift/flips"):
        assert there.scalars[tag] == pytest.approx(back.scalars[tag], abs=1e-6)
        assert there.scalars[tag] > 0


def test_both_models_are_left_as_they_were() -> None:
    first, second = small_cnn(1).train(), small_cnn(2).eval()
    before = sha(first), sha(second)
    compare(first, second, samples())
    assert (sha(first), sha(second)) == before
    assert first.training
    assert not second.training


def test_every_sample_is_drawn_those_that_flipped_first() -> None:
    assert compare(small_cnn(1), small_cnn(1), samples()).pictures["flips"].shape[2] == 3


def test_more_samples_than_a_run_would_use_all_count() -> None:
    model = small_cnn(1)
    changed = small_cnn(1)
    with torch.no_grad():
        changed.head.bias[2] += 100
    judged = samples(99)
    share = (model.eval()(judged.images).argmax(dim=1) != 2).float().mean()
    assert compare(model, changed, judged).scalars["drift/flips"] == pytest.approx(float(share))


def test_layers_that_only_one_model_has_are_left_out() -> None:
    other = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    numbers = compare(small_cnn(), other, samples()).scalars
    assert not any(tag.startswith("drift/features") for tag in numbers)
    assert "drift_layers/predictions/first" in numbers


def test_different_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="model_b must have the 3 classes of model_a, got 7"):
        compare(SmallCNN(), SmallCNN(classes=7), samples())


def rows_tell(*, always: int | None = None) -> nn.Sequential:
    """A model that sees which of three rows of `stripes` is bright, or says one class whatever it is shown."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((8, 1)), nn.Flatten(), nn.Linear(8, 3))
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.fill_(0)
        model[4].weight.zero_()
        model[4].bias.zero_()
        for label in range(3):
            model[4].weight[label, 2 * label + 1] = 20
        if always is not None:
            model[4].bias[always] += 100
    return model


def test_what_the_labels_tell() -> None:
    found = compare(rows_tell(), rows_tell(always=2), samples())  # four of each class, all told apart by the first
    assert found.quality is not None
    assert found.names == ("Sequential before", "Sequential now")
    assert found.scalars["quality/accuracy_a"] == 1
    assert found.scalars["quality/accuracy_b"] == pytest.approx(1 / 3)
    assert found.scalars["quality/negative_flips"] == pytest.approx(2 / 3)
    assert found.scalars["quality/positive_flips"] == 0
    assert found.scalars["quality/mcnemar"] == pytest.approx(2 / 2**8)
    assert found.scalars["quality/calibration_error_b"] == pytest.approx(2 / 3, abs=1e-6)  # sure, and mostly wrong
    assert found.notes["classes"].splitlines()[2:] == [
        "| top | 4 | 4 | 0 | 4 | 0 |",
        "| middle | 4 | 4 | 0 | 4 | 0 |",
        "| bottom | 4 | 4 | 4 | 0 | 0 |",
    ]
    back = compare(rows_tell(always=2), rows_tell(), samples())
    assert back.scalars["quality/positive_flips"] == pytest.approx(2 / 3)
    assert back.scalars["quality/negative_flips"] == 0


def test_all_samples_are_judged_and_256_of_all_classes_measured() -> None:
    images, labels = stripes(300).tensors
    order = labels.argsort(stable=True)  # the first 256 would lack most of the last class
    found = compare(rows_tell(), rows_tell(always=0), FixedSamples(images[order], labels[order]))
    assert found.samples == 300
    assert found.scalars["quality/negative_flips"] == pytest.approx(2 / 3)
    assert found.scalars["drift/flips"] == pytest.approx(170 / 256)  # 86 of the first class, 85 of each other


def test_without_labels_it_says_what_is_missing() -> None:
    found = compare(small_cnn(1), small_cnn(2), samples().images)
    assert found.quality is None
    assert found.remarks[-1] == "accuracy, flips to wrong and calibration need samples with one true class each"
    assert "flips" in found.pictures


def test_models_without_classes_are_compared_as_far_as_they_go() -> None:
    def pixels(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))

    found = compare(pixels(1), pixels(2), samples().images)
    assert found.scalars["drift/features"] > 0
    assert "flips" not in found.pictures


def test_what_was_right_and_is_wrong_now_comes_first() -> None:
    #                       kept, surer  won           lost          another error  unsure
    before = torch.tensor([[0.6, 0.2, 0.2], [0.9, 0.1, 0], [0.9, 0.1, 0], [0.0, 0.9, 0.1], [0.5, 0.3, 0.2]])
    now = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.9, 0], [0.4, 0.6, 0], [0.0, 0.1, 0.9], [0.5, 0.3, 0.2]])
    assert most_changed(before, now, torch.tensor([0, 1, 0, 0, 0]), 5)[0] == 2
    assert most_changed(before, now, torch.tensor([0, 1, 0, 0, 0]), 4)[-1] == 0
    assert most_changed(before, now, None, 3)[-1] == 2  # of flips the one that moved least
    assert most_changed(before, before, None, 2) == [0, 1]


def test_a_checkpoint_stands_for_the_model_with_its_weights(tmp_path: Path) -> None:
    one, other = small_cnn(1), small_cnn(2)
    torch.save({"state_dict": other.state_dict()}, tmp_path / "epoch=3.ckpt")
    before = sha(one)
    expected = compare(one, other, samples())
    found = compare(one, tmp_path / "epoch=3.ckpt", samples())
    assert found.scalars == expected.scalars
    assert (found.pictures["flips"] == expected.pictures["flips"]).all()
    assert found.names == ("SmallCNN", "epoch=3")
    there = compare(str(tmp_path / "epoch=3.ckpt"), one, samples())
    assert there.names == ("epoch=3", "SmallCNN")
    change = (one.head.weight - other.head.weight).norm() / other.head.weight.norm()
    assert there.scalars["drift_layers/filters/head/first"] == pytest.approx(float(change), rel=1e-5)
    assert sha(one) == before
    with pytest.raises(TypeError, match="one of them a module and one a file, got str and str"):
        compare("a.ckpt", "b.ckpt", samples())
    with pytest.raises(ValueError, match="cannot be read"):
        compare(one, tmp_path / "nothing.ckpt", samples())


def test_a_class_for_each_sample_may_be_explained() -> None:
    classes = [index % 3 for index in range(12)]
    named = compare(small_cnn(1), small_cnn(2), samples(), target=classes)
    assert named.scalars == compare(small_cnn(1), small_cnn(2), samples(), target="label").scalars


def test_a_report_for_people_and_one_for_programs(tmp_path: Path) -> None:
    judged = samples()
    judged = FixedSamples(judged.images, judged.labels, class_names=["<script>", "a|b", "c"])
    found = compare(rows_tell(), rows_tell(always=2), judged)
    found.scalars["broken"] = float("nan")
    found.write_report(tmp_path / "reports" / "both.html")
    found.write_report(tmp_path / "reports" / "both.json")
    page = (tmp_path / "reports" / "both.html").read_text()
    assert "accuracy 100.00% → 33.33% of 12 samples" in page
    assert "negative flips 66.67% (8)" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    data = json.loads((tmp_path / "reports" / "both.json").read_text())
    assert data["quality"]["negative_flips"] == pytest.approx(2 / 3)
    assert data["quality"]["classes"][0]["negative_flips"] == 4
    assert data["scalars"]["broken"] is None
    with pytest.raises(ValueError, match=r"path must end in \.html or \.json, got 'both.txt'"):
        found.write_report("both.txt")


def test_in_a_console_it_says_the_most_important_numbers() -> None:
    found = compare(small_cnn(1), small_cnn(2), samples())
    assert repr(found).splitlines() == [found.title, *found.summary()]


def test_saved_it_is_a_page_with_both_models_side_by_side(tmp_path: Path) -> None:
    compare(rows_tell(), rows_tell(always=2), samples()).save(tmp_path)
    runs = read_report((tmp_path / "report.html").read_bytes())
    assert [run.name[:3] for run in runs] == ["a: ", "b: "]
    before, after = (from_blob(run.looks[0][0]) for run in runs)
    assert [group["setup"] for group in before["groups"]] == [group["setup"] for group in after["groups"]]
    assert before["groups"][0]["classes"] != after["groups"][0]["classes"]
    assert [item["columns"] for item in after["items"] if item["tag"] == "flips"] == [["before", "after"]]


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least 8, got 7"):
        compare(SmallCNN(), SmallCNN(), samples(7))
