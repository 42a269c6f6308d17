"""TensorBoard's event files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lightning_cnnviz.output.artifacts import Artifact, Look, Note, Picture, Scalar
from lightning_cnnviz.output.disk import check_room, is_remote
from lightning_cnnviz.output.encoding import encode
from lightning_cnnviz.output.event_records import use_fast_checksums
from lightning_cnnviz.output.look_record import encoded
from lightning_cnnviz.output.record_events import RecordEvents
from lightning_cnnviz.output.run_report import ReportFile
from lightning_cnnviz.output.sink import ClientSink
from lightning_cnnviz.output.story import place

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard.writer import FileWriter


class TensorBoardSink(ClientSink):
    """Writes to an open TensorBoard writer: pictures to Images, scalars to Scalars, notes to Text, looks to CNN Viz.

    Beside the event file, unless that is elsewhere as on S3, it keeps ``report.html``: the page CNN Viz as one file.

    Args:
        client: the ``SummaryWriter`` of the Trainer's own logger.
    """

    takes = (Picture, Scalar, Note, Look)

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        # On the thread of the training: a writer that was closed, as after `fit`, opens a file at its next use, and two
        # threads at once would open two, of which one is never written out.
        client._get_file_writer()
        self._records = RecordEvents()
        self._report: ReportFile | None = None

    def write(self, artifact: Artifact, step: int) -> None:
        """Hands the artifact to TensorBoard's own queue, pictures as finished PNG or JPEG.

        Raises:
            OSError: the event file cannot be written to, or the disk is all but full.
        """
        file_writer = self.client._get_file_writer()
        _check_event_file(file_writer)
        match artifact:
            case Picture():
                use_fast_checksums(file_writer)
                file_writer.add_summary(_image_summary(artifact), global_step=step)
            case Look():
                use_fast_checksums(file_writer)
                for summary in self._records.summaries(encoded(artifact, step)):
                    file_writer.add_summary(summary, global_step=step)
                self._add_to_report(artifact, step, str(file_writer.get_logdir()))
            case Scalar():
                self.client.add_scalar(artifact.tag, artifact.value, step)
            case Note():
                self.client.add_text(artifact.tag, artifact.text, step)

    def flush(self) -> None:
        """Waits until TensorBoard's queue is on the disk; an error of an earlier write is raised here at the latest."""
        if self._client is not None:
            self._client.flush()
        if self._report is not None:
            self._report.renew()

    def finish(self) -> None:
        """Completes the report."""
        if self._report is not None:
            self._report.complete()

    def _add_to_report(self, look: Look, step: int, directory: str) -> None:
        if self._report is None:
            self._report = ReportFile(directory)
        self._report.add(look, step)


def _check_event_file(file_writer: FileWriter) -> None:
    """Raises OSError in time: what fails inside TensorBoard is raised from the next write, which may be Lightning's."""
    directory = str(file_writer.get_logdir())
    if is_remote(directory):  # where there is always room, and opening a file costs a round trip
        return
    check_room(directory)
    path = getattr(file_writer.event_writer, "_file_name", None)
    if path is not None:
        # TensorBoard opens the file for every record. No creation: a new file would begin without its header.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def _image_summary(picture: Picture) -> Summary:
    # Here, because importing the package should cost next to nothing.
    from tensorboard.compat.proto.summary_pb2 import (  # noqa: PLC0415
        DATA_CLASS_BLOB_SEQUENCE,
        Summary,
        SummaryMetadata,
    )

    height, width, channels = picture.image.shape
    encoded = encode(picture.image, picture.format)
    image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded)
    tag = place(picture.tag, picture.chapter) if picture.chapter else picture.tag
    metadata = SummaryMetadata(
        display_name=picture.tag,
        summary_description=picture.description,
        plugin_data=SummaryMetadata.PluginData(plugin_name="images"),
        data_class=DATA_CLASS_BLOB_SEQUENCE,  # without it TensorBoard's fast server makes metadata of its own
    )
    return Summary(value=[Summary.Value(tag=tag, image=image, metadata=metadata)])
