"""Make the small pictures of the README from a run of ``mnist.py``.

python examples/thumbnails.py lightning_logs/version_0 docs/images
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_cnnviz.output.story import without_place

WIDTH, HEIGHT = 260, 200  # a picture that is taller is cut off below


def thumbnail(encoded: bytes) -> bytes:
    """The upper part of a PNG picture as a small JPEG."""
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[:HEIGHT], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the small pictures of the README from a run of mnist.py.")
    parser.add_argument("run", type=Path, help="folder with the event file of the run")
    parser.add_argument("directory", type=Path, help="where the small pictures go")
    options = parser.parse_args()
    events = EventAccumulator(str(options.run), size_guidance={"images": 0})
    events.Reload()
    options.directory.mkdir(parents=True, exist_ok=True)
    for tag in events.Tags()["images"]:
        name = without_place(tag).partition("/")[0]
        last = events.Images(tag)[-1]
        (options.directory / f"{name}.jpg").write_bytes(thumbnail(last.encoded_image_string))


if __name__ == "__main__":
    main()
