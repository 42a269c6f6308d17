from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_cnnviz.output.artifacts import (
    PLAIN,
    RGB,
    DrawingError,
    Look,
    Note,
    Picture,
    SampleSet,
    Scalar,
    Seen,
    Style,
)
from lightning_cnnviz.output.look_record import record_of
from lightning_cnnviz.output.record import Maps, Record
from lightning_cnnviz.render import BarSheet, Caption, Images, Masks, MaskSheet, Row, Sheet, SignedImages, Tiles
from lightning_cnnviz.render import Maps as DrawnMaps
from lightning_cnnviz.render.masks import class_color

SAMPLES = SampleSet(tuple(np.full((4, 6, 3), 40 * index, np.uint8) for index in range(4)), (0, 1, 0, 1), ("cat", "dog"))


def record(*artifacts: Picture | Scalar | Note, **changes: object) -> Record:
    seen = Seen(SAMPLES, 2, tuple(("View", artifact) for artifact in artifacts), {"View": "read it so"})
    return record_of(Look("record", 5.0, 3, (replace(seen, **changes),)))  # type: ignore[arg-type]


def rows(*indices: int) -> tuple[Row, ...]:
    return tuple(Row(SAMPLES.pictures[index], None, index) for index in indices)


def ramp(count: int, channels: int = 1) -> np.ndarray:
    return np.arange(count * channels * 4, dtype=np.float32).reshape(count, channels, 2, 2)


def only(recorded: Record) -> Maps:
    (maps,) = recorded.maps
    return maps


def test_a_sheet_of_the_first_samples_belongs_to_them() -> None:
    column = DrawnMaps(ramp(2), ("heat map",), kind="signed", limits=(-3.0, 3.0), laying="both", grey=True)
    maps = only(record(Picture("grad_cam/body", Sheet(rows(0, 1), (column,), "Grad-CAM of body"))))
    assert (maps.tag, maps.view, maps.title, maps.group) == ("grad_cam/body", "View", "Grad-CAM of body", 0)
    assert maps.rows is None
    assert (maps.symmetric, maps.over, maps.grey, maps.limits) == (True, True, True, (-3.0, 3.0))
    assert tuple(maps.columns) == ("",), "one column needs no name"
    np.testing.assert_array_equal(maps.values, ramp(2))


def test_before_and_after_of_chosen_samples_stand_beside_each_other() -> None:
    columns = tuple(
        DrawnMaps(ramp(2) + shift, (heading,), labels=((f"{heading} a",), (f"{heading} b",)))
        for shift, heading in ((0, "epoch 1"), (100, "epoch 2"))
    )
    maps = only(record(Picture("flips", Sheet(rows(3, 1), columns))))
    assert maps.rows == [3, 1]
    assert tuple(maps.columns) == ("epoch 1", "epoch 2")
    assert maps.labels == (("epoch 1 a", "epoch 2 a"), ("epoch 1 b", "epoch 2 b"))
    np.testing.assert_array_equal(maps.values, np.concatenate([ramp(2), ramp(2) + 100], axis=1))


def test_rows_that_are_no_samples_are_pictures_of_their_own() -> None:
    means = [np.full((2, 2, 3), 7 + index, np.uint8) for index in range(2)]
    shown: tuple[RGB, ...] = tuple(np.full((2, 2, 3), 90, np.uint8) for _ in means)
    sheet = Sheet(
        tuple(Row(mean, Caption((f"class {index}", "97%"), index == 0), index) for index, mean in enumerate(means)),
        (Images(shown, "prototype"), DrawnMaps(ramp(2), ("difference",))),
        "Classes",
        first="class mean",
    )
    recorded = record(Picture("prototypes", sheet))
    samples, own = recorded.groups
    assert not samples.is_own
    assert (own.is_own, own.name, own.heading) == (True, "prototypes", "class mean")
    assert list(own.setup.pictures) == means
    assert own.captions == [(("class 0", "97%"), True), (("class 1", "97%"), False)]
    pictures, difference = recorded.maps
    assert (pictures.group, pictures.planes, pictures.columns) == (1, 3, ("prototype",))
    assert pictures.limits == (0.0, 255.0), "pictures are shown as they are"
    assert (pictures.values == 90).all()
    assert (difference.tag, difference.columns) == ("prototypes (difference)", ("difference",))


def test_a_map_has_the_same_name_in_every_look_though_its_heading_is_the_epoch() -> None:
    def names(*headings: str) -> list[tuple[str, tuple[str, ...]]]:
        kinds: list[Any] = ["activation", "signed", "signed"]
        columns = [
            DrawnMaps(ramp(2), (heading,), kind=kind, limits=(-1.0, 1.0 + number), is_moment=number < 2)
            for number, (heading, kind) in enumerate(zip(headings, kinds, strict=True))
        ]
        recorded = record(Picture("change/body", Sheet(rows(0, 1), tuple(columns))))
        return [(maps.tag, tuple(maps.columns)) for maps in recorded.maps]

    first, later = names("untrained", "epoch 0", "change"), names("epoch 9", "epoch 10", "change")
    assert [tag for tag, _ in first] == ["change/body", "change/body (1)", "change/body (change)"]
    assert [tag for tag, _ in later] == [tag for tag, _ in first]
    assert [columns for _, columns in later] == [("epoch 9",), ("epoch 10",), ("change",)]


def test_tiles_belong_to_nobody() -> None:
    kernels = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 2, 2)
    maps = only(record(Picture("filters/stem", Tiles(SignedImages(kernels, limits=(-9.0, 9.0)), ("0", "1")))))
    assert (maps.group, maps.planes, maps.symmetric, maps.limits) == (None, 3, True, (-9.0, 9.0))
    assert maps.values.shape == (1, 6, 2, 2)
    assert tuple(maps.columns) == ("0", "1")


def test_numbers_notes_and_answers_are_kept() -> None:
    probabilities = np.array([[0.1, 0.9]] * 4, np.float32)
    recorded = record(
        Scalar("drift/features", 0.5), Note("alarms", "**oh**"), probabilities=probabilities, explained=(1, 1, 0, 1)
    )
    assert recorded.scalars == {"drift/features": 0.5}
    assert recorded.notes == {"alarms": "**oh**"}
    (group,) = recorded.groups
    assert group.probabilities is probabilities
    assert group.explained == (1, 1, 0, 1)
    assert (group.shown, group.setup.labels, group.setup.class_names) == (2, (0, 1, 0, 1), ("cat", "dog"))
    assert recorded.legend.descriptions == {"View": "read it so"}


def test_samples_are_encoded_once_for_all_looks() -> None:
    assert record().groups[0].setup is record().groups[0].setup


def test_what_cannot_be_recorded_is_no_fault_of_the_sink() -> None:
    with pytest.raises(DrawingError, match="no record of record"):
        record_of(Look("record", 0.0, 0, (None,)))  # type: ignore[arg-type]


def test_masks_are_the_classes_of_places() -> None:
    predicted, true = (np.array([[[0, 2]], [[index, -1]]]) for index in (1, 2))
    changed = DrawnMaps(ramp(2), ("changed",))
    columns = (Masks(predicted, "predicted", true), Masks(true, "true"), changed)
    sheet = MaskSheet(rows(0, 1), columns, "Predictions", legend=(("sky", 0), ("road", 2)))
    maps, others = record(Picture("predictions", sheet)).maps
    assert (maps.tag, maps.title, maps.over, maps.rows) == ("predictions", "Predictions", True, None)
    assert tuple(maps.columns) == ("predicted", "true")
    np.testing.assert_array_equal(maps.values, [[[[0, 2]], [[0, 2]]], [[[1, np.nan]], [[2, np.nan]]]])
    assert maps.classes == [(0, "sky", class_color(0)), (2, "road", class_color(2))]
    assert (others.tag, others.classes) == ("predictions (changed)", None)


def test_a_picture_without_numbers_is_stored_as_it_is() -> None:
    own = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    bars = BarSheet(rows(0, 1), ((), ()))
    many = MaskSheet(rows(0), (Masks(np.array([[[0, 999]]])),))
    given = {"own": own, "masks": many, "predictions": bars, "val/timeline/features": own, "broken": Broken()}
    found = record(*(Picture(tag, figure) for tag, figure in given.items()))
    assert [(picture.tag, picture.view) for picture in found.pictures] == [("own", "View"), ("masks", "View")]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(found.pictures[0].content))), own)
    assert not found.maps, "of so many classes eight bits could not tell which"


class Broken:
    def draw(self, style: Style = PLAIN) -> RGB:
        raise ValueError("no picture")
