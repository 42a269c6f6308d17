from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import SwinTransformer, VisionTransformer

from lightning_cnnviz import FeatureMaps, FixedSamples, GradCAM, explain
from lightning_cnnviz.model.layers.layout import Layout
from lightning_cnnviz.model.layers.tokens import TokenGrid, find_grid, has_channels_last
from lightning_cnnviz.model.probe import Probe
from tests.helpers.model_shapes import PatchTransformer


def vit() -> nn.Module:
    """Four by four patches and a class token; torchvision's head starts as zeros, which have no gradient."""
    model = VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5)
    nn.init.normal_(model.heads.head.weight)
    return model.eval()


def swin() -> nn.Module:
    return SwinTransformer([4, 4], 8, [1, 1], [2, 2], [2, 2], num_classes=5).eval()


class Patches(nn.Module):
    """Cuts its patches without a convolution, so that nothing tells the grid of its tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Conv2d(3, 3, 1)
        self.embed = nn.Linear(3 * 8 * 8, 6)
        self.head = nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = nn.functional.unfold(images, 8, stride=8).transpose(1, 2)
        scores: Tensor = self.head(self.embed(tokens).relu().mean(dim=1))
        return scores


def images(height: int = 32, width: int = 32) -> Tensor:
    return torch.randn(2, 3, height, width)


def layout(model: nn.Module, given: Tensor) -> Layout:
    return Probe(model).survey(FixedSamples(given))


def output(model: nn.Module, layer: str, given: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer put out and the gradient of the predicted class score there, by plain hooks."""
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, inputs, out: kept.append(out))
    scores = model(given)
    handle.remove()
    (gradient,) = torch.autograd.grad(scores.amax(dim=1).sum(), kept[0])
    return kept[0].detach(), gradient


def test_maps_are_rows_of_tokens_without_the_prefix() -> None:
    tokens = torch.arange(2 * 8 * 3).view(2, 8, 3)  # two prefix tokens, two rows of three places, three channels
    maps = TokenGrid(2, 3, prefix=2).as_maps(tokens)
    assert maps.shape == (2, 3, 2, 3)
    assert maps[1, 2].tolist() == [[tokens[1, 2 + 3 * i + j, 2].item() for j in range(3)] for i in range(2)]
    channels_last = torch.randn(2, 4, 5, 3)
    assert torch.equal(TokenGrid(4, 5).as_maps(channels_last), channels_last.permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("shape", "sizes", "grid"),
    [
        ((197, 768), {(14, 14)}, TokenGrid(14, 14, 1)),
        ((196, 768), {(14, 14), (13, 15)}, TokenGrid(14, 14)),
        ((24, 8), {(4, 6)}, TokenGrid(4, 6)),
        ((28, 8), {(4, 6)}, TokenGrid(4, 6, 4)),
        ((49, 8), {(4, 6)}, None),  # 25 tokens too many to be class or register tokens
        ((23, 8), {(4, 6)}, None),
        ((8, 12, 96), set(), TokenGrid(8, 12)),
        ((16, 49, 96), set(), None),  # windows and the pixels in them
        ((1, 1, 96), set(), None),
    ],
)
def test_grids(shape: tuple[int, ...], sizes: set[tuple[int, int]], grid: TokenGrid | None) -> None:
    assert find_grid(shape, (64, 96), sizes) == grid


def test_what_tells_that_channels_come_last() -> None:
    assert has_channels_last(nn.Linear(4, 8), (5, 8))
    assert has_channels_last(nn.LayerNorm(8), (5, 8))
    assert not has_channels_last(nn.Linear(4, 8), (8,))
    assert not has_channels_last(nn.LayerNorm(8), (8, 5, 5))  # one that permutes to channels last and back
    assert not has_channels_last(nn.Conv2d(4, 8, 1), (8, 5, 5))


def test_vit_maps_are_its_tokens() -> None:
    model, given = vit(), images()
    found = explain(model, given, [FeatureMaps("encoder.layers.encoder_layer_0", channels=[3, 5])])
    tokens, _ = output(model, "encoder.layers.encoder_layer_0", given)
    expected = tokens[:, 1:, [3, 5]].transpose(1, 2).reshape(2, 2, 4, 4)
    assert torch.allclose(found.arrays["feature_maps/encoder.layers.encoder_layer_0"], expected, atol=1e-5)


def test_vit_is_looked_at_before_its_last_attention() -> None:
    model, given = vit(), images()
    layer = "encoder.layers.encoder_layer_1.ln_1"
    assert layout(model, given).maps("last") == (layer,)
    tokens, gradient = output(model, layer, given)
    expected = (gradient[:, 1:].mean(dim=1, keepdim=True) * tokens[:, 1:]).sum(dim=2).relu().view(2, 4, 4)
    found = explain(model, given, [GradCAM()]).arrays[f"grad_cam/{layer}"]
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.abs().max() > 0


def test_what_leaves_the_last_attention_has_no_gradient_where_the_patches_are() -> None:
    _, gradient = output(vit(), "encoder.layers.encoder_layer_1", images())
    assert gradient[:, 1:].abs().max() == 0  # or "last" need not stop before it


def test_swin_maps_have_their_channels_moved() -> None:
    model, given = swin(), images(32, 48)
    found = layout(model, given)
    assert found["features.1"].spatial == (8, 12)
    assert found["features.1"].channels == 8
    assert found["features.1.0.attn"].shape == (8, 12, 8)
    assert found[found.maps("last")[0]].spatial == (4, 6)
    values, gradient = output(model, "features.3", given)
    expected = (gradient.mean(dim=(1, 2), keepdim=True) * values).sum(dim=3).relu()
    assert torch.allclose(
        explain(model, given, [GradCAM("features.3")]).arrays["grad_cam/features.3"], expected, atol=1e-5
    )


def test_windows_in_the_batch_are_no_maps() -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.mix = nn.Conv2d(4, 4, 1)

        def forward(self, images: Tensor) -> Tensor:
            windows = self.conv(images).unfold(2, 8, 8).unfold(3, 8, 8)  # (N, 4, 4, 4, 8, 8)
            windows = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, 4, 8, 8)
            return self.mix(windows).mean(dim=(2, 3)).view(len(images), -1)

    found = layout(Windows(), images())
    assert found["mix"].unusable == (
        "puts out 16 maps for each sample, side by side in its batch, of parts that do not lie alike, "
        "such as patches or crops"
    )
    assert found.maps("all") == ("conv",)


def test_tokens_that_cannot_be_told_name_the_argument() -> None:
    with pytest.raises(ValueError, match=r"its output \(16, 6\) is tokens of an image.*reshape=\(height, width\)"):
        explain(Patches(), images(), [FeatureMaps("embed")])


def test_reshape_says_the_grid() -> None:
    model, given = Patches().eval(), images()
    found = explain(model, given, [FeatureMaps("embed", 6, reshape=[4, 4]), GradCAM("embed", reshape=(4, 4))])
    tokens, gradient = output(model, "embed", given)
    assert torch.allclose(found.arrays["feature_maps/embed"], tokens.transpose(1, 2).reshape(2, 6, 4, 4), atol=1e-5)
    expected = (gradient.mean(dim=1, keepdim=True) * tokens).sum(dim=2).relu().view(2, 4, 4)
    assert torch.allclose(found.arrays["grad_cam/embed"], expected, atol=1e-5)


@pytest.mark.parametrize("reshape", [(4,), (0, 4), (4, 4, 4), (2.0, 8)])
def test_reshape_is_a_height_and_a_width(reshape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="reshape must be"):
        GradCAM(reshape=reshape)


class TokenLast(PatchTransformer):
    """With the class token behind the others, which attention does not tell from before them."""

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = self.blocks(torch.cat([tokens, self.token.expand(len(images), -1, -1)], dim=1))
        scores: Tensor = self.head(tokens[:, -1])
        return scores


@pytest.mark.parametrize("reshape", [None, (4, 6)])
def test_a_class_token_may_come_last(reshape: tuple[int, int] | None) -> None:
    torch.manual_seed(0)
    first, last = PatchTransformer(), TokenLast()
    last.load_state_dict(first.state_dict())
    samples = FixedSamples(torch.rand(2, 3, 16, 24))
    expected = explain(first, samples, [GradCAM(reshape=reshape)]).arrays
    found = explain(last, samples, [GradCAM(reshape=reshape)]).arrays
    layer = "grad_cam/blocks.layers.1.norm1"
    assert found.keys() == expected.keys() == {layer}
    torch.testing.assert_close(found[layer], expected[layer])
    assert found[layer].any()


def test_of_tokens_without_a_convolution_the_message_says_what_to_do() -> None:
    model = nn.Sequential(nn.Flatten(2), nn.Linear(256, 8), nn.LayerNorm(8), nn.Flatten(), nn.Linear(24, 3))
    with pytest.raises(ValueError, match=r"a layer is named with reshape=\(height, width\)"):
        explain(model, torch.rand(2, 3, 16, 16), [GradCAM()])
