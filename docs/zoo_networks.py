"""The networks that ``docs/zoo.py`` looks at, by library: names, and what builds them with random weights."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import TypeAlias

import timm
import torch
from torch import nn
from torchvision import models

from tests.helpers.many_outputs import HUGGINGFACE

Networks: TypeAlias = Iterator[tuple[str, Callable[[], nn.Module]]]

SMALLEST_OF_FAMILY = 5
MOST_OF_FAMILY = 12
MOST_PARAMETERS = 40_000_000
BIG = re.compile(
    r"large|huge|giant|base|xl|[_0-9]b[3-9]|_l$|_m$|_l_|1[0-9][0-9]|2[0-9][0-9]|3[0-9][0-9]|64x|32x|_[0-9]{3}gf"
)
TIMM_FAMILIES = """
    byobnet convnext cspnet densenet dla dpn edgenext efficientnet efficientvit_mit fasternet ghostnet
    hardcorenas hgnet hrnet inception_next inception_resnet_v2 inception_v3 inception_v4 mambaout metaformer
    mobilenetv3 mobilenetv5 nasnet nextvit pnasnet rdnet regnet repghost repvit res2net resnest resnet resnetv2
    rexnet selecsls senet shvit sknet starnet tresnet vgg visformer vovnet xception xception_aligned convmixer
    fastvit focalnet swiftformer csatv2 gcvit
""".split()  # noqa: SIM905 - as a list it takes fifty lines


def torchvision_networks() -> Networks:
    """All classification networks; vision transformers are built for four by four patches."""
    for name in models.list_models(module=models):
        options = {"image_size": 4 * int(name.rpartition("_")[2])} if name.startswith("vit_") else {}
        if name in ("googlenet", "inception_v3"):
            options = {"init_weights": True}  # says nothing new, and keeps torchvision from warning
        yield name, partial(models.get_model, name, weights=None, **options)


def timm_networks() -> Networks:
    """The smallest convolutional networks of each of timm's convolutional families."""
    for family in TIMM_FAMILIES:
        names = [name for name in timm.list_models(module=family) if not BIG.search(name)]
        sizes = {name: size for name in names[:MOST_OF_FAMILY] if (size := convolutional_size(name)) is not None}
        for name in sorted(sizes, key=lambda name: sizes[name])[:SMALLEST_OF_FAMILY]:
            if sizes[name] <= MOST_PARAMETERS:
                yield name, partial(timm.create_model, name, pretrained=False)


def convolutional_size(name: str) -> int | None:
    """How many parameters a network of timm has, None if it is no CNN or cannot be built without memory."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = timm.create_model(name, pretrained=False)
    except Exception:  # some compute with their weights while they are built
        return None
    return sum(parameter.numel() for parameter in model.parameters()) if is_convolutional(model) else None


def is_convolutional(model: nn.Module) -> bool:
    """Whether a network is made of convolutions, without attention between places."""
    kinds = [type(module).__name__.lower() for module in model.modules()]
    attends = any("attention" in kind or kind.endswith("attn") for kind in kinds)
    return not attends and sum(isinstance(module, nn.Conv2d) for module in model.modules()) > 3


def segmentation_networks() -> Networks:
    """All segmentation networks of torchvision, with auxiliary heads where they have one."""
    for name in models.list_models(module=models.segmentation):
        options = {} if name.startswith("lraspp") else {"aux_loss": True}
        yield name, partial(models.get_model, name, weights=None, weights_backbone=None, **options)


def huggingface_networks() -> Networks:
    """Small configurations of HuggingFace's classes."""
    library = import_module("transformers")
    for name, (task, options, _) in HUGGINGFACE.items():
        build = getattr(library, f"{name}For{task}")
        yield (
            build.__name__,
            partial(lambda build, config: build(config), build, getattr(library, f"{name}Config")(**options)),
        )


LIBRARIES: Mapping[str, Callable[[], Networks]] = {
    "torchvision": torchvision_networks,
    "torchvision, segmentation": segmentation_networks,
    "HuggingFace": huggingface_networks,
    "timm": timm_networks,
}
