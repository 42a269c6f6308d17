"""Several views of an image inside a model: their maps lie on the image, or it is said that they do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from lightning_cnnviz import (
    ActivationMaximization,
    FeatureMaps,
    Filters,
    FixedSamples,
    GradCAM,
    TopPatches,
    explain,
)
from lightning_cnnviz.model.layers.turns import TURNS, UPRIGHT, Turn
from lightning_cnnviz.model.probe import Probe
from lightning_cnnviz.model.survey.disturbance import EDGES, Trace, changed_rows, disturbed
from tests.helpers.model_shapes import Net, logits

Views = Callable[[Tensor], list[Tensor]]


def in_calls(views: Views) -> Callable[[Net, Tensor], Tensor]:
    return lambda model, images: torch.stack([model.scores(view) for view in views(images)]).sum(0)


def in_a_row(views: Views) -> Callable[[Net, Tensor], Tensor]:
    """The views of one image stand together in the batch."""
    return lambda model, images: (
        model.scores(torch.stack(views(images), dim=1).flatten(0, 1)).unflatten(0, (len(images), -1)).sum(1)
    )


def interleaved(views: Views) -> Callable[[Net, Tensor], Tensor]:
    """All images stand together, view by view."""
    return lambda model, images: model.scores(torch.cat(views(images))).unflatten(0, (-1, len(images))).sum(0)


WAYS = {"calls": in_calls, "in a row": in_a_row, "interleaved": interleaved}
LAID: dict[str, tuple[Views, Callable[[Tensor], Tensor]]] = {
    "as it is": (lambda x: [x, x / 2], lambda maps: maps),
    "left and right": (lambda x: [x, x.flip(-1)], lambda maps: maps.flip(-1)),
    "up and down": (lambda x: [x, x.flip(-2)], lambda maps: maps.flip(-2)),
    "a quarter": (lambda x: [x, x.rot90(1, (2, 3))], lambda maps: maps.rot90(-1, (-2, -1))),
    "transposed": (lambda x: [x, x.transpose(2, 3)], lambda maps: maps.transpose(-2, -1)),
}


def expected(model: Net, images: Tensor, views: Views, back: Callable[[Tensor], Tensor]) -> Tensor:
    """Grad-CAM of the sum of both views' scores by hand: each view's map, the second one turned back."""
    classes = model(images).argmax(dim=1, keepdim=True)
    found = []
    for view in views(images):
        maps = model.maps(view)
        score = model.head(maps.mean(dim=(2, 3))).gather(1, classes).sum()
        weights = torch.autograd.grad(score, maps)[0].mean(dim=(2, 3), keepdim=True)
        found.append((weights * maps).sum(dim=1).detach())
    return (found[0] + back(found[1])).relu()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("laid", LAID)
@pytest.mark.parametrize("side", [8, 24])
def test_maps_of_all_views_lie_on_the_image(side: int, laid: str, way: str) -> None:
    torch.manual_seed(side)
    (views, back), images = LAID[laid], torch.rand(4, 3, side, side)
    model = Net(WAYS[way](views))
    model.head.weight.data.abs_()  # so that no map is blank
    found = explain(model, images, [GradCAM("late")])
    by_hand = expected(model, images, views, back)
    assert by_hand.amax(dim=(1, 2)).min() > 0
    torch.testing.assert_close(found.arrays["grad_cam/late"], by_hand)
    assert any("turned back" in remark for remark in found.remarks) == (laid != "as it is")


UNLIKE: dict[str, Views] = {
    "shifted": lambda x: [x, x.roll(x.shape[-1] // 4, -1)],
    "enlarged": lambda x: [x, F.interpolate(x[..., 4:-4, 4:-4], size=x.shape[2:])],
    "cropped": lambda x: [x[..., :12, :12], x[..., 12:, 12:]],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", UNLIKE)
def test_of_views_that_do_not_lie_alike_one_is_shown_or_none(kind: str, way: str) -> None:
    torch.manual_seed(0)
    images, model = torch.rand(3, 3, 24, 24), Net(WAYS[way](UNLIKE[kind]))
    if way == "calls":
        found = explain(model, images, [FeatureMaps("late", channels=8)])
        assert found.remarks[0].endswith("on images that do not lie alike: shown is call 1")
        assert torch.equal(found.arrays["feature_maps/late"], model.maps(UNLIKE[kind](images)[0]).detach())
    else:
        with pytest.raises(ValueError, match="of parts that do not lie alike"):
            explain(model, images, [FeatureMaps("late")])


def test_flips_of_two_sizes_are_shown_in_the_size_of_the_first() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 3, 24, 24)
    model = Net(in_calls(lambda x: [x, x.flip(-1), F.avg_pool2d(x, 2), F.avg_pool2d(x, 2).flip(-1)]))
    found = explain(model, images, [FeatureMaps("late", channels=16)])
    both = torch.cat([model.maps(images), model.maps(images.flip(-1)).flip(-1)], dim=1)
    torch.testing.assert_close(found.arrays["feature_maps/late"], both.detach())
    assert "puts out maps of several sizes: shown are calls 1 and 2" in found.remarks[0]


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("turn", TURNS)
def test_maps_of_images_that_the_model_turns_lie_on_the_image(turn: Turn, centred: bool) -> None:
    def prepared(images: Tensor) -> Tensor:
        return turn.undone(images) - centred * images.mean((1, 2, 3), keepdim=True)

    torch.manual_seed(0)
    images, model = torch.rand(3, 3, 24, 24), Net(lambda m, x: m.scores(prepared(x)))
    found = explain(model, images, [FeatureMaps("late", channels=8)]).arrays["feature_maps/late"]
    assert torch.equal(turn.undone(found), model.maps(prepared(images)).detach())


def activated(net: Net, images: Tensor) -> Tensor:
    """As in torchvision's residual networks, a module without weights stands at several places."""
    return net.head(net.relu(net.late(net.relu(net.early(images)))).mean((2, 3)))  # type: ignore[no-any-return]


def of_boxes(net: Net, images: Tensor, counts: tuple[int, ...] = (1, 2, 2)) -> Tensor:
    boxes = [torch.tensor([[0.0, 0.0, 8.0, 8.0]] * count) for count in counts]
    found = net.late(roi_align(net.early(images), boxes, (4, 4))).mean((2, 3)).split(counts)
    return net.head(torch.stack([one.amax(0) for one in found]))  # type: ignore[no-any-return]


PASSES: dict[str, tuple[Callable[[Net, Tensor], Tensor], int]] = {
    "once": (logits, 2),
    "without weights, twice": (activated, 2),
    "boxes": (of_boxes, 2),
    "nothing": (lambda net, x: F.linear(x.mean((2, 3)), net.head.weight[:, :3]), 2),
    "twice": (in_calls(lambda x: [x, x / 2]), 3),
}


@pytest.mark.parametrize("called", PASSES)
def test_another_edge_costs_a_pass_only_where_it_may_tell_something(called: str) -> None:
    answer, passes = PASSES[called]
    seen: list[Tensor] = []
    model = Net(lambda net, images: (seen.append(images), answer(net, images))[1])
    model.relu = nn.ReLU()
    Probe(model).survey(FixedSamples(torch.rand(3, 3, 16, 16)))
    assert len(seen) == passes


def test_maps_of_transposed_images_are_turned_back_also_where_these_are_no_squares() -> None:
    torch.manual_seed(0)
    images, model = torch.rand(3, 3, 16, 32), Net(lambda m, x: m.scores(x.transpose(2, 3)))
    found = explain(model, images, [FeatureMaps("late", channels=8)])
    assert found.arrays["feature_maps/late"].shape == (3, 8, 8, 16)
    by_hand = model.maps(images.transpose(2, 3)).transpose(2, 3).detach()
    assert torch.equal(found.arrays["feature_maps/late"], by_hand)


def test_a_network_called_for_each_sample_by_itself_equals_one_called_for_all() -> None:
    torch.manual_seed(0)
    images = torch.rand(5, 3, 16, 16)
    together, apart = Net(logits), Net(lambda m, x: torch.cat([m.scores(image[None]) for image in x]))
    apart.load_state_dict(together.state_dict())
    views = [GradCAM("late"), FeatureMaps("early"), TopPatches("late"), ActivationMaximization("late", channels=2)]
    ours, theirs = explain(apart, images, views).arrays, explain(together, images, views).arrays
    assert ours.keys() == theirs.keys()
    for tag, values in theirs.items():
        torch.testing.assert_close(ours[tag], values)


def test_the_first_convolution_stays_the_first_when_it_is_called_again() -> None:
    class Again(Net):
        def __init__(self) -> None:
            super().__init__(lambda m, x: m.scores(m.stem(x)) + m.stem(x).mean())
            self.stem = nn.Conv2d(3, 3, 3, padding=1)

    assert list(explain(Again(), torch.rand(3, 3, 16, 16), [Filters("first")]).arrays) == ["filters/stem"]


@pytest.mark.parametrize("turn", TURNS)
def test_edges_tell_all_eight_turns(turn: Turn) -> None:
    images = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    after = [turn.undone(disturbed(images, edge))[0] for edge in EDGES]
    trace = Trace.of(turn.undone(images)[0], after, blurred=False)
    assert trace is not None
    found = trace.turn()
    grid = torch.arange(9).reshape(3, 3)
    assert torch.equal(found.undone(turn.undone(grid)), grid)
    assert (found == UPRIGHT) == (turn == UPRIGHT)


def test_a_small_influence_on_other_samples_is_one() -> None:
    """The images of a batch are compared with each other: one hardly changes what the others are like."""
    samples = FixedSamples(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    model = Net(lambda m, x: m.scores(x) + 1e-3 * m.scores(x).mean(dim=0))
    assert any("influence each other" in remark for remark in explain(model, samples, [GradCAM()]).remarks)
    assert changed_rows(torch.ones(2, 3), torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 1.05]])) == [0, 1]
    assert changed_rows(torch.ones(2, 3), torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 1.0]])) == [0]


def test_maps_of_boxes_are_no_parts_of_the_samples() -> None:
    def of_two_boxes(net: Net, images: Tensor) -> Tensor:
        boxes = [torch.tensor([[0.0, 0.0, 8.0, 8.0], [4.0, 4.0, 16.0, 16.0]])] * len(images)
        found = net.late(roi_align(net.early(images), boxes, (4, 4), spatial_scale=0.5))
        scores: Tensor = net.head(found.mean((2, 3))).view(len(images), 2, -1).amax(1)
        return scores

    layout = Probe(Net(of_two_boxes)).survey(FixedSamples(torch.rand(3, 3, 16, 16)))
    assert layout["late"].unusable == "puts out maps of boxes in the images, not of the images"
    assert layout.maps("last") == ("early",)
