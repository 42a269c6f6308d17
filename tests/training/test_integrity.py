"""A checkpoint that was torn or changed: what loads all the same is not drawn."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_cnnviz import CNNVisualizer, DriftCallback, GradCAM, Timeline
from lightning_cnnviz.training.integrity import check_intact, checksum
from tests.helpers.training import SmallCNN, fit, image_steps, loader, resuming, sha, trainer

STATE = {
    "maps": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(2, 0)},
    "frames": [{"epoch": None, "said": ("cat", "dog")}, {"epoch": 1, "said": ()}],
    "number": 1,
    "flag": True,
    "name": "caf\udce9",
    "bf16": torch.ones(3, dtype=torch.bfloat16),
    "scalar": torch.tensor(2.0),
}


def test_a_state_is_known_again_after_a_file() -> None:
    file = io.BytesIO()
    torch.save(STATE, file)
    file.seek(0)
    check_intact(torch.load(file, weights_only=True), checksum(STATE))
    strided = STATE | {"scalar": torch.full((2, 2), 2.0)[0, 1]}
    assert checksum(strided) == checksum(STATE)


def test_what_a_view_of_ones_own_keeps_is_known_again_whatever_it_prints() -> None:
    kept = [object(), {"a", "b"}, torch.eye(2).to_sparse()]
    again = [object(), {"b", "a"}, torch.eye(2).to_sparse()]
    check_intact(again, checksum(kept))
    with pytest.raises(ValueError, match="not what was saved"):
        check_intact([*again[:2], None], checksum(kept))


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a value": lambda state: state["maps"].update(a=state["maps"]["a"] + 1e-6),
    "a shape": lambda state: state["maps"].update(a=state["maps"]["a"].reshape(3, 2)),
    "an empty shape": lambda state: state["maps"].update(b=torch.zeros(0, 2)),
    "a kind of number": lambda state: state["maps"].update(a=state["maps"]["a"].view(torch.int32)),
    "a key": lambda state: state["maps"].update(c=state["maps"].pop("a")),
    "less": lambda state: state["frames"].pop(),
    "twice": lambda state: state["frames"].append(state["frames"][0]),
    "an order": lambda state: state["frames"].reverse(),
    "a kind of container": lambda state: state["frames"][0].update(said=["cat", "dog"]),
    "a place": lambda state: state["frames"][0].update(said=("catd", "og")),
    "a number for a flag": lambda state: state.update(flag=1),
    "a number for a tensor": lambda state: state.update(scalar=2.0),
    "a text for a number": lambda state: state.update(number="1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_noticed(change: str) -> None:
    state = {**STATE, "maps": dict(STATE["maps"]), "frames": [dict(frame) for frame in STATE["frames"]]}  # type: ignore[call-overload,union-attr]
    CHANGES[change](state)
    with pytest.raises(ValueError, match="not what was saved"):
        check_intact(state, checksum(STATE))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved")
    callbacks = [CNNVisualizer([Timeline(), GradCAM()], 8), ModelCheckpoint(directory, filename="last")]
    fit(directory, callbacks, enable_checkpointing=True)
    return directory / "last.ckpt"


def torn(checkpoint: Path, directory: Path, tear: Callable[[dict[str, Any]], Any]) -> Path:
    content = torch.load(checkpoint, weights_only=True)
    [state] = [state for key, state in content["callbacks"].items() if "CNNVisualizer" in key]
    tear(state)
    torch.save(content, directory / "torn.ckpt")
    return directory / "torn.ckpt"


def resumed(file: Path, directory: Path) -> tuple[CNNVisualizer, list[str]]:
    """What goes on from a checkpoint, and what is said of it."""
    callback = CNNVisualizer([Timeline(), GradCAM()], 8)
    run = trainer(directory, [callback], max_epochs=4)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run.fit(SmallCNN(), loader(), loader(), **resuming(file, weights_only=True))
    return callback, [str(one.message) for one in told if "lightning_cnnviz" in one.filename]


def frames(callback: CNNVisualizer) -> list[int | None]:
    return [frame.epoch for frame in callback.views[0]._frames]  # type: ignore[attr-defined]


def test_a_view_whose_state_was_torn_begins_anew_with_one_line_and_the_others_go_on(
    checkpoint: Path, tmp_path: Path
) -> None:
    def tear(state: dict[str, Any]) -> None:
        for frame in state["memory"]["views"]["Timeline/0"]["frames"]:
            frame["maps"] = frame["maps"][:, ::2]  # which would be drawn

    callback, told = resumed(torn(checkpoint, tmp_path, tear), tmp_path)
    assert told == [
        "Timeline starts afresh, its state in the checkpoint does not fit: ValueError: it is not what was saved there"
    ]
    assert frames(callback) == [2, 3]


def test_a_state_of_another_view_is_not_taken_up(checkpoint: Path, tmp_path: Path) -> None:
    def exchange(state: dict[str, Any]) -> None:
        views = state["memory"]["views"]
        views["GradCAM/0"], views["Timeline/0"] = views["Timeline/0"], views["GradCAM/0"]

    callback, told = resumed(torn(checkpoint, tmp_path, exchange), tmp_path)
    assert sorted(text.partition(" ")[0] for text in told) == ["GradCAM", "Timeline"]
    assert frames(callback) == [2, 3]


def test_samples_that_were_torn_are_taken_anew(checkpoint: Path, tmp_path: Path) -> None:
    def tear(state: dict[str, Any]) -> None:
        state["samples"]["images"] = state["samples"]["images"].flip(2)

    callback, told = resumed(torn(checkpoint, tmp_path, tear), tmp_path)
    assert len(told) == 1
    assert "the samples cannot be kept in or taken from a checkpoint" in told[0]
    assert frames(callback) == [None, 0, 1, 2, 3]  # the samples taken anew are the same


def test_what_an_older_version_left_and_no_view_can_draw_begins_anew_at_once(checkpoint: Path, tmp_path: Path) -> None:
    def tear(state: dict[str, Any]) -> None:
        del state["checksums"], state["memory"]["checksums"]
        state["memory"]["views"]["GradCAM/0"] = {"strongest": {"grad_cam/body": "many"}}

    _, told = resumed(torn(checkpoint, tmp_path, tear), tmp_path)
    [said] = told
    assert said.startswith("GradCAM starts afresh, it cannot go on from its state in the checkpoint: TypeError: ")
    steps = image_steps(tmp_path)
    assert len(steps["grad_cam/body"]) == len(steps["timeline/grad_cam"]) == 2


@pytest.mark.slow
def test_callbacks_may_come_and_go_between_a_run_and_its_resume(checkpoint: Path, tmp_path: Path) -> None:
    others = [CNNVisualizer([Timeline()], 4, tag_prefix="new/"), CNNVisualizer(samples=4), DriftCallback()]
    weights = []
    for number, callbacks in enumerate(([], [others[0]], others)):
        run, model = trainer(tmp_path / str(number), [*callbacks], max_epochs=4), SmallCNN()
        seed_everything(1, verbose=False)
        run.fit(model, loader(shuffle=True), loader(), **resuming(checkpoint, weights_only=True))
        assert run.global_step == 24
        weights.append(sha(model))
    assert len({*weights}) == 1
