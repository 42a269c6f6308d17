"""Look at networks of torchvision, timm and HuggingFace with nothing configured.

    python -m docs.zoo                              # all of them, some twenty minutes on one core
    python -m docs.zoo --library HuggingFace        # one table anew, the others stay
    python -m docs.zoo --only resnet18 vit_b_16     # a few, printed

Writes docs/zoo.md. Weights are random: this is about architectures. Each network gets two images of noise of the
smallest size at which its last maps are larger than one pixel, and all views in one look. A view that works has drawn a
picture of finite values; the network must come out of the look as it went in.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import timm
import torch
import torchvision
from torch import nn

from docs.zoo_networks import LIBRARIES
from lightning_cnnviz import CAM, FeatureMaps, Filters, FixedSamples, GradCAM, Saliency, View
from lightning_cnnviz.look import run_views
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.output.artifacts import Array, Picture

PAGE = Path(__file__).with_name("zoo.md")
SMALL_SIZES = (32, 64, 96, 128, 160, 192)
ORDINARY_SIZES = (224, 256, 299, 384, 56)  # 56: what a transformer of 14-pixel patches is built for here
VIEWS: dict[str, Callable[[], View]] = {
    "feature maps": FeatureMaps,
    "filters": Filters,
    "saliency": Saliency,
    "guided": lambda: Saliency("guided"),
    "Grad-CAM": GradCAM,
    "CAM": CAM,
}


@dataclass
class Row:
    """What one network was given and what came of it.

    Attributes:
        name: the library's name of the network.
        size: height and width of its input; 0 if it took none of the sizes.
        layer: what ``"last"`` meant.
        maps: height and width of that layer's maps.
        refused: view to the reason why it could not be drawn; "" for all of them.
        remarks: view to what the reader is told.
        changed: what the look left changed in the network, nothing if it is a good guest.
    """

    name: str
    size: int = 0
    layer: str = ""
    maps: tuple[int, int] = (0, 0)
    refused: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)


def look(name: str, model: nn.Module) -> Row:
    """All views of one network in one look."""
    for module in model.modules():  # a head that starts as zeros has no gradient to look at
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.02)
    model.train()
    before = fingerprint(model)
    row = Row(name)
    try:
        probe = Probe(model)
        samples, layout = smallest_input(probe)
        row.size, row.layer = samples.images.shape[-1], layout.maps("last")[0]
        row.maps = layout[row.layer].spatial or (0, 0)
        look_with_views(probe, samples, layout, row)
    except Exception as error:
        row.refused[""] = f"{type(error).__name__}: {error}"
    row.changed = [part for part, value in fingerprint(model).items() if value != before[part]]
    return row


def look_with_views(probe: Probe, samples: FixedSamples, layout: Layout, row: Row) -> None:
    """Notes in the row what each view could draw."""
    views = {make(): title for title, make in VIEWS.items()}

    def failed(view: View, error: Exception) -> None:
        row.refused[views[view]] = str(error)

    _, drawn = run_views(probe, layout, samples, list(views), "predicted", failed=failed)
    for view, artifacts in drawn:
        values = [artifact.values for artifact in artifacts if isinstance(artifact, Array)]
        if not values or not all(bool(tensor.isfinite().all()) for tensor in values):
            row.refused[views[view]] = "not finite"
        remarks = [remark for artifact in artifacts if isinstance(artifact, Picture) for remark in artifact.remarks]
        if remarks:
            row.remarks[views[view]] = "; ".join(remarks)


def smallest_input(probe: Probe) -> tuple[FixedSamples, Layout]:
    """The smallest images whose last layer with a map is the one that it is for images of an ordinary size.

    Raises:
        ValueError: the network takes none of the sizes.
    """
    ordinary = next(filter(None, (surveyed(probe, size) for size in ORDINARY_SIZES)), None)
    if ordinary is None:
        ordinary = next(filter(None, (surveyed(probe, size) for size in SMALL_SIZES)), None)
    if ordinary is None:
        raise ValueError(f"it takes no images of the sizes {SMALL_SIZES + ORDINARY_SIZES}")
    found = (surveyed(probe, size) for size in SMALL_SIZES)
    return next((smaller for smaller in found if smaller and last_of(smaller) == last_of(ordinary)), ordinary)


def surveyed(probe: Probe, size: int) -> tuple[FixedSamples, Layout] | None:
    """Two images of noise of that size and what the network made of them, None if it refuses them."""
    samples = FixedSamples(torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size)))
    try:
        return samples, probe.survey(samples)
    except Exception:  # whatever a network says to an input that is too small for it
        return None


def last_of(surveyed: tuple[FixedSamples, Layout]) -> str:
    """The name of the last layer."""
    return surveyed[1].maps("last")[0]


def fingerprint(model: nn.Module) -> dict[str, object]:
    """All that a look must not change."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    modules = list(model.modules())
    return {
        "weights and buffers": digest.hexdigest(),
        "gradients": [(parameter.grad, parameter.requires_grad) for parameter in model.parameters()],
        "modes": [module.training for module in modules],
        "hooks": [len(module._forward_hooks) + len(module._backward_hooks) for module in modules],
        "attributes": [sorted(vars(module)) for module in modules],
        "random numbers": hashlib.sha256(torch.get_rng_state().numpy()).hexdigest(),
    }


def page(tables: Mapping[str, Sequence[Row]], older: str = "") -> str:
    """The page in Markdown.

    Args:
        tables: the networks of each library that were looked at.
        older: an earlier page, whose tables of other libraries stay.
    """
    parts = [
        "# Architectures looked at",
        "Generated by `python -m docs.zoo`: random weights, two images of noise, nothing configured. The input is the "
        'smallest of a few sizes at which the last maps are larger than one pixel; *layer* is what `layers="last"` '
        "means. A tick is a picture of finite values; a number refers to the note below the table that says why there "
        "is none, or what the reader is told. *same* is whether weights, buffers, gradients, modes, hooks, attributes "
        "and the random number generator came out as they went in.",
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}, "
        f"transformers {version('transformers')}.",
    ]
    for library in LIBRARIES:
        if library in tables:
            parts.append(f"## {library}: {len(tables[library])} architectures")
            parts += table(tables[library])
        elif f"## {library}: " in older:
            parts.append(f"## {library}: " + older.partition(f"## {library}: ")[2].partition("\n## ")[0].strip())
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Row]) -> tuple[str, str]:
    """One line for each network, and the notes that the lines refer to."""
    notes: dict[str, int] = {}

    def cell(row: Row, title: str) -> str:
        reason = row.refused.get("") or row.refused.get(title)
        told = row.remarks.get(title)
        text = reason or told
        number = "" if text is None else f" {notes.setdefault(general(text, row), len(notes) + 1)}"
        return f"{'–' if reason else '✓'}{number}"

    lines = [f"| architecture | input | layer | maps | {' | '.join(VIEWS)} | same |", "|---" * (len(VIEWS) + 5) + "|"]
    for row in rows:
        cells = [row.name, f"{row.size}", f"`{row.layer}`", "×".join(map(str, row.maps))]
        cells += [cell(row, title) for title in VIEWS]
        lines.append(f"| {' | '.join(cells)} | {', '.join(row.changed) or '✓'} |")
    return "\n".join(lines), "\n".join(f"{number}. {text}" for text, number in notes.items())


def general(text: str, row: Row) -> str:
    """A reason without what differs from network to network, so that one note serves many."""
    return " ".join(text.replace(row.layer, "<layer>").split()) if row.layer else " ".join(text.split())


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Look at the networks of libraries.")
    parser.add_argument("--library", choices=list(LIBRARIES), help="look at those of one library")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="look at these, and print instead of writing the page"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Looks at all networks and writes the page."""
    options = parse_arguments(arguments)
    tables: dict[str, list[Row]] = {}
    for library, networks in LIBRARIES.items():
        if options.library not in (None, library):
            continue
        tables[library] = []
        for name, build in networks():
            if options.only and name not in options.only:
                continue
            start = time.monotonic()
            row = look(name, build())
            gc.collect()
            tables[library].append(row)
            print(f"{library} {name}: {time.monotonic() - start:.1f} s {row.refused} {row.changed}", flush=True)
        tables[library].sort(key=lambda row: row.name)
    if options.only:
        print(page(tables))
    else:
        PAGE.write_text(page(tables, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
