"""Draw every view of a small CNN that learns handwritten digits, and write the page that says how each is read.

    python docs/gallery.py

Writes docs/gallery.md and docs/images/gallery; a minute or two on one core, nothing to download.
"""

from __future__ import annotations

import re
import runpy
import tempfile
from pathlib import Path

from lightning.pytorch import Trainer, seed_everything
from PIL import Image

from lightning_cnnviz import (
    CAM,
    ActivationMaximization,
    Change,
    CNNVisualizer,
    ConfusionMatrix,
    Contrast,
    Drift,
    FeatureMaps,
    FileSink,
    Film,
    Filters,
    Flips,
    GradCAM,
    GuidedGradCAM,
    Predictions,
    Prototypes,
    Saliency,
    SampleCards,
    Timeline,
    TopPatches,
    View,
    WorstMistakes,
)
from lightning_cnnviz.views.base import how_to_read

PAGE = Path(__file__).with_name("gallery.md")
PICTURES = PAGE.parent / "images" / "gallery"
EXAMPLE = PAGE.parents[1] / "examples" / "mnist.py"
WIDTH, QUALITY = 500, 75
EPOCHS, BATCHES = 5, 40

# A view, how it is written, and which of its pictures is shown.
SHOWN: list[tuple[View, str, str]] = [
    (Predictions(), "Predictions()", "predictions"),
    (ConfusionMatrix(), "ConfusionMatrix()", "confusion_matrix"),
    (WorstMistakes(count=4), "WorstMistakes(count=4)", "worst_mistakes/*"),
    (SampleCards(most=3), "SampleCards()", "sample_cards/2"),
    (GradCAM(), "GradCAM()", "grad_cam/*"),
    (Contrast(), "Contrast()", "contrast/*"),
    (CAM(), "CAM()", "cam/*"),
    (Saliency(), "Saliency()", "saliency/gradient"),
    (GuidedGradCAM(), "GuidedGradCAM()", "guided_grad_cam/*"),
    (FeatureMaps("stage2", 6), 'FeatureMaps("stage2", 6)', "feature_maps/*"),
    (TopPatches("stage2"), 'TopPatches("stage2")', "top_patches/*"),
    (ActivationMaximization("stage2"), 'ActivationMaximization("stage2")', "activation_max/*"),
    (Film(Filters(), rows=5), "Film(Filters(), rows=5)", "film/filters/*"),
    (Prototypes(), "Prototypes()", "prototypes"),
    (Change(), "Change()", "change/grad_cam/*"),
    (Timeline(), "Timeline()", "timeline/grad_cam"),
    (Flips(), "Flips()", "flips"),
    (Drift(), "Drift()", ""),
]


def train(directory: Path) -> None:
    """Trains the example's network and leaves the pictures of every look."""
    example = runpy.run_path(str(EXAMPLE))
    seed_everything(0)
    callback = CNNVisualizer([view for view, _, _ in SHOWN], show=4, sinks=[FileSink(directory)], on_error="raise")
    trainer = Trainer(
        max_epochs=EPOCHS,
        limit_train_batches=BATCHES,
        accelerator="cpu",
        logger=False,
        callbacks=[callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(example["MnistCNN"](), datamodule=example["MnistDataModule"]())


def last_picture(directory: Path, tag: str) -> Path:
    """The picture of a tag at the last look that drew one."""
    return max(directory.glob(f"{tag}_[0-9]*.png"), key=lambda file: (int(file.stem.rpartition("_")[2]), file.name))


def small(file: Path, name: str) -> str:
    """Stores a picture at the width of a page; gives its place beside the page."""
    with Image.open(file) as picture:
        size = (WIDTH, round(picture.height * WIDTH / picture.width))
        shrunk = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    PICTURES.mkdir(parents=True, exist_ok=True)
    shrunk.save(PICTURES / f"{name}.jpg", quality=QUALITY)
    return f"images/gallery/{name}.jpg"


def section(view: View, written: str, picture: str) -> str:
    """What the page says of a view."""
    told = re.sub(r":\w+:`([^`]*)`", r"`\1`", how_to_read(view)).replace("``", "`")
    told = re.sub(r"^(How to read it|When it misleads):", r"**\1:**", told, flags=re.M)
    image = f'<img src="{picture}" width="{WIDTH}" alt="{written}">\n\n' if picture else ""
    return f"## {type(view).__name__}\n\n`{written}`\n\n{image}{told}\n"


def main() -> None:
    """Draws, and writes the page."""
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        sections = []
        for view, written, tag in SHOWN:
            place = small(last_picture(Path(folder), tag), type(view).__name__) if tag else ""
            sections.append(section(view, written, place))
    opening = (
        "# Gallery\n\nEvery view, of a small CNN that has seen a few thousand handwritten digits, and how it is read. "
        "`python docs/gallery.py` draws them and writes this page.\n\n"
        "In TensorBoard open **Images**, or CNN Viz: a picture is 350 pixels wide there, and its captions are made to "
        "be read at that width.\nThe page Time Series, which TensorBoard opens first, fits every picture into a "
        "height of some 215 pixels, in which a sheet of eight\nsamples is 80 wide and cannot be read; the button "
        '"Toggle actual image size" in the corner of a card helps for one picture.\n'
    )
    PAGE.write_text("\n".join([opening, *sections]))


if __name__ == "__main__":
    main()
