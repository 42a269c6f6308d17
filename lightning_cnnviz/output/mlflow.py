"""MLflow."""

from __future__ import annotations

import io
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from lightning_cnnviz.output.artifacts import RGB, Artifact, Look, Note, Picture, Scalar
from lightning_cnnviz.output.encoding import encode, file_extension
from lightning_cnnviz.output.names import escape, shortened
from lightning_cnnviz.output.run_report import REPORT, RunReport
from lightning_cnnviz.output.sink import ClientSink

_FORBIDDEN = r"[^a-zA-Z0-9_\-./ ]"
_LONGEST_KEY = 150  # of the 255 bytes of a file name, with all that MLflow puts behind it
_THUMBNAIL_SIDE = 256
_MARKS_LOGGED_IMAGES = "mlflow.loggedImages"


class MLFlowSink(ClientSink):
    """Writes pictures where MLflow's image grid finds them, numbers as metrics, notes as text artifacts.

    Pictures are laid out as ``MlflowClient.log_image`` does it, but stored as they are and a whole look at once. What
    MLflow forbids in a key is written as its code, ``_x3a_`` for a colon. At the end of the run the page CNN Viz
    becomes the artifact ``report.html``.

    Args:
        client: the ``MlflowClient`` of the Trainer's ``MLFlowLogger``.
        run_id: the run to write to.
    """

    takes = (Picture, Scalar, Note, Look)

    def __init__(self, client: Any, run_id: str) -> None:
        super().__init__(client)
        self._report = RunReport(run_id)
        self._run_id = run_id
        self._files: dict[str, bytes] = {}
        self._metrics: list[tuple[str, float, int, int]] = []
        self._marked = False

    def write(self, artifact: Artifact, step: int) -> None:
        """Keeps the artifact until the end of the look, pictures as finished PNG or JPEG."""
        if isinstance(artifact, Look):
            self._report.add(artifact, step)
            return
        key, now = shortened(escape(artifact.tag, _FORBIDDEN), _LONGEST_KEY), round(time.time() * 1000)
        match artifact:
            case Picture():
                name = f"images/{key.replace('/', '~')}+step+{step}+timestamp+{now}+{uuid.uuid4()}"
                content = encode(artifact.image, artifact.format)
                self._files[f"{name}.{file_extension(content)}"] = content
                self._files[f"{name}+compressed.webp"] = _thumbnail(artifact.image)
            case Note():
                self._files[f"notes/{key}_{step:06d}.md"] = artifact.text.encode()
            case Scalar():
                self._metrics.append((key, artifact.value, now, step))

    def flush(self) -> None:
        """Logs what was kept."""
        from mlflow.entities import Metric  # noqa: PLC0415 - only there if the user has it

        files, self._files = self._files, {}
        metrics, self._metrics = self._metrics, []
        if metrics:
            self.client.log_batch(self._run_id, metrics=[Metric(*metric) for metric in metrics])
        if not files:
            return
        if not self._marked:
            self.client.set_tag(self._run_id, _MARKS_LOGGED_IMAGES, True)
            self._marked = True
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self.client.log_artifacts(self._run_id, folder)

    def finish(self) -> None:
        """Stores the page."""
        page = self._report.page()
        if page:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, REPORT)
                path.write_bytes(page)
                self.client.log_artifact(self._run_id, str(path))


def _thumbnail(image: RGB) -> bytes:
    """What the grid shows before a picture is opened."""
    from PIL import Image  # noqa: PLC0415

    small = Image.fromarray(image)
    small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    content = io.BytesIO()
    small.save(content, "webp")
    return content.getvalue()
