"""What is given up where something failed, and how the user is told of it."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
from torch import Tensor, nn

from lightning_cnnviz import CNNVisualizer, DriftCallback, Filters, GradCAM, Predictions
from lightning_cnnviz.training.failures import Failures, described, refusing, warn
from tests.helpers.sabotage import Wordless
from tests.helpers.training import SmallCNN, image_steps, loader, trainer


class Volumes(SmallCNN):
    """A network of volumes, beside nothing that a view of layers could look at."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = nn.Sequential(nn.Conv3d(1, 4, (1, 3, 3), padding=(0, 1, 1))), nn.Sequential()
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.stem(images[:, :, None]).mean(dim=(2, 3, 4)))
        return scores


def test_views_that_fail_alike_are_told_of_in_one_breath(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.INFO, "lightning.pytorch"):
        warnings.simplefilter("always")
        trainer(tmp_path, [CNNVisualizer(), DriftCallback()], max_epochs=1).fit(Volumes(), loader(), loader())
    told = [str(warning.message) for warning in caught if "goes on without" in str(warning.message)]
    reason = (
        "ValueError: this needs a model with a two-dimensional convolution, Volumes has none, only Conv3d: volumes, "
        "videos and sequences cannot be drawn"
    )
    assert told == [
        f"CNNVisualizer goes on without FeatureMaps, Filters, GradCAM: {reason}",
        f"DriftCallback goes on without Drift, Timeline, Flips: {reason}",
    ]
    assert not [one for one in caplog.messages if "cannot draw the untrained model" in one]
    assert {*image_steps(tmp_path)} == {"predictions", "saliency/gradient"}


class Nameless(Filters):
    """Equal to every view, and its name cannot be had."""

    @property
    def name(self) -> str:
        raise RuntimeError("no name")

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = Filters.__hash__


def test_views_are_given_up_and_told_of_once_until_everything_is_tried_again() -> None:
    failures, views = Failures("Callback", "warn"), [Nameless(), Predictions(), Filters()]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with failures.of(*views[:1]):
            raise KeyError("a")
        failures.give_up(views[:1], KeyError("a"))
        failures.give_up(views[:2], KeyError("b"))
    assert [str(one.message) for one in told] == [
        "Callback goes on without Nameless: KeyError: 'a'",
        "Callback goes on without Predictions: KeyError: 'b'",
    ]
    assert [id(view) for view in failures.working(views)] == [id(views[2])]
    failures.reset()
    assert len(failures.working(views)) == 3


def test_views_that_fail_alike_are_told_of_in_one_warning_when_it_is_over() -> None:
    failures, views = Failures("Callback", "warn"), [Filters(), Predictions(), GradCAM()]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with failures.gathered():
            for view, error in zip(views, (KeyError("a"), KeyError("b"), KeyError("a")), strict=True):
                failures.give_up([view], error)
            assert failures.working(views) == []
            assert not told
    assert [str(one.message) for one in told] == [
        "Callback goes on without Filters, GradCAM: KeyError: 'a'",
        "Callback goes on without Predictions: KeyError: 'b'",
    ]


def test_what_was_gathered_is_told_whatever_ends_it_and_what_comes_later_at_once() -> None:
    failures, views = Failures("Callback", "warn"), [Filters(), Predictions()]

    def interrupted() -> None:
        with failures.gathered():
            failures.give_up(views[:1], KeyError("a"))
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="without Filters: KeyError: 'a'"), pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.warns(UserWarning, match="without Predictions: KeyError: 'b'"):
        failures.give_up(views[1:], KeyError("b"))


def test_what_is_no_refusal_of_an_argument_passes() -> None:
    with pytest.raises(ZeroDivisionError), refusing("Callback"):
        raise ZeroDivisionError


def test_a_callback_is_given_up_and_told_of_once_until_everything_is_tried_again() -> None:
    failures, views = Failures("Callback", "warn"), [Predictions()]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for error in (KeyError("a"), KeyError("b")):
            failures.give_up_all(error)
    assert [str(one.message) for one in told] == ["training goes on without Callback: KeyError: 'a'"]
    assert failures.working(views) == []
    failures.reset()
    assert failures.working(views) == views


def test_where_warnings_are_errors_it_is_told_instead(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        warn("said all the same")
    assert [record.getMessage() for record in caplog.records] == ["said all the same"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  first\nsecond"), "ValueError: first"),
        (ValueError(" "), "ValueError"),
        (Wordless(), "Wordless"),
        (ValueError("a" * 400), f"ValueError: {'a' * 400}"),
        (ValueError("a" * 401), f"ValueError: {'a' * 400}…"),
    ],
)
def test_an_error_is_told_in_one_line_that_is_not_too_long(error: Exception, line: str) -> None:
    assert described(error) == line
