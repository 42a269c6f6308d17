"""What stands beside a sample fits the kind of the model's output."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Drift, FixedSamples, Flips, GradCAM, Predictions, Saliency, Timeline, explain
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.samples.truth import Truth
from lightning_cnnviz.views.captions import captions, numbers, percent
from lightning_cnnviz.views.predictions import Predictions as View
from lightning_cnnviz.views.predictions import answer_bars
from tests.helpers.answers import Says

IMAGES = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Reconstructs(nn.Module):
    """An autoencoder in form."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        decoded: Tensor = self.decode(self.encode(images).relu())
        return decoded


class Remembers(View):
    """Keeps the evidence of the last look."""

    def draw(self, evidence: Evidence) -> Any:
        self.evidence = evidence
        return super().draw(evidence)


def said(answers: Tensor, samples: FixedSamples, **options: Any) -> list[tuple[tuple[str, ...], bool | None]]:
    view = Remembers()
    explain(Says(answers), samples, [view], **options)
    return [(caption.lines, caption.correct) for caption in captions(view.evidence)]


def test_of_a_classifier_class_probability_and_truth() -> None:
    samples = FixedSamples(IMAGES, torch.tensor([0, 1, 1]), class_names=["cat", "dog"])
    scores = torch.tensor([[0.0, 1.0986123], [0.0, 1.0986123], [1.0986123, 0.0]])  # log 3: three quarters
    assert said(scores, samples) == [
        (("dog", "75%", "true cat"), False),
        (("dog", "75%", "true dog"), True),
        (("cat", "75%", "true dog"), False),
    ]
    assert said(scores, samples, target=0)[0][0] == ("dog", "75%", "true cat", "maps of cat")


def test_an_answer_that_is_not_finite_is_neither_a_class_nor_right() -> None:
    samples = FixedSamples(IMAGES, torch.tensor([0, 1, 1]), class_names=["cat", "dog"])
    scores = torch.tensor([[0.0, float("nan")], [float("nan")] * 2, [0.0, float("inf")]])
    assert said(scores, samples, target=0) == [
        (("not finite", "true cat"), False),
        (("not finite", "true dog"), False),
        (("not finite", "true dog"), False),
    ]
    found = explain(Says(scores), samples, [Predictions()])
    assert found.arrays["predictions"].isnan().all()
    assert said(scores, FixedSamples(IMAGES), output="multilabel")[1][0][0] == "not finite"


def test_of_a_yes_or_no_the_truth_that_floats_say() -> None:
    samples = FixedSamples.from_dataset([(image, float(index != 1)) for index, image in enumerate(IMAGES)])
    assert said(torch.tensor([[1.0986123], [1.0986123], [-1.0986123]]), samples) == [
        (("class 1", "75%", "true 1"), True),
        (("class 1", "75%", "true 0"), False),
        (("class 0", "75%", "true 1"), False),
    ]


def test_of_independent_labels_one_may_be_true_of_each_sample() -> None:
    scores = torch.tensor([[2.0, -2.0], [2.0, 1.0], [-1.0, -1.0]])
    assert said(scores, FixedSamples(IMAGES, torch.tensor([0, 1, 1])), output="multilabel") == [
        (("0", "true 0"), True),
        (("0, 1", "true 1", "maps of class 0"), False),
        (("no label", "true 1", "maps of class 0"), False),
    ]
    # With a label that is none of these two nobody knows what the others mean.
    assert said(scores, FixedSamples(IMAGES, torch.tensor([0, 1, 2])), output="multilabel") == [
        (("0",), None),
        (("0, 1", "maps of class 0"), None),
        (("no label", "maps of class 0"), None),
    ]


@pytest.mark.parametrize("unknown", [-1, -100, torch.nan])
def test_of_independent_labels_those_that_are_not_known_are_neither_right_nor_wrong(unknown: float) -> None:
    labels = torch.tensor([[1, 0, unknown], [0, unknown, 1], [unknown, unknown, unknown]])
    scores = torch.tensor([[2.0, -2.0, 1.0], [2.0, 1.0, 3.0], [2.0, -1.0, -1.0]])
    samples = FixedSamples.from_dataset(list(zip(IMAGES, labels, strict=True)))
    assert said(scores, samples) == [
        (("0, 2", "true 0", "maps of class 0"), True),
        (("0, 1, 2", "true 2", "maps of class 2"), False),
        (("0",), None),
    ]
    view = Remembers()
    found = explain(Says(scores), samples, [view])
    assert any("labels of -1, -100 and NaN are not known" in remark for remark in found.remarks)
    marks = [[bar.correct for bar in answer_bars(view.evidence, index, 3)] for index in range(3)]
    # The most probable label first: of the second sample 2, which is true, 0, which is not, and 1.
    assert marks == [[True, None, None], [True, False, None], [None, None, None]]


def test_of_independent_labels_all_that_are_more_probable_than_not() -> None:
    samples = FixedSamples(
        IMAGES,
        class_names=["cat", "dog", "sky"],
        truth=Truth("multi_hot", torch.tensor([[True, False, True], [False, False, False], [True, True, False]])),
    )
    scores = torch.tensor([[2.0, -2.0, 1.0], [-1.0, -2.0, -3.0], [2.0, -1.0, -1.0]])
    assert said(scores, samples) == [
        (("cat, sky", "true cat, sky", "maps of cat"), True),
        (("no label", "true no label", "maps of cat"), True),
        (("cat", "true cat, dog"), False),
    ]


def test_labels_of_several_classes_make_the_scores_independent() -> None:
    hot = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 0]])
    scores = torch.tensor([[0.0, 1.0986123, -1.0986123]])
    found = explain(Says(scores), FixedSamples(IMAGES, hot), [Predictions()])
    torch.testing.assert_close(found.arrays["predictions"], torch.tensor([[0.5, 0.75, 0.25]]).expand(3, 3))
    assert "independent labels" in found.remarks[0]


def test_of_values_the_predicted_and_the_true_ones_and_no_percent() -> None:
    truth = Truth("values", torch.tensor([[1.0], [2.0], [-0.25]]))
    samples = FixedSamples(IMAGES, truth=truth)
    assert said(torch.tensor([[0.5], [2.0], [123.456]]), samples) == [
        (("predicted 0.5", "true 1"), None),
        (("predicted 2", "true 2"), None),
        (("predicted 123", "true −0.25"), None),
    ]


def test_of_masks_the_class_that_covers_most() -> None:
    masks = torch.zeros(3, 4, 8, 8)
    masks[0, 3, :, :6] = 5  # class 3 on three quarters, class 0 on the rest
    masks[1:, 1] = 5
    samples = FixedSamples(IMAGES, torch.tensor([0, 1, 2]), class_names=["background", "a", "b", "c"])
    found = said(masks, samples)
    assert found[0] == (("c", "on 75% of it"), None)
    assert found[1] == (("a", "on 100% of it"), None)
    masks[0, 0, :, 2:] = 9
    assert said(masks, samples)[0] == (("c", "on 25% of it"), None)  # not the background
    masks[0, 0] = float("nan")
    assert said(masks, samples)[0] == (("not finite",), None)


def test_of_a_reconstruction_the_sample_and_its_class() -> None:
    samples = FixedSamples(IMAGES, torch.tensor([0, 1, 1]), class_names=["cat", "dog"])
    found = explain(Reconstructs(), samples)
    assert set(found.pictures) == {"predictions", "feature_maps/decode", "filters/encode"}
    view = Remembers()
    explain(Says(torch.zeros(3, 2)), samples, [view])
    reading = replace(view.evidence.layout.reading, meaning="reconstruction")
    evidence = replace(view.evidence, layout=replace(view.evidence.layout, reading=reading))
    assert [caption.lines for caption in captions(evidence)] == [
        ("sample 0", "cat"),
        ("sample 1", "dog"),
        ("sample 2", "dog"),
    ]


def test_what_nobody_named_is_left_out_with_a_remark_and_what_was_named_raises() -> None:
    found = explain(Reconstructs(), IMAGES)
    for view in ("Saliency", "GradCAM"):
        [remark] = [remark for remark in found.remarks if remark.startswith(f"{view} is left out: ")]
        assert "a picture of the size of the input" in remark
    for named in (Saliency(), GradCAM(), Timeline(), Flips()):
        with pytest.raises(ValueError, match="a picture of the size of the input"):
            explain(Reconstructs(), IMAGES, [named])


def test_a_function_as_target_explains_a_reconstruction() -> None:
    found = explain(Reconstructs(), IMAGES, [GradCAM()], target=lambda output: output.mean(dim=(1, 2, 3)))
    [maps] = found.arrays.values()
    assert maps.shape == (3, 8, 8)


@pytest.mark.parametrize("view", [Timeline(), Flips()])
def test_classes_that_change_are_not_looked_for_in_values(view: View) -> None:
    with pytest.raises(ValueError, match="read as values, which have no classes"):
        explain(Says(torch.zeros(3, 2)), IMAGES, [view], output="regression")


def test_drift_of_a_reconstruction_measures_what_needs_no_score() -> None:
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    view, model = Drift(reference="first"), Reconstructs()
    explain(model, images, [view])
    with torch.no_grad():
        model.encode.weight.mul_(-1)
    found = explain(model, images, [view])
    assert found.scalars["drift/features"] > 0
    assert found.scalars["drift/filters"] > 0
    assert not any("predictions" in tag or "grad_cam" in tag for tag in found.scalars)


def test_numbers_and_percents_are_short() -> None:
    assert numbers(torch.tensor([[1.0, 0.12345], [-3e-7, 5.0]])) == "1, 0.123, −3e−07, …"
    assert [percent(value) for value in (0.98, 0.004, 0.0, float("nan"))] == ["98%", "0.4%", "0%", "NaN"]


def test_a_probability_that_is_not_zero_is_never_read_as_zero() -> None:
    assert [percent(value) for value in (1e-30, 0.00049, 0.0005, 0.0006)] == ["<0.1%", "<0.1%", "0.1%", "0.1%"]


def test_halves_are_rounded_up() -> None:
    assert [percent(value) for value in (0.125, 0.625, 0.0025, 0.995)] == ["13%", "63%", "0.3%", "100%"]
