"""What needs Ray or a server of S3's kind: run by ``.ci/scale``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_cnnviz import CNNVisualizer, Drift, GradCAM
from lightning_cnnviz.__main__ import main
from lightning_cnnviz.output.disk import read_whole
from lightning_cnnviz.page.report import read_report
from tests.helpers.training import SmallCNN, fit, image_steps, loader, sha

LOOKS = {1: [0, 5, 11], 2: [0, 2, 5]}
"""By the number of processes: 24 images and 4 in a batch, for two epochs."""


def pictures(directory: str | Path) -> dict[str, list[tuple[int, bytes]]]:
    events = EventAccumulator(str(directory), size_guidance={"images": 0})
    events.Reload()
    return {tag: [(e.step, e.encoded_image_string) for e in events.Images(tag)] for tag in events.Tags()["images"]}


def test_a_run_that_logs_to_s3_is_the_same_as_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bucket")
        here = fit(tmp_path, [CNNVisualizer([GradCAM()], samples=3)])
        logger = TensorBoardLogger("s3://bucket/logs", name="run", version="one")
        there = fit(tmp_path, [CNNVisualizer([GradCAM()], samples=3)], logger=logger)
        assert sha(here) == sha(there)
        assert pictures("s3://bucket/logs/run/one") == pictures(tmp_path / "events") != {}
        (renewed,) = read_report(read_whole("s3://bucket/logs/run/one/report.html"))
        assert main(["report", "s3://bucket/logs", "--output", str(tmp_path / "all.html")]) == 0
        (collected,) = read_report((tmp_path / "all.html").read_bytes())
        assert collected.name == "run/one"
        assert collected.looks == renewed.looks
        assert len(collected.looks) == len(LOOKS[1])
    finally:
        server.stop()


def worker(settings: dict[str, Any]) -> None:
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment, RayTrainReportCallback, prepare_trainer

    directory = Path(settings["directory"])
    seed_everything(7, verbose=False)
    ours = [CNNVisualizer([GradCAM(), Drift()], samples=4)] if settings["watched"] else []
    model = SmallCNN()
    trainer = prepare_trainer(
        Trainer(
            max_epochs=2,
            accelerator="cpu",
            devices="auto",
            strategy=RayDDPStrategy(),
            plugins=[RayLightningEnvironment()],
            callbacks=[*ours, RayTrainReportCallback()],
            enable_checkpointing=False,
            enable_progress_bar=False,
            logger=TensorBoardLogger(directory, name="", version="events"),
        )
    )
    trainer.fit(model, loader(shuffle=True), loader())
    torch.save(model.state_dict(), directory / f"rank{trainer.global_rank}.pt")


def test_two_workers_of_ray_train_as_without_us(tmp_path: Path) -> None:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    # The workers import this module by its name.
    paths = [str(Path(__file__).parent), os.environ["PYTHONPATH"]]
    variables = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    ray.init(num_cpus=3, include_dashboard=False, runtime_env={"env_vars": variables})
    weights, metrics = [], []
    try:
        for name in ("watched", "alone"):
            directory = tmp_path / name
            directory.mkdir()
            result = TorchTrainer(
                worker,
                train_loop_config={"directory": str(directory), "watched": name == "watched"},
                scaling_config=ScalingConfig(num_workers=2, use_gpu=False),
                run_config=RunConfig(name=name, storage_path=str(tmp_path / "ray")),
            ).fit()
            metrics.append(result.metrics)
            weights.append([torch.load(directory / f"rank{rank}.pt") for rank in range(2)])
    finally:
        ray.shutdown()
    for mine, others in zip(*weights, strict=True):
        assert mine.keys() == others.keys()
        assert all(torch.equal(mine[key], others[key]) for key in mine)
    assert metrics[0]["val_loss"] == metrics[1]["val_loss"]
    assert "drift/features" in metrics[0]
    assert image_steps(tmp_path / "watched")["grad_cam/body"] == LOOKS[2]
