"""Small models of all kinds with the default callback: none ends a run or trains to other bits."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from lightning_cnnviz import CNNVisualizer
from tests.helpers.random_models import made
from tests.helpers.training import sha, trainer

MODELS, CHUNK = 224, 16


def check(seed: int, directory: Path) -> str:
    """Trains the model of a seed without and with us; what differs, or nothing."""
    ended: dict[str, Any] = {}
    for name, callbacks in (("without", []), ("with", [CNNVisualizer()])):
        model, loader, about = made(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = trainer(directory / name, callbacks, max_epochs=1, limit_train_batches=2, num_sanity_val_steps=1)
            try:
                run.fit(model, loader(), loader())
                ended[name] = (sha(model), run.global_step)
            except Exception as error:
                ended[name] = f"{type(error).__name__}: {str(error)[:200]}"
    return "" if ended["with"] == ended["without"] else f"seed {seed}: {about}: {ended}"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, MODELS, CHUNK))
def test_no_model_ends_a_run_or_is_trained_otherwise(first: int, tmp_path: Path) -> None:
    found = [check(seed, tmp_path / str(seed)) for seed in range(first, first + CHUNK)]
    assert not any(found), "\n".join(filter(None, found))
