"""What a call of the user's model leaves behind: nothing, whatever the model does and however the call ends."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz import FixedSamples, GradCAM, Saliency, explain
from lightning_cnnviz.model.isolation import isolated, placement
from tests.helpers.fingerprint import fingerprint
from tests.helpers.regime_models import BackwardHooks, CountsCalls, DrawsInForward, LogsInForward, ReassignsBuffer
from tests.helpers.training import SmallCNN

IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def change_nothing(model: SmallCNN) -> None:
    pass


def keep_gradient(model: SmallCNN) -> None:
    model.head.weight.grad = torch.zeros_like(model.head.weight)


def add_hook(model: SmallCNN) -> None:
    model.stem.register_forward_hook(lambda module, inputs, output: None)


def fill(model: SmallCNN) -> None:
    model.stem[1].running_mean.fill_(5.0)


def rebind(model: SmallCNN) -> None:
    model.head.weight = nn.Parameter(model.head.weight.detach().clone())


def add_attribute(model: SmallCNN) -> None:
    model.stem.note = "seen"


def add_to_container(model: SmallCNN) -> None:
    model.notes.append("seen")


CHANGES: dict[str, Callable[[SmallCNN], Any]] = {
    "parameters": lambda model: model.head.weight.data.mul_(1.0 + 1e-6),
    "parameters: head.bias": lambda model: model.head.bias.requires_grad_(False),
    "parameters: head.weight": lambda model: model.head.weight.register_hook(lambda gradient: None),
    "gradients": keep_gradient,
    "buffers": fill,
    "modes": lambda model: model.dropout.eval(),
    "hooks": add_hook,
    "attributes": rebind,
    "attributes: stem.note": add_attribute,
    "attributes: .notes": add_to_container,
    "generators: torch": lambda model: torch.rand(1),
    "generators: numpy": lambda model: np.random.rand(),  # noqa: NPY002
    "generators: python": lambda model: random.random(),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_fingerprint_sees_a_change_in_each_of_its_fields(expected: str) -> None:
    model = SmallCNN()
    model.notes = ["kept"]
    before = fingerprint(model)

    CHANGES[expected](model)

    assert any(difference.startswith(expected) for difference in before.differences(fingerprint(model)))


FLAGS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "default dtype": (lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)),
    "grad": (lambda: torch.set_grad_enabled(False), lambda: torch.set_grad_enabled(True)),
    "anomaly": (
        lambda: torch.autograd.set_detect_anomaly(True),
        lambda: torch.autograd.set_detect_anomaly(False),
    ),
    "determinism": (
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.use_deterministic_algorithms(False),
    ),
    "threads": (lambda: torch.set_num_threads(2), lambda: torch.set_num_threads(1)),
    "autocast": (
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.set_autocast_enabled("cpu", False),
    ),
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("flag", FLAGS)
def test_fingerprint_sees_a_change_of_a_global_flag(flag: str) -> None:
    change, undo = FLAGS[flag]
    model = SmallCNN()
    before = fingerprint(model)
    change()
    try:
        after = fingerprint(model)
    finally:
        undo()

    assert before.differences(after) == [f"flags: {flag}"]


MODELS = [SmallCNN, CountsCalls, DrawsInForward, ReassignsBuffer, BackwardHooks, LogsInForward]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("ending", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_pass_leaves_no_trace_however_it_ends(
    make: Callable[[], nn.Module], ending: type[BaseException] | None
) -> None:
    model = make()
    before = fingerprint(model)

    with nullcontext() if ending is None else pytest.raises(ending), isolated(model):
        images = IMAGES.clone().requires_grad_()
        torch.autograd.grad(model(images).sum(), images)
        random.random()
        np.random.rand()  # noqa: NPY002
        if ending is not None:
            raise ending

    assert before.differences(fingerprint(model)) == []


class ExchangesEntries(SmallCNN):
    """Puts something else into each of its containers, whose length stays."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = deque(["old", "older"], maxlen=2)
        self.notes, self.names, self.table = ["old"], {"old"}, {"key": "old", "last": "old"}

    def forward(self, images: Tensor) -> Tensor:
        self.queue.append("new")
        self.notes[0] = "new"
        self.names.remove("old")
        self.names.add("new")
        self.table["key"] = "new"
        return super().forward(images)


def test_containers_are_as_before_even_if_their_length_never_changed() -> None:
    model = ExchangesEntries()
    containers = model.queue, model.notes, model.names, model.table

    explain(model, IMAGES, [GradCAM()])

    assert [*model.queue] == ["old", "older"]
    assert (model.notes, model.names, model.table) == (["old"], {"old"}, {"key": "old", "last": "old"})
    now = model.queue, model.notes, model.names, model.table
    assert all(before is after for before, after in zip(containers, now, strict=True))


class RaisesHalfWay(CountsCalls):
    """Fails between its two blocks, when half of its counters have moved."""

    def forward(self, images: Tensor) -> Tensor:
        self.notes = self.stem(images)
        torch.rand(3)
        raise RuntimeError("half-way")


def test_a_model_that_raises_half_way_is_as_before() -> None:
    model = RaisesHalfWay()
    before = fingerprint(model)

    with pytest.raises(ValueError, match="raised RuntimeError: half-way") as raised:
        explain(model, IMAGES)
    assert isinstance(raised.value.__cause__, RuntimeError)

    assert before.differences(fingerprint(model)) == []


def test_a_target_that_raises_leaves_no_trace() -> None:
    def target(scores: Tensor) -> Tensor:
        torch.rand(3)
        raise RuntimeError("no target")

    model = SmallCNN()
    before = fingerprint(model)

    with pytest.raises(RuntimeError, match="no target"):
        explain(model, IMAGES, target=target)

    assert before.differences(fingerprint(model)) == []


def test_inside_the_model_is_in_evaluation_mode_and_random_numbers_repeat() -> None:
    model = DrawsInForward()
    answers = []
    for _ in range(2):
        with isolated(model):
            assert not any(module.training for module in model.modules())
            answers.append(model(IMAGES))
        torch.rand(5), np.random.rand(5), random.random()  # noqa: NPY002

    assert torch.equal(*answers)


def test_gradients_under_no_grad_and_under_inference_mode_equal_the_ordinary_ones() -> None:
    model, samples = SmallCNN().eval(), FixedSamples(IMAGES)
    images = IMAGES.clone().requires_grad_()
    expected = torch.autograd.grad(model(images).amax(dim=1).sum(), images)[0]

    with torch.no_grad():
        under_no_grad = explain(model, samples, [Saliency()]).arrays["saliency/gradient"]
    with torch.inference_mode():
        under_inference = explain(model, samples, [Saliency()]).arrays["saliency/gradient"]

    torch.testing.assert_close(under_no_grad, expected)
    torch.testing.assert_close(under_inference, expected)


def test_samples_made_under_inference_mode_serve() -> None:
    with torch.inference_mode():
        samples = FixedSamples(IMAGES.clone())

    assert explain(SmallCNN(), samples, [GradCAM()]).arrays["grad_cam/body"].shape == (4, 4, 4)


def test_samples_copied_under_inference_mode_serve() -> None:
    with torch.inference_mode():
        samples = copy.deepcopy(FixedSamples(IMAGES.clone()))
        assert samples.images.is_inference()

    assert explain(SmallCNN(), samples, [GradCAM()]).arrays["grad_cam/body"].shape == (4, 4, 4)


def test_a_model_made_under_inference_mode_is_explained() -> None:
    with torch.inference_mode():
        model = CountsCalls()
        model.running = torch.zeros(())
    ordinary = CountsCalls()
    ordinary.load_state_dict(model.state_dict())
    before = fingerprint(model)

    maps = explain(model, IMAGES, [GradCAM()]).arrays["grad_cam/body"]

    torch.testing.assert_close(maps, explain(ordinary, IMAGES, [GradCAM()]).arrays["grad_cam/body"])
    assert before.differences(fingerprint(model)) == []


def test_a_model_without_parameters_can_be_called() -> None:
    model = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    with isolated(model):
        assert model(IMAGES).shape == (4, 4)
    assert placement(model) == (torch.device("cpu"), torch.float32)


def test_double_precision_models_get_double_precision() -> None:
    # As under Lightning's "64-true", where a matrix product with a new tensor of another precision would be refused.
    class MakesTensors(SmallCNN):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) @ torch.eye(3)

    assert explain(MakesTensors().double(), IMAGES, [Saliency()]).arrays["saliency/gradient"].shape == IMAGES.shape
    assert torch.get_default_dtype() == torch.float32


def test_users_backward_hooks_do_not_see_our_gradients() -> None:
    model, seen = SmallCNN(), []
    model.body.register_full_backward_hook(lambda module, given, received: seen.append("full"))
    model.body.register_full_backward_pre_hook(lambda module, received: seen.append("before"))

    explain(model, IMAGES, [Saliency(), GradCAM()])
    assert seen == []

    model(IMAGES.clone().requires_grad_()).sum().backward()
    assert seen == ["before", "full"]


def test_autocast_around_us_does_not_reach_the_look() -> None:
    # Half precision makes small gradients zero, so what is drawn would depend on where we are called from.
    model = SmallCNN()
    expected = explain(model, IMAGES, [Saliency()]).arrays["saliency/gradient"]

    with torch.autocast("cpu", torch.bfloat16):
        found = explain(model, IMAGES, [Saliency()]).arrays["saliency/gradient"]

    assert torch.equal(found, expected)


class NotANumber(SmallCNN):
    """Its gradient is not a number, as in a training that has diverged."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + (0 * images.sum()).sqrt()


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_anomaly_detection_does_not_stop_a_look_at_a_model_that_has_diverged() -> None:
    model = NotANumber()
    with torch.autograd.detect_anomaly():
        found = explain(model, IMAGES, [Saliency()]).arrays["saliency/gradient"]

    assert found.isnan().any()


WRITES: dict[str, Callable[[Tensor], Any]] = {
    "in place": lambda tensor: tensor.detach().add_(1),
    "data": lambda tensor: tensor.data.add_(1),
    "data assigned": lambda tensor: setattr(tensor, "data", tensor.data + 1),
    "numpy": lambda tensor: tensor.detach().numpy().__iadd__(1),
    "resized": lambda tensor: tensor.data.resize_(500).fill_(2),
    "set": lambda tensor: tensor.data.set_(torch.zeros(3)),
}
HELD: dict[str, Callable[[SmallCNN], Tensor]] = {
    "parameter": lambda model: model.head.weight,
    "buffer": lambda model: model.stem[1].running_mean,
    "attribute": lambda model: model.loose,
    "list": lambda model: model.kept[0],
    "dict": lambda model: model.table["key"],
}


@pytest.mark.parametrize("where", HELD)
@pytest.mark.parametrize("way", WRITES)
def test_whatever_way_a_tensor_is_written_it_comes_back(way: str, where: str) -> None:
    model = SmallCNN()
    model.loose, model.kept, model.table = torch.ones(3), [torch.ones(3)], {"key": torch.ones(3)}
    tensor = HELD[where](model)
    kept = tensor.detach().clone()

    with isolated(model):
        WRITES[way](tensor)

    assert HELD[where](model) is tensor
    assert torch.equal(tensor, kept)
    assert all(module.training for module in model.modules())
