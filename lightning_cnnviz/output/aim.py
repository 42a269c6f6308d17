"""Aim."""

from __future__ import annotations

from lightning_cnnviz.output.artifacts import Artifact, Note, Picture, Scalar
from lightning_cnnviz.output.sink import ClientSink

_CONTEXT = {"subset": "val"}
"""As Aim's Lightning logger gives to what was found in validation."""


class AimSink(ClientSink):
    """Writes pictures, numbers and notes as sequences of a run, in the context of validation.

    Aim's explorer shows what was written so far once the run is closed, or after ``aim storage reindex``.

    Args:
        client: the run of the Trainer's ``AimLogger``.
    """

    def write(self, artifact: Artifact, step: int) -> None:
        """Tracks the artifact; Aim encodes pictures itself."""
        import aim  # noqa: PLC0415 - only there if the user has it
        from PIL import Image  # noqa: PLC0415

        match artifact:
            case Picture():
                value = aim.Image(Image.fromarray(artifact.image), format="png")
            case Note():
                value = aim.Text(artifact.text)
            case Scalar():
                value = artifact.value
        self.client.track(value, name=artifact.tag, step=step, context=_CONTEXT)
