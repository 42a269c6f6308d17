from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_cnnviz import Drift, Timeline
from lightning_cnnviz.drift.frames import KeptFrame, thinned
from lightning_cnnviz.render import Caption, FilmStrip, Frame, HeatTable, Images, Row
from tests.helpers.drift import look, samples, small_cnn, through_file


def frame(position: int, drift: float = 0.0) -> KeptFrame:
    nothing = torch.zeros(0)
    return KeptFrame(position, position, nothing, nothing, nothing, nothing, {"layer": drift})


def after(looks: int, most: int, spike: int = -1) -> list[KeptFrame]:
    frames: list[KeptFrame] = []
    for position in range(looks):
        frames = thinned([*frames, frame(position, float(position == spike))], most)
    return frames


class TestThinning:
    def test_nothing_is_left_out_of_a_short_run(self) -> None:
        assert [one.position for one in after(24, 24)] == list(range(24))

    @pytest.mark.parametrize("looks", [30, 100, 400])
    def test_the_first_looks_and_the_last_one_stay(self, looks: int) -> None:
        positions = [one.position for one in after(looks, 24)]
        assert len(positions) == 24
        assert positions[:4] == [0, 1, 2, 3]
        assert positions[-1] == looks - 1

    def test_frames_lie_further_and_further_apart(self) -> None:
        positions = np.array([one.position for one in after(400, 24)]) + 1
        ratios = positions[1:] / positions[:-1]
        assert ratios.max() <= 2
        assert ratios[4:].max() < 1.8

    @pytest.mark.parametrize("spike", [1, 7, 150, 399])
    def test_a_spike_is_never_lost(self, spike: int) -> None:
        frames = after(400, 24, spike)
        assert [one.drift["layer"] for one in frames].count(1.0) == 1
        shown = next(one.position for one in frames if one.drift["layer"])
        assert shown >= spike

    def test_what_only_the_frame_that_gives_way_knows_goes_to_the_next_one(self) -> None:
        frames = [frame(0), replace(frame(1), drift={"filters stem": 0.5}), frame(2, 0.25), frame(9)]
        kept = thinned(frames, 3)
        assert [one.position for one in kept] == [0, 2, 9]
        assert kept[1].drift == {"layer": 0.25, "filters stem": 0.5}


class TestTimeline:
    def test_grows_by_a_frame_at_each_look_and_stays_bounded(self) -> None:
        timeline, model = Timeline(frames=5), small_cnn()
        widths = [look([timeline], model, samples(), epoch=e).pictures["timeline/grad_cam"].shape[1] for e in range(8)]
        assert widths[3] < widths[4] == widths[5] == widths[7]
        assert len(timeline.state_dict()["frames"]) == 5

    def test_the_heat_map_shows_what_drift_measures(self) -> None:
        timeline, drift = Timeline(), Drift("auto", details=True)
        assert "timeline/features" not in look([timeline], small_cnn(1), samples()).pictures
        assert "timeline/features" in look([timeline], small_cnn(1), samples()).pictures
        look([drift], small_cnn(1), samples())
        look([timeline], small_cnn(2), samples())
        numbers = look([drift], small_cnn(2), samples()).scalars
        at_rest, moved = (one["drift"] for one in timeline.state_dict()["frames"][1:])
        rows = ["features stem", "features body", "filters stem.0", "filters body.0", "filters head", "Grad-CAM body"]
        assert at_rest == dict.fromkeys([*rows, "predictions"], 0.0)
        of_layers = {f"{family.lower().replace('-', '_')}/{layer}" for family, layer in map(str.split, rows)}
        expected = [numbers[f"drift_layers/{name}/previous"] for name in sorted(of_layers)]
        assert [moved[row] for row in sorted(rows, key=lambda row: row.lower().replace("-", "_"))] == expected
        assert moved["predictions"] == numbers["drift/predictions"]
        assert timeline._heat_map().figure.rows == (*rows, "predictions")

    def test_looks_of_an_earlier_version_told_of_features_alone(self) -> None:
        old = {name: value for name, value in frame(3).state_dict().items() if name != "strongest"}
        assert KeptFrame.from_state({**old, "drift": {"stem": 0.5}}).drift == {"features stem": 0.5}
        assert KeptFrame.from_state(frame(3).state_dict() | {"drift": {"filters a": 1.0}}).drift == {"filters a": 1.0}

    def test_the_state_survives_a_file_and_is_small(self) -> None:
        timeline, model = Timeline(frames=4), small_cnn()
        for epoch in range(6):
            look([timeline], model, samples(), epoch=epoch)
        buffer = io.BytesIO()
        torch.save(timeline.state_dict(), buffer)
        assert buffer.tell() < 100_000
        resumed = Timeline(frames=4)
        resumed.load_state_dict(through_file(timeline.state_dict()))
        expected = look([timeline], small_cnn(2), samples(), epoch=6).pictures
        found = look([resumed], small_cnn(2), samples(), epoch=6).pictures
        assert all((expected[tag] == found[tag]).all() for tag in expected)

    def test_a_map_that_was_weak_is_drawn_weak_beside_the_strongest_of_its_sample(self) -> None:
        timeline, model = Timeline(), small_cnn()
        look([timeline], model, samples(), epoch=0)
        weak = next(frame["maps"].float().amax(dim=(1, 2)) for frame in timeline.state_dict()["frames"])
        assert (weak[weak > 0] == 1).all(), "kept with all their steps"
        with torch.no_grad():
            for parameter in (model.head.weight, model.head.bias):
                parameter.mul_(4)  # and with it all gradients
        look([timeline], model, samples(), epoch=1)
        resumed = Timeline()
        resumed.load_state_dict(through_file(timeline.state_dict()))
        look([resumed], small_cnn(), samples(), epoch=2)
        first, second, third = (resumed._drawn.frames[index].maps for index in range(3))
        seen = second.values.max(axis=(1, 2, 3)) > 0
        assert seen.any()
        assert np.allclose(first.values[seen].max(axis=(1, 2, 3)), 0.25, atol=1e-3)
        assert np.allclose(second.values[seen].max(axis=(1, 2, 3)), 1.0, atol=1e-3)
        assert np.allclose(third.values[seen], first.values[seen], atol=1e-3)
        assert all(maps.limits == (0.0, 1.0) for maps in (first, second, third))

    def test_of_too_few_samples_there_is_no_number_for_features(self) -> None:
        timeline = Timeline()
        look([timeline], small_cnn(), samples(2))
        look([timeline], small_cnn(), samples(2))
        assert "Grad-CAM body" in timeline._heat_map().figure.rows
        assert not any(row.startswith("features") for row in timeline._heat_map().figure.rows)

    def test_two_frames_are_refused(self) -> None:
        with pytest.raises(ValueError, match="frames must be at least 3"):
            Timeline(frames=2)


class TestFilm:
    def test_frames_appear_in_their_place_with_the_color_of_their_answer(self) -> None:
        grey = np.full((8, 8, 3), 128, np.uint8)
        red, blue = grey.copy(), grey.copy()
        red[:], blue[:] = (255, 0, 0), (0, 0, 255)
        frames = (
            Frame("0", Images((red,)), (("a", "1%"),), (True,)),
            Frame("1", Images((blue,)), (("b", "2%"),), (False,)),
        )
        picture = FilmStrip((Row(grey, Caption(("a",)), 0),), frames).draw()
        place = {color: np.argwhere((picture == color).all(axis=2)) for color in ((255, 0, 0), (0, 0, 255))}
        assert place[255, 0, 0][:, 1].max() < place[0, 0, 255][:, 1].min()
        below = picture[place[255, 0, 0][:, 0].max() + 2, place[255, 0, 0][:, 1].mean().astype(int)]
        assert below[1] > below[0]  # the green of a right answer

    def test_of_many_frames_the_first_the_last_and_some_between_are_drawn(self) -> None:
        pictures = [np.full((28, 28, 3), (0, 0, 10 * index), np.uint8) for index in range(24)]
        said = (("Egyptian cat", "99%"),) * 2
        frames = tuple(Frame(str(i), Images((one,) * 2), said, (None, None)) for i, one in enumerate(pictures))
        grey = np.full((28, 28, 3), 128, np.uint8)
        rows = tuple(Row(grey, Caption(("cat",)), index) for index in range(2))
        drawn = FilmStrip(rows, frames, title="t", footer="f").draw()
        assert drawn.shape[1] <= 1000
        shown = [index for index in range(24) if (drawn == (0, 0, 10 * index)).all(axis=2).sum() > 1000]
        assert shown == [0, 4, 8, 12, 15, 19, 23]


class TestHeatTable:
    def test_colors_follow_the_numbers(self) -> None:
        values = np.array([[0.001, 1.0], [0.0, np.nan]])
        options = {"limits": (0.001, 1.0), "logarithmic": True, "colormap": "gray"}
        table = HeatTable(values, ("a", "b"), ("0", "1"), **options).draw()
        corner = HeatTable(values[:1], ("a",), ("0", "1"), **options).draw()
        assert table.dtype == np.uint8
        assert table.shape[0] > corner.shape[0]
        row = corner[corner.shape[0] // 3]
        dark, bright = np.flatnonzero((row == 0).all(axis=1)), np.flatnonzero((row == 255).all(axis=1))
        assert dark.size > 20
        assert bright.max() > dark.max()

    def test_a_logarithmic_scale_gives_equal_factors_equal_steps(self) -> None:
        def color(value: float) -> int:
            limits = {"limits": (0.01, 1.0), "logarithmic": True, "colormap": "gray"}
            table = HeatTable(np.array([[value]]), ("l",), ("",), **limits).draw()
            area = table[table.shape[0] // 4 : table.shape[0] // 2].reshape(-1, 3)
            kinds, counts = np.unique(area[(area != 255).any(axis=1)], axis=0, return_counts=True)
            return int(kinds[counts.argmax()][0])

        assert color(0.1) == pytest.approx(128, abs=2)
        assert color(0.0316) == pytest.approx(64, abs=2)
