"""Our callbacks put together at random from a seed, with something bad that happens in or around them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from lightning_cnnviz import (
    CAM,
    Change,
    CNNVisualizer,
    ConfusionMatrix,
    Contrast,
    Drift,
    DriftCallback,
    FeatureMapCallback,
    FeatureMaps,
    Film,
    FilterCallback,
    Filters,
    FixedSamples,
    GradCAM,
    GradCAMCallback,
    GuidedGradCAM,
    ModelSummary,
    Predictions,
    PrototypeCallback,
    Prototypes,
    Saliency,
    SaliencyCallback,
    SampleCards,
    TopPatches,
    WorstMistakes,
)
from tests.helpers.sabotage import STAGES, BadSink, BadView, OddView, action, raising
from tests.helpers.training import stripes


@dataclass
class Guests:
    """What of ours takes part in a run.

    Attributes:
        about: what they are, for a message.
        callbacks: the callbacks.
        outside: what the model answers when it is called outside of its steps; None: as ever.
        dataset_act: what the attributes of the datasets do.
        logger_act: what the client of the logger does.
        hook_act: what the batch hooks do outside of a step.
    """

    about: str
    callbacks: list[Callback]
    outside: Callable[[Tensor], Any] | None = None
    dataset_act: Callable[..., None] | None = None
    logger_act: Callable[..., None] | None = None
    hook_act: Callable[..., None] | None = None
    details: list[str] = field(default_factory=list)  # what goes wrong


def _views(draw: random.Random) -> list[Any]:
    return [
        make()
        for make in draw.sample(
            [
                Predictions,
                Filters,
                lambda: Saliency("smoothgrad", steps=2),
                lambda: Saliency("integrated_gradients", steps=2),
                lambda: GradCAM(variant="gradcam++"),
                GuidedGradCAM,
                CAM,
                ModelSummary,
                lambda: Prototypes(steps=2),
                Contrast,
                ConfusionMatrix,
                WorstMistakes,
                Change,
                SampleCards,
                TopPatches,
                lambda: Film(FeatureMaps("last")),
            ],
            draw.choice([1, 2]),
        )
    ]


OUTPUTS: dict[str, Callable[[Tensor], Any]] = {
    "None": lambda scores: None,
    "text": lambda scores: "text",
    "nothing": lambda scores: {},
    "not finite": lambda scores: scores * float("nan"),
    "one sample": lambda scores: scores[:1],
    "integers": lambda scores: scores.argmax(1),
    "detached": lambda scores: scores.detach(),
    "nested": lambda scores: (scores, None, {"a": [scores]}),
    "a number": lambda scores: scores.sum(),
    "empty": lambda scores: scores[:0],
    "double": lambda scores: scores.double(),
    "complex": lambda scores: scores.to(torch.complex64),
    "sparse": lambda scores: scores.to_sparse(),
    "under inference mode": torch.inference_mode()(lambda scores: scores.clone()),
    "another size": lambda scores: scores[:, : 1 + len(scores) % 2],
    "overwritten": lambda scores: scores.detach().zero_(),
    "a generator": lambda scores: (score for score in scores),
}


def _raises(seed: int) -> Callable[[Tensor], Any]:
    act = action(seed)

    def outside(scores: Tensor) -> Tensor:
        act()
        return scores

    return outside


def guests(seed: int) -> Guests:
    """The callbacks of a seed."""
    draw = random.Random(seed + 10_000)
    few: dict[str, Any] = {"samples": draw.choice([2, 3, 4]), "show": draw.choice([1, 2])}
    if draw.random() < 0.2:
        few["every_n_epochs"] = 2
    if draw.random() < 0.2:
        few["log_untrained"] = False
    if draw.random() < 0.2:
        few["target"] = draw.choice(["label", 0, lambda scores: scores.max(1).values])
    if draw.random() < 0.2:
        few["samples"] = FixedSamples(*stripes(4).tensors)
    many = stripes(8).tensors
    choices: dict[str, Callable[[], list[Callback]]] = {
        "default": lambda: [CNNVisualizer(**few)],
        "views": lambda: [CNNVisualizer(_views(draw), **few)],
        "drift": lambda: [CNNVisualizer([Filters()], **few), DriftCallback(samples=FixedSamples(*many))],
        "several": lambda: [
            FeatureMapCallback(**few),
            FilterCallback(**few),
            SaliencyCallback(**few),
            GradCAMCallback(**few),
            PrototypeCallback(steps=2, **few),
        ],
    }
    which = draw.choice(list(choices))
    made = Guests(f"{which} with {few}", choices[which]())
    for _ in range(draw.choice([0, 1, 1, 2])):
        _spoil(made, draw, few)
    return made


def _spoil(made: Guests, draw: random.Random, few: dict[str, Any]) -> None:
    """Adds one thing that goes wrong."""
    where = draw.choice(
        [
            "view",
            "view",
            "view",
            "odd view",
            "output",
            "output",
            "forward",
            "sink",
            "dataset",
            "logger",
            "alarm",
            "target",
            "hooks",
        ]
    )
    seed = draw.randrange(10**6)
    act = action(seed)
    detail = f"{where} {seed}"
    match where:
        case "view":
            stage, after = draw.choice(STAGES), draw.choice([0, 0, 1])
            detail += f" at {stage} from look {after}"
            bad = BadView(stage, act, after)
            made.callbacks.append(CNNVisualizer([bad, Predictions()], tag_prefix=f"bad{seed}/", **few))
        case "odd view":
            made.callbacks.append(CNNVisualizer([OddView(draw.randrange(6))], tag_prefix=f"odd{seed}/", **few))
        case "output":
            name = draw.choice(list(OUTPUTS))
            detail, made.outside = f"outputs {name}", OUTPUTS[name]
        case "forward":
            made.outside = _raises(seed)
        case "sink":
            # It only raises: it runs beside the training, whose random numbers it could not use without changing them.
            sinks = [BadSink(draw.choice(["write", "flush"]), raising(seed))]
            made.callbacks.append(CNNVisualizer([Filters()], tag_prefix=f"sink{seed}/", sinks=sinks, **few))
        case "dataset":
            made.dataset_act = act
        case "logger":
            made.logger_act = act
        case "hooks":
            made.hook_act = act
        case "alarm":
            watching = Drift(alarm={"drift/features": 0.0}, warm_up=1, on_alarm=act)
            eight = FixedSamples(*stripes(8).tensors)
            made.callbacks.append(CNNVisualizer([watching], eight, tag_prefix=f"alarm{seed}/"))
        case "target":

            def target(scores: Tensor) -> Tensor:
                act()
                return scores.max(1).values

            made.callbacks.append(CNNVisualizer([GradCAM()], tag_prefix=f"target{seed}/", **{**few, "target": target}))
    made.details.append(detail)
