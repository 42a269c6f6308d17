"""Comet."""

from __future__ import annotations

import io

from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, Scalar
from lightning_cnnviz.output.encoding import encode, file_extension
from lightning_cnnviz.output.names import shortened
from lightning_cnnviz.output.sink import ClientSink

_LONGEST_METRIC = 100  # Comet cuts longer ones, to the same name where they begin alike


class CometSink(ClientSink):
    """Writes pictures to Graphics, numbers to Panels, notes to Text, each with its step.

    Args:
        client: the experiment of the Trainer's ``CometLogger``.
    """

    def write(self, artifact: Artifact, step: int) -> None:
        """Hands the artifact to Comet's own queue, pictures as finished PNG or JPEG."""
        match artifact:
            case Picture():
                content = encode(artifact.image, artifact.format)
                extension = file_extension(content)
                self.client.log_image(io.BytesIO(content), name=artifact.tag, image_format=extension, step=step)
            case Scalar():
                self.client.log_metric(shortened(artifact.tag, _LONGEST_METRIC), artifact.value, step=step)
            case Note():
                self.client.log_text(artifact.text, step=step, metadata={"tag": artifact.tag})
