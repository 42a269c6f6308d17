from __future__ import annotations

import warnings
from typing import Any

import jsonargparse
import torch
from lightning.pytorch import Callback
from PIL import Image

TENSOR = {"class_path": "torchvision.transforms.ToTensor"}


def built(method: str, arguments: dict[str, Any]) -> Any:
    samples = {"class_path": f"lightning_cnnviz.FixedSamples.{method}", "init_args": arguments}
    config = {"class_path": "lightning_cnnviz.CNNVisualizer", "init_args": {"samples": samples}}
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--callback", type=Callback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        callback = parser.instantiate_classes(parser.parse_object({"callback": config})).callback
    return callback.sampling.source.choose()


def test_files_by_class_path(tmp_path):
    for name, color in (("a.png", (255, 0, 51)), ("b.png", (0, 102, 0))):
        Image.new("RGB", (6, 4), color).save(tmp_path / name)
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    samples = built("from_files", {"paths": paths, "transform": TENSOR, "labels": [1, 0], "class_names": ["x", "y"]})
    assert samples.images[:, :, 0, 0].mul(255).round().tolist() == [[255, 0, 51], [0, 102, 0]]
    assert (samples.labels.tolist(), samples.class_names) == ([1, 0], ("x", "y"))


def test_dataset_by_class_path():
    data = {"class_path": "torchvision.datasets.FakeData"}
    data["init_args"] = {"size": 5, "image_size": [3, 8, 8], "transform": TENSOR}
    samples = built("from_dataset", {"dataset": data, "indices": [3, 0]})
    assert samples.images.shape == (2, 3, 8, 8)
    assert samples.images.dtype == torch.float32
