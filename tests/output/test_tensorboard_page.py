from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from lightning_cnnviz import CNNVisualizer, PrototypeCallback
from tests.helpers.browser import chromium, needs_chromium, read_pictures, tensorboard
from tests.helpers.training import fit

TAGS = [
    "cnnviz/1 answers/predictions",
    "cnnviz/2 looks/grad_cam/body",
    "cnnviz/3 pixels/saliency/gradient",
    "cnnviz/4 responses/feature_maps/body",
    "cnnviz/4 responses/feature_maps/stem",
    "cnnviz/5 weights/filters/stem.0",
    "cnnviz/6 classes/prototypes",
]


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("options", [("--load_fast=false",), ()], ids=["slow server", "fast server"])
def test_the_images_page_tells_the_story_in_one_open_group(tmp_path: Path, options: tuple[str, ...]) -> None:
    fit(tmp_path / "logs", [CNNVisualizer(), PrototypeCallback()])
    served = tensorboard(tmp_path / "logs", "--samples_per_plugin=images=1000", *options)
    with served as address, chromium(tmp_path / "profile") as driver:
        driver.get(address)
        shown = read_pictures(driver, wanted=TAGS)
        tags = json.loads(urllib.request.urlopen(f"{address.partition('?')[0]}data/plugin/images/tags").read())
    assert list(shown) == TAGS
    for tag, (natural, on_page) in shown.items():
        assert 400 <= natural <= 1400, tag
        assert on_page == 350, f"{tag}: pictures are drawn to be read at this width"
    for tag, told in tags["events"].items():
        assert told["displayName"] == tag.split("/", 2)[2]
        assert "How to read it" in told["description"]
