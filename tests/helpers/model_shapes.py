"""Small models in the shapes in which people's projects hand them over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 16


class Net(nn.Module):
    """Two convolutions and a linear head; what becomes of them is a function's business.

    Args:
        answer: from this module and what it is given to what it returns.
        width: of the head.
        channels: of the images.
    """

    def __init__(self, answer: Callable[..., Any], width: int = 3, channels: int = 3) -> None:
        super().__init__()
        self.answer = answer
        self.early = nn.Sequential(nn.Conv2d(channels, 6, 3, 2, 1), nn.ReLU())
        self.late = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU())
        self.head = nn.Linear(8, width)

    def forward(self, *given: Any) -> Any:
        return self.answer(self, *given)

    def maps(self, images: Tensor) -> Tensor:
        """Maps of half the size, (N, 8, h, w)."""
        found: Tensor = self.late(self.early(images))
        return found

    def pooled(self, images: Tensor) -> Tensor:
        """(N, 8)."""
        return self.maps(images).mean(dim=(2, 3))

    def scores(self, images: Tensor) -> Tensor:
        """(N, width)."""
        found: Tensor = self.head(self.pooled(images))
        return found


def logits(model: Net, images: Tensor) -> Tensor:
    return model.scores(images)


def beside_a_queue(model: Net, images: Tensor) -> Tensor:
    """Similarities to one other view and to a queue, as momentum contrast has them."""
    codes = F.normalize(model.scores(images), dim=1)
    queue = torch.linspace(-1, 1, 3 * 20).reshape(3, 20)
    return torch.cat([(codes * codes.detach()).sum(dim=1, keepdim=True), codes @ queue], dim=1) / 0.07


class Places(Net):
    """An encoder with a decoder that scores each place.

    Args:
        answer: see :class:`Net`.
        width: channels of what is decoded.
        channels: of the images.
    """

    def __init__(self, answer: Callable[..., Any] | None = None, width: int = 4, channels: int = 3) -> None:
        super().__init__(answer or (lambda model, images: model.decoded(images)), channels=channels)
        self.up, self.decode = nn.ConvTranspose2d(8, 8, 2, 2), nn.Conv2d(8, width, 1)
        self.mean, self.spread = nn.Linear(8, 4), nn.Linear(8, 4)

    def decoded(self, images: Tensor) -> Tensor:
        """(N, width, H, W)."""
        found: Tensor = self.decode(self.up(self.maps(images)).relu())
        return found


@dataclass
class ModelOutput:
    """What classes of HuggingFace return."""

    logits: Tensor
    hidden_states: tuple[Tensor, ...] | None = None


def with_triplet_loss() -> Net:
    """A network that holds the loss by which it is trained."""
    net = Net(logits)
    net.loss = nn.TripletMarginLoss()
    return net


class PatchTransformer(nn.Module):
    """Patches and a class token through two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = self.blocks(torch.cat([self.token.expand(len(images), -1, -1), tokens], dim=1))
        scores: Tensor = self.head(tokens[:, 0])
        return scores


class OwnConvolution(nn.Module):
    """A convolution that is no ``nn.Conv2d``, as Bayesian layers are."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) / 5)

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.weight, padding=1)


class Recurrent(Net):
    """Columns of the maps read one after the other, as text is."""

    def __init__(self) -> None:
        super().__init__(lambda model, images: model.read(images))
        self.reader, self.letters = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 5)

    def read(self, images: Tensor) -> Tensor:
        """Scores of the letters in each column, (N, w, 5)."""
        columns = self.maps(images).mean(dim=2).transpose(1, 2)
        scores: Tensor = self.letters(self.reader(columns)[0])
        return scores


class ModelInside(nn.Module):
    """A LightningModule whose ``forward`` takes something else than images, around the network that takes them."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self._call = Net(logits), forward

    def forward(self, *given: Any) -> Any:
        return self._call(self.model, *given)


def folded(model: Net, images: Tensor, other: Callable[[Tensor], Tensor]) -> Tensor:
    """Two views of each image in one batch, as contrastive and test-time code does."""
    views = torch.stack([images, other(images)], dim=1).flatten(0, 1)
    found: Tensor = model.scores(views).unflatten(0, (-1, 2)).mean(dim=1)
    return found


def cropped(model: Net, images: Tensor) -> Tensor:
    """The four quarters of each image in one batch."""
    quarters = images.unfold(2, SIDE // 2, SIDE // 2).unfold(3, SIDE // 2, SIDE // 2).permute(0, 2, 3, 1, 4, 5)
    found: Tensor = model.scores(quarters.flatten(0, 2)).unflatten(0, (-1, 4)).mean(dim=1)
    return found


def frozen(model: Net, images: Tensor) -> Tensor:
    with torch.no_grad():
        maps = model.maps(images)
    found: Tensor = model.head(maps.mean(dim=(2, 3)))
    return found


def detections(model: Net, images: Tensor) -> list[dict[str, Tensor]]:
    return [{"boxes": torch.zeros(1, 4), "scores": row} for row in model.scores(images)]


def without_statistics() -> nn.Sequential:
    norm = nn.BatchNorm2d(8, track_running_stats=False)
    return nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def quantised() -> nn.Module:
    """Eight bits from the convolution to the head, as torch.ao converts it."""
    kind = torch.ao.nn.quantized
    convolution, head = kind.Conv2d(3, 8, 3), kind.Linear(8, 3)
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(kind.Quantize(0.01, 0, torch.quint8), convolution, *pooled, head, kind.DeQuantize())
