from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lightning_cnnviz import (
    CNNVisualizer,
    FeatureMaps,
    Film,
    Filters,
    FixedSamples,
    GradCAM,
    Predictions,
    Prototypes,
    Timeline,
    View,
    explain,
)
from lightning_cnnviz.model.evidence import Evidence
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.render import Caption, FilmStrip, Images, Maps, Row, Sheet, SignedImages
from lightning_cnnviz.views.strips import Still, rows_of, thinned
from tests.helpers.training import SmallCNN, fit, image_steps, sha
from tests.views.test_grad_cam import COUNTING, MAP, WEIGHT, Hand


def strips(film: Film) -> dict[str, FilmStrip]:
    return film._strips


def looks(film: Film, factors: list[float], labels: list[int] | None = None) -> None:
    """Draws a model whose convolution is multiplied by a factor at each look."""
    model = Hand(WEIGHT)
    samples = FixedSamples(
        COUNTING.repeat(2, 1, 1, 1), None if labels is None else torch.tensor(labels), class_names=["ant", "bee"]
    )
    for factor in factors:
        with torch.no_grad():
            model.conv.weight.fill_(factor)
        explain(model, samples, [film])


def drawn(strip: FilmStrip) -> Tensor:
    """(frames, R, C, h, w)"""
    values = []
    for frame in strip.frames:
        assert isinstance(frame.maps, (Maps, SignedImages))
        values.append(torch.from_numpy(frame.maps.values))
    return torch.stack(values)


def test_filters_on_one_scale_over_all_looks() -> None:
    film = Film(Filters("conv"))
    looks(film, [1.0, -4.0, 2.0])
    strip = strips(film)["filters/conv"]
    assert [row.caption.lines for row in strip.rows if row.caption] == [("no. 0",), ("no. 1",)]
    values = drawn(strip)
    assert values.shape == (3, 2, 1, 3, 3)
    assert values[:, 0, 0, 0, 0].tolist() == [0.25, -1.0, 0.5]
    assert all(frame.maps.limits == (-1.0, 1.0) for frame in strip.frames if isinstance(frame.maps, Maps))


def test_maps_of_samples_with_what_the_model_said() -> None:
    film = Film(GradCAM("conv"))
    looks(film, [1.0, 2.0], labels=[0, 1])
    strip = strips(film)["grad_cam/conv"]
    assert [row.caption.lines for row in strip.rows if row.caption] == [("true ant",), ("true bee",)]
    assert strip.frames[0].correct == (True, False)
    assert strip.frames[0].lines[0] == ("says ant", "100%")
    expected = torch.stack([MAP / 180, MAP / 90])[:, None, None].expand(-1, 2, -1, -1, -1)
    torch.testing.assert_close(drawn(strip), expected, atol=1e-3, rtol=0)


def test_channels_of_one_sample() -> None:
    film = Film(FeatureMaps("conv"), sample=1)
    looks(film, [1.0, 2.0])
    strip = strips(film)["feature_maps/conv"]
    assert [row.caption.lines for row in strip.rows if row.caption] == [("ch 0",), ("ch 1",)]
    torch.testing.assert_close(drawn(strip)[0], 0.5 * drawn(strip)[1])
    assert drawn(strip)[1].max() == 1


def test_prototypes_beside_their_class_means() -> None:
    film = Film(Prototypes(steps=2))
    torch.manual_seed(0)
    explain(SmallCNN(), FixedSamples(torch.rand(3, 1, 8, 8), class_names=["ant", "bee", "cow"]), [film])
    strip = strips(film)["prototypes"]
    assert [row.caption.lines for row in strip.rows if row.caption] == [("ant",), ("bee",), ("cow",)]
    assert isinstance(strip.frames[0].maps, Images)
    assert all(line[0].endswith("%") for line in strip.frames[0].lines)


def test_the_view_itself_draws_as_without_a_film() -> None:
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = SmallCNN()
    with_film, without = explain(model, images, [Film(GradCAM())]), explain(model, images, [GradCAM()])
    assert np.array_equal(with_film.pictures["grad_cam/body"], without.pictures["grad_cam/body"])
    assert with_film.arrays["grad_cam/body"].equal(without.arrays["grad_cam/body"])
    assert set(with_film.pictures) == {"grad_cam/body", "film/grad_cam/body"}


def test_pictures_without_rows_of_maps_have_no_strip() -> None:
    assert list(explain(Hand(WEIGHT), COUNTING, [Film(Predictions())]).pictures) == ["predictions"]


def test_frames_are_thinned_out_evenly_by_factors() -> None:
    stills = [Still(position, position, torch.zeros(1, 1, 1, 1), ((),), (None,)) for position in range(64)]
    kept: list[Still] = []
    for still in stills:
        kept = thinned([*kept, still], 8)
    positions = [still.position for still in kept]
    assert len(positions) == 8
    assert (positions[0], positions[-1]) == (0, 63)
    assert positions == sorted(set(positions))
    assert positions[1] <= 3, "early looks stay close together"


def test_it_goes_on_where_it_was() -> None:
    film, resumed, whole = Film(Filters("conv")), Film(Filters("conv")), Film(Filters("conv"))
    looks(film, [1.0, 2.0])
    resumed.load_state_dict(film.state_dict())
    looks(resumed, [4.0])
    looks(whole, [1.0, 2.0, 4.0])
    assert drawn(strips(resumed)["filters/conv"]).equal(drawn(strips(whole)["filters/conv"]))


def test_a_layer_of_another_shape_begins_another_strip() -> None:
    film = Film(Filters("conv"))
    looks(film, [1.0, 2.0])
    model = Hand(WEIGHT)
    model.conv = torch.nn.Conv2d(1, 2, 2, bias=False)
    model.fc = torch.nn.Linear(18, 2)
    explain(model, COUNTING, [film])
    assert len(strips(film)["filters/conv"].frames) == 1


def test_numbers_out_of_range_are_no_end() -> None:
    film = Film(Filters("conv"))
    looks(film, [1e30, torch.nan, torch.inf])
    assert strips(film)["filters/conv"].draw().any()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".GIF"])
def test_saved_as_an_animation(suffix: str, tmp_path: Path) -> None:
    film = Film(Filters("conv"))
    looks(film, [1.0, -4.0, 2.0])
    film.save(tmp_path / f"filters{suffix}", seconds=0.2)
    with Image.open(tmp_path / f"filters{suffix}") as animation:
        assert animation.n_frames == 3
        frames = []
        for index in range(3):
            animation.seek(index)
            frames.append(np.asarray(animation.convert("RGB")))
    assert not np.array_equal(frames[0], frames[1])


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    film = Film(Filters())
    with pytest.raises(ValueError, match="nothing was drawn yet"):
        film.save(tmp_path / "a.gif")
    looks(film, [1.0])
    with pytest.raises(ValueError, match=r"path must end in .gif, .webp, .png, got .*a.mp4"):
        film.save(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"tag must be one of \['filters/conv'\], got 'b'"):
        film.save(tmp_path / "a.gif", "b")
    with pytest.raises(ValueError, match="seconds must be above 0"):
        film.save(tmp_path / "a.gif", seconds=0)


@pytest.mark.slow
def test_a_timeline_of_one_sample_is_smaller_than_that_of_all(tmp_path: Path) -> None:
    timeline = Timeline()
    with pytest.raises(ValueError, match="nothing was drawn yet"):
        timeline.save(tmp_path / "all.gif")
    fit(tmp_path, [CNNVisualizer([timeline], on_error="raise")])
    timeline.save(tmp_path / "all.gif")
    timeline.save(tmp_path / "digit.gif", sample=3)
    with Image.open(tmp_path / "all.gif") as everything, Image.open(tmp_path / "digit.gif") as one:
        assert everything.n_frames == one.n_frames == 3
        assert one.width < everything.width
    with pytest.raises(ValueError, match="sample must lie between 0 and 7, got 8"):
        timeline.save(tmp_path / "digit.gif", sample=8)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"view": Film(Filters())}, TypeError),
        ({"view": "filters"}, TypeError),
        ({"view": Filters(), "rows": 0}, ValueError),
        ({"view": Filters(), "frames": 2}, ValueError),
        ({"view": Filters(), "sample": -1}, ValueError),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Film(**options)


def test_what_a_view_asks_for_passes_through_the_film() -> None:
    class Asking(View):
        monitored_tags = ("mine",)
        wanted_samples = 32
        most_samples = 64
        watches_training = watches_validation = True
        chapter = "classes"

        def request(self, layout: Any, samples: FixedSamples) -> Any:
            raise NotImplementedError

        def draw(self, evidence: Evidence) -> Iterator[Artifact]:
            yield Picture("mine", np.zeros((2, 2, 3), np.uint8))

    film = Film(Asking(every_n_epochs=3))
    asked = (film.monitored_tags, film.wanted_samples, film.most_samples, film.sees_all_samples, film.every_n_epochs)
    assert asked == (("mine",), 32, 64, True, 3)
    assert film.watches_training
    assert film.watches_validation
    assert (film.chapter, film.name) == ("classes", "Film of Asking")


@pytest.mark.slow
def test_in_training(tmp_path: Path) -> None:
    films = [Film(Filters()), Film(Prototypes(steps=2)), Film(FeatureMaps("last"))]
    model = fit(tmp_path / "with", [CNNVisualizer(films, on_error="raise")])
    assert sha(model) == sha(fit(tmp_path / "without", []))
    steps = image_steps(tmp_path / "with")
    assert {tag: steps[tag] for tag in steps if tag.startswith("film/")} == {
        "film/filters/stem.0": [0, 5, 11],
        "film/prototypes": [5, 11],
        "film/feature_maps/body": [0, 5, 11],
    }


def test_rows_without_a_caption_are_called_by_their_number() -> None:
    maps = Maps(np.ones((2, 1, 3, 3), np.float32), ("a",))
    picture = np.zeros((3, 3, 3), np.uint8)
    rows = rows_of(
        Sheet((Row(picture, None, 0), Row(picture, Caption(("ant", "true bee"), False), 4)), (maps,), "t"), 2, 0
    )
    assert rows is not None
    assert (rows.names, rows.correct) == (("sample 0", "true bee"), (None, False))
    assert rows.lines == (("", ""), ("says ant", ""))
