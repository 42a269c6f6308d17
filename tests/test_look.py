"""One look of several views: a view that asks for what cannot be had loses itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Evidence, FixedSamples, GradCAM, Prototypes, Request, Saliency, View, explain
from lightning_cnnviz.look import run_views
from lightning_cnnviz.methods.cam import CAM_VARIANTS, CAMVariant
from lightning_cnnviz.methods.pixel_methods import PIXEL_METHODS, OfScores, PixelOptions
from lightning_cnnviz.model.evidence import Model, UnavailableError
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.output.artifacts import Array, Artifact

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def small_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


class Asking(View):
    """Asks for anything, and reads something from what it gets."""

    def __init__(self, request: object, read: Callable[[Evidence], Any] = lambda evidence: torch.zeros(1)) -> None:
        super().__init__()
        self._request, self._read = request, read

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return self._request  # type: ignore[return-value]

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        yield Array("read", torch.as_tensor(self._read(evidence)))


BAD = {
    "weights of a ReLU": (Request(weights=frozenset({"1"})), "'1' has no kernels, it is a ReLU; nearest: .*0"),
    "unknown layer": (Request(activations=frozenset({"00"})), "no layer '00'; nearest: 0"),
    "unknown gradient": (Request(gradients=frozenset({"x"})), "no layer 'x'"),
    "no name": (Request(activations=frozenset({3})), "takes names of layers, got 3"),  # type: ignore[arg-type]
    "no rule": (Request(rules=frozenset({"lrp"})), "allowed are guided, deconvnet, got ..lrp"),  # type: ignore[arg-type]
    "no request": (None, "must return a Request, got NoneType"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_switches_off_its_own_view_alone(name: str) -> None:
    request, message = BAD[name]
    model, samples = small_model(), FixedSamples(IMAGES)
    probe = Probe(model)
    bad, good = Asking(request), GradCAM("0")
    failed: dict[View, Exception] = {}
    _, drawn = run_views(
        probe, probe.survey(samples), samples, [bad, good], "predicted", failed=lambda *pair: failed.update([pair])
    )
    assert [view for view, _ in drawn] == [good]
    assert list(failed) == [bad]
    with pytest.raises((ValueError, TypeError), match=message):
        raise failed[bad]


READS: dict[str, Callable[[Evidence], Any]] = {
    "activation": lambda evidence: evidence.activation("0"),
    "gradient": lambda evidence: evidence.gradient("0"),
    "weight": lambda evidence: evidence.weight("0"),
    "image_gradient": lambda evidence: evidence.image_gradient(),
    "ruled_gradient": lambda evidence: evidence.ruled_gradient("guided"),
    "reference": lambda evidence: evidence.reference("a.ckpt"),
    "result": lambda evidence: evidence.result("mine"),
}


@pytest.mark.parametrize("name", READS)
def test_what_was_not_requested_is_refused_in_one_way(name: str) -> None:
    with pytest.raises(UnavailableError, match="nobody requested"):
        explain(small_model(), IMAGES, [Asking(Request(), READS[name])])


def test_weights_are_read_like_everything_else() -> None:
    model = small_model()
    view = Asking(Request(weights=frozenset({"0"})), lambda evidence: evidence.weight("0"))
    torch.testing.assert_close(explain(model, IMAGES, [view]).arrays["read"], model[0].weight.detach())


def test_a_layer_that_is_not_in_the_layout() -> None:
    layout = Probe(small_model()).survey(FixedSamples(IMAGES))
    with pytest.raises(ValueError, match="the forward pass called no layer 'o'; nearest: 0"):
        layout["o"]
    with pytest.raises(KeyError):
        layout.position("layer4")


def test_procedures_of_one_name_are_told_apart_by_their_views() -> None:
    def counting(number: float) -> Asking:
        return Asking(Request(procedures={"work": lambda model: number}), lambda evidence: evidence.result("work"))

    model, samples = small_model(), FixedSamples(IMAGES)
    probe = Probe(model)
    views = [counting(3.0), counting(7.0)]
    _, drawn = run_views(probe, probe.survey(samples), samples, views, "predicted")
    assert [float(artifacts[0].values) for _, artifacts in drawn] == [3.0, 7.0]  # type: ignore[union-attr]


def test_a_view_whose_repr_changes_finds_its_results() -> None:
    class Counted(Prototypes):
        count = 0

        def __repr__(self) -> str:
            type(self).count += 1
            return f"Counted({self.count})"

    samples = FixedSamples(IMAGES, torch.tensor([0, 1]))
    assert explain(small_model(), samples, [Counted(classes=[0, 1], steps=1)]).arrays["prototypes"].shape[0] == 2


def test_views_that_are_none() -> None:
    with pytest.raises(TypeError, match=r"views must be a sequence of views such as \[GradCAM\(\)\], got GradCAM\("):
        explain(small_model(), IMAGES, GradCAM())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one view"):
        explain(small_model(), IMAGES, [])


def test_labels_that_the_model_does_not_have() -> None:
    samples = FixedSamples(IMAGES, torch.tensor([0, 7]))
    with pytest.raises(ValueError, match="samples have labels up to 7, the model has 3 classes: labels count from 0"):
        explain(small_model(), samples, target="label")
    listens = Asking(Request(), lambda evidence: float(evidence.samples.labels is None))
    found = explain(small_model(), samples, [listens, GradCAM("1")])
    assert float(found.arrays["read"]) == 1
    assert "grad_cam/1" in found.arrays
    told = "samples have labels up to 7, the model has 3 classes; no true class is written"
    assert [remark for remark in found.remarks if told in remark]


def test_a_label_at_the_edge_of_the_classes() -> None:
    listens = Asking(Request(), lambda evidence: float(evidence.samples.labels.sum()))  # type: ignore[union-attr]
    found = explain(small_model(), FixedSamples(IMAGES, torch.tensor([1, 2])), [listens])
    assert float(found.arrays["read"]) == 3
    assert found.remarks == []


def test_a_cam_variant_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    def ones(activations: Tensor, gradients: Tensor) -> Tensor:
        return torch.ones_like(gradients)

    monkeypatch.setitem(CAM_VARIANTS, "sum", CAMVariant("Sum of channels", ones))
    model = small_model()
    found = explain(model, IMAGES, [GradCAM("1", variant="sum")])
    torch.testing.assert_close(found.arrays["sum/1"], model[:2](IMAGES).sum(dim=1).detach())
    with pytest.raises(ValueError, match=r"variant='product': allowed are 'gradcam', .*'sum'"):
        GradCAM(variant="product")


def test_a_cam_variant_that_meddles_with_the_process_costs_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def meddling(activations: Tensor, gradients: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)
        return torch.rand(gradients.shape).to(gradients)

    monkeypatch.setitem(CAM_VARIANTS, "meddling", CAMVariant("At random", meddling))
    seen: list[torch.dtype] = []
    after = Asking(Request(), lambda evidence: seen.append(torch.get_default_dtype()) or 0.0)
    model = small_model()
    state = torch.get_rng_state()
    explain(model, IMAGES, [GradCAM("1", variant="meddling"), after])
    assert seen == [torch.float32]
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pixel_method_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(scores: Callable[[Tensor], Tensor], images: Tensor, options: PixelOptions) -> Tensor:
        """How much the score changes when everything is doubled, spread over all pixels alike."""
        with torch.no_grad():
            change = scores(2 * images) - scores(images)
        return change[:, None, None, None] / options.steps + torch.zeros_like(images)

    monkeypatch.setitem(PIXEL_METHODS, "doubled", OfScores("twice as bright", "signed", doubled, steps=4))
    model = small_model()
    found = explain(model, IMAGES, [Saliency("doubled")], target=1)
    change = (model(2 * IMAGES) - model(IMAGES))[:, 1].detach()
    torch.testing.assert_close(found.arrays["saliency/doubled"][:, 0, 0, 0], change / 4)
    assert found.pictures["saliency/doubled"].ndim == 3


def test_a_procedure_may_call_the_model() -> None:
    def work(model: Model) -> Tensor:
        return model.scores(model.images).detach()

    model = small_model()
    view = Asking(Request(procedures={"scores": work}), lambda evidence: evidence.result("scores"))
    torch.testing.assert_close(explain(model, IMAGES, [view]).arrays["read"], model(IMAGES).detach())


def test_a_model_that_answers_nan_is_right_about_nothing_on_the_page() -> None:
    model = small_model()
    with torch.no_grad():
        model[4].bias.fill_(torch.nan)
    found = explain(model, FixedSamples(IMAGES, torch.tensor([0, 1]), class_names=["cat", "dog", "owl"]))
    (look,) = found.looks.values()
    [seen] = look.seen
    assert seen.probabilities is None
    assert seen.captions is not None
    assert [right for _, right in seen.captions] == [False, False]
    assert all("not finite" in " ".join(lines) for lines, _ in seen.captions)
