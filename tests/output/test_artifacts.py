from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.output.artifacts import PLAIN, RGB, DrawingError, Picture, Style


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=["float", "grey", "alpha", "empty"],
)
def test_a_picture_that_is_none_is_refused_with_its_tag(image: RGB) -> None:
    with pytest.raises(ValueError, match=r"grad_cam/a: figure must be uint8 of shape \(H, W, 3\), got (uint8|float64)"):
        Picture("grad_cam/a", image)


class Square:
    """Counts how often it is drawn."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.drawn: list[str | None] = []

    def draw(self, style: Style = PLAIN) -> RGB:
        self.drawn.append(style.font)
        if self.error is not None:
            raise self.error
        return np.ones((2, 2, 3), np.uint8)


def test_a_figure_is_drawn_once_and_only_when_its_picture_is_wanted() -> None:
    square = Square()
    picture = Picture("a", square, style=Style("Mono.ttf"))
    assert square.drawn == []
    assert picture.image is picture.image
    assert square.drawn == ["Mono.ttf"]


def test_what_is_neither_array_nor_figure_is_refused_with_its_tag() -> None:
    with pytest.raises(TypeError, match="grad_cam/a: figure must be an RGB array or a figure, got list"):
        Picture("grad_cam/a", [1, 2])


def test_a_figure_that_cannot_be_drawn_is_blamed() -> None:
    with pytest.raises(DrawingError, match="a could not be drawn: KeyError: 'x'") as raised:
        _ = Picture("a", Square(KeyError("x"))).image
    assert isinstance(raised.value.__cause__, KeyError)
