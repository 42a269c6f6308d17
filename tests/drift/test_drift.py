from __future__ import annotations

import io
import json
import logging
import math
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn

from lightning_cnnviz import (
    CNNVisualizer,
    Drift,
    DriftCallback,
    Evidence,
    Explanation,
    FixedSamples,
    Flips,
    Predictions,
    Request,
    Timeline,
    View,
)
from lightning_cnnviz.drift.alarms import Alarm
from lightning_cnnviz.drift.measurement import Measurement
from lightning_cnnviz.drift.moved_most import moved_most
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.output.artifacts import Artifact
from lightning_cnnviz.samples import same_samples
from tests.helpers.training import SmallCNN, events, fit, image_tags, loader, resuming, sha, stripes, trainer


def samples(count: int = 12, **options: Any) -> FixedSamples:
    images, labels = stripes(count).tensors
    return FixedSamples(images, labels, class_names=["top", "middle", "bottom"], **options)


def small_cnn(seed: int = 0) -> SmallCNN:
    torch.manual_seed(seed)
    return SmallCNN()


def fail(view: View, error: Exception) -> None:
    raise error


def look(views: list[View], model: nn.Module, judged: FixedSamples, epoch: int | None = None) -> Explanation:
    probe, found = Probe(model), Explanation()
    for _, artifacts in run_views(probe, probe.survey(judged), judged, views, "predicted", failed=fail, epoch=epoch):
        for artifact in artifacts:
            found.add(artifact)
    return found


def moved(found: Explanation) -> dict[str, float]:
    return {tag: value for tag, value in found.scalars.items() if tag.startswith(("drift/", "drift_layers/"))}


class TestNumbers:
    def test_a_model_that_stands_still_is_exactly_zero_everywhere(self) -> None:
        drift, model = Drift(), small_cnn()
        look([drift], model, samples())
        numbers = moved(look([drift], model, samples()))
        assert len(numbers) == 30
        assert set(numbers.values()) == {0.0}

    def test_one_changed_layer_is_told_from_the_others(self) -> None:
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

    def test_flips_are_the_share_of_samples_with_another_class(self) -> None:
        drift, model, judged = Drift(reference="previous"), small_cnn(), samples()
        look([drift], model, judged)
        before = model.eval()(judged.images).argmax(dim=1)
        with torch.no_grad():
            model.head.bias[2] += 100
        share = float((before != 2).float().mean())
        assert share > 0
        assert moved(look([drift], model, judged))["drift/flips"] == pytest.approx(share)

    def test_previous_is_the_last_look_and_first_the_first(self) -> None:
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

    def test_the_first_look_says_zero_under_the_short_tags_and_nothing_else(self) -> None:
        numbers = moved(look([Drift()], small_cnn(), samples()))
        assert set(numbers.values()) == {0.0}
        assert "drift/grad_cam" in numbers
        assert not any("previous" in tag or "first" in tag for tag in numbers)

    def test_a_network_that_broke_has_moved_entirely(self) -> None:
        drift, model, judged = Drift(maps=[]), small_cnn(), samples()
        look([drift], model, judged)
        with torch.no_grad():
            model.body[0].weight.fill_(math.nan)
        numbers = moved(look([drift], model, judged))
        assert numbers["drift_layers/features/body/previous"] == 1
        assert numbers["drift/predictions"] == 1
        assert all(map(math.isfinite, numbers.values()))

    def test_signs_of_health_and_of_shortcuts(self) -> None:
        boxes = torch.tensor([[0, 0, 8, 8]] * 12)
        numbers = look([Drift()], small_cnn(), samples(regions=boxes)).scalars
        assert numbers["shortcuts_layers/grad_cam_attention_in_region/body"] == pytest.approx(1)
        assert numbers["shortcuts/saliency_attention_in_region"] == pytest.approx(1)
        assert {f"health_layers/{name}" for name in ("dead_channels/stem", "saturation/body")} < set(numbers)
        assert all(0 <= value <= 1 for tag, value in numbers.items() if tag.startswith(("health", "shortcuts")))

    def test_a_dead_channel_is_seen(self) -> None:
        model = small_cnn()
        with torch.no_grad():
            model.body[1].bias[:] = -100
        assert look([Drift()], model, samples()).scalars["health_layers/dead_channels/body"] == 1

    def test_keywords_mean_all_filters_and_names_those_inside(self) -> None:
        model = small_cnn()
        every = look([Drift("last")], model, samples()).scalars
        inside = look([Drift("body")], model, samples()).scalars
        assert {tag for tag in every if "filters/" in tag} == {
            "health_layers/duplicate_filters/stem.0",
            "health_layers/duplicate_filters/body.0",
        }
        assert {tag for tag in inside if "filters/" in tag} == {"health_layers/duplicate_filters/body.0"}


class TestArguments:
    @pytest.mark.parametrize("few", [7, samples(7)])
    def test_seven_samples_are_refused(self, few: Any) -> None:
        with pytest.raises(MisconfigurationException, match="samples must be at least 8, got 7"):
            DriftCallback(samples=few)

    def test_a_validation_set_of_seven_samples_costs_the_drift_and_not_the_run(self, tmp_path: Path) -> None:
        callback = DriftCallback()
        run = trainer(tmp_path, [callback])
        with pytest.warns(UserWarning, match="without Drift: ValueError: drift needs at least 8 samples, got 7"):
            run.fit(SmallCNN(), loader(count=7), loader(count=7))
        assert run.global_step == 4

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"reference": []}, "reference must be .*got none"),
            ({"reference": ["previous", "previous"]}, "'previous' twice"),
            ({"maps": ["cam"]}, "'grad_cam', 'hirescam', 'saliency'"),
            ({"samples": 7}, "at least 8, got 7"),
            ({"alarm": {"drift/flips": math.nan}}, "finite"),
            ({"warm_up": 0}, "warm_up must be a positive integer"),
        ],
    )
    def test_errors_name_what_is_allowed(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Drift(**options)

    @pytest.mark.parametrize(
        ("tag", "near"),
        [
            ("drift/typo", "drift/"),
            ("drift/grad_cam/focus_shift", "drift/grad_cam_focus_shift"),
            ("drift_layers/features/bodi/previous", "drift_layers/features/body/previous"),
            ("shortcuts/hirescam_border", "shortcuts/grad_cam_border"),
            ("drift_layers/features/head/previous", "drift_layers/features/body/previous"),  # has no maps
        ],
    )
    def test_a_limit_for_no_number_is_refused_before_training(self, tmp_path: Path, tag: str, near: str) -> None:
        callback = DriftCallback(samples=samples(16), alarm={tag: 0.5})
        with pytest.raises(MisconfigurationException, match="there is no such number") as caught:
            fit(tmp_path, [callback])
        assert near in str(caught.value)
        assert not (tmp_path / "events").exists() or "drift/features" not in events(tmp_path).Tags()["scalars"]

    def test_every_number_of_a_look_can_have_a_limit(self) -> None:
        judged, model = samples(16, regions=torch.tensor([[0, 0, 8, 8]] * 16)), small_cnn()
        drift = Drift()
        look([drift], model, judged)
        numbers = look([drift], model, judged).scalars
        assert len(numbers) > 50
        look([Drift(alarm=dict.fromkeys(numbers, 9.0))], model, judged)

    def test_what_cannot_be_called_is_refused(self) -> None:
        with pytest.raises(TypeError, match="on_alarm must be a function that takes the alarm, got 'print'"):
            Drift(on_alarm="print")  # type: ignore[arg-type]

    @pytest.mark.parametrize("reference", ["previous", ["previous", "first"]])
    def test_a_command_line_builds_the_callback(self, tmp_path: Path, reference: str | list[str]) -> None:
        from lightning.pytorch.cli import LightningCLI

        config = {
            "trainer.callbacks": [
                {"class_path": "lightning_cnnviz.DriftCallback", "init_args": {"reference": reference, "alarm": "auto"}}
            ]
        }
        arguments = [f"--{key}={json.dumps(value)}" for key, value in config.items()]
        built = LightningCLI(SmallCNN, run=False, args=arguments, save_config_callback=None).trainer
        (callback,) = (one for one in built.callbacks if isinstance(one, DriftCallback))
        drift = callback.views[0]
        assert isinstance(drift, Drift)
        assert drift.reference == ((reference,) if isinstance(reference, str) else tuple(reference))


class TestSamples:
    def test_the_numbers_see_many_and_the_pictures_few(self, tmp_path: Path) -> None:
        seen: dict[str, FixedSamples] = {}

        class Recording(Predictions):
            def draw(self, evidence: Evidence) -> Iterator[Artifact]:
                seen[self.name] = evidence.samples
                return super().draw(evidence)

        class Among(Flips):
            def draw(self, evidence: Evidence) -> Iterator[Artifact]:
                seen[self.name] = evidence.samples
                return super().draw(evidence)

        alone = CNNVisualizer([Recording()])
        both = CNNVisualizer([Recording(), Drift(), Among()], tag_prefix="b/")
        run = trainer(tmp_path, [alone, both], num_sanity_val_steps=5)
        run.fit(SmallCNN(), loader(count=64), loader(count=300, batch_size=60))
        assert both.samples is not None
        assert len(both.samples) == len(seen["Among"]) == 256
        assert torch.equal(both.samples.images, stripes(300).tensors[0][:256])  # the classes come in turn
        assert len(seen["Recording"]) == both.show == 8
        assert seen["Recording"] is alone.samples  # one pass for both
        assert CNNVisualizer([Drift()], 4).show == 4
        assert events(tmp_path).Scalars("b/drift/features")

    @pytest.mark.parametrize(("batches", "taken"), [(2, 120), (5, 256)])
    def test_it_is_said_where_the_sanity_check_has_fewer_than_the_numbers_want(
        self,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        batches: int,
        taken: int,
    ) -> None:
        monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
        callback = DriftCallback()
        with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
            run = trainer(tmp_path, [callback], num_sanity_val_steps=batches)
            run.fit(SmallCNN(), loader(count=24), loader(count=300, batch_size=60))
        (said,) = [record.message for record in caplog.records if "looks at" in record.message]
        more = ", those of the sanity check (num_sanity_val_steps=5 gives up to 256)" if taken < 256 else ""
        assert said.startswith(f"DriftCallback looks at {taken} samples{more}: Drift of")
        assert len(callback.samples or ()) == taken

    def test_the_untrained_model_is_seen_on_fewer_samples_than_numbers_want(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        callback = CNNVisualizer([Drift(), Flips(changed_only=False)])
        with caplog.at_level(logging.INFO, logger="lightning.pytorch"):
            run = trainer(tmp_path, [callback], num_sanity_val_steps=2)
            run.fit(SmallCNN(), loader(), loader(count=96, batch_size=6))
        assert len(callback.samples or ()) == 12
        assert [one.step for one in events(tmp_path).Scalars("cnnviz/seconds")] == [0, 5, 11]
        assert "num_sanity_val_steps=" in caplog.text, "how the numbers can have more"

    def test_a_named_number_of_samples_is_taken_however_large_they_are(self, tmp_path: Path) -> None:
        named, given = DriftCallback(samples=40), DriftCallback(samples=samples(12), tag_prefix="given/")
        run = trainer(tmp_path, [named, given], num_sanity_val_steps=5)
        run.fit(SmallCNN(), loader(count=64), loader(count=300, batch_size=60))
        assert [len(one.samples or ()) for one in (named, given)] == [40, 12]

    def test_classes_named_for_each_sample_leave_the_number_as_it_is(self, tmp_path: Path) -> None:
        callback = CNNVisualizer([Drift()], 9, target=[0, 1, 2] * 3)
        fit(tmp_path, [callback], num_sanity_val_steps=5)
        assert len(callback.samples or ()) == 9

    def test_a_resumed_run_keeps_them(self, tmp_path: Path) -> None:
        first, resumed = DriftCallback(), DriftCallback()
        fit(tmp_path / "a", [first], num_sanity_val_steps=5)
        taken = first.samples
        resumed.load_state_dict(through_file(first.state_dict()))
        assert taken is not None
        assert resumed.samples is not None
        assert len(taken) == 20
        assert same_samples(taken, resumed.samples)

    def test_where_time_is_short_the_pass_for_the_numbers_is_left_out_with_them(self) -> None:
        class Meter:
            charged: list[object] = []  # noqa: RUF012

            def stage(self, name: str, view: object = None) -> Any:
                self.charged += [view] if name == "pass" else []
                return nullcontext()

            def timed(self, view: object, request: Request) -> Request:
                return request

        drift, probe, judged, meter = Drift(), Probe(small_cnn()), samples(), Meter()
        layout = probe.survey(judged)
        for charged in (None, drift):
            run_views(probe, layout, judged, [drift], "predicted", failed=fail, charged=charged, meter=meter)
        assert meter.charged == [None, drift]

    @pytest.mark.parametrize("count", [65, 300])
    def test_more_samples_than_are_compared(self, count: int) -> None:
        views: list[View] = [Drift(samples=64), Timeline(), Flips()]
        for epoch in range(2):
            found = look(views, small_cnn(epoch), samples(count), epoch=epoch)
        assert {"timeline/grad_cam", "timeline/features"} <= set(found.pictures)
        assert 0 < found.scalars["drift/features"] <= 1

    def test_another_number_than_remembered_starts_anew_and_says_so(self) -> None:
        views: list[View] = [Drift(), Timeline(), Flips()]
        look(views, small_cnn(1), samples(16), epoch=0)
        states = [through_file(view.state_dict()) for view in views]
        resumed: list[View] = [Drift(), Timeline(), Flips()]
        for view, state in zip(resumed, states, strict=True):
            view.load_state_dict(state)
        found = look(resumed, small_cnn(2), samples(20), epoch=1)
        assert moved(found) == dict.fromkeys(moved(found), 0.0)
        assert "16 samples and 3 classes, now there are 20 and 3" in found.notes["drift_remarks"]
        found = look(resumed, small_cnn(3), samples(20), epoch=2)
        assert found.scalars["drift_layers/features/body/first"] > 0
        assert "drift_remarks" not in found.notes

    def test_few_samples_are_remarked_upon_once(self) -> None:
        drift = Drift()
        first, second = (look([drift], small_cnn(), samples(15)) for _ in range(2))
        assert first.remarks == ["drift of 15 samples is noisy: give at least 16"]
        assert not second.remarks
        assert not look([Drift()], small_cnn(), samples(16)).remarks


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


class TestBaseline:
    def test_a_checkpoint_of_the_same_weights_is_zero_away(self, tmp_path: Path) -> None:
        model = small_cnn()
        torch.save(model.state_dict(), tmp_path / "deployed.pt")
        numbers = moved(look([Drift(reference=tmp_path / "deployed.pt")], model, samples()))
        assert numbers["drift_layers/features/body/deployed"] == 0
        assert numbers["drift_layers/grad_cam/body/deployed"] == 0

    def test_equals_a_look_at_the_other_model_itself(self, tmp_path: Path) -> None:
        model, other = small_cnn(1), small_cnn(2)
        torch.save({"state_dict": other.state_dict()}, tmp_path / "deployed.ckpt")
        before = sha(model)
        by_path = moved(look([Drift(reference=tmp_path / "deployed.ckpt")], model, samples()))
        drift = Drift(reference="previous")
        look([drift], other, samples())
        by_model = moved(look([drift], model, samples()))
        assert by_path["drift_layers/features/body/deployed"] == by_model["drift_layers/features/body/previous"] > 0
        assert by_path["drift_layers/saliency/input/deployed"] == by_model["drift_layers/saliency/input/previous"]
        assert sha(model) == before

    def test_the_file_is_read_once(self, tmp_path: Path) -> None:
        drift, path = Drift(reference=tmp_path / "deployed.pt"), tmp_path / "deployed.pt"
        torch.save(small_cnn(2).state_dict(), path)
        first = moved(look([drift], small_cnn(), samples()))
        path.unlink()
        assert moved(look([drift], small_cnn(), samples())) == first

    @pytest.mark.parametrize("content", ["nothing", "other model", "no state", "other shape"])
    def test_what_does_not_fit_is_said_before_training(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "deployed.pt"
        if content == "other model":
            torch.save(nn.Linear(2, 2).state_dict(), path)
        elif content == "no state":
            torch.save([1, 2], path)
        elif content == "other shape":
            torch.save(SmallCNN(classes=7).state_dict(), path)
        with pytest.raises(MisconfigurationException, match=r"checkpoint .*deployed\.pt"):
            fit(tmp_path, [DriftCallback(reference=["previous", path], samples=samples())])

    @pytest.mark.slow
    def test_training_against_a_baseline_stays_the_same_to_the_bit(self, tmp_path: Path) -> None:
        torch.save(small_cnn(2).state_dict(), tmp_path / "deployed.pt")
        callback = DriftCallback(reference=["previous", tmp_path / "deployed.pt"], samples=samples(), details=True)
        assert sha(fit(tmp_path / "a", [])) == sha(fit(tmp_path / "b", [callback]))
        assert len(events(tmp_path / "b").Scalars("drift_layers/features/body/deployed")) == 3


class TestFlips:
    def test_draws_the_samples_that_flipped_and_nothing_else(self) -> None:
        flips, model, judged = Flips(), small_cnn(), samples()
        assert not look([flips], model, judged).pictures
        assert not look([flips], model, judged).pictures
        with torch.no_grad():
            model.head.bias[2] += 100
        assert list(look([flips], model, judged, epoch=1).pictures) == ["flips"]

    def test_more_rows_for_more_flips(self) -> None:
        def height(rows: int) -> int:
            flips, model = Flips(rows=rows, changed_only=False), small_cnn()
            look([flips], model, samples())
            return int(look([flips], model, samples()).pictures["flips"].shape[0])

        assert height(1) < height(2) < height(4)

    def test_the_state_survives_a_file(self) -> None:
        flips, model = Flips(), small_cnn()
        look([flips], model, samples(), epoch=3)
        resumed = Flips()
        resumed.load_state_dict(through_file(flips.state_dict()))
        with torch.no_grad():
            model.head.bias[2] += 100
        expected, found = look([flips], model, samples(), epoch=4), look([resumed], model, samples(), epoch=4)
        assert (expected.pictures["flips"] == found.pictures["flips"]).all()


def through_file(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded


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


class TestInTraining:
    def test_means_and_what_moved_most_are_written_and_every_layer_where_it_is_asked_for(self, tmp_path: Path) -> None:
        few, every = DriftCallback(samples=samples()), DriftCallback(samples=samples(), details=True)
        fit(tmp_path / "few", [few], max_epochs=1)
        fit(tmp_path / "every", [every], max_epochs=1)
        short, long = (set(events(tmp_path / name).Tags()["scalars"]) for name in ("few", "every"))
        assert {tag.partition("/")[0] for tag in long - short} == {
            "drift_layers",
            "health_layers",
            "shortcuts_layers",
        }
        assert short < long
        ours = {tag for tag in short if tag.startswith(("drift", "health", "shortcuts"))}
        assert ours == set(every.views[0].monitored_tags) - {
            "shortcuts/grad_cam_attention_in_region",
            "shortcuts/saliency_attention_in_region",
        }
        note = events(tmp_path / "few").Tensors("drift_moved_most/text_summary")[-1].tensor_proto.string_val[0].decode()
        assert "| filters | previous |" in note

    def test_training_is_the_same_to_the_bit_and_every_number_is_written(self, tmp_path: Path) -> None:
        alarms: list[Alarm] = []
        callback = DriftCallback(samples=samples(), on_alarm=alarms.append, details=True)
        options = {"accumulate_grad_batches": 4, "max_epochs": 3}
        assert sha(fit(tmp_path / "a", [], **options)) == sha(fit(tmp_path / "b", [callback], **options))
        found = events(tmp_path / "b")
        features = [event.value for event in found.Scalars("drift_layers/features/body/previous")]
        assert len(features) == 3
        assert all(0 < value <= 1 for value in features)
        short = [event.value for event in found.Scalars("drift/grad_cam")]
        layer = [event.value for event in found.Scalars("drift_layers/grad_cam/body/previous")]
        assert short == pytest.approx(layer)
        assert {"timeline/grad_cam", "timeline/features"} <= set(image_tags(found))

    def test_checkpoints_and_early_stopping_monitor_the_short_tags(self, tmp_path: Path) -> None:
        class Values(Callback):
            seen: list[float] = []  # noqa: RUF012

            def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
                if not trainer.sanity_checking:
                    self.seen.append(float(trainer.callback_metrics["drift/grad_cam"]))

        values = Values()
        best = ModelCheckpoint(tmp_path, "best", monitor="drift/grad_cam", mode="min")
        stopping = EarlyStopping("drift/filters", mode="min", patience=1, min_delta=10)
        callbacks = [DriftCallback(samples=samples()), values, best, stopping]
        fit(tmp_path, callbacks, enable_checkpointing=True, max_epochs=5)
        assert len(values.seen) == 2  # no look moves the filters by 10 times their length
        assert best.best_model_score is not None
        assert float(best.best_model_score) == min(values.seen) > 0

    def test_without_a_first_look_the_monitored_numbers_start_at_zero(self, tmp_path: Path) -> None:
        best = ModelCheckpoint(tmp_path, monitor="drift/features", mode="max", save_top_k=-1)
        callback = CNNVisualizer([Drift()], samples(), log_untrained=False)
        fit(tmp_path, [callback, best], enable_checkpointing=True)
        assert events(tmp_path).Scalars("drift/features")[0].value == 0

    @pytest.mark.slow
    def test_a_resumed_run_continues_the_same_curves(self, tmp_path: Path) -> None:
        def train(name: str, **options: Any) -> None:
            model = small_cnn()
            model.dropout.p = 0.0  # Lightning does not restore random states
            kept = ModelCheckpoint(tmp_path, name + "{epoch}", save_top_k=-1)
            callbacks = [DriftCallback(samples=samples(), details=True), kept]
            run = trainer(tmp_path / name, callbacks, enable_checkpointing=True, max_epochs=4)
            run.fit(model, loader(), loader(), **options)

        train("whole")
        train("resumed", **resuming(tmp_path / "wholeepoch=1.ckpt", weights_only=True))
        whole, resumed = events(tmp_path / "whole"), events(tmp_path / "resumed")
        tags = [tag for tag in whole.Tags()["scalars"] if tag.startswith(("drift/", "drift_layers/"))]
        assert len(tags) == 30
        for tag in tags:
            expected = [(event.step, pytest.approx(event.value, abs=1e-5)) for event in whole.Scalars(tag)][-2:]
            assert [(event.step, event.value) for event in resumed.Scalars(tag)] == expected
        last_of_whole, last_of_resumed = (
            run.Images("cnnviz/7 change/timeline/grad_cam")[-1] for run in (whole, resumed)
        )
        assert (last_of_whole.width, last_of_whole.height) == (last_of_resumed.width, last_of_resumed.height)

    @pytest.mark.parametrize("width", [2, pytest.param(128, marks=pytest.mark.slow)])
    def test_the_state_stays_below_two_megabytes(self, width: int) -> None:
        model = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(width, 4 * width, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, 1000),
        )
        views: list[View] = [Drift(), Timeline(), Flips()]
        look(views, model, FixedSamples(torch.rand(64, 3, 32, 32)))
        buffer = io.BytesIO()
        torch.save(views[0].state_dict(), buffer)
        assert buffer.tell() < 2_000_000


class TestRegions:
    def test_boxes_become_masks(self) -> None:
        boxes = torch.tensor([[1, 2, 4, 3]] * 12)
        masks = samples(regions=boxes).regions
        assert masks is not None
        expected = torch.zeros(8, 8, dtype=torch.bool)
        expected[2, 1:4] = True
        assert torch.equal(masks[0], expected)

    @pytest.mark.parametrize(
        ("regions", "error", "message"),
        [
            (torch.zeros(12, 8, 7, dtype=torch.bool), ValueError, r"\(12, 8, 8\)"),
            (torch.zeros(12, 4), ValueError, "float32"),
            (torch.tensor([[0, 0, 9, 8]] * 12), ValueError, "left < right <= 8"),
            (torch.tensor([[0, 5, 8, 5]] * 12), ValueError, "top < bottom <= 8"),
            ([[0, 0, 1, 1]], TypeError, "tensor"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, regions: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            samples(regions=regions)

    def test_survive_a_file_and_tell_sets_apart(self) -> None:
        given = samples(regions=torch.tensor([[0, 0, 4, 4]] * 12))
        again = FixedSamples.from_state_dict(through_file(given.state_dict()))
        assert same_samples(given, again)
        assert not same_samples(given, samples())
        assert given.with_display_defaults(mean=[0.5], std=[0.5]).regions is not None


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
