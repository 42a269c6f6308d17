"""Who sees the training batches that pass by, and what is noted of them."""

from __future__ import annotations

import types
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_cnnviz import Predictions
from lightning_cnnviz.model.evidence import Training
from lightning_cnnviz.training import training_watching
from lightning_cnnviz.training.failures import Failures
from lightning_cnnviz.training.training_watching import Pace, Watching


class Watches(Predictions):
    """Writes to what it is shown."""

    watches = True

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.finished = 0, 0

    @property
    def watches_training(self) -> bool:
        return self.watches

    def observe(self, images: Tensor, labels: Tensor) -> None:
        self.seen += 1
        images.zero_()
        labels.zero_()

    def finish_observing(self) -> None:
        self.finished += 1


class Looks(Watches):
    watches = False


class Fails(Watches):
    def finish_observing(self) -> None:
        raise KeyError("a")


class Passing(tuple[Tensor, ...]):
    """A batch that notes whether it is looked into."""

    read = False

    def __iter__(self) -> Any:
        self.read = True
        return super().__iter__()

    def __getitem__(self, index: Any) -> Any:
        self.read = True
        return super().__getitem__(index)


def passing(*views: Watches, failures: Failures | None = None, **changes: Any) -> tuple[Watching, Passing]:
    """A batch passes by in the first epoch on rank 0."""
    watching = Watching(views, failures or Failures("Callback", "warn"), 0, 1)
    watching.start(3)
    batch = Passing((torch.ones(2, 1, 4, 4), torch.ones(2, dtype=torch.long)))
    watching.see(types.SimpleNamespace(**{"is_global_zero": True, "current_epoch": 3, **changes}), batch)
    return watching, batch


def test_views_that_watch_see_copies_and_the_others_nothing() -> None:
    views = Watches(), Looks()
    _, batch = passing(*views)
    assert [view.seen for view in views] == [1, 0]
    assert all(bool((tensor == 1).all()) for tensor in batch)


@pytest.mark.parametrize(
    ("view", "changes"),
    [(Watches, {"is_global_zero": False}), (Watches, {"current_epoch": 4}), (Looks, {})],
    ids=["another rank", "a later epoch", "nobody watches"],
)
def test_a_batch_that_nobody_watches_is_not_looked_into(view: type[Watches], changes: dict[str, Any]) -> None:
    _, batch = passing(view(), **changes)
    assert not batch.read


@pytest.mark.filterwarnings("ignore:Callback goes on without Watches")
def test_what_was_given_up_sees_nothing_and_has_nothing_to_finish() -> None:
    failures, view = Failures("Callback", "warn"), Watches()
    failures.give_up([view], KeyError("a"))
    watching, _ = passing(view, failures=failures)
    watching.finish(3)
    assert (view.seen, view.finished) == (0, 0)


def test_one_that_fails_at_the_end_keeps_no_other_from_it() -> None:
    views = Fails(), Watches()
    watching, _ = passing(*views)
    with pytest.warns(UserWarning, match="Callback goes on without Fails: KeyError: 'a'"):
        watching.finish(3)
    assert views[1].finished == 1


def test_only_the_first_epoch_is_finished_and_only_for_who_watches() -> None:
    views = Watches(), Looks()
    watching, _ = passing(*views)
    for epoch in (3, 4, 5):
        watching.finish(epoch)
    assert [view.finished for view in views] == [1, 0]


def test_without_labels_there_is_nothing_to_watch_and_that_is_said() -> None:
    view = Watches()
    watching = Watching([view], Failures("Callback", "warn"), 0, 1)
    watching.start(0)
    with pytest.warns(UserWarning, match="the training batches have no class labels under label_key=1"):
        watching.see(types.SimpleNamespace(is_global_zero=True, current_epoch=0), torch.ones(2, 1, 4, 4))
    assert view.seen == 0


NOTED: dict[str, tuple[list[Any], float | None]] = {
    "nothing": ([None], None),
    "a tensor": ([torch.tensor(2.0), torch.tensor(4.0, requires_grad=True)], 3.0),
    "in a dictionary": ([{"loss": torch.tensor([2.0])}, {"loss": torch.tensor([[4.0]])}], 3.0),
    "in another mapping": ([types.MappingProxyType({"loss": torch.tensor(2.0)})], 2.0),
    "half precision": ([torch.tensor(6e4, dtype=torch.float16)] * 2, 6e4),
    "no tensor": ([{"loss": 2.0}], None),
    "one for each image": ([torch.ones(2)], None),
}


@pytest.mark.parametrize("noted", NOTED)
def test_the_mean_of_the_losses_is_noted_without_their_graphs(noted: str) -> None:
    losses, mean = NOTED[noted]
    pace = Pace()
    for loss in losses:
        pace.after_batch(loss)
    assert not isinstance(pace._losses, Tensor) or not pace._losses.requires_grad
    assert pace.take() == Training(None, None if mean is None else pytest.approx(mean, rel=1e-3))
    assert pace.take() == Training(None, None)


def test_the_learning_rate_is_noted_where_there_is_one() -> None:
    pace, weight = Pace(), torch.zeros(1, requires_grad=True)
    for rate in (0.1, 0.3):
        pace.before_batch([torch.optim.SGD([weight], rate)])
    pace.before_batch([])
    assert pace.take() == Training(pytest.approx(0.2), None)


@pytest.mark.parametrize("other", [{"lr": None}, {"lr": lambda: 0.1}, {}], ids=["none", "a schedule", "no key"])
def test_an_optimizer_that_has_no_rate_of_its_own_is_passed_over(other: dict[str, Any]) -> None:
    pace, weight = Pace(), torch.zeros(1, requires_grad=True)
    optimizers = torch.optim.SGD([weight], 0.1), torch.optim.SGD([weight], 0.3)
    del optimizers[1].param_groups[0]["lr"]
    optimizers[1].param_groups[0].update(other)
    pace.before_batch(optimizers)
    assert pace.take() == Training(pytest.approx(0.1), None)
    pace.before_batch(optimizers[1:])
    assert pace.take() == Training(None, None)


def test_an_ordinary_loss_is_noted_without_taking_down_the_state_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_watching, "process_state_preserved", lambda: pytest.fail("with every batch"))
    for loss in (None, torch.tensor(1.0), {"loss": torch.tensor(1.0)}):
        Pace().after_batch(loss)
