"""Which objects of torch are put back with a model that holds them: those that are plain Python and its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_cnnviz.guard.reachable import reachable
from lightning_cnnviz.model.isolation import isolated


def in_a_sobol_sequence(held: Tensor) -> Any:
    engine = torch.quasirandom.SobolEngine(2)
    engine.quasi = held
    return engine


def in_a_transformed_distribution(held: Tensor) -> Any:
    normal = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
    return torch.distributions.TransformedDistribution(normal, [torch.distributions.AffineTransform(held, 1.0)])


LOOKED_INTO: dict[str, Callable[[Tensor], Any]] = {
    "a distribution": lambda held: torch.distributions.Normal(held, torch.ones(2)),
    "a transformed distribution": in_a_transformed_distribution,
    "a Sobol sequence": in_a_sobol_sequence,
}


@pytest.mark.parametrize("where", LOOKED_INTO)
def test_a_tensor_in_a_plain_object_of_torch_is_as_before(where: str) -> None:
    model, held = nn.Conv2d(1, 1, 1), torch.tensor([1.0, 2.0])
    vars(model)["kept"] = LOOKED_INTO[where](held)

    with isolated(model):
        held.add_(1)

    assert held.tolist() == [1.0, 2.0]


@pytest.mark.filterwarnings("error")
def test_a_sobol_sequence_goes_on_where_it_was() -> None:
    model, engine, twin = nn.Conv2d(1, 1, 1), *(torch.quasirandom.SobolEngine(2, True, seed=3) for _ in "ab")
    vars(model)["kept"] = engine
    assert torch.equal(engine.draw(3), twin.draw(3))

    with isolated(model):
        engine.draw(4)

    assert torch.equal(engine.draw(5), twin.draw(5))


@pytest.mark.filterwarnings("error")
def test_a_distribution_that_a_forward_made_keeps_its_graph_and_forgets_what_a_look_computed() -> None:
    model = nn.Conv2d(1, 1, 1)
    covariance = torch.eye(2) + model.weight.flatten() ** 2
    vars(model)["kept"] = kept = torch.distributions.MultivariateNormal(torch.zeros(2), covariance)
    place = kept.loc

    with isolated(model):
        kept.precision_matrix.sum()
        kept.loc = kept.loc + 1
        model(torch.zeros(1, 1, 2, 2)).sum().backward()

    assert kept.loc is place
    assert "precision_matrix" not in vars(kept)
    kept.log_prob(torch.ones(2)).backward()
    assert model.weight.grad is not None


THEIR_OWN: dict[str, Callable[[], Any]] = {
    "device": lambda: torch.device("cpu"),
    "handle": lambda: nn.Identity().register_forward_hook(print),
    "dataset": lambda: torch.utils.data.TensorDataset(torch.zeros(1)),
    "loader": lambda: torch.utils.data.DataLoader([0]),
    "graph": lambda: torch.fx.symbolic_trace(nn.Identity()).graph,
    "gradient mode": torch.no_grad,
    "profiler": torch.autograd.profiler.profile,
    "stream": torch.Stream if torch.cuda.is_available() else torch.cpu.Stream,
}


@pytest.mark.parametrize("kind", THEIR_OWN)
def test_other_objects_of_torch_are_no_objects_of_the_model(kind: str) -> None:
    model, value = nn.Conv2d(1, 1, 1), THEIR_OWN[kind]()
    vars(model)["kept"] = value

    with isolated(model):
        pass

    assert reachable(model).objects == []
