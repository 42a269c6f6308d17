"""SwanLab."""

from __future__ import annotations

from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, Scalar
from lightning_cnnviz.output.names import escape
from lightning_cnnviz.output.sink import ClientSink

_FORBIDDEN = r"^\.|[\x00-\x1f]"


class SwanLabSink(ClientSink):
    """Writes pictures, numbers and notes as charts of a run.

    Args:
        client: the run of the Trainer's ``SwanLabLogger``.
    """

    def write(self, artifact: Artifact, step: int) -> None:
        """Logs the artifact; SwanLab encodes pictures itself."""
        import swanlab  # noqa: PLC0415 - only there if the user has it

        match artifact:
            case Picture():
                value = swanlab.Image(artifact.image)
            case Note():
                value = swanlab.Text(artifact.text)
            case Scalar():
                value = artifact.value
        self.client.log({escape(artifact.tag, _FORBIDDEN): value}, step=step)
