from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from examples import mnist

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("split", "per_class", "images_sha", "labels_sha"),
    [
        ("train", 1000, "f83ddfb6346264b5", "81018dafcfe18151"),
        ("val", 200, "e4b06aa7d06a546c", "6ef716f0c2574b8a"),
    ],
)
def test_shipped_digits_are_balanced_and_unchanged(
    split: str, per_class: int, images_sha: str, labels_sha: str
) -> None:
    with np.load(EXAMPLES / "data" / "mnist_subset.npz") as subset:
        images, labels = subset[f"{split}_images"], subset[f"{split}_labels"]
    assert images.shape == (10 * per_class, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert np.bincount(labels).tolist() == [per_class] * 10
    assert hashlib.sha256(images.tobytes()).hexdigest().startswith(images_sha)
    assert hashlib.sha256(labels.tobytes()).hexdigest().startswith(labels_sha)


def test_data_module_normalises_black_and_white() -> None:
    data = mnist.MnistDataModule()
    black_and_white = np.zeros((1, 28, 28), np.uint8)
    black_and_white[0, 0, 0] = 255
    image, label = mnist.Digits(black_and_white, np.array([7]), data.transform)[0]
    assert image.shape == (1, 28, 28)
    assert image[0, 0, 0].item() == pytest.approx((1 - 0.1307) / 0.3081)
    assert image[0, 0, 1].item() == pytest.approx(-0.1307 / 0.3081)
    assert label == 7


def test_shipped_training_images_have_mean_zero_and_variance_one() -> None:
    data = mnist.MnistDataModule()
    data.setup("fit")
    images = torch.stack([data.train_set[index][0] for index in range(0, 10_000, 5)])
    assert images.mean().item() == pytest.approx(0, abs=0.02)
    assert images.std().item() == pytest.approx(1, abs=0.02)


def test_data_module_reads_the_shipped_digits_by_default() -> None:
    data = mnist.MnistDataModule()
    data.setup("fit")
    with np.load(EXAMPLES / "data" / "mnist_subset.npz") as subset:
        for split, digits in (("train", data.train_set), ("val", data.val_set)):
            np.testing.assert_array_equal(digits.images, subset[f"{split}_images"])
            np.testing.assert_array_equal(digits.labels, subset[f"{split}_labels"])


def test_data_module_shuffles_training_images_alone() -> None:
    data = mnist.MnistDataModule(batch_size=64)
    data.setup("fit")
    train_images, train_labels = next(iter(data.train_dataloader()))
    _, val_labels = next(iter(data.val_dataloader()))
    assert train_images.shape == (64, 1, 28, 28)
    assert train_labels.tolist() != data.train_set.labels[:64].tolist()
    assert val_labels.tolist() == data.val_set.labels[:500].tolist()


def test_whole_mnist_is_read_from_data_dir(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    # The idx format: a magic number, the size of each axis as big-endian 32 bit, then the bytes.
    for prefix, digit in (("train", 3), ("t10k", 8)):
        header = np.array([0x0803, 1, 28, 28], ">i4").tobytes()
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + bytes([digit]) * 784)
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(np.array([0x0801, 1], ">i4").tobytes() + bytes([digit]))
    data = mnist.MnistDataModule(tmp_path)
    data.prepare_data()
    data.setup("fit")
    assert (data.train_set.images.tolist(), data.train_set.labels.tolist()) == ([[[3] * 28] * 28], [3])
    assert (data.val_set.images.tolist(), data.val_set.labels.tolist()) == ([[[8] * 28] * 28], [8])


def test_dataset_tells_the_callback_what_it_looks_for() -> None:
    data = mnist.MnistDataModule()
    data.setup("fit")
    normalize = data.val_set.transform.transforms[-1]
    assert (normalize.mean, normalize.std) == ((0.1307,), (0.3081,))
    assert "".join(data.val_set.classes) == "0123456789"


def test_model_halves_the_resolution_twice_and_gives_ten_scores() -> None:
    model = mnist.MnistCNN().eval()
    sizes: dict[str, tuple[int, ...]] = {}

    def note_size(name: str) -> None:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            sizes[name] = tuple(output.shape[1:])

        model.get_submodule(name).register_forward_hook(hook)

    for name in ("stem", "stage1", "stage2", "stage3"):
        note_size(name)
    with torch.no_grad():
        logits = model(torch.zeros(3, 1, 28, 28))
    assert logits.shape == (3, 10)
    assert sizes == {"stem": (16, 28, 28), "stage1": (32, 28, 28), "stage2": (64, 14, 14), "stage3": (128, 7, 7)}


def test_head_is_linear_in_the_averaged_features() -> None:
    model = mnist.MnistCNN().eval()
    features = torch.rand(2, 128, 7, 7, generator=torch.Generator().manual_seed(0))
    model.stem = model.stage1 = model.stage2 = model.stage3 = nn.Identity()
    with torch.no_grad():
        expected = features.mean(dim=(2, 3)) @ model.classifier.weight.T + model.classifier.bias
        torch.testing.assert_close(model(features), expected)
