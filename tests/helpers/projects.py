"""Small rebuilds of projects that people train: their batches, what ``forward`` returns, and their losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from tests.helpers import project_tasks as tasks
from tests.helpers.model_shapes import SIDE, Net, Places, detections, logits
from tests.helpers.project_tasks import Adversarial, Task

COUNT, BATCH = 12, 4
FIVE = ("Predictions", "FeatureMaps", "Filters", "Saliency", "GradCAM")
LOOKED_AT = ("FeatureMaps", "Filters")


@dataclass(frozen=True)
class Project:
    """One project.

    Attributes:
        name: what it is trained for.
        batch: what a batch is, in words.
        returns: what ``forward`` returns, in words.
        task: makes it.
        item: from the number of a sample to what the dataset gives.
        drawn: views that are drawn by default.
        told: a part of what is said, if anything is.
        collate: how items become a batch.
    """

    name: str
    batch: str
    returns: str
    task: Callable[[], LightningModule]
    item: Callable[[int], Any]
    drawn: tuple[str, ...] = FIVE
    told: str = ""
    collate: Callable[[list[Any]], Any] | None = None

    def loader(self) -> DataLoader[Any]:
        """Its batches."""
        items: Any = [self.item(number) for number in range(COUNT)]
        return DataLoader(items, BATCH, collate_fn=self.collate)


def image(number: int) -> Tensor:
    return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(number))


def mask(number: int) -> Tensor:
    """A square of ones."""
    square = torch.zeros(SIDE, SIDE)
    square[number % 8 : number % 8 + 5, 3:9] = 1
    return square


PROJECTS = (
    Project(
        "Fine-tuning with a frozen backbone",
        "(images, classes)",
        "logits",
        lambda: Task(tasks.with_frozen_backbone(), tasks.classified),
        lambda n: (image(n), n % 3),
    ),
    Project(
        "A classifier of HuggingFace",
        "{pixel_values, labels}",
        "an object with logits",
        lambda: Task(Net(logits), lambda t, b: F.cross_entropy(t(**b).logits, b["labels"]), tasks.labelled),
        lambda n: {"pixel_values": image(n), "labels": n % 3},
    ),
    Project(
        "`forward(batch)` that returns the loss",
        "(images, classes)",
        "a number",
        lambda: Task(Net(logits), lambda t, b: t(b), lambda m, b: F.cross_entropy(m(b[0]), b[1])),
        lambda n: (image(n), n % 3),
        told="Looked at is 'model', its only part with convolutions",
    ),
    Project(
        "Forty attributes of faces",
        "(images, 0s and 1s)",
        "logits of independent labels",
        lambda: Task(Net(logits, width=4), lambda t, b: F.binary_cross_entropy_with_logits(t(b[0]), b[1])),
        lambda n: (image(n), torch.tensor([n % 2, n % 3 == 0, 1, n % 5 == 0]).float()),
        told="the scores are those of independent labels",
    ),
    Project(
        "Age",
        "(images, floats)",
        "(N, 1)",
        lambda: Task(Net(logits, width=1), lambda t, b: F.mse_loss(t(b[0])[:, 0], b[1].float())),
        lambda n: (image(n), 20.5 + n),
    ),
    Project(
        "Binary segmentation",
        "{image, mask (1, H, W)}",
        "(N, H, W) logits",
        lambda: Task(
            Places(width=1),
            lambda t, b: F.binary_cross_entropy_with_logits(t(b["image"]), b["mask"][:, 0]),
            lambda m, x: m.decoded(x)[:, 0],
        ),
        lambda n: {"image": image(n), "mask": mask(n)[None]},
    ),
    Project(
        "Segmentation with an auxiliary head",
        "(images, masks)",
        "{out, aux}",
        lambda: Task(
            Places(lambda m, x: {"out": m.decoded(x), "aux": F.interpolate(m.maps(x)[:, :4], scale_factor=2.0)}),
            lambda t, b: F.cross_entropy(t(b[0])["out"], b[1]),
        ),
        lambda n: (image(n), mask(n).long()),
    ),
    Project(
        "Monocular depth",
        "{image, depth}",
        "(N, 1, H, W)",
        lambda: Task(Places(width=1), lambda t, b: F.l1_loss(t(b["image"]), b["depth"])),
        lambda n: {"image": image(n), "depth": 9 * image(n)[:1]},
        drawn=("Predictions", *LOOKED_AT),
        told="which has no score of one class",
    ),
    Project(
        "A variational autoencoder with its losses",
        "(images, classes)",
        "reconstruction, mean, log-variance",
        lambda: Task(Places(tasks.variational, width=3), lambda t, b: F.mse_loss(t(b[0])[0], b[0])),
        lambda n: (image(n), n % 3),
        drawn=("Predictions", *LOOKED_AT),
        told="the output has the form of the input: read as its reconstruction",
    ),
    Project(
        "SimCLR",
        "([view, view], classes)",
        "embeddings",
        lambda: Task(Net(lambda m, x: F.normalize(m.scores(x), dim=1), width=16), tasks.contrasted),
        lambda n: ([image(n), image(n).flip(-1)], n % 3),
        drawn=LOOKED_AT,
        told="the output is read as an embedding",
    ),
    Project(
        "Barlow twins: embeddings that are not normalised",
        "([view, view], classes)",
        "an embedding, and the same for the loss without a gradient before it",
        lambda: Task(
            Net(lambda m, x: (m.scores(x).detach(), m.scores(x)), width=16),
            lambda t, b: F.mse_loss(t(b[0][0])[1], t(b[0][1])[0]),
        ),
        lambda n: ([image(n), image(n).flip(-1)], n % 3),
        drawn=LOOKED_AT,
        told="the output is read as an embedding",
    ),
    Project(
        "Segmentation, the masks under a name of one's own",
        "{image, lesion (1, H, W)}",
        "(N, 3, H, W) logits of classes",
        lambda: Task(Places(width=3), lambda t, b: F.cross_entropy(t(b["image"]), b["lesion"][:, 0])),
        lambda n: {"image": image(n), "lesion": mask(n)[None].long()},
    ),
    Project(
        "Detection",
        "list of images, list of {boxes, labels}",
        "list of mappings",
        lambda: Task(
            Net(detections), lambda t, b: torch.stack([found["scores"].sum() for found in t(torch.stack(b[0]))]).mean()
        ),
        lambda n: (image(n), {"boxes": torch.tensor([[1.0, 1, 6, 6]]), "labels": torch.tensor([1])}),
        collate=lambda items: tuple(map(list, zip(*items, strict=True))),
        drawn=LOOKED_AT,
        told="the model's output holds no class scores: list of",
    ),
    Project(
        "Text recognition with CTC",
        "(images, letters (N, L))",
        "(T, N, letters)",
        lambda: Task(Places(tasks.columns_first, width=5), tasks.transcribed),
        lambda n: (image(n), torch.tensor([1 + n % 4, 2])),
        drawn=LOOKED_AT,
        told="the model's output has the shape (16, 3, 5) for 3 images",
    ),
    Project(
        "Verification of pairs",
        "(images, images, same)",
        "similarities of two arguments",
        lambda: Task(Net(logits), lambda t, b: F.mse_loss(t(b[0], b[1]), b[2].float()), tasks.similarity),
        lambda n: (image(n), image(n + 1), n % 2),
        told="Looked at is 'model', its only part with convolutions",
    ),
    Project(
        "A GAN",
        "(images, classes)",
        "images, of latent vectors",
        Adversarial,
        lambda n: (image(n), n % 3),
        drawn=(),
        told="was given one batch of images of shape (3, 3, 16, 16) and raised RuntimeError",
    ),
)
