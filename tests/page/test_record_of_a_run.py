from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from lightning_cnnviz import CNNVisualizer, DriftCallback
from lightning_cnnviz.page.reading import read_runs
from lightning_cnnviz.page.report import read_report
from tests.helpers.training import fit


def _events(directory: Path) -> list[Any]:
    return [
        (event.step, value)
        for path in sorted(directory.rglob("*tfevents*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]


@pytest.mark.slow
def test_a_run_leaves_a_record_of_every_look(tmp_path: Path) -> None:
    fit(tmp_path, [CNNVisualizer(samples=4), DriftCallback()])
    (path,) = tmp_path.rglob("report.html")
    assert read_report(path.read_bytes()) == read_runs(path.parent), "the file is complete after the run"
    assert next(path.parent.glob("*tfevents*")).is_file(), "and lies beside the event file"
    events = _events(tmp_path)
    blobs = [list(value.tensor.string_val) for _, value in events if value.tag == "record/look"]
    heads = [json.loads(zlib.decompress(look[0])) for look in blobs]
    setups = [list(value.tensor.string_val) for _, value in events if value.tag.startswith("record/setup/")]
    assert [head["epoch"] for head in heads][:2] == [None, 0]
    assert [head["step"] for head in heads] == [step for step, value in events if value.tag == "record/look"]
    tags = {item["tag"] for item in heads[-1]["items"]}
    assert {"feature_maps/stem", "filters/stem.0", "saliency/gradient", "grad_cam/body"} <= tags
    assert any(tag.startswith("drift_layers/features/") for tag in heads[-1]["scalars"])
    by_name = {json.loads(zlib.decompress(blobs[0]))["id"]: blobs for blobs in setups}
    assert len(setups) == len(by_name), "each is stored once"
    samples = sorted((blobs for blobs in by_name.values() if len(blobs) > 1), key=len)
    few, many = (json.loads(zlib.decompress(blobs[0]))["keys"] for blobs in samples)
    assert many[: len(few)] == few, "drift, which wants more samples, begins with the same ones"
    assert all(blobs[1].startswith(b"\x89PNG") for blobs in samples)
    for head in heads:
        assert "red" in json.loads(zlib.decompress(by_name[head["legend"]][0]))["descriptions"]["GradCAM"].lower()
        for group in head["groups"]:
            assert group["setup"] in by_name
            assert group["explained"] == [best for best, *_ in group["classes"]], "predicted classes are explained"
    for item, look in ((item, look) for head, look in zip(heads, blobs, strict=True) for item in head["items"]):
        maps, pixels = int(np.prod(item["shape"][:2])), int(np.prod(item["shape"]))
        assert len(zlib.decompress(look[item["blob"]])) == 8 * maps + pixels * item["bits"] // 8
    numbers = sum(len(blob) for look in [*blobs, *setups] for blob in look)
    drawn = sum(
        len(value.tensor.string_val[2]) for _, value in events if value.metadata.plugin_data.plugin_name == "images"
    )
    drawn += sum(len(value.image.encoded_image_string) for _, value in events)
    assert 0 < numbers <= drawn, "the record takes at most what the pictures take"
