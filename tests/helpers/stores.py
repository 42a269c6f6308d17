"""What each logger stored, as its own reader finds it."""

from __future__ import annotations

import csv
import json
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightning_cnnviz.output.artifacts import RGB
from lightning_cnnviz.output.names import unescape
from tests.helpers.pictures import decode
from tests.helpers.training import image_tags


@dataclass
class Stored:
    """What a logger's own reader finds: by tag and step, notes by tag."""

    pictures: dict[str, dict[int, RGB]] = field(default_factory=lambda: defaultdict(dict))
    numbers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    notes: set[str] = field(default_factory=set)


def read_tensorboard(logger: Any, folder: Path) -> Stored:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    events.Reload()
    found = Stored()
    for tag, placed in image_tags(events).items():
        found.pictures[tag] = {one.step: decode(one.encoded_image_string) for one in events.Images(placed)}
    for tag in events.Tags()["scalars"]:
        found.numbers[tag] = {one.step for one in events.Scalars(tag)}
    found.notes = {tag.removesuffix("/text_summary") for tag in events.Tags()["tensors"]}
    return found


def read_csv(logger: Any, folder: Path) -> Stored:
    found, pictures = Stored(), folder / "cnnviz"
    for path in pictures.rglob("*_*.png"):
        name, _, step = path.relative_to(pictures).with_suffix("").as_posix().rpartition("_")
        found.pictures[unescape(name)][int(step)] = decode(path.read_bytes())
    found.notes = {path.stem.rpartition("_")[0] for path in pictures.glob("*.md")}
    with (pictures / "scalars.csv").open() as file:
        for row in csv.DictReader(file):
            found.numbers[row["tag"]].add(int(row["step"]))
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            for tag in row:
                if row[tag]:
                    found.numbers[tag].add(int(row["step"]))
    return found


def log_records(content: bytes) -> Iterator[bytes]:
    """The records of an offline run of W&B or SwanLab: LevelDB's log format behind a header of seven bytes."""
    position, parts = 7, b""
    while position + 7 <= len(content):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        size, kind = struct.unpack_from("<HB", content, position + 4)
        parts += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def wandb_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of an offline run, in their order."""
    from wandb.proto import wandb_internal_pb2

    [file] = folder.glob("wandb/offline-run-*/run-*.wandb")
    records = map(wandb_internal_pb2.Record.FromString, log_records(file.read_bytes()))
    return [
        {".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]


def read_wandb(logger: Any, folder: Path) -> Stored:
    [files] = folder.glob("wandb/offline-run-*/files")
    found = Stored()
    for row in wandb_rows(folder):
        step = row.get("trainer/global_step", -1)
        for key, value in row.items():
            tag, _, attribute = key.rpartition(".")
            if attribute == "_type" and value == "image-file":
                found.pictures[unescape(tag)][step] = decode((files / row[f"{tag}.path"]).read_bytes())
            elif attribute == "_type" and value == "html-file":
                found.notes.add(tag)
            elif isinstance(value, (int, float)):
                found.numbers[unescape(key)].add(step)
    return found


def read_mlflow(logger: Any, folder: Path) -> Stored:
    client, run_id = logger.experiment, logger.run_id
    found = Stored()
    for path in Path(client.download_artifacts(run_id, "images")).glob("*.png"):
        tag, _, rest = path.name.partition("+step+")
        found.pictures[unescape(tag.replace("~", "/"))][int(rest.partition("+")[0])] = decode(path.read_bytes())
    for tag in client.get_run(run_id).data.metrics:
        found.numbers[unescape(tag)] = {metric.step for metric in client.get_metric_history(run_id, tag)}
    for entry in client.list_artifacts(run_id, "notes"):
        found.notes.add(unescape(Path(entry.path).stem.rpartition("_")[0]))
    return found


def read_comet(logger: Any, folder: Path) -> Stored:
    found = Stored()
    [archive] = folder.glob("*.zip")
    with zipfile.ZipFile(archive) as files:
        for line in files.read("messages.json").decode().splitlines():
            message = json.loads(line)["payload"]
            if message.get("upload_type") == "visualization":
                about = message["additional_params"]
                name = Path(message["file_path"]).name
                found.pictures[about["figName"]][about["step"]] = decode(files.read(name))
            elif "metric" in message:
                found.numbers[message["metric"]["metricName"]].add(message["metric"]["step"])
            elif message.get("upload_type") == "text-sample":
                found.notes.add(message["metadata"]["tag"])
    return found


def read_aim(logger: Any, folder: Path) -> Stored:
    from aim import Repo, Run
    from aim.storage.context import Context

    repository = Repo.from_path(str(folder))
    repository._recreate_index()  # as `aim storage reindex`
    [run_hash] = repository.list_all_runs()
    run = Run(run_hash, repo=repository, read_only=True)
    found = Stored()
    in_validation = Context({"subset": "val"})
    info = run.collect_sequence_info(("images", "texts"))
    for tag in {one["name"] for one in info["images"]}:
        images = run.get_image_sequence(tag, in_validation).data.items()
        found.pictures[tag] = {step: np.asarray(image.to_pil_image()) for step, (image, _, _) in images}
    for metric in run.metrics():
        found.numbers[metric.name].update(int(step) for step, _ in metric.data.items())
    found.notes = {one["name"] for one in info["texts"]}
    return found


def read_swanlab(logger: Any, folder: Path) -> Stored:
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    found = Stored()
    [run] = folder.glob("run-*")
    [file] = run.glob("run-*.swanlab")
    for record in map(Record.FromString, log_records(file.read_bytes())):
        if record.WhichOneof("record_type") == "scalar":
            found.numbers[unescape(record.scalar.key)].add(record.scalar.step)
        elif record.WhichOneof("record_type") == "media":
            [item] = record.media.value.items
            if item.filename.endswith(".png"):
                content = (run / "media" / "image" / item.filename).read_bytes()
                found.pictures[unescape(record.media.key)][record.media.step] = decode(content)
            else:
                found.notes.add(record.media.key)
    return found


def read_dvclive(logger: Any, folder: Path) -> Stored:
    found, images, metrics = Stored(), folder / "plots" / "images", folder / "plots" / "metrics"
    for path in images.rglob("*.png"):
        found.pictures[unescape(path.parent.relative_to(images).as_posix())][int(path.stem)] = decode(path.read_bytes())
    for path in metrics.rglob("*.tsv"):
        with path.open() as file:
            name = path.relative_to(metrics).with_suffix("").as_posix()
            found.numbers[unescape(name)] = {int(row["step"]) for row in csv.DictReader(file, delimiter="\t")}
    return found
