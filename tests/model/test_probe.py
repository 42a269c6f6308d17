"""One pass for all: values worked out by hand, whatever follows a layer, and reasons for what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lightning_cnnviz.model.entry import entries
from lightning_cnnviz.model.evidence import Evidence, Model, Request, UnavailableError
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.targets import Target
from lightning_cnnviz.samples import FixedSamples
from tests.helpers.training import SmallCNN, sha

IMAGES = torch.tensor([[[[1.0, -2.0], [3.0, -4.0]]], [[[-1.0, 2.0], [5.0, 0.5]]]])


class Chain(nn.Module):
    """Score of class c: the sum of w_c · f(3 x), with w_0 = 2 and w_1 = -1."""

    def __init__(self, function: Callable[[Tensor], Tensor] = F.relu) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.head = nn.Linear(1, 2, bias=False)
        self.function = function
        self.calls = 0
        with torch.no_grad():
            self.conv.weight.fill_(3.0)
            self.head.weight.copy_(torch.tensor([[2.0], [-1.0]]))

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        scores: Tensor = self.head(self.function(self.conv(images)).sum(dim=(2, 3)))
        return scores


def _look(model: nn.Module, request: Request, images: Tensor = IMAGES, target: Target = 0, **options: Any) -> Evidence:
    probe, samples = Probe(model, **options), FixedSamples(images)
    return probe.run(samples, probe.survey(samples), request, target)


def test_activations_gradients_and_image_gradients_of_a_chain() -> None:
    found = _look(Chain(), Request(gradients=frozenset({"conv"}), input_gradient=True))
    assert found.activation("conv").equal(3 * IMAGES)
    assert found.gradient("conv").equal(2.0 * (IMAGES > 0))
    assert found.image_gradient().equal(6.0 * (IMAGES > 0))
    assert found.target_classes is not None
    assert found.target_classes.tolist() == [0, 0]
    assert not found.activation("conv").requires_grad


@pytest.mark.parametrize(
    "function",
    [nn.ReLU(inplace=True), lambda maps: maps.relu_(), lambda maps: maps.mul_(0.5).mul_(2).relu_(), nn.ReLU()],
    ids=["module in place", "method in place", "several in place", "out of place"],
)
def test_what_changes_the_output_in_place_changes_no_evidence(function: Callable[[Tensor], Tensor]) -> None:
    request = Request(gradients=frozenset({"conv"}), input_gradient=True, rules=frozenset({"guided"}))
    found = _look(Chain(function), request)
    assert found.activation("conv").equal(3 * IMAGES)
    assert found.gradient("conv").equal(2.0 * (IMAGES > 0))
    assert found.image_gradient().equal(6.0 * (IMAGES > 0))


def test_rules_reuse_the_pass() -> None:
    model = Chain()
    request = Request(gradients=frozenset({"conv"}), input_gradient=True, rules=frozenset({"guided", "deconvnet"}))
    samples, probe = FixedSamples(IMAGES), Probe(model)
    layout = probe.survey(samples)
    calls: list[None] = []
    handle = model.register_forward_hook(lambda *_: calls.append(None))
    found = probe.run(samples, layout, request, target=[0, 1])
    handle.remove()
    assert len(calls) == 1
    signs = torch.tensor([2.0, -1.0])[:, None, None, None]
    assert found.image_gradient().equal(3 * signs * (IMAGES > 0))
    # Only the positive gradient of the first sample passes the ReLU: where its input was positive, or everywhere.
    assert found.ruled_gradient("guided").values.equal(torch.stack([6.0 * (IMAGES[0] > 0), 0 * IMAGES[1]]))
    assert found.ruled_gradient("deconvnet").values.equal(torch.stack([6.0 + 0 * IMAGES[0], 0 * IMAGES[1]]))


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_a_rule_alone_needs_no_ordinary_gradient(rule: Any) -> None:
    found = _look(Chain(), Request(rules=frozenset({rule})))
    assert found.ruled_gradient(rule).values.shape == IMAGES.shape
    with pytest.raises(UnavailableError, match="nobody requested the input"):
        found.image_gradient()


def test_requests_merge() -> None:
    def procedure(model: Model) -> None:
        pass

    left = Request(activations=frozenset({"a"}), rules=frozenset({"guided"}), procedures={"p": procedure})
    right = Request(gradients=frozenset({"b"}), input_gradient=True, rules=frozenset({"deconvnet"}))
    merged = left | right
    assert merged.activations == {"a"}
    assert merged.gradients == {"b"}
    assert merged.input_gradient
    assert merged.rules == {"guided", "deconvnet"}
    assert merged.procedures == {"p": procedure}


@pytest.mark.parametrize("name", ["activations", "gradients"])
def test_a_layer_that_is_not_called_is_missing_with_a_reason(name: str) -> None:
    model = Chain()
    model.unused = nn.Conv2d(1, 1, 1)
    found = _look(model, Request(**{name: frozenset({"unused"})}))
    with pytest.raises(UnavailableError, match="unused was not called"):
        found.activation("unused") if name == "activations" else found.gradient("unused")


def test_gradients_of_a_detached_model_are_missing_with_a_reason() -> None:
    request = Request(gradients=frozenset({"conv"}), input_gradient=True, rules=frozenset({"guided"}))
    found = _look(Chain(lambda maps: maps.detach()), request)
    for read in (found.image_gradient, lambda: found.gradient("conv"), lambda: found.ruled_gradient("guided")):
        with pytest.raises(UnavailableError, match=r"detached or computed under|does not depend on"):
            read()
    assert found.activation("conv").equal(3 * IMAGES)


def test_the_rest_is_there_when_one_layer_is_missing() -> None:
    model = Chain()
    model.unused = nn.Conv2d(1, 1, 1)
    found = _look(model, Request(gradients=frozenset({"unused", "conv"}), input_gradient=True))
    assert found.gradient("conv").equal(2.0 * (IMAGES > 0))
    assert found.image_gradient().equal(6.0 * (IMAGES > 0))


def test_a_layer_may_be_called_input() -> None:
    model = Chain()
    model.input, model.function = nn.Identity(), lambda maps: model.input(maps).relu()
    found = _look(model, Request(gradients=frozenset({"input"}), input_gradient=True))
    assert found.gradient("input").equal(2.0 * (IMAGES > 0))
    assert found.image_gradient().equal(6.0 * (IMAGES > 0))


def test_activation_checkpointing() -> None:
    def forward(maps: Tensor) -> Tensor:
        result: Tensor = checkpoint(F.relu, maps, use_reentrant=False)
        return result

    request = Request(gradients=frozenset({"conv"}), input_gradient=True, rules=frozenset({"guided"}))
    found = _look(Chain(forward), request)
    assert found.gradient("conv").equal(2.0 * (IMAGES > 0))
    assert found.ruled_gradient("guided").values.equal(6.0 * (IMAGES > 0))


@pytest.mark.parametrize("size", [1, 3])
def test_samples_do_not_see_each_other(size: int) -> None:
    model, images = SmallCNN(), torch.randn(6, 1, 8, 8)
    request = Request(gradients=frozenset({"body"}), input_gradient=True, rules=frozenset({"guided"}))
    together, apart = _look(model, request, images), _look(model, request, images[2 : 2 + size])
    torch.testing.assert_close(together.gradient("body")[2 : 2 + size], apart.gradient("body"))
    torch.testing.assert_close(together.image_gradient()[2 : 2 + size], apart.image_gradient())
    guided = [found.ruled_gradient("guided").values for found in (together, apart)]
    torch.testing.assert_close(guided[0][2 : 2 + size], guided[1])


def test_target_scores_of_several_versions_keep_the_class_of_the_samples() -> None:
    found = {}

    def procedure(model: Model) -> None:
        found["scores"] = model.target_scores(torch.cat([model.images, -model.images]))

    for target in ("predicted", [1, 0], lambda scores: scores[:, 1], lambda scores: scores[:, 1] * torch.ones(2)):
        evidence = _look(Chain(lambda maps: maps), Request(procedures={"p": procedure}), target=target)
        evidence.result("p")
        totals = 3 * IMAGES.sum(dim=(1, 2, 3))
        weights = {"predicted": [-1.0, 2.0], "[1, 0]": [-1.0, 2.0]}.get(str(target), [-1.0, -1.0])
        expected = totals * torch.tensor(weights)
        assert found["scores"].equal(torch.cat([expected, -expected]))


def test_the_failure_of_a_procedure_is_raised_where_its_result_is_read() -> None:
    def procedure(model: Model) -> None:
        raise ValueError("no prototypes today")

    found = _look(Chain(), Request(procedures={"p": procedure, "q": lambda model: 7}))
    assert found.result("q") == 7
    with pytest.raises(ValueError, match="no prototypes today"):
        found.result("p")


def test_weights_of_convolutions_and_linear_layers() -> None:
    found = _look(Chain().double(), Request(weights=frozenset({"conv", "head"})))
    assert found.weights["conv"].tolist() == [[[[3.0]]]]
    assert found.weights["head"].tolist() == [[2.0], [-1.0]]
    assert found.weights["head"].dtype == torch.float32


def test_looking_leaves_no_hooks_gradients_or_changes() -> None:
    model = SmallCNN().train()
    before = sha(model)
    _look(
        model,
        Request(gradients=frozenset({"body"}), input_gradient=True, rules=frozenset({"guided"})),
        torch.randn(2, 1, 8, 8),
    )
    assert sha(model) == before
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


class Containing(nn.Module):
    """No forward, as of a LightningModule whose training_step calls its net."""

    def __init__(self, *nets: nn.Module) -> None:
        super().__init__()
        self.nets = nn.ModuleList()
        for index, net in enumerate(nets):
            self.add_module(f"net{index}", net)


def test_the_only_convolutional_child_is_called_where_there_is_no_forward() -> None:
    net = Chain()
    assert entries(net)[""] is net
    assert entries(Containing(net, nn.Linear(1, 1))) == {"net0": net}
    found = _look(Containing(net), Request(gradients=frozenset({"net0.conv"})))
    assert found.gradient("net0.conv").equal(2.0 * (IMAGES > 0))


@pytest.mark.parametrize(("nets", "count"), [((), 0), ((Chain(), Chain()), 2)])
def test_no_forward_and_no_single_child(nets: tuple[nn.Module, ...], count: int) -> None:
    with pytest.raises(ValueError, match=f"Containing defines no forward.*{count} of its children"):
        entries(Containing(*nets))


def test_neither_the_model_nor_a_procedure_can_change_the_samples() -> None:
    class Overwriting(Chain):
        def forward(self, images: Tensor) -> Tensor:
            scores = super().forward(images)
            images.zero_()
            return scores

    samples = FixedSamples(IMAGES.clone())
    probe = Probe(Overwriting())
    probe.run(samples, probe.survey(samples), Request(procedures={"p": lambda model: model.images.zero_()}))
    assert torch.equal(samples.images, IMAGES)
    assert not samples.images.requires_grad
