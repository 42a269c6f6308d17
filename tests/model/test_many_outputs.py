"""Models of libraries and of our own that return more than one tensor of class scores: the right one is explained."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import nn
from torchvision import models

from lightning_cnnviz import FixedSamples, GradCAM, Predictions, explain
from lightning_cnnviz.model.outputs import at, key_path
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
    expected = scores.argmax(dim=1).float() if scores.ndim == 4 else scores.softmax(dim=1)
    torch.testing.assert_close(found.arrays["predictions"], expected)
