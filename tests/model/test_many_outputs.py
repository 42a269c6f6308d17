"""Models of libraries and of our own that return more than one tensor of class scores: the right one is explained."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import nn
from torchvision import models

from lightning_cnnviz import FixedSamples, GradCAM, Predictions, explain
from lightning_cnnviz.model.outputs.tensors import at, key_path
from lightning_cnnviz.model.probe import Probe
from tests.helpers.fingerprint import fingerprint
from tests.helpers.many_outputs import CLASSES, HUGGINGFACE, OUTPUTS, SEGMENTATION
from tests.helpers.model_shapes import Places

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize("name", SEGMENTATION)
def test_segmentation_of_torchvision(name: str) -> None:
    options, layer = SEGMENTATION[name]
    torch.manual_seed(0)
    model = models.get_model(name, weights=None, weights_backbone=None, num_classes=CLASSES, **options).eval()
    before = fingerprint(model)
    found = explain(model, FixedSamples(IMAGES), [Predictions(), GradCAM()])
    assert before.differences(fingerprint(model)) == []
    with torch.no_grad():
        expected = model(IMAGES)["out"].argmax(dim=1)
    assert torch.equal(found.arrays["predictions"], expected.float())
    assert found.arrays[f"grad_cam/{layer}"].abs().max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", HUGGINGFACE)
def test_networks_of_huggingface(name: str) -> None:
    task, options, size = HUGGINGFACE[name]
    torch.manual_seed(0)
    library = import_module("transformers")  # takes seconds, which only this test should
    model = getattr(library, f"{name}For{task}")(getattr(library, f"{name}Config")(**options)).eval()
    before = fingerprint(model)
    found = explain(model, FixedSamples(IMAGES), [Predictions(), GradCAM()])
    assert before.differences(fingerprint(model)) == []
    with torch.no_grad():
        logits = model(IMAGES).logits
    answer = logits.argmax(dim=1).float() if task == "SemanticSegmentation" else logits.softmax(dim=1)
    torch.testing.assert_close(found.arrays["predictions"], answer)
    [maps] = [values for tag, values in found.arrays.items() if tag.startswith("grad_cam/")]
    assert maps.shape == (2, *size)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OUTPUTS)
def test_of_several_outputs_the_scores_are_explained(kind: str) -> None:
    returned, key, names = OUTPUTS[kind]
    torch.manual_seed(0)
    model: nn.Module = Places(returned)
    samples = FixedSamples(IMAGES[..., :16, :16], class_names=names)
    path = key_path(key)
    layout = Probe(model).survey(samples)
    assert layout.reading.path == path
    found = explain(model, samples, [GradCAM(), Predictions()])
    named = explain(model, samples, [GradCAM(), Predictions()], output_key=key)
    assert found.arrays.keys() == named.arrays.keys()
    assert all(torch.equal(values, named.arrays[tag]) for tag, values in found.arrays.items())
    with torch.no_grad():
        scores = at(model(samples.images), path)
    if scores.ndim == 3:
        assert torch.equal(found.arrays["predictions"], (scores > 0).float())
        return
    expected = scores.argmax(dim=1).float() if scores.ndim == 4 else scores.softmax(dim=1)
    torch.testing.assert_close(found.arrays["predictions"], expected)


BOTH = Places(lambda m, x: (m.decoded(x), m.scores(x)))
MASKS = torch.zeros(2, 16, 16).long()
MASKS[:, 4:9, 4:9] = 2


@pytest.mark.parametrize(("labels", "path"), [(torch.tensor([0, 2]), (1,)), (MASKS, (0,))])
@pytest.mark.parametrize("turned", [False, True])
def test_of_masks_and_classes_those_are_explained_that_the_data_have(
    labels: torch.Tensor, path: tuple[int, ...], turned: bool
) -> None:
    model = Places(lambda m, x: (m.scores(x), m.decoded(x))) if turned else BOTH
    reading = Probe(model).survey(FixedSamples(IMAGES[..., :16, :16], labels)).reading
    assert reading.path == ((1 - path[0],) if turned else path)


@pytest.mark.slow
def test_in_vision_transformers_the_last_layer_is_what_a_block_takes_and_not_a_part_of_its_attention() -> None:
    """The patches of the last block's output are hidden by the class token."""
    library = import_module("transformers")
    torch.manual_seed(0)
    for name, layer in {"ViT": "vit.layers.1.layernorm_before", "Pvt": "pvt.encoder.block.3.0.layer_norm_1"}.items():
        options = HUGGINGFACE[name][1]
        model = getattr(library, f"{name}ForImageClassification")(getattr(library, f"{name}Config")(**options)).eval()
        assert Probe(model).survey(FixedSamples(IMAGES)).maps("last") == (layer,)
        kinds = {type(module).__name__ for path, module in model.named_modules() if path == layer}
        assert kinds == {"LayerNorm"}


@pytest.mark.slow
def test_the_weights_of_attention_are_no_maps() -> None:
    """Sixteen tokens have as many rows of attention as other maps are wide."""
    library = import_module("transformers")
    torch.manual_seed(0)
    windows = {"embed_dim": 16, "depths": [1, 2, 1], "num_heads": [2, 4, 4], "window_size": 4, "image_size": 64}
    swin = library.Swinv2ForImageClassification(library.Swinv2Config(**windows, num_labels=CLASSES)).eval()
    layers = Probe(swin).survey(FixedSamples(IMAGES)).maps("auto")
    assert not [layer for layer in layers if "attention" in layer]
    mobile = library.MobileViTV2Config(image_size=64, width_multiplier=0.25, num_labels=CLASSES)
    layout = Probe(library.MobileViTV2ForImageClassification(mobile).eval()).survey(FixedSamples(IMAGES))
    sizes = [layout[layer].spatial for layer in layout.maps("auto")]
    assert all(height == width for height, width in filter(None, sizes)), sizes
