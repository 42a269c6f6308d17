"""Images are handed to a model in the form in which its batches hold them, where it takes no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import Explanation, FixedSamples, Predictions, Saliency, explain
from lightning_cnnviz.samples import read_batch
from lightning_cnnviz.samples.forms import Form
from lightning_cnnviz.samples.origin import Origin
from tests.helpers.model_shapes import Net, logits

PIXELS = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
BYTES = (PIXELS * 255).byte()


def looked_at(model: nn.Module, batch: Tensor) -> Explanation:
    """What is found of a model that was never changed, and its answer to the batch itself."""
    found = read_batch((batch, torch.tensor([0, 1, 2, 0])))
    samples = FixedSamples(found.images, found.truth.labels if found.truth else None)
    return explain(model, samples._with(origin=replace(Origin(), form=found.form)), [Predictions()])


def _bytes_only(net: Net, images: Tensor) -> Tensor:
    return net.scores(images.float() / 255 if images.dtype == torch.uint8 else images)


MODELS: dict[str, tuple[Callable[[Net, Tensor], Tensor], Tensor]] = {
    "channels last": (lambda m, x: m.scores(x.permute(0, 3, 1, 2)), PIXELS.permute(0, 2, 3, 1)),
    "a place of a dense network, channels last": (lambda m, x: x.flatten(1)[:, :3] * 9, PIXELS.permute(0, 2, 3, 1)),
    "channels last before forward": (logits, PIXELS.permute(0, 2, 3, 1)),
    "all frames": (
        lambda m, x: m.scores(x.flatten(0, 1)).view(*x.shape[:2], -1).mean(1),
        PIXELS[:, None].repeat(1, 5, 1, 1, 1),
    ),
    "bytes": (lambda m, x: m.scores(x.float() / 255), BYTES),
    "bytes divided, floats not": (_bytes_only, BYTES),
    "nothing but bytes": (lambda m, x: m.scores((x >> 1).float()), BYTES),
    "bytes in another way": (lambda m, x: m.scores(x / 7 if x.dtype == torch.uint8 else x / 9), BYTES),
    "bytes, channels last": (lambda m, x: _bytes_only(m, x.permute(0, 3, 1, 2)), BYTES.permute(0, 2, 3, 1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_explained_is_the_answer_to_the_batch(name: str) -> None:
    answer, batch = MODELS[name]
    torch.manual_seed(0)
    net = Net(answer)
    given = batch.permute(0, 3, 1, 2) if name.endswith("before forward") else batch
    found = looked_at(net, batch)
    with torch.no_grad():
        torch.testing.assert_close(found.arrays["predictions"], net(given).softmax(dim=1))


def test_one_view_that_stands_for_several_is_told() -> None:
    answer, batch = MODELS["all frames"]
    assert any("takes 5 views or frames" in remark for remark in looked_at(Net(answer), batch).remarks)


def test_bytes_that_the_step_may_divide_are_told_and_divided_as_the_user_says() -> None:
    torch.manual_seed(0)
    net = Net(logits)
    samples = FixedSamples(BYTES.float(), origin=Origin(Form(torch.uint8)))
    told = "the batches hold bytes, which the model does not take: it is given them as 0.0 to 255.0"
    assert [remark for remark in explain(net, samples, [Predictions()]).remarks if told in remark]
    found = explain(net, samples, [Predictions()], forward=lambda model, images: model(images / 255))
    assert not [remark for remark in found.remarks if told in remark]
    with torch.no_grad():
        torch.testing.assert_close(found.arrays["predictions"], net(BYTES / 255).softmax(dim=1))
    taken = explain(Net(lambda m, x: m.scores(x.float())), samples, [Predictions()])
    assert not [remark for remark in taken.remarks if told in remark]


def test_a_model_that_takes_batches_of_one_size_only() -> None:
    torch.manual_seed(0)
    net = Net(lambda m, x: m.head(m.pooled(x).view(4, 8)))
    images = PIXELS.repeat(2, 1, 1, 1)
    form = read_batch(PIXELS).form
    assert form.batch == 4
    with pytest.raises(ValueError, match="the model takes batches of 4 images only: samples=4 looks at so many"):
        explain(net, FixedSamples(images, origin=Origin(form)), [Predictions()])
    with pytest.raises(ValueError, match="was given one batch of images"):
        explain(net, FixedSamples(images, origin=Origin(replace(form, batch=5))), [Predictions()])
    found = explain(net, FixedSamples(PIXELS), [Predictions(), Saliency()])
    with torch.no_grad():
        torch.testing.assert_close(found.arrays["predictions"], net(PIXELS).softmax(dim=1))
    assert "saliency/gradient" in found.arrays


def test_gradients_reach_images_that_the_model_would_take_as_bytes() -> None:
    torch.manual_seed(0)
    net = Net(_bytes_only)
    found = read_batch((BYTES,))
    samples = FixedSamples(found.images)._with(origin=replace(Origin(), form=found.form))
    of_bytes = explain(net, samples, [Saliency()], target=1).arrays["saliency/gradient"]
    of_shares = explain(net, FixedSamples(found.images / 255), [Saliency()], target=1).arrays["saliency/gradient"]
    torch.testing.assert_close(of_bytes * 255, of_shares)


def test_a_model_of_volumes_is_refused() -> None:
    with pytest.raises(ValueError, match="takes volumes or videos, which cannot be drawn"):
        looked_at(nn.Sequential(nn.Conv3d(5, 2, 3)), MODELS["all frames"][1])


@pytest.mark.parametrize(
    ("run_out", "kind", "words"),
    [
        (lambda: torch.empty(2**60), RuntimeError, "^.*DefaultCPUAllocator"),
        (lambda: raise_error(torch.OutOfMemoryError("CUDA out of memory")), torch.OutOfMemoryError, "^CUDA out of"),
        (lambda: raise_error(MemoryError("none left")), MemoryError, "^none left$"),
    ],
    ids=["memory", "memory_of_the_device", "memory_of_python"],
)
def test_no_memory_for_the_first_call_is_no_other_way_to_call_the_model(
    run_out: Callable[[], object], kind: type[Exception], words: str
) -> None:
    def forward(images: Tensor) -> Tensor:
        calls.append(len(images))
        run_out()
        return images

    calls: list[int] = []
    with pytest.raises(kind, match=words):
        explain(nn.Conv2d(3, 2, 1), torch.rand(8, 3, 4, 4), forward=forward)
    assert calls == [3]


def raise_error(error: Exception) -> None:
    raise error
