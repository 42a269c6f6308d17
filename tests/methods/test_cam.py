"""Class activation maps against values worked out by hand."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from lightning_cnnviz.methods.cam import CAM_VARIANTS, Variant, activation_map, class_activation_map, guided_map

# Two channels of one row with two pixels.
ACTIVATIONS = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])
GRADIENTS = torch.tensor([[[[1.0, 2.0]], [[1.0, -1.0]]]])


def _weights(variant: Variant) -> Tensor:
    return CAM_VARIANTS[variant].weights(ACTIVATIONS, GRADIENTS)[0, :, 0]


def test_grad_cam_weighs_channels_by_their_mean_gradient() -> None:
    assert _weights("gradcam").tolist() == [[1.5], [0.0]]
    assert activation_map(ACTIVATIONS, GRADIENTS).tolist() == [[[1.5, 4.5]]]


def test_grad_cam_plus_plus_weighs_positive_gradients_by_their_share() -> None:
    # Channel 0, sum of activations 4: shares 1/(2+4) and 4/(8+4·8), so the weight is 1/6·1 + 1/10·2 = 11/30.
    # Channel 1, sum 2: share 1/(2+2) of the positive gradient 1; the negative one counts nothing: 1/4.
    torch.testing.assert_close(_weights("gradcam++"), torch.tensor([[11 / 30], [1 / 4]]))
    expected = torch.tensor([[[11 / 30 + 2 / 4, 33 / 30]]])
    torch.testing.assert_close(activation_map(ACTIVATIONS, GRADIENTS, "gradcam++"), expected)


def test_hirescam_weighs_each_pixel_by_its_own_gradient() -> None:
    assert activation_map(ACTIVATIONS, GRADIENTS, "hirescam").tolist() == [[[3.0, 6.0]]]


def test_xgrad_cam_weighs_gradients_by_activations() -> None:
    # Channel 0: (1·1 + 3·2) / 4 = 7/4; channel 1: (2·1 + 0·-1) / 2 = 1.
    assert _weights("xgradcam").tolist() == [[1.75], [1.0]]
    assert activation_map(ACTIVATIONS, GRADIENTS, "xgradcam").tolist() == [[[3.75, 5.25]]]


def test_layercam_keeps_positive_gradients_only() -> None:
    activations = torch.tensor([[[[1.0, 3.0]], [[2.0, 5.0]]]])
    assert activation_map(activations, GRADIENTS, "layercam").tolist() == [[[3.0, 6.0]]]
    assert activation_map(activations, GRADIENTS, "hirescam").tolist() == [[[3.0, 1.0]]]


def test_what_speaks_against_the_class_is_cut_off() -> None:
    assert activation_map(ACTIVATIONS, -GRADIENTS).tolist() == [[[0.0, 0.0]]]


@pytest.mark.parametrize("variant", get_args(Variant))
def test_a_dead_layer_gives_a_blank_map(variant: Variant) -> None:
    zeros = torch.zeros(1, 2, 2, 2)
    for activations, gradients in [(zeros, zeros), (torch.ones_like(zeros), zeros), (zeros, torch.ones_like(zeros))]:
        assert activation_map(activations, gradients, variant).tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize("variant", get_args(Variant))
def test_samples_do_not_see_each_other(variant: Variant) -> None:
    activations, gradients = torch.rand(3, 4, 5, 6), torch.randn(3, 4, 5, 6)
    together = activation_map(activations, gradients, variant)
    for index in range(3):
        alone = activation_map(activations[index : index + 1], gradients[index : index + 1], variant)
        torch.testing.assert_close(together[index : index + 1], alone)


def test_half_precision_is_computed_in_single() -> None:
    # 300 channels of 300: in half precision the sum of the products, 27 million, would be infinite.
    ones = torch.full((1, 300, 1, 1), 300.0, dtype=torch.float16)
    assert activation_map(ones, ones).tolist() == [[[300.0**3]]]


def test_cam_weighs_channels_by_the_classifier_and_keeps_the_sign() -> None:
    assert class_activation_map(ACTIVATIONS, torch.tensor([[2.0, -3.0]])).tolist() == [[[-4.0, 6.0]]]


def test_cam_of_the_top_channels_leaves_the_others_out() -> None:
    activations = torch.tensor([[[[1.0]], [[10.0]], [[100.0]]], [[[1.0]], [[10.0]], [[100.0]]]])
    weights = torch.tensor([[0.5, 3.0, -4.0], [1.0, -1.0, 2.0]])
    chosen = class_activation_map(activations, weights, top_channels=1)
    assert chosen.flatten().tolist() == [30.0, 200.0]
    assert class_activation_map(activations, weights, top_channels=2).flatten().tolist() == [30.5, 201.0]
    everything = class_activation_map(activations, weights)
    for more_than_enough in (3, 20):
        assert class_activation_map(activations, weights, top_channels=more_than_enough).equal(everything)


def test_guided_map_enlarges_bilinearly_and_multiplies() -> None:
    # From pixel centres 0.5 and 1.5 of the map, the four pixels of the image lie at 0.25, 0.75, 1.25 and 1.75.
    guided = torch.tensor([[[[1.0, 1.0, 1.0, -1.0]], [[2.0, 0.0, 0.0, 0.0]]]])
    found = guided_map(torch.tensor([[[0.0, 4.0]]]), guided)
    assert found.tolist() == [[[[0.0, 1.0, 3.0, -4.0]], [[0.0, 0.0, 0.0, 0.0]]]]
