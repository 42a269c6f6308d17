"""Networks of libraries, and models of our own that return several tensors, with what is to be explained of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.helpers.model_shapes import ModelOutput, Places

CLASSES = 5

SEGMENTATION: dict[str, tuple[dict[str, Any], str]] = {
    "lraspp_mobilenet_v3_large": ({}, "classifier.cbr"),
    "deeplabv3_mobilenet_v3_large": ({"aux_loss": True}, "classifier.3"),
    "deeplabv3_resnet50": ({"aux_loss": True}, "classifier.3"),
    "deeplabv3_resnet101": ({"aux_loss": True}, "classifier.3"),
    "fcn_resnet50": ({"aux_loss": True}, "classifier.3"),
    "fcn_resnet101": ({"aux_loss": True}, "classifier.3"),
}
"""Networks of torchvision with their options and the layer that Grad-CAM takes."""

SMALL: dict[str, Any] = {"num_labels": CLASSES}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], **SMALL}
PATCHES: dict[str, Any] = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    **{"image_size": 64, "patch_size": 16, **SMALL},
}
WINDOWS: dict[str, Any] = {
    **{"embed_dim": 16, "depths": [2, 2, 2], "num_heads": [2, 4, 4], "window_size": 4, "image_size": 64, **SMALL}
}
HEADS: dict[str, Any] = {"num_attention_heads": [1, 1, 2, 2]}
HUGGINGFACE: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "ResNet": ("ImageClassification", {"embedding_size": 8, "layer_type": "basic", **STAGES}, (2, 2)),
    "RegNet": ("ImageClassification", {"embedding_size": 8, "groups_width": 8, **STAGES}, (2, 2)),
    "ConvNext": ("ImageClassification", STAGES, (2, 2)),
    "MobileNetV2": ("ImageClassification", {"depth_multiplier": 0.35, **SMALL}, (2, 2)),
    "ViT": ("ImageClassification", PATCHES, (4, 4)),
    "Beit": ("ImageClassification", PATCHES, (4, 4)),
    "Dinov2": ("ImageClassification", PATCHES, (4, 4)),
    "Swin": ("ImageClassification", WINDOWS, (4, 4)),
    "Pvt": ("ImageClassification", {"image_size": 64, **HEADS, **STAGES}, (2, 2)),
    "DeiT": ("ImageClassification", PATCHES, (4, 4)),
    "Data2VecVision": ("ImageClassification", PATCHES, (4, 4)),
    "ConvNextV2": ("ImageClassification", STAGES, (2, 2)),
    "Swinv2": ("ImageClassification", WINDOWS, (4, 4)),
    "PvtV2": ("ImageClassification", {"image_size": 64, **HEADS, **STAGES}, (2, 2)),
    "FocalNet": ("ImageClassification", {"image_size": 64, "embed_dim": 16, "depths": [1, 1, 2, 1], **SMALL}, (2, 2)),
    "PoolFormer": ("ImageClassification", STAGES, (2, 2)),
    "SwiftFormer": (
        "ImageClassification",
        {"embed_dims": [16, 16, 32, 32], "depths": [1, 1, 1, 1], **SMALL},
        (2, 2),
    ),
    "MobileViTV2": ("ImageClassification", {"image_size": 64, "width_multiplier": 0.25, **SMALL}, (2, 2)),
    "Hiera": (
        "ImageClassification",
        {
            **{"image_size": [64, 64], "embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4]},
            **{"masked_unit_size": [8, 8], **SMALL},
        },
        (2, 2),
    ),
    "Segformer": ("SemanticSegmentation", {"decoder_hidden_size": 16, **HEADS, **STAGES}, (2, 2)),
}
"""Networks of HuggingFace: their task, a small configuration, and the size of the maps of their last layer."""


def student_and_teacher(model: Places, images: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        teacher = model.scores(images.flip(-1))
    return {"student": model.scores(images), "teacher": teacher}


NAMES = ["cat", "dog", "cow"]


class Answer:
    """An object of a class of one's own."""

    def __init__(self, scores: Tensor, maps: Tensor) -> None:
        self.scores, self.maps, self._of = scores, maps, "images"


def image_and_code(model: Places, images: Tensor) -> tuple[Tensor, Tensor]:
    """What an autoencoder makes of an image, and the code of which it makes that."""
    code = model.mean(model.pooled(images))
    return model.decode(model.up(model.maps(images) + code.mean(dim=1)[:, None, None, None])), code


OUTPUTS: dict[str, tuple[Callable[[Any, Tensor], Any], str, list[str] | None]] = {
    "logits, maps": (lambda m, x: (m.scores(x), m.maps(x)), "0", NAMES),
    "maps, logits": (lambda m, x: (m.maps(x), m.scores(x)), "1", NAMES),
    "loss and logits by name": (lambda m, x: {"loss": m.scores(x).mean(), "logits": m.scores(x)}, "logits", None),
    "masks and classes": (lambda m, x: {"masks": m.decoded(x), "classes": m.scores(x)}, "classes", NAMES),
    "nested": (lambda m, x: ((m.pooled(x), m.scores(x)), m.decoded(x)), "0.1", NAMES),
    "boxes and classes": (lambda m, x: {"boxes": m.mean(m.pooled(x)), "classes": m.scores(x)}, "classes", NAMES),
    "age and class": (lambda m, x: [m.pooled(x).mean(dim=1, keepdim=True), m.scores(x)], "1", NAMES),
    "an object with hidden states": (lambda m, x: ModelOutput(m.scores(x), (m.maps(x), m.pooled(x))), "logits", None),
    "main and auxiliary": (lambda m, x: (m.scores(x), m.head(m.maps(x).amax(dim=(2, 3)))), "0", NAMES),
    "deep supervision": (lambda m, x: [m.decoded(x), F.avg_pool2d(m.decoded(x), 2)], "0", None),
    "student and teacher": (student_and_teacher, "student", NAMES),
    "code and image": (lambda m, x: image_and_code(m, x)[::-1], "1", None),
    "features and scores": (lambda m, x: (m.pooled(x), m.scores(x)), "1", None),
    "scores, and some of them": (lambda m, x: (m.scores(x), m.scores(x)[:, :2]), "0", None),
    "an object of one's own": (lambda m, x: Answer(m.scores(x), m.maps(x)), "scores", NAMES),
    "one score for each pixel": (lambda m, x: {"mask": m.decoded(x)[:, 0]}, "mask", None),
}
"""What a model returns, where its scores are, and names of the classes if they are known."""
