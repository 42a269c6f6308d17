from __future__ import annotations

import warnings
from typing import Any

import jsonargparse
import torch
from lightning.pytorch import Callback
from PIL import Image
from torchvision.transforms import ToTensor

from lightning_cnnviz import FixedSamples
from lightning_cnnviz.samples import Mark, Occlusion, Recolor, same_samples

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


def test_every_argument_as_in_python(tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 51)).save(tmp_path / "a.png")
    shown = {"class_names": ["x", "y"], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "apply_batch_hooks": False}
    changes = {
        "mark": {"class_path": "lightning_cnnviz.samples.Mark", "init_args": {"at": "center", "fill": [1, 0, 0]}},
        "covered": {"class_path": "lightning_cnnviz.samples.Occlusion", "init_args": {"box": [0, 0, 0.5, 0.5]}},
        "colors": {"class_path": "lightning_cnnviz.samples.Recolor", "init_args": {"order": [2, 0, 1]}},
    }
    paths = [str(tmp_path / "a.png")]
    samples = built("from_files", {"paths": paths, "transform": TENSOR, "labels": [1], "perturbed": changes, **shown})
    expected = FixedSamples.from_files(
        paths,
        ToTensor(),
        labels=[1],
        perturbed={
            "mark": Mark(at="center", fill=[1, 0, 0]),
            "covered": Occlusion((0, 0, 0.5, 0.5)),
            "colors": Recolor((2, 0, 1)),
        },
        **shown,
    )
    assert same_samples(samples, expected)
    for name in changes:
        assert torch.equal(samples.perturbed[name], expected.perturbed[name])
    assert (samples.class_names, samples.mean, samples.std) == (("x", "y"), (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert samples.origin.raw is expected.origin.raw is None


def test_transforms_in_a_row():
    v2 = "torchvision.transforms.v2"
    steps = [
        {"class_path": f"{v2}.Resize", "init_args": {"size": [4, 4]}},
        {"class_path": f"{v2}.ToImage"},
        {"class_path": f"{v2}.ToDtype", "init_args": {"dtype": "torch.float32", "scale": True}},
        {"class_path": f"{v2}.Normalize", "init_args": {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}},
    ]
    transform = {"class_path": f"{v2}.Compose", "init_args": {"transforms": steps}}
    data = {"class_path": "torchvision.datasets.FakeData"}
    data["init_args"] = {"size": 5, "image_size": [3, 8, 8], "transform": transform}
    samples = built("from_dataset", {"dataset": data, "indices": [1]})
    assert samples.images.shape == (1, 3, 4, 4)
    assert (samples.mean, samples.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
