from __future__ import annotations

import numpy as np
import pytest

from lightning_cnnviz.output.artifacts import RGB, Picture


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=["float", "grey", "alpha", "empty"],
)
def test_a_picture_that_is_none_is_refused_with_its_tag(image: RGB) -> None:
    with pytest.raises(ValueError, match=r"grad_cam/a: image must be uint8 of shape \(H, W, 3\), got (uint8|float64)"):
        Picture("grad_cam/a", image)
