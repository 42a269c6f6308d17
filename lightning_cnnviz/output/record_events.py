"""The record in TensorBoard's event files: blobs under a plugin name of our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lightning_cnnviz.output.record import EncodedLook
from lightning_cnnviz.output.record_names import LOOK_TAG, PLUGIN, SETUP_TAG

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary


class RecordEvents:
    """Turns the looks of one event file into summaries; a setup is written once."""

    def __init__(self) -> None:
        self._written: set[str] = set()

    def summaries(self, encoded: EncodedLook) -> Iterator[Summary]:
        """What to add at the step of a look, setups first."""
        for name, blobs in encoded.setups.items():
            if name not in self._written:
                self._written.add(name)
                yield blob_summary(SETUP_TAG + name, blobs)
        yield blob_summary(LOOK_TAG, encoded.look)


def blob_summary(tag: str, blobs: Sequence[bytes]) -> Summary:
    """A summary that TensorBoard keeps as a sequence of blobs and shows nowhere but on our page."""
    # Here, because importing the package should cost next to nothing.
    from tensorboard.compat.proto.summary_pb2 import (  # noqa: PLC0415
        DATA_CLASS_BLOB_SEQUENCE,
        Summary,
        SummaryMetadata,
    )
    from tensorboard.compat.proto.tensor_pb2 import TensorProto  # noqa: PLC0415
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto  # noqa: PLC0415
    from tensorboard.compat.proto.types_pb2 import DT_STRING  # noqa: PLC0415

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(blobs))])
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=list(blobs))
    metadata = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN), data_class=DATA_CLASS_BLOB_SEQUENCE
    )
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])
