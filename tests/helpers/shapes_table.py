"""Models of many shapes, and what comes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples
from lightning_cnnviz.samples import Truth
from tests.helpers import model_shapes as shapes
from tests.helpers.model_shapes import SIDE, ModelInside, ModelOutput, Net, OwnConvolution, PatchTransformer, Places

COUNT = 4
IMAGES = torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 2, 0])
HOT = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0]])
MASKS = torch.zeros(COUNT, SIDE, SIDE).long()
MASKS[:, 3:9, 3:9], MASKS[:, 10:, 10:] = 1, 2
NAMES = ["cat", "dog", "cow"]
DEFAULT = ("Predictions", "FeatureMaps", "Filters", "Saliency", "GradCAM")


@dataclass(frozen=True)
class Shape:
    """One model as people hand it over.

    Attributes:
        name: what it is.
        model: makes it.
        samples: what it is looked at with.
        said: what stands beside its samples, in words such as NAME and SHARE.
        remark: a part of what the reader is told; empty where nothing is.
        left_out: default views that cannot work.
        why: a part of the reason.
        refused: whether nothing at all can be drawn.
    """

    name: str
    model: Callable[[], nn.Module]
    samples: Callable[[], FixedSamples]
    said: str = ""
    remark: str = ""
    left_out: tuple[str, ...] = ()
    why: str = ""
    refused: bool = False


def of(labels: Tensor | None = None, names: list[str] | None = None) -> Callable[[], FixedSamples]:
    """Samples with these labels."""
    return lambda: FixedSamples(IMAGES, labels, class_names=names)


def floats(numbers: Iterable[float]) -> Callable[[], FixedSamples]:
    """Samples with one float each, as a dataset gives them."""
    return lambda: FixedSamples.from_dataset(list(zip(IMAGES, numbers, strict=True)))


_SCORE = ("Saliency", "GradCAM")
_ANSWER = ("Predictions", *_SCORE)
_LAYERS = ("FeatureMaps", "Filters", "GradCAM")
_ONE_PART = "Looked at is 'model', its only part with convolutions"
_SEVERAL = "several tensors that may be its scores"


def _pooled(width: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3)


SHAPES = (
    Shape("A classifier, one label for each image", lambda: Net(shapes.logits), of(CLASSES, NAMES),
          "NAME SHARE true NAME"),
    Shape("Scores with a dimension more, (N, 1, classes)", lambda: Net(lambda m, x: m.scores(x)[:, None]), of(CLASSES),
          "CLASS SHARE true CLASS"),
    Shape("Classes given as floats", lambda: Net(shapes.logits), floats([0.0, 1.0, 2.0, 0.0]),
          "CLASS SHARE true CLASS"),
    Shape("Embedding and logits, with names of the classes",
          lambda: Net(lambda m, x: (m.pooled(x), m.scores(x))), of(CLASSES, NAMES), "NAME SHARE true NAME"),
    Shape("Logits in an object, as HuggingFace's classes return them",
          lambda: Net(lambda m, x: ModelOutput(m.scores(x), (m.pooled(x),))), of(CLASSES), "CLASS SHARE true CLASS"),
    Shape("A vision transformer with a class token", PatchTransformer, of(CLASSES), "CLASS SHARE true CLASS"),
    Shape("A convolution of one's own class, as Bayesian layers are",
          lambda: nn.Sequential(OwnConvolution(3, 8), nn.ReLU(), *_pooled(8)),
          of(CLASSES), "CLASS SHARE true CLASS"),
    Shape("Two scores, labels of 0.0 and 1.0", lambda: Net(shapes.logits, 2), floats([0.0, 1.0, 1.0, 0.0]),
          "CLASS SHARE true CLASS"),
    Shape("A crop of the middle, taken inside the model", lambda: Net(lambda m, x: m.scores(x[..., 4:-4, 4:-4])),
          of(CLASSES), "CLASS SHARE true CLASS"),
    Shape("Images of five bands", lambda: Net(shapes.logits, channels=5),
          lambda: FixedSamples(IMAGES[:, [0, 1, 2, 0, 1]], CLASSES), "CLASS SHARE true CLASS"),
    Shape("Regression, the labels are floats", lambda: Net(shapes.logits, 1), floats([20.5, 3.5, 7.25, 40.0]),
          "predicted NUMBER true NUMBER"),
    Shape("Segmentation, the labels are masks", Places, of(MASKS), "CLASS on SHARE of it SHARE right"),
    Shape("Segmentation of one class, masks of 0 and 255", lambda: Places(width=1), of((MASKS == 1).long() * 255),
          "CLASS on SHARE of it SHARE right"),
    Shape("A classifier that gives NaN", lambda: Net(lambda m, x: m.scores(x) * torch.nan), of(CLASSES),
          "not finite true CLASS"),
    Shape("A classifier that ends in softmax", lambda: Net(lambda m, x: m.scores(x).softmax(1)), of(CLASSES),
          "CLASS SHARE true CLASS", "the outputs already are probabilities: shown as they are"),
    Shape("A classifier that answers in percents", lambda: Net(lambda m, x: 100 * m.scores(x).softmax(1)), of(CLASSES),
          "CLASS SHARE true CLASS", "the outputs already are probabilities, times 100: shown divided by that"),
    Shape("A classifier that ends in log-softmax", lambda: Net(lambda m, x: m.scores(x).log_softmax(1)), of(CLASSES),
          "CLASS SHARE true CLASS", "the outputs already are log-probabilities: shown as their exponentials"),
    Shape("Two classes, one logit, labels of 0.0 and 1.0", lambda: Net(shapes.logits, 1), floats([0.0, 1.0, 1.0, 0.0]),
          "CLASS SHARE true CLASS", "one score per sample: read as the logit of class 1 against class 0"),
    Shape("Two classes, one probability", lambda: Net(lambda m, x: m.scores(x).sigmoid()[:, 0], 1), of(CLASSES % 2),
          "CLASS SHARE true CLASS", "one score per sample: read as the probability of class 1"),
    Shape("One score, labels that count", lambda: Net(shapes.logits, 1), of(CLASSES + 3),
          "predicted NUMBER true NUMBER",
          "one score per sample and labels up to 5: read as a value"),
    Shape("Several labels for each image", lambda: Net(shapes.logits), of(HOT, NAMES), "LABELS true LABELS",
          "the scores are those of independent labels: shown as the sigmoid of each"),
    Shape("Several labels, some of them unknown (-1 or NaN)", lambda: Net(shapes.logits),
          of(HOT - torch.eye(4, 3).long() * (1 - HOT), NAMES), "LABELS true LABELS",
          "labels of -1, -100 and NaN are not known"),
    Shape("Several labels, the model ends in sigmoid", lambda: Net(lambda m, x: m.scores(x).sigmoid()), of(HOT, NAMES),
          "LABELS true LABELS", "the outputs already are probabilities, one for each label"),
    Shape("Segmentation without masks in the batch", Places, of(), "CLASS on SHARE of it",
          "scores for each place: read as masks; a function as target= sees them all"),
    Shape("Segmentation of classes that overlap", lambda: Places(lambda m, x: m.decoded(x).sigmoid()),
          lambda: FixedSamples(IMAGES, truth=Truth("pictures", torch.ones(COUNT, 4, SIDE, SIDE))),
          "CLASS on SHARE of it", "the scores of each place are those of independent classes"),
    Shape("Deep supervision: scores of places in two sizes",
          lambda: Places(lambda m, x: [m.decoded(x), F.avg_pool2d(m.decoded(x), 2)]), of(MASKS),
          "CLASS on SHARE of it SHARE right", _SEVERAL),
    Shape("Embedding and logits, no names", lambda: Net(lambda m, x: (m.pooled(x), m.scores(x))), of(CLASSES),
          "CLASS SHARE true CLASS", "several tensors that may be its scores (0, 1): taken is '1'"),
    Shape("A main and an auxiliary head alike",
          lambda: Net(lambda m, x: (m.scores(x), m.head(m.maps(x).amax((2, 3))))), of(CLASSES),
          "CLASS SHARE true CLASS", "several tensors that may be its scores (0, 1): taken is '0'"),
    Shape("A class head and a decoder", lambda: Places(lambda m, x: (m.scores(x), m.decoded(x))), of(CLASSES),
          "CLASS SHARE true CLASS", "several tensors that may be its scores (0, 1): taken is '0'"),
    Shape("Heads by name, nested", lambda: Places(lambda m, x: {"heads": {"cls": m.scores(x)}, "mask": m.decoded(x)}),
          of(CLASSES), "CLASS SHARE true CLASS", "taken is 'heads.cls'; output_key names another"),
    Shape("forward(x, mask)", lambda: ModelInside(lambda m, x, mask: m(x * mask)), of(CLASSES),
          "CLASS SHARE true CLASS", _ONE_PART),
    Shape("forward(batch) that returns the loss",
          lambda: ModelInside(lambda m, batch: F.cross_entropy(m(batch[0]), batch[1])), of(CLASSES),
          "CLASS SHARE true CLASS", _ONE_PART),
    Shape("Test-time augmentation: mirrored, too", lambda: Net(lambda m, x: m.scores(x) + m.scores(x.flip(-1))),
          of(CLASSES), "CLASS SHARE true CLASS",
          "further channels; maps of turned or mirrored images are turned back"),
    Shape("Siamese branches", lambda: Net(lambda m, x: m.head(m.pooled(x) - m.pooled(x.roll(1, 3)))), of(CLASSES),
          "CLASS SHARE true CLASS",
          "is called 2 times for one batch: what later calls put out counts as further channels"),
    Shape("Two exposures of each image, folded into the batch",
          lambda: Net(lambda m, x: shapes.folded(m, x, lambda x: x / 2)), of(CLASSES), "CLASS SHARE true CLASS",
          "puts out 2 maps for each sample, side by side in its batch: all are looked at"),
    Shape("Each image and its mirror image, folded into the batch",
          lambda: Net(lambda m, x: shapes.folded(m, x, lambda x: x.flip(-1))), of(CLASSES), "CLASS SHARE true CLASS",
          "side by side in its batch: all are looked at; maps of turned or mirrored images are turned back"),
    Shape("Test-time augmentation: a crop of the middle, too",
          lambda: Net(lambda m, x: m.scores(x) + m.scores(F.interpolate(x[..., 4:-4, 4:-4], scale_factor=2.0))),
          of(CLASSES), "CLASS SHARE true CLASS",
          "is called 2 times for one batch, on images that do not lie alike: shown is call 1"),
    Shape("One head for maps of two sizes", lambda: Net(lambda m, x: m.scores(x) + m.scores(F.avg_pool2d(x, 2))),
          of(CLASSES), "CLASS SHARE true CLASS", "puts out maps of several sizes: shown is call 1"),
    Shape("Images that are transposed before the network", lambda: Net(lambda m, x: m.scores(x.transpose(2, 3))),
          of(CLASSES), "CLASS SHARE true CLASS", "sees turned or mirrored images: what it puts out is turned back"),
    Shape("One image after the other", lambda: Net(lambda m, x: torch.cat([m.scores(image[None]) for image in x])),
          of(CLASSES), "CLASS SHARE true CLASS", "is called for each sample by itself"),
    Shape("An ensemble: the mean of two softmaxes",
          lambda: Net(lambda m, x: (m.scores(x).softmax(1) + (9 * m.scores(x)).softmax(1)) / 2), of(CLASSES),
          "CLASS SHARE true CLASS", "the outputs already are probabilities: shown as they are"),
    Shape("Labels that count from 1, or of other classes", lambda: Net(shapes.logits), of(CLASSES + 1), "CLASS SHARE",
          "samples have labels up to 3, the model has 3 classes; no true class is written"),
    Shape("A norm without running statistics", shapes.without_statistics, of(CLASSES), "CLASS SHARE true CLASS",
          "the samples of a batch influence each other in this model"),
    Shape("A frozen backbone under no_grad", lambda: Net(shapes.frozen), of(CLASSES), "CLASS SHARE true CLASS",
          left_out=_SCORE,
          why="is detached or computed under torch.no_grad"),
    Shape("Images made whole numbers inside", lambda: Net(lambda m, x: m.scores((x * 255).byte().float() / 255)),
          of(CLASSES), "CLASS SHARE true CLASS", left_out=("Saliency",),
          why="detached, rounded or computed under torch.no_grad"),
    Shape("Four crops of each image, folded into the batch", lambda: Net(shapes.cropped), of(CLASSES),
          "CLASS SHARE true CLASS", left_out=("FeatureMaps", "GradCAM"),
          why="side by side in its batch, of parts that do not lie alike, such as patches or crops"),
    Shape("A dense network", lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3)), of(CLASSES),
          "CLASS SHARE true CLASS", left_out=_LAYERS, why="needs a model with a two-dimensional convolution"),
    Shape("TorchScript", lambda: torch.jit.script(nn.Sequential(nn.Conv2d(3, 8, 3), *_pooled(8))),
          of(CLASSES), "CLASS SHARE true CLASS", left_out=_LAYERS,
          why="TorchScript modules do not let their layers be watched"),
    Shape("An autoencoder", lambda: Places(width=3), of(CLASSES, NAMES), "sample NUMBER NAME", left_out=_SCORE,
          why="the output is a picture of the size of the input, which has no score of one class"),
    Shape("A variational autoencoder",
          lambda: Places(lambda m, x: (m.decoded(x), m.mean(m.pooled(x)), m.spread(m.pooled(x))), 3), of(),
          "sample NUMBER",
          left_out=_SCORE, why="the output is a picture of the size of the input, which has no score of one class"),
    Shape("Depth: numbers for each pixel", lambda: Places(width=1),
          lambda: FixedSamples(IMAGES, truth=Truth("pictures", 9 * IMAGES[:, :1])), "sample NUMBER", left_out=_SCORE,
          why="the output is numbers for each place, which has no score of one class"),
    Shape("Contrastive learning: unit vectors", lambda: Net(lambda m, x: F.normalize(m.scores(x), dim=1), 16),
          of(CLASSES), "sample NUMBER CLASS", left_out=_ANSWER,
          why="the output is an embedding, which has no score of one class"),
    Shape("Contrastive learning: the images of a batch beside each other",
          lambda: Net(lambda m, x: F.normalize(m.scores(x), dim=1) @ F.normalize(m.scores(x), dim=1).T), of(CLASSES),
          "sample NUMBER CLASS", left_out=_ANSWER, why="the output compares the samples of a batch with each other"),
    Shape("A quantised network", shapes.quantised, of(CLASSES), "CLASS SHARE true CLASS",
          left_out=("FeatureMaps", "Filters", "Saliency", "GradCAM"),
          why="quantised modules put out no real numbers, and no gradient goes through them"),
    Shape("Metric learning: the module holds a triplet loss", shapes.with_triplet_loss, of(CLASSES + 4),
          "sample NUMBER CLASS", left_out=_ANSWER, why="the output is an embedding, which has no score of one class"),
    Shape("A backbone: maps of several widths", lambda: Net(lambda m, x: [m.early(x), m.maps(x)]), of(CLASSES),
          "sample NUMBER CLASS", left_out=_ANSWER, why="the model returns maps of features, not scores"),
    Shape("A detector: a list of mappings", lambda: Net(shapes.detections), of(), "sample NUMBER", left_out=_ANSWER,
          why="the model's output holds no class scores: list of"),
    Shape("Distances to prototypes", lambda: Net(lambda m, x: torch.cdist(m.scores(x), torch.eye(3))), of(CLASSES),
          "sample NUMBER CLASS", left_out=_ANSWER, why="the output is distances or costs"),
    Shape("Text: scores of a letter for each column", shapes.Recurrent, of(), "sample NUMBER", left_out=_ANSWER,
          why="the model's output has the shape (3, 8, 5) for 3 images"),
    Shape("Levels of an order: one score against thresholds",
          lambda: Net(lambda m, x: m.scores(x)[:, :1] - torch.arange(3.0)), of(CLASSES), "sample NUMBER CLASS",
          left_out=_ANSWER, why="the columns of the output are levels of an order"),
    Shape("Momentum contrast: one image beside a queue", lambda: Net(shapes.beside_a_queue), of(CLASSES),
          "sample NUMBER CLASS", left_out=_ANSWER, why="a queue of earlier ones, whose columns are no classes"),
    Shape("Two heads side by side, two classes for each image", lambda: Net(shapes.logits, 6),
          of(CLASSES[:, None] + torch.tensor([0, 1])),
          "sample NUMBER", left_out=_ANSWER, why="2 whole numbers for each image and an output 6 wide"),
    Shape("Scores of classes before samples, (classes, N)", lambda: Net(lambda m, x: m.scores(x).T, 5), of(CLASSES),
          "sample NUMBER CLASS", left_out=_ANSWER, why="model(images).T puts the images first"),
    Shape("Class indices instead of scores", lambda: Net(lambda m, x: m.scores(x).argmax(1)), of(CLASSES),
          "sample NUMBER CLASS",
          left_out=_ANSWER, why="the model returns int64, which has no gradient"),
    Shape("forward() returns the loss alone", lambda: Net(lambda m, x: m.scores(x).pow(2).mean()), of(),
          "sample NUMBER",
          left_out=_ANSWER, why="the model's output has the shape () for 3 images"),
    Shape("A generator of latent vectors", lambda: nn.Sequential(nn.Linear(8, 48), nn.Unflatten(1, (3, 4, 4))), of(),
          refused=True, why="was given one batch of images of shape (3, 3, 16, 16) and raised RuntimeError"),
)  # fmt: skip
