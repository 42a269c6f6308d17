from __future__ import annotations

from collections import UserList, deque
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lightning_cnnviz.model.hooks import image_like, replaced


@pytest.mark.parametrize("container", [list, tuple, UserList, deque])
def test_an_image_is_found_and_replaced_in_any_sequence(container: Callable[[list[Any]], Any]) -> None:
    old, new, other = torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3), torch.zeros(1)
    output = container([other, old])
    assert image_like(output) is old
    swapped = replaced(output, old, new)
    assert type(swapped) is type(output)
    assert swapped[0] is other
    assert swapped[1] is new
    assert output[1] is old
