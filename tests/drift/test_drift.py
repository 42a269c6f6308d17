"""The numbers of drift, health and shortcuts that looks at known models give."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Drift, DriftCallback, Filters, FixedSamples, Flips, Timeline, View, explain
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.movements import moved_most
from tests.helpers.drift import look, moved, samples, small_cnn


def test_a_model_that_stands_still_is_exactly_zero_everywhere() -> None:
    drift, model = Drift(), small_cnn()
    look([drift], model, samples())
    numbers = moved(look([drift], model, samples()))
    assert len(numbers) == 30
    assert set(numbers.values()) == {0.0}


def test_one_changed_layer_is_told_from_the_others() -> None:
    drift, model = Drift(reference="previous"), small_cnn()
    look([drift], model, samples())
    weight = model.body[0].weight.detach().clone()
    with torch.no_grad():
        model.body[0].weight.mul_(torch.linspace(-1, 2, 6)[:, None, None, None])
    numbers = moved(look([drift], model, samples()))
    change = (model.body[0].weight.detach() - weight).norm() / weight.norm()
    assert numbers["drift_layers/filters/body.0/previous"] == pytest.approx(float(change), rel=1e-6)
    assert numbers["drift_layers/filters/stem.0/previous"] == 0
    assert numbers["drift_layers/features/stem/previous"] == 0
    assert numbers["drift_layers/features/body/previous"] > 0.01
    assert numbers["drift/filters"] == pytest.approx(float(change) / 3, rel=1e-6)


def test_flips_are_the_share_of_samples_with_another_class() -> None:
    drift, model, judged = Drift(reference="previous"), small_cnn(), samples()
    look([drift], model, judged)
    before = model.eval()(judged.images).argmax(dim=1)
    with torch.no_grad():
        model.head.bias[2] += 100
    share = float((before != 2).float().mean())
    assert share > 0
    assert moved(look([drift], model, judged))["drift/flips"] == pytest.approx(share)


def test_previous_is_the_last_look_and_first_the_first() -> None:
    drift, judged = Drift(reference=("previous", "first")), samples()
    one, other = small_cnn(1), small_cnn(2)
    look([drift], one, judged)
    away = moved(look([drift], other, judged))
    assert away["drift_layers/features/body/previous"] == away["drift_layers/features/body/first"] > 0
    rest = moved(look([drift], other, judged))
    assert rest["drift_layers/features/body/previous"] == 0
    assert rest["drift_layers/features/body/first"] == away["drift_layers/features/body/first"]
    back = moved(look([drift], one, judged))
    assert back["drift_layers/features/body/first"] == 0


def test_the_first_look_says_zero_under_the_short_tags_and_nothing_else() -> None:
    numbers = moved(look([Drift()], small_cnn(), samples()))
    assert set(numbers.values()) == {0.0}
    assert "drift/grad_cam" in numbers
    assert not any("previous" in tag or "first" in tag for tag in numbers)


def test_a_network_that_broke_has_moved_entirely() -> None:
    drift, model, judged = Drift(maps=[]), small_cnn(), samples()
    look([drift], model, judged)
    with torch.no_grad():
        model.body[0].weight.fill_(math.nan)
    numbers = moved(look([drift], model, judged))
    assert numbers["drift_layers/features/body/previous"] == 1
    assert numbers["drift/predictions"] == 1
    assert all(map(math.isfinite, numbers.values()))


def test_signs_of_health_and_of_shortcuts() -> None:
    boxes = torch.tensor([[0, 0, 8, 8]] * 12)
    numbers = look([Drift()], small_cnn(), samples(regions=boxes)).scalars
    assert numbers["shortcuts_layers/grad_cam_attention_in_region/body"] == pytest.approx(1)
    assert numbers["shortcuts/saliency_attention_in_region"] == pytest.approx(1)
    assert {f"health_layers/{name}" for name in ("dead_channels/stem", "saturation/body")} < set(numbers)
    assert all(0 <= value <= 1 for tag, value in numbers.items() if tag.startswith(("health", "shortcuts")))


def test_a_dead_channel_is_seen() -> None:
    model = small_cnn()
    with torch.no_grad():
        model.body[1].bias[:] = -100
    assert look([Drift()], model, samples()).scalars["health_layers/dead_channels/body"] == 1


def test_keywords_mean_all_filters_and_names_those_inside() -> None:
    model = small_cnn()
    every = look([Drift("last")], model, samples()).scalars
    inside = look([Drift("body")], model, samples()).scalars
    assert {tag for tag in every if "filters/" in tag} == {
        "health_layers/duplicate_filters/stem.0",
        "health_layers/duplicate_filters/body.0",
    }
    assert {tag for tag in inside if "filters/" in tag} == {"health_layers/duplicate_filters/body.0"}


def test_no_tag_is_the_beginning_of_another() -> None:
    judged = samples(16, regions=torch.tensor([[0, 0, 8, 8]] * 16))
    views: list[View] = [
        Drift(maps=["grad_cam", "hirescam", "saliency"], alarm={"drift/flips": 0.0}, warm_up=1),
        Timeline(),
        Flips(),
    ]
    tags: set[str] = set()
    for seed in range(4):
        found = look(views, small_cnn(seed), judged, epoch=seed)
        tags |= {*found.scalars, *found.pictures, *found.notes, *found.arrays}
    assert {"drift/flips", "flips", "alarms", "timeline/features"} <= tags
    clashes = [(one, other) for one in tags for other in tags if other.startswith(f"{one}/")]
    assert not clashes


def test_what_views_share_is_computed_once_in_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning_cnnviz.drift import snapshots

    calls: list[str] = []
    for name in ("activation_map", "similarity_profile", "reduce_channels"):
        true = getattr(snapshots, name)
        monkeypatch.setattr(snapshots, name, lambda *a, _n=name, _t=true, **k: (calls.append(_n), _t(*a, **k))[1])
    callback = DriftCallback(samples=samples(16))
    for epoch in range(2):
        calls.clear()
        look(callback.views, small_cnn(epoch), samples(16), epoch=epoch)
        assert sorted(calls) == ["activation_map", "reduce_channels", "similarity_profile", "similarity_profile"]


def test_what_moved_most_is_named_with_its_layer() -> None:
    one = [
        Measurement("drift", "filters", "stem", 0.25, reference="previous"),
        Measurement("drift", "filters", "body", 0.5, reference="previous"),
        Measurement("drift", "filters", "stem", 0.125, reference="first"),
        Measurement("drift", "flips", None, 0.75, reference="previous"),
    ]
    assert moved_most(one).text.splitlines()[2:] == [
        "| filters | previous | body | 0.5 | stem | 0.25 |",
        "| filters | first | stem | 0.125 |  |  |",
        "| flips | previous |  | 0.75 |  |  |",
    ]


def test_a_sampled_layer_estimates_the_change_of_the_whole() -> None:
    from lightning_cnnviz.drift.snapshots import chosen_weights

    def change(now: Tensor, before: Tensor) -> float:
        return float((now - before).norm() / before.norm())

    generator = torch.Generator().manual_seed(0)
    before = torch.randn(512, 256, 3, 3, generator=generator)
    now = before + 0.1 * torch.randn(before.shape, generator=generator)
    kept = [chosen_weights(weights, 10_000) for weights in (now, before)]
    assert len(kept[0]) == 10_000
    assert change(*kept) == pytest.approx(change(now, before), rel=0.03)
    assert torch.equal(chosen_weights(before, 10_000), kept[1])


class Adapted(nn.Module):
    """Shows the weight of the layer that it wraps as its own, as adapters of low rank do."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.scale = inner, nn.Parameter(torch.ones(()))

    @property
    def weight(self) -> Tensor:
        weight: Tensor = self.inner.weight
        return weight

    def forward(self, values: Tensor) -> Tensor:
        output: Tensor = self.scale * self.inner(values)
        return output


class Standardized(nn.Conv2d):
    """Makes its kernels of others, without their mean."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.raw = nn.Parameter(self._parameters.pop("weight"))

    @property
    def weight(self) -> Tensor:
        return self.raw - self.raw.mean()


def test_weights_shown_by_wrappers_are_those_of_the_layer_inside_and_computed_ones_count() -> None:
    model = nn.Sequential(
        Standardized(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Adapted(nn.Linear(4, 2))
    )
    drift = Drift()
    images = FixedSamples(torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    explain(model, images, [drift])
    with torch.no_grad():
        model[4].inner.weight.mul_(2)  # a distance of once its own length, where the kernels stand still
    found = explain(model, images, [drift]).scalars
    layers = {tag: value for tag, value in found.items() if "layers/filters/" in tag and "previous" in tag}
    assert layers == {
        "drift_layers/filters/0/previous": 0,
        "drift_layers/filters/4.inner/previous": pytest.approx(1),
    }
    assert "filters/0" in explain(model, images, [Filters()]).pictures
