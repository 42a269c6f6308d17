"""Two real processes, or two on each of two nodes, with the whole model each or with half of its parameters."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from lightning_cnnviz import (
    Change,
    ConfusionMatrix,
    Contrast,
    Drift,
    Filters,
    FixedSamples,
    GradCAM,
    Predictions,
    Prototypes,
    Saliency,
    SampleCards,
    TopPatches,
    WorstMistakes,
)
from tests.helpers import distributed_runs as runs
from tests.helpers.distributed_outcomes import Outcomes, assert_same_training, given_up, outcomes, train, trained
from tests.helpers.distributed_runs import CountsMistakes, FailsInForward, FailsOn, Kernels, Worsens
from tests.helpers.processes import succeeded
from tests.helpers.training import SmallCNN, image_steps, stripes

pytestmark = pytest.mark.slow

WAYS = ("ddp", "sharded")
LOOKS = [0, 2, 5]  # 24 images by 2 ranks and 4 in a batch, for two epochs; counted as Lightning counts


@pytest.fixture(scope="module")
def without_us(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What comes of training without our callback, in each way."""
    return {way: trained(tmp_path_factory.mktemp(way), way, None) for way in WAYS}


@pytest.mark.parametrize("way", WAYS)
def test_same_bits_with_and_without_us(way: str, tmp_path: Path, without_us: Outcomes) -> None:
    file = tmp_path / "kernels"
    views = [Predictions(), Filters("all"), Saliency(), GradCAM(), Prototypes(steps=5), Kernels(str(file))]
    zero, one = trained(tmp_path, way, {"views": views, "samples": 4})
    assert_same_training([zero, one], without_us[way])

    # Rank 0 writes, once.
    steps = image_steps(tmp_path)
    assert steps["predictions"] == steps["filters/body.0"] == steps["grad_cam/body"] == LOOKS
    assert steps["prototypes"] == LOOKS[1:]  # they wait for the class means of the first epoch
    assert len(list((tmp_path / "events").glob("events.*"))) == 1

    # Sharded or not, kernels are whole, and those of the trained model. Nobody draws them in vain.
    kernels = torch.load(tmp_path / "kernels0")
    assert not (tmp_path / "kernels1").exists()
    assert kernels.keys() == {"stem.0", "body.0"}
    for layer, weights in kernels.items():
        assert torch.equal(weights, zero["weights"][f"{layer}.weight"])

    # Samples are taken from what rank 0 sees, every other image, and are the same for all ranks that look.
    images, labels = stripes().tensors
    first = [int((labels[::2] == label).nonzero()[0]) * 2 for label in range(3)]
    second = int((labels[::2] == 0).nonzero()[1]) * 2
    assert torch.equal(zero["samples"], images[[*first, second]])
    assert one["samples"] is None if way == "ddp" else torch.equal(one["samples"], zero["samples"])


@pytest.mark.parametrize("way", WAYS)
def test_two_nodes_train_as_without_us_and_the_first_process_of_all_writes(way: str, tmp_path: Path) -> None:
    kernels = Kernels(str(tmp_path / "kernels"))
    options = {"views": [Predictions(), GradCAM(), Drift(), kernels], "samples": 4}
    ours, theirs = (
        trained(tmp_path / name, way, visualizer, (EarlyStopping("val_loss", patience=1),), nodes=2)
        for name, visualizer in (("ours", options), ("theirs", None))
    )
    assert len(ours) == len(theirs) == 4
    for mine, expected in zip(ours, theirs, strict=True):
        assert expected["metrics"].items() <= mine["metrics"].items()
        mine["metrics"] = expected["metrics"]
    assert_same_training(ours, theirs)
    steps = image_steps(tmp_path / "ours")
    assert steps["predictions"] == steps["grad_cam/body"] == [0, 1, 3]  # as LOOKS, of half the batches
    assert len(list((tmp_path / "ours/events").glob("events.*"))) == 1
    assert [path.name for path in tmp_path.glob("kernels*")] == ["kernels0"]


@pytest.mark.parametrize("way", WAYS)
def test_views_of_the_validation_set_and_of_chosen_images(way: str, tmp_path: Path, without_us: Outcomes) -> None:
    views = [ConfusionMatrix(), WorstMistakes(), Contrast(), TopPatches(), Change(), SampleCards(most=1)]
    counts = Path(tmp_path / "counts")
    found = trained(tmp_path, way, {"views": [*views, CountsMistakes(str(counts))], "samples": 4})
    assert_same_training(found, without_us[way])
    steps = image_steps(tmp_path)
    assert steps["confusion_matrix"] == steps["contrast/body"] == steps["top_patches/body"] == LOOKS
    assert steps["change/grad_cam/body"] == LOOKS[1:]
    assert "worst_mistakes/body" in steps
    images, footers = torch.load(counts)
    assert images == [12, 12], "what passes through the first process, in each validation"
    assert all("counted on the first of 2 processes" in footer for footer in footers), footers


@pytest.mark.parametrize("way", WAYS)
def test_views_that_fail_on_one_rank_hold_up_none(way: str, tmp_path: Path, without_us: Outcomes) -> None:
    views = [FailsOn(0, "draw"), FailsOn(1, "draw"), FailsOn(0, "procedure"), FailsOn(1, "procedure"), Filters()]
    ended = train(tmp_path, way, {"views": views})
    succeeded(*ended)
    assert_same_training(outcomes(tmp_path), without_us[way])
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS}
    # Rank 1 draws nothing, and what it does besides matters to rank 0 only where both must do it.
    causes = (
        ["ZeroDivisionError: in draw", "ZeroDivisionError: in procedure"]
        if way == "ddp"
        else [
            "RuntimeError: rank 0: ZeroDivisionError: in procedure",
            "RuntimeError: rank 1: ZeroDivisionError: in procedure",
            "ZeroDivisionError: in draw",
        ]
    )
    assert sorted(given_up(ended[0])) == [("FailsOn", cause) for cause in causes]
    assert given_up(ended[1]) == []


def test_a_view_that_fails_on_one_rank_before_the_pass_costs_that_pass(tmp_path: Path, without_us: Outcomes) -> None:
    ended = train(tmp_path, "sharded", {"views": [FailsOn(1, "later request"), Saliency()]})
    succeeded(*ended)
    assert_same_training(outcomes(tmp_path), without_us["sharded"])
    [(views, cause)] = given_up(ended[0])
    assert views == "FailsOn, Saliency"
    assert cause.startswith("RuntimeError: the ranks do not ask for the same")
    assert image_steps(tmp_path) == {}


def test_a_look_without_gradients_leaves_the_parameters_sharded(tmp_path: Path, without_us: Outcomes) -> None:
    images, labels = stripes().tensors
    visualizer = {"views": [Filters()], "samples": FixedSamples(images[:4], labels[:4])}
    assert_same_training(trained(tmp_path, "sharded", visualizer, num_sanity_val_steps=0), without_us["sharded"])
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS}


@pytest.mark.parametrize("way", WAYS)
def test_a_monitored_number_is_that_of_rank_0_and_stops_all(way: str, tmp_path: Path) -> None:
    stopping = EarlyStopping("worsens", mode="min", patience=2)
    options = {"max_epochs": 9}
    ended = train(tmp_path, way, {"views": [Worsens()]}, (stopping,), **options)
    succeeded(*ended)
    zero, one = outcomes(tmp_path)
    advised = [re.findall(r"self\.log\('(\w+)', \.\.\., sync_dist=True\)", process.output) for process in ended]
    assert advised == [["val_loss"], []], "Lightning advises on what the model logs, and not on what is of ours"
    assert zero["metrics"]["worsens"] == one["metrics"]["worsens"] == 4.0  # the look before training is no epoch
    assert zero["epochs"] == one["epochs"] == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_run_goes_on_with_the_same_samples(way: str, tmp_path: Path) -> None:
    views = [Filters(), Prototypes(steps=5)]
    saving = (ModelCheckpoint(tmp_path / "saved", filename="last"),)
    options = {"enable_checkpointing": True}
    before = trained(tmp_path, way, {"views": views, "samples": 4}, saving, **options, max_epochs=1)
    after = trained(
        tmp_path, way, {"views": views, "samples": 4}, saving, resume=tmp_path / "saved" / "last.ckpt", **options
    )
    for first, second in zip(before, after, strict=True):
        assert second["steps"] == 6
        assert first["samples"] is None or torch.equal(first["samples"], second["samples"])
    assert image_steps(tmp_path) == {"filters/stem.0": LOOKS, "prototypes": LOOKS[1:]}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_misconfigured_on_rank_0_ends_all(way: str, tmp_path: Path) -> None:
    ended = train(tmp_path, way, {"views": [FailsOn(0, "request")]})
    for process in ended:
        assert process.code == 1
        assert "in request" in process.output
        assert "Timeout" not in process.output  # as a process prints that ends itself because it hangs


@pytest.mark.parametrize(
    ("way", "files"),
    [("ddp", ("", "reference")), ("sharded", ("reference", "")), ("sharded", ("text", ""))],
    ids=["missing on rank 0", "missing on rank 1", "two different faults"],
)
def test_a_reference_that_a_rank_cannot_read_ends_all_in_the_same_words(
    way: str, files: tuple[str, str], tmp_path: Path
) -> None:
    make = SmallCNN if way == "ddp" else runs.ShardedCNN
    visualizer = {"views": [Drift(reference="reference.ckpt")], "samples": 16}
    ended = train(tmp_path, way, visualizer, make=runs.WithoutReference(tmp_path, files, make))
    said = [re.findall(r"MisconfigurationException: (CNNVisualizer: .*)", process.output) for process in ended]
    assert said[0] == said[1]
    assert len(said[0]) == 1
    for rank, file in enumerate(files):
        if file != "reference" and way == "sharded":
            assert f"rank {rank}: ArgumentError: reference: checkpoint" in said[0][0]
    assert [process.code for process in ended] == [1, 1]


def test_what_cannot_be_sent_to_the_other_ranks_costs_the_looks_only(tmp_path: Path, without_us: Outcomes) -> None:
    ended = train(tmp_path, "sharded", {"views": [runs.RemembersNothingPortable(), Filters()]}, patience_s=10)
    succeeded(*ended)
    assert_same_training(outcomes(tmp_path), without_us["sharded"])
    assert "training goes on without CNNVisualizer: " in ended[0].output


def test_a_pass_that_fails_on_all_ranks_costs_its_views_only(tmp_path: Path, without_us: Outcomes) -> None:
    ended = train(tmp_path, "sharded", {"views": [Filters(), GradCAM()]}, make=partial(FailsInForward, None))
    succeeded(*ended)
    assert_same_training(outcomes(tmp_path), without_us["sharded"])
    assert given_up(ended[0]) == [("Filters, GradCAM", "OutOfMemoryError: out of memory")]
    assert image_steps(tmp_path) == {"filters/stem.0": [0], "grad_cam/body": [0]}


def test_a_pass_that_fails_half_way_on_one_rank_ends_all(tmp_path: Path) -> None:
    ended = train(tmp_path, "sharded", {"views": [Filters()]}, make=partial(FailsInForward, 1), patience_s=10)
    assert all(process.code == 1 for process in ended)
    assert "another rank did not finish looking at the model, this one failed: OutOfMemoryError" in ended[1].output
    assert not any("Timeout" in process.output for process in ended)  # as one prints that ends itself because it hangs
