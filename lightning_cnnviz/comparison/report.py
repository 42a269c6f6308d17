"""What is found about two models or two data sets, as a page for people and as numbers for programs."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_cnnviz.arguments import instance
from lightning_cnnviz.comparison.quality import Quality
from lightning_cnnviz.explain import Explanation
from lightning_cnnviz.output.disk import write_whole
from lightning_cnnviz.views.markdown import markdown_table

_FORMAT = 1


@dataclass(frozen=True)
class Table:
    """Rows of a page.

    Attributes:
        title: above it.
        columns: their names.
        rows: a text and numbers each.
        marked: the rows that stand out.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    marked: frozenset[int] = frozenset()

    def markdown(self) -> str:
        """The table in Markdown."""
        return markdown_table(self.columns, self.rows)


@dataclass(repr=False)
class Report(Explanation):
    """An explanation of which a file can be made."""

    def __repr__(self) -> str:
        return "\n".join([self.title, *self.summary(), *self.remarks])

    @property
    def title(self) -> str:
        """What the page is called."""
        raise NotImplementedError

    def summary(self) -> list[str]:
        """The most important numbers, a line each."""
        raise NotImplementedError

    def table(self) -> Table | None:
        """The numbers by class."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, as JSON takes it."""
        return {"format": _FORMAT, "scalars": dict(self.scalars), "remarks": list(self.remarks)}

    def write_report(self, path: str | os.PathLike[str]) -> None:
        """Writes one file: a page if its name ends in ``.html``, numbers for a program if in ``.json``.

        The page needs no other file and asks nobody for anything.

        Raises:
            ValueError: the name ends otherwise.
            OSError: it cannot be written.
        """
        instance("path", path, (str, os.PathLike), "a path")
        file = Path(path)
        if file.suffix == ".json":
            # Strictly JSON: numbers that are not finite become null.
            text = json.dumps(_finite(self.to_dict()), indent=2, allow_nan=False) + "\n"
        elif file.suffix in (".html", ".htm"):
            text = "\n".join(self._page())
        else:
            raise ValueError(f"path must end in .html or .json, got {os.fspath(path)!r}")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text.encode())

    def _page(self) -> Iterator[str]:
        yield "<!doctype html>"
        yield '<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        yield (
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
        )
        yield f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style><main>"
        yield f"<h1>{html.escape(self.title)}</h1>"
        yield "".join(f"<p class='summary'>{html.escape(line)}</p>" for line in self.summary())
        yield "".join(f"<p>{html.escape(remark)}</p>" for remark in self.remarks)
        table = self.table()
        if table is not None:
            yield from _rows(table)
        for tag, source in self.picture_sources():
            yield f"<h2>{html.escape(_HEADINGS.get(tag, tag))}</h2><img alt='{html.escape(tag)}' src='{source}'>"
        yield "<details><summary>All numbers</summary><table>"
        yield from (
            f"<tr><td>{html.escape(tag)}</td><td class='n'>{value:.4g}</td></tr>" for tag, value in self.scalars.items()
        )
        yield "</table></details></main></html>"


@dataclass(repr=False)
class Comparison(Report):
    """What :func:`~lightning_cnnviz.compare` found.

    Attributes:
        names: what the models are called in reports.
        samples: how many were compared.
        quality: what the labels tell; None without labels.
    """

    names: tuple[str, str] = ("a", "b")
    samples: int = 0
    quality: Quality | None = None

    @property
    def title(self) -> str:
        """Both models."""
        return " → ".join(self.names)

    def take(self, quality: Quality) -> None:
        """Takes in what the labels tell, also as numbers and as a table."""
        self.quality = quality
        self.scalars |= {f"quality/{name}": value for name, value in quality.numbers().items()}
        table = self.table()
        assert table is not None
        self.notes["classes"] = table.markdown()

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, as JSON takes it."""
        return {
            "model_a": self.names[0],
            "model_b": self.names[1],
            "samples": self.samples,
            "quality": None if self.quality is None else asdict(self.quality),
            **super().to_dict(),
        }

    def summary(self) -> list[str]:
        """The most important numbers, a line each."""
        found = self.quality
        if found is None:
            return [f"{tag} {self.scalars[tag]:.4f}" for tag in _HEADLINES if tag in self.scalars]
        lost, won = round(found.negative_flips * found.samples), round(found.positive_flips * found.samples)
        return [
            f"accuracy {found.accuracy_a:.2%} → {found.accuracy_b:.2%} of {found.samples} samples",
            f"negative flips {found.negative_flips:.2%} ({lost}), positive flips {found.positive_flips:.2%} ({won}), "
            f"McNemar p = {found.mcnemar:.2g}",
            f"calibration error {found.calibration_error_a:.3f} → {found.calibration_error_b:.3f}",
        ]

    def table(self) -> Table | None:
        """The classes, those that lost most first."""
        if self.quality is None:
            return None
        classes = sorted(self.quality.classes, key=lambda row: row.right_b - row.right_a)
        return Table(
            "By class",
            ("class", "samples", "right before", "right now", "lost", "won"),
            [tuple(vars(row).values()) for row in classes],
            frozenset(index for index, row in enumerate(classes) if row.right_b < row.right_a),
        )


_HEADLINES = ("drift/features", "drift/predictions", "drift/flips", "drift/grad_cam")
_HEADINGS = {"flips": "What changed most", "furthest": "Furthest from the reference"}
_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0}main{max-width:62rem;margin:0 auto;"
    "padding:1rem}table{border-collapse:collapse}th,td{padding:.2rem .8rem;text-align:left;border-bottom:1px solid "
    "#8884}.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%}.summary{font-size:1.15rem;margin:"
    ".2rem 0}.marked{font-weight:700}"
)


def _rows(table: Table) -> Iterator[str]:
    yield f"<h2>{html.escape(table.title)}</h2><table><tr>"
    yield "".join(f"<th{_side(index)}>{html.escape(name)}" for index, name in enumerate(table.columns)) + "</tr>"
    for number, row in enumerate(table.rows):
        cells = "".join(f"<td{_side(index)}>{html.escape(str(cell))}" for index, cell in enumerate(row))
        yield f"<tr{' class=marked' if number in table.marked else ''}>{cells}</tr>"
    yield "</table>"


def _side(column: int) -> str:
    return " class=n" if column else ""


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and value - value != 0 else value
