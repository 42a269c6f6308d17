"""Plant five changes in the training of a small CNN on MNIST and see which numbers notice.

    python examples/planted_drift.py                 # five seeds, prints the table, writes planted_drift.png
    python examples/planted_drift.py --seeds 1       # a quick look
    python examples/planted_drift.py --seeds 1 --log-dir runs    # keeps the page of each run, report.html

Half-way through training, one thing happens: a bright patch that gives the label away enters the training images, the
labels of two classes are swapped, the learning rate becomes 0, one layer loses its weights, or nothing at all. Five
seeds take about five minutes on one core.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_cnnviz import CNNVisualizer, DriftCallback, FixedSamples, GradCAM, Predictions, Saliency
from lightning_cnnviz.drift.alarms import Alarm

SUBSET = Path(__file__).parent / "data" / "mnist_subset.npz"
Disturbance: TypeAlias = Literal["patch", "swapped labels", "learning rate 0", "new weights", "nothing"]

EPOCHS, MIDWAY = 12, 6  # the disturbance is there from the start of this epoch, counted from 0
TRAINING_IMAGES = 2000
PATCH = slice(1, 6)  # rows and columns of the patch in the top left corner
PATCHED = 4  # the digit that carries it
SWAPPED = (2, 7)
RESET_LAYER = "stage2.conv"


class SmallCNN(LightningModule):
    """Three convolutional stages and a linear layer.

    Without batch normalisation, which would keep moving its statistics at a learning rate of 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = stage(1, 8)
        self.stage2 = stage(8, 16)
        self.stage3 = stage(16, 32)
        self.classifier = nn.Linear(32 * 7 * 7, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores before softmax, (N, 10), of images (N, 1, 28, 28) from 0 to 1."""
        features = self.stage3(F.max_pool2d(self.stage2(F.max_pool2d(self.stage1(images), 2)), 2))
        scores: Tensor = self.classifier(features.flatten(1))
        return scores

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Cross-entropy of one batch."""
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        """Log the accuracy."""
        self.log("val_accuracy", (self(batch[0]).argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam at a constant learning rate."""
        return torch.optim.Adam(self.parameters(), lr=2e-3)


def stage(in_channels: int, out_channels: int) -> nn.Sequential:
    block = nn.Sequential()
    block.add_module("conv", nn.Conv2d(in_channels, out_channels, 3, padding=1))
    block.add_module("relu", nn.ReLU())
    return block


class Plant(Callback):
    """Disturbs the training at the start of the epoch ``MIDWAY``."""

    def __init__(self, disturbance: Disturbance) -> None:
        self.disturbance = disturbance

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Change the learning rate or a layer."""
        if trainer.current_epoch != MIDWAY:
            return
        if self.disturbance == "learning rate 0":
            for group in trainer.optimizers[0].param_groups:
                group["lr"] = 0.0
        if self.disturbance == "new weights":
            pl_module.get_submodule(RESET_LAYER).reset_parameters()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: list[Tensor], batch_idx: int
    ) -> None:
        """Change the images or the labels of a batch."""
        if trainer.current_epoch < MIDWAY:
            return
        if self.disturbance == "patch":
            batch[0].copy_(patched(batch[0], batch[1]))
        if self.disturbance == "swapped labels":
            first, second = (batch[1] == label for label in SWAPPED)
            batch[1][first], batch[1][second] = SWAPPED[1], SWAPPED[0]


def patched(images: Tensor, labels: Tensor) -> Tensor:
    """Copies of the images with a white square in the corner of one digit's."""
    marked = images.clone()
    marked[:, :, PATCH, PATCH] = 1.0
    return torch.where((labels == PATCHED)[:, None, None, None], marked, images)


def digits(split: str, count: int) -> TensorDataset:
    with np.load(SUBSET) as subset:
        images, labels = subset[f"{split}_images"][:count], subset[f"{split}_labels"][:count]
    return TensorDataset(torch.from_numpy(images).float()[:, None] / 255, torch.from_numpy(labels).long())


def judged_digits(disturbance: Disturbance) -> dict[str, FixedSamples]:
    """The digits that the disturbance is about, and the others; all digits in one group where it is about none.

    Where the patch is to come, the judged digits carry it from the start, as their region.
    """
    images, labels = digits("val", 2000).tensors
    about = {"patch": [PATCHED], "swapped labels": list(SWAPPED)}.get(disturbance, [])
    per_class = torch.stack([(labels == label).nonzero()[:12, 0] for label in range(10)])
    others = per_class[[label for label in range(10) if label not in about], :4]
    chosen = {"concerned": per_class[about].T.flatten()} if about else {}
    chosen["others"] = others.T.flatten()
    judged = {}
    for group, indices in chosen.items():
        pictures, regions = images[indices], None
        if disturbance == "patch" and group == "concerned":
            pictures = patched(pictures, labels[indices])
            regions = torch.tensor([[PATCH.start, PATCH.start, PATCH.stop, PATCH.stop]] * len(indices))
        judged[group] = FixedSamples(pictures, labels[indices], regions=regions)
    return judged


@dataclass(frozen=True)
class Run:
    """What one training left behind: every number after every epoch, the alarms, the final accuracy."""

    numbers: dict[str, list[float]]
    alarms: list[Alarm]
    accuracy: float


def train(seed: int, disturbance: Disturbance, directory: Path) -> Run:
    seed_everything(seed, verbose=False)
    alarms: list[Alarm] = []
    callbacks: list[Callback] = []
    for group, samples in judged_digits(disturbance).items():
        drift = DriftCallback(
            samples=samples,
            maps=("grad_cam", "hirescam", "saliency"),
            alarm="auto",
            on_alarm=alarms.append,
            details=True,
            tag_prefix=f"{group}/",
        )
        views = [Predictions(), GradCAM(), Saliency()]
        film = CNNVisualizer(views, samples, show=len(samples), tag_prefix=f"{group}/")
        callbacks += [drift, film]
    logger = TensorBoardLogger(directory, name=disturbance.replace(" ", "_"), version=f"seed_{seed}")
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        logger=logger,
        callbacks=[*callbacks, Plant(disturbance)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    training = DataLoader(digits("train", TRAINING_IMAGES), 50, shuffle=True)
    trainer.fit(SmallCNN(), training, DataLoader(digits("val", 500), 500))
    events = EventAccumulator(logger.log_dir, size_guidance={"scalars": 0, "images": 1}).Reload()
    numbers = {tag: [event.value for event in events.Scalars(tag)][-EPOCHS:] for tag in events.Tags()["scalars"]}
    return Run(numbers, alarms, float(trainer.callback_metrics["val_accuracy"]))


SIGNALS: dict[Disturbance, dict[str, str]] = {
    "patch": {
        "HiResCAM": "concerned/shortcuts/hirescam_attention_in_region",
        "saliency": "concerned/shortcuts/saliency_attention_in_region",
        "Grad-CAM": "concerned/shortcuts/grad_cam_attention_in_region",
    },
    "swapped labels": {
        f"digits {SWAPPED[0]} and {SWAPPED[1]}": "concerned/drift_layers/flips/previous",
        "other digits": "others/drift_layers/flips/previous",
    },
    "learning rate 0": {
        "filters": "others/drift/filters",
        "Grad-CAM": "others/drift/grad_cam",
        "predictions": "others/drift/predictions",
    },
    "new weights": {f"stage{i}.conv": f"others/drift_layers/filters/stage{i}.conv/previous" for i in (2, 3, 1)},
    "nothing": {f"stage{i}.conv": f"others/drift_layers/filters/stage{i}.conv/previous" for i in (2, 3, 1)},
}
"""What the figure shows of each disturbance: the number that has to notice comes first."""

MEANINGS: dict[Disturbance, str] = {
    "patch": "attention inside the patch",
    "swapped labels": "samples that flip",
    "learning rate 0": "drift since the last epoch",
    "new weights": "change of the filters",
    "nothing": "change of the filters",
}


@dataclass(frozen=True)
class Verdict:
    """Whether the right number noticed the disturbance at the right epoch in the right place."""

    before: float
    after: float
    elsewhere: float
    held: bool


def judge(disturbance: Disturbance, run: Run) -> Verdict:
    """Compares the epoch of the disturbance with the three before it, and with a place where nothing happened."""

    def around(tag: str) -> tuple[float, float]:
        return max(run.numbers[tag][MIDWAY - 3 : MIDWAY]), run.numbers[tag][MIDWAY]

    before, after = around(next(iter(SIGNALS[disturbance].values())))
    if disturbance == "patch":
        # The focus moves in one epoch and rests then; the attention stays in the patch.
        elsewhere = max(run.numbers["others/drift/hirescam_focus_shift"][MIDWAY:])
        shift_before, shift = around("concerned/drift/hirescam_focus_shift")
        return Verdict(before, after, elsewhere, after > 3 * before and shift > max(shift_before, 2 * elsewhere))
    if disturbance == "swapped labels":
        elsewhere = run.numbers["others/drift_layers/flips/previous"][MIDWAY]
        return Verdict(before, after, elsewhere, after > 0.8 and before < 0.2 and elsewhere < 0.2)
    if disturbance == "learning rate 0":
        drifts = [values for tag, values in run.numbers.items() if "/drift" in tag and "/first" not in tag]
        elsewhere = max(max(values[MIDWAY:]) for values in drifts)
        return Verdict(before, after, elsewhere, elsewhere == 0.0 < before)
    elsewhere = max(around(f"others/drift_layers/filters/{stage}.conv/previous")[1] for stage in ("stage1", "stage3"))
    if disturbance == "new weights":
        features_before, features = around("others/drift_layers/features/stage2/previous")
        return Verdict(before, after, elsewhere, after > 2 * max(before, elsewhere) and features > 5 * features_before)
    return Verdict(before, after, elsewhere, not run.alarms)


def print_table(runs: dict[tuple[int, Disturbance], Run]) -> None:
    print(
        f"{'disturbance':16} {'seed':>4} {'before':>7} {'after':>7} {'elsewhere':>9}  held  alarms in epochs  accuracy"
    )
    for disturbance in get_args(Disturbance):
        for (seed, kind), run in runs.items():
            if kind == disturbance:
                one = judge(disturbance, run)
                alarms = ", ".join(map(str, sorted({alarm.epoch or 0 for alarm in run.alarms}))) or "none"
                print(
                    f"{disturbance:16} {seed:4} {one.before:7.3f} {one.after:7.3f} {one.elsewhere:9.3f}  "
                    f"{'yes' if one.held else 'NO':4}  {alarms:16}  {run.accuracy:8.1%}"
                )


def draw_figure(runs: dict[tuple[int, Disturbance], Run], path: Path) -> None:
    """One panel for each disturbance: a thin line for each seed, a thick one for their median."""
    figure, panels = plt.subplots(1, len(SIGNALS), figsize=(15, 3.4), layout="constrained")
    for panel, (disturbance, signals) in zip(panels, SIGNALS.items(), strict=True):
        for color, (label, tag) in zip(("C3", "C0", "0.5"), signals.items(), strict=False):
            curves = np.array([run.numbers[tag] for (_, kind), run in runs.items() if kind == disturbance])
            panel.plot(curves.T, color=color, linewidth=0.6, alpha=0.6)
            panel.plot(np.median(curves, axis=0), color=color, linewidth=2.2, label=label)
        panel.axvline(MIDWAY - 0.5, color="black", linestyle=":", linewidth=1)
        panel.set(title=disturbance, xlabel="epoch", ylabel=MEANINGS[disturbance], xticks=range(0, EPOCHS, 3))
        panel.legend(frameon=False, fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many trainings of each kind")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of these seeds")
    parser.add_argument("--log-dir", type=Path, help="keep the TensorBoard runs there")
    parser.add_argument("--figure", type=Path, default=Path("planted_drift.png"), help="where the figure goes")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    runs: dict[tuple[int, Disturbance], Run] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for disturbance in get_args(Disturbance):
                runs[seed, disturbance] = train(seed, disturbance, options.log_dir or Path(temporary))
    print_table(runs)
    draw_figure(runs, options.figure)
    print(f"figure: {options.figure}")


if __name__ == "__main__":
    main()
