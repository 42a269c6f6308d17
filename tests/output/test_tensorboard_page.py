from __future__ import annotations

from pathlib import Path

import pytest

from lightning_cnnviz import CNNVisualizer, PrototypeCallback
from tests.helpers.browser import chromium, needs_chromium, open_group, read_pictures, tensorboard
from tests.helpers.training import fit

TAGS = {
    "predictions",
    "feature_maps/stem",
    "feature_maps/body",
    "filters/stem.0",
    "saliency/gradient",
    "grad_cam/body",
    "prototypes",
}


@pytest.mark.slow
@needs_chromium
def test_the_images_page_shows_every_tag(tmp_path: Path) -> None:
    fit(tmp_path / "logs", [CNNVisualizer(), PrototypeCallback()])
    with tensorboard(tmp_path / "logs") as address, chromium(tmp_path / "profile") as driver:
        driver.get(address)
        first = read_pictures(driver, wanted=3)
        for group in sorted({tag.partition("/")[0] for tag in TAGS - first.keys()}):
            open_group(driver, group)
        shown = read_pictures(driver, wanted=len(TAGS))
        assert driver.get_screenshot_as_png()
    assert shown.keys() == TAGS
    for tag, (natural, on_page) in shown.items():
        assert 400 <= natural <= 1400, tag
        assert on_page == 350, f"{tag}: pictures are drawn to be read at this width"
