"""Weights & Biases."""

from __future__ import annotations

import html
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_cnnviz.output.artifacts import Artifact, Look, Note, Picture, Scalar
from lightning_cnnviz.output.encoding import encode, file_extension
from lightning_cnnviz.output.names import escape, with_short_parts
from lightning_cnnviz.output.run_report import RunReport
from lightning_cnnviz.output.sink import ClientSink

_STEP_KEY = "trainer/global_step"
"""What Lightning's logger calls the step, and every panel of a Lightning run has on its axis."""


class WandbSink(ClientSink):
    """Writes one row a look: pictures as ``wandb.Image``, numbers, and notes as ``wandb.Html``.

    At the end of the run another row holds the page CNN Viz as ``wandb.Html``, under ``report``.

    Args:
        client: the run of the Trainer's ``WandbLogger``.
    """

    takes = (Picture, Scalar, Note, Look)

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._report = RunReport(str(client.name or client.id))
        self._last_step = 0
        self._rows: dict[int, dict[str, bytes | float | str]] = {}

    def write(self, artifact: Artifact, step: int) -> None:
        """Keeps the artifact for the row of its step, pictures as finished PNG or JPEG."""
        self._last_step = step
        if isinstance(artifact, Look):
            self._report.add(artifact, step)
            return
        row = self._rows.setdefault(step, {})
        key = with_short_parts(escape(artifact.tag, "\x00"))  # W&B names files by it
        match artifact:
            case Picture():
                row[key] = encode(artifact.image, artifact.format)
            case Scalar():
                row[key] = artifact.value
            case Note():
                row[key] = artifact.text

    def flush(self) -> None:
        """Logs the rows."""
        rows, self._rows = self._rows, {}
        for step, row in sorted(rows.items()):
            with tempfile.TemporaryDirectory() as folder:
                # Without `step`: W&B's own counter is Lightning's to move, and an older one is dropped without a word.
                self.client.log({**_media(row, Path(folder)), _STEP_KEY: step})

    def finish(self) -> None:
        """Logs the page."""
        import wandb  # noqa: PLC0415 - only there if the user has it

        page = self._report.page()
        if page:
            html_page = wandb.Html(io.StringIO(page.decode()), inject=False)
            self.client.log({"report": html_page, _STEP_KEY: self._last_step})


def _media(row: Mapping[str, bytes | float | str], folder: Path) -> dict[str, Any]:
    import wandb  # noqa: PLC0415 - only there if the user has it

    logged: dict[str, Any] = {}
    for number, (tag, value) in enumerate(row.items()):
        if isinstance(value, bytes):
            # A file is copied as it is; an array would be encoded again, which takes six times as long.
            file = folder / f"{number}.{file_extension(value)}"
            file.write_bytes(value)
            logged[tag] = wandb.Image(str(file))
        elif isinstance(value, str):
            logged[tag] = wandb.Html(f"<pre style='white-space: pre-wrap'>{html.escape(value)}</pre>")
        else:
            logged[tag] = value
    return logged
