"""A: Grad-CAM and feature maps at four stages, saliency and the best classes, of eight photographs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models import resnet18, vgg16

from benchmarks.report import Bar, Report
from benchmarks.timing import Timings, interleaved
from lightning_cnnviz import Evidence, FeatureMaps, FixedSamples, GradCAM, Picture, Predictions, Request, Saliency, View
from lightning_cnnviz.look import run_views
from lightning_cnnviz.methods.cam import activation_map
from lightning_cnnviz.model.probe import Probe

MODELS: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "resnet18": (resnet18, ["layer1", "layer2", "layer3", "layer4"]),
    "vgg16": (vgg16, ["features.9", "features.16", "features.23", "features.30"]),
}
MAPS, DRAWN, FLOOR, PEERS = "maps alone", "maps and pictures", "forward and backward", "the fastest peers"


def measure(rounds: int, tiny: bool) -> Report:
    """Times the shared look beside the bare passes and beside the fastest peer for each of the four tasks."""
    samples, side = (2, 64) if tiny else (8, 224)
    bars, timings = [], {}
    for name, (make, stages) in list(MODELS.items())[: 1 if tiny else None]:
        found = _race(make().eval(), stages, torch.randn(samples, 3, side, side), rounds)
        timings[f"{name}, {samples} images of {side}×{side}"] = found
        bars += [
            Bar(f"{name}: {MAPS} over {FLOOR}", found.ratio(MAPS, FLOOR), 1.15),
            Bar(f"{name}: {DRAWN} over {FLOOR}", found.ratio(DRAWN, FLOOR), 1.15),
            Bar(f"{name}: {PEERS} over {MAPS}", found.ratio(PEERS, MAPS), 2.5, at_most=False),
            Bar(f"{name}: {PEERS} over {DRAWN}", found.ratio(PEERS, DRAWN)),
            Bar(f"{name}: {PEERS} over {FLOOR}", found.ratio(PEERS, FLOOR)),
        ]
    note = (
        "Peers compute maps and draw nothing, so that the bar holds for maps alone. Of the peers for a task, the one "
        "that is fastest in a trial takes part; their times add up, since each makes passes of its own. What they take "
        "over the bare passes is the limit of what they can take over ours, since no look is cheaper than the passes."
    )
    return Report("A: maps of eight photographs", bars, timings, [note])


def _race(model: nn.Module, stages: list[str], images: Tensor, rounds: int) -> Timings:
    look = Look(model, images, [GradCAM(stages), Saliency(), FeatureMaps(stages), Predictions()])
    from benchmarks import peers  # noqa: PLC0415 - they take seconds to import

    fastest = peers.fastest(model, stages, images)
    contestants = {
        FLOOR: lambda: forward_and_backward(model, images),
        MAPS: lambda: _maps(look.evidence(), stages),
        DRAWN: look.pictures,
    }
    return interleaved({**contestants, **fastest}, rounds).total(PEERS, list(fastest))


def forward_and_backward(model: nn.Module, images: Tensor) -> None:
    """The least that gradients of the best scores cost."""
    images = images.clone().requires_grad_()
    torch.autograd.grad(model(images).amax(dim=1).sum(), images)


class Look:
    """One look of the package at a model, without a Trainer."""

    def __init__(
        self, model: nn.Module, images: Tensor | FixedSamples, views: list[View], shown: int | None = None
    ) -> None:
        is_complete = isinstance(images, FixedSamples)
        self.samples = images if is_complete else FixedSamples(images, torch.arange(len(images)) % 10)
        self.views = views
        self._shown = shown
        self._probe = Probe(model)
        self._layout = self._probe.survey(self.samples)

    def evidence(self) -> Evidence:
        """What the views asked for, before anything is drawn."""
        request = Request()
        for view in self.views:
            request |= view.request(self._layout, self.samples)
        return self._probe.run(self.samples, self._layout, request)

    def draw(self) -> list[object]:
        """Everything that the views make of one look."""
        _, drawn = run_views(self._probe, self._layout, self.samples, self.views, "predicted", shown=self._shown)
        return [artifact for _, artifacts in drawn for artifact in artifacts]

    def pictures(self) -> None:
        """Everything, and the pixels of every picture, which a training leaves to the writer's thread."""
        for artifact in self.draw():
            if isinstance(artifact, Picture):
                assert artifact.image.size


def _maps(evidence: Evidence, stages: list[str]) -> None:
    """What the peers compute: numbers, no pictures."""
    for stage in stages:
        activations = evidence.activation(stage)
        activation_map(activations, evidence.gradient(stage), "gradcam").cpu()
        activations.cpu()
    evidence.image_gradient().cpu()
    evidence.probabilities.topk(5)
