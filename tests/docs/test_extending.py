"""The view, the sink and the methods of ``docs/extending.md`` do what the page says of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.docs.test_code import ROOT, blocks, known, tables_restored

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the blocks of the page define."""
    namespace = known()
    namespace["untrained"] = copy.deepcopy(namespace["model"]).eval()
    with pytest.MonkeyPatch.context() as patch, tables_restored():
        patch.chdir(tmp_path_factory.mktemp("extending"))
        exec("\n".join(blocks(ROOT / "docs" / "extending.md")), namespace)
        yield namespace


def test_eigen_cam_equals_that_of_pytorch_grad_cam(page: dict[str, Any]) -> None:
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

    [maps] = page["explanation"].arrays.values()
    model = page["untrained"]
    with torch.no_grad():
        activations = model.stage3(model.stage2(model.stage1(model.stem(page["images"]))))
    theirs = torch.from_numpy(get_2d_projection(activations.numpy()))
    theirs = theirs * (theirs * maps).sum(dim=(1, 2), keepdim=True).sign()  # neither has a sign of its own
    torch.testing.assert_close(maps, theirs.float(), rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


def test_the_view_is_short() -> None:
    code = blocks(ROOT / "docs" / "extending.md")[0].partition("class EigenCAM")[2]
    assert len([line for line in code.splitlines()[1:] if line.strip()]) <= 16


def test_the_sink_has_the_pictures_of_the_run(page: dict[str, Any]) -> None:
    pictures = page["latest"].pictures
    assert any("predictions" in tag for tag in pictures)
    assert all(image.ndim == 3 and image.shape[2] == 3 for image in pictures.values())


def test_the_methods_give_what_their_functions_say(page: dict[str, Any]) -> None:
    assert page["signs"].arrays.keys() == {"signcam/stage3"}
    [fall] = page["quarters"].arrays.values()
    assert fall.shape == page["images"].shape
    assert all(len(sample.unique()) <= 4 for sample in fall)
