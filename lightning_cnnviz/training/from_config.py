"""The model and the data that a configuration of LightningCLI names, without a Trainer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from lightning.pytorch import LightningDataModule, LightningModule, seed_everything

from lightning_cnnviz.samples import FixedSamples, SampleSource
from lightning_cnnviz.samples.batches import DEFAULT_IMAGE_KEY, DEFAULT_LABEL_KEY
from lightning_cnnviz.training.batch_hooks import batch_as_in_validation
from lightning_cnnviz.training.loaders import first_loader

_SUBCOMMANDS = ("fit", "validate", "test", "predict")


def model_and_samples(
    config: str | os.PathLike[str], *, count: int, split: Literal["validation", "test"] = "validation"
) -> tuple[LightningModule, FixedSamples]:
    """Makes model and data as LightningCLI would, and takes samples from the batches as the model sees them.

    Args:
        config: a YAML file with ``model`` and, unless the model has loaders of its own, ``data``, each with
            ``class_path`` and ``init_args``; below the name of a subcommand or not. A ``seed_everything`` in it is
            followed, because data may be split at random.
        count: how many samples at most; reading goes on until there are so many, and some of every class.
        split: whose loader is read; of several the first.

    Raises:
        ImportError: jsonargparse is not installed.
        OSError: the file cannot be read.
        ValueError: there is no model in it, it cannot be made, or there are no images.
    """
    content = _content(Path(config))
    seed = content.get("seed_everything")
    if isinstance(seed, int) and not isinstance(seed, bool):
        seed_everything(seed, verbose=False)
    model: LightningModule = _made(content, "model", LightningModule, config)
    datamodule = _made(content, "data", LightningDataModule, config) if content.get("data") else None
    source = SampleSource(
        count, image_key=DEFAULT_IMAGE_KEY, label_key=DEFAULT_LABEL_KEY, class_names=None, mean=None, std=None
    )
    loader = _loader(datamodule or model, split)
    dataset = getattr(loader, "dataset", None)
    with torch.no_grad():
        for batch in _batches(loader, source):
            source.add(batch_as_in_validation(datamodule, model, batch), dataset)
    samples = source.choose(dataset, datamodule, model=model)
    if samples is None:
        raise ValueError(f"{os.fspath(config)}: the {split} data has no batch")
    return model, samples


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} must hold model and data, got {type(content).__name__}")
    inside = next((content[name] for name in _SUBCOMMANDS if isinstance(content.get(name), Mapping)), content)
    return content if "model" in content else inside


def _made(content: Mapping[str, Any], name: str, kind: type, path: str | os.PathLike[str]) -> Any:
    import jsonargparse  # noqa: PLC0415  (an extra of Lightning)

    entry = content.get(name)
    if not isinstance(entry, Mapping) or "class_path" not in entry:
        raise ValueError(
            f"{os.fspath(path)}: {name} must have a class_path, such as 'my_project.{name.title()}', got {entry!r}"
        )
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(kind, name, fail_untyped=False)
    kept = {key: entry[key] for key in ("class_path", "init_args", "dict_kwargs") if entry.get(key)}
    try:
        parsed = parser.parse_object({name: kept})
        # Older versions know only the longer name, newer ones warn of it.
        made = getattr(parser, "instantiate", None) or parser.instantiate_classes
        return made(parsed)[name]
    except jsonargparse.ArgumentError as error:
        raise ValueError(f"{os.fspath(path)}: {name} cannot be made: {error}") from error


def _loader(owner: Any, split: str) -> Any:
    """The first loader of a split."""
    if isinstance(owner, LightningDataModule):
        owner.prepare_data()
        owner.setup("validate" if split == "validation" else "test")
    return first_loader(owner.val_dataloader() if split == "validation" else owner.test_dataloader())


def _batches(loader: Any, source: SampleSource) -> Iterator[Any]:
    for batch in loader:
        yield batch
        if not source.wants_batches:
            return
