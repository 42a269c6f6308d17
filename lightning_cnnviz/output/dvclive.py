"""DVCLive."""

from __future__ import annotations

from lightning_cnnviz.output.artifacts import Artifact, Picture, Scalar
from lightning_cnnviz.output.names import escape, with_short_parts
from lightning_cnnviz.output.sink import ClientSink


class DVCLiveSink(ClientSink):
    """Writes pictures to ``<tag>/<step>.png``, which DVC shows with a slider, and numbers as metrics; no notes.

    Args:
        client: the ``Live`` of the Trainer's ``DVCLiveLogger``.
    """

    takes = (Picture, Scalar)

    def write(self, artifact: Artifact, step: int) -> None:
        """Logs the artifact; DVCLive encodes pictures itself."""
        from dvclive.plots import Metric  # noqa: PLC0415 - only there if the user has it
        from PIL import Image  # noqa: PLC0415

        path = with_short_parts(escape(artifact.tag, "\x00"))
        if isinstance(artifact, Picture):
            self.client.log_image(f"{path}/{step}.png", Image.fromarray(artifact.image))
        elif isinstance(artifact, Scalar):
            # Not by `log_metric`: the step that it takes from `Live` is the one of the training thread.
            metric = Metric(path, self.client.plots_dir)
            metric.step = step
            metric.dump(artifact.value)
