"""What excites single channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_cnnviz.arguments import count_or_indices, flag, integer, layer_names, number, one_of, positive
from lightning_cnnviz.methods.activation_maximization import Maximized, Regularizers, maximize_activations
from lightning_cnnviz.model.evidence import Evidence, Model, Request
from lightning_cnnviz.model.layers.layout import Layer, LayerSpec, Layout, check_names
from lightning_cnnviz.output.artifacts import Array, Artifact, Picture
from lightning_cnnviz.render import Maps, Scale, SignedImages, Tiles, format_number
from lightning_cnnviz.samples import FixedSamples
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.channels import Channels
from lightning_cnnviz.views.common import picture_of, to_numpy, with_remark

CLIPPED_FROM = 0.995  # the share of an image's pixels that are drawn unclipped
STABLE_SMOOTHING = 0.25  # what descent on squared differences may take away in a step before it overshoots
_SMALLEST_PHOTOGRAPH, _JITTERED = 64, 28
_ROTATED, _ZOOMED = 10.0, 0.1  # of photographs
_STEPS = {False: 20, True: 40}


class ActivationMaximization(View):
    """Activation maximisation: for each channel an image, begun as faint noise, that makes the channel respond.

    How to read it: first layers give edges and colors, later ones textures and parts of objects; what stays noise is a
    channel that has learnt nothing or that nothing excites. Mid-grey is the mean of the samples.

    When it misleads: each picture shows only one of the many things that a channel may respond to, and on a network
    that was trained without regularisation the strongest image looks like noise to people: ``decorrelated``,
    ``jitter``, ``rotation``, ``zoom`` and ``total_variation`` trade activation for legibility.

    Tags and arrays: ``activation_max/<layer>``, (K, C, H, W) in the model's input space, the strongest first.

    Args:
        layers: ``"last"`` is the last layer of the spatial size of the last convolution. Each layer costs ``steps``
            forward and backward passes up to it.
        channels: how many, those that vary most over the samples at the first look, the same ones in every epoch; or
            indices. Drawn in ascending order of their index.
        steps: of gradient ascent; None: 20, or 40 for photographs, which are images of three channels from 64 pixels.
        rate: root mean square of a step, in standard deviations of the samples.
        jitter: most pixels by which the image is shifted at random before each step; None: 0, or a 28th of the
            side of photographs.
        rotation: most degrees by which the image is turned at random before each step; None: 0, or 10 for photographs.
        zoom: the share by which the image is enlarged or shrunk at random before each step, at most; None: 0, or 0.1
            for photographs.
        blur: standard deviation in pixels of a Gaussian that smooths the image after each step.
        total_variation: factor of the descent on the squared differences of neighbouring pixels.
        decorrelated: begin at noise with the spectrum and colors of photographs, and take steps along them;
            None: for photographs.
        scale: ``"shared"`` for all pictures, or ``"each"`` by itself.
        every_n_epochs: draw in every n-th epoch in which the callback looks.

    Raises:
        ValueError: an argument is out of its range.

    Source: Erhan et al., "Visualizing higher-layer features of a deep network", 2009; Olah et al., "Feature
        visualization", 2017.
    """

    chapter = "responses"

    def __init__(
        self,
        layers: LayerSpec = "last",
        channels: int | Sequence[int] = 8,
        *,
        steps: int | None = None,
        rate: float = 0.1,
        jitter: int | None = None,
        rotation: float | None = None,
        zoom: float | None = None,
        blur: float = 0.0,
        total_variation: float = 0.0,
        decorrelated: bool | None = None,
        scale: Scale = "shared",
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs=every_n_epochs)
        one_of("scale", scale, get_args(Scale))
        self.rate = number("rate", rate, above=0)
        self.jitter = None if jitter is None else integer("jitter", jitter, least=0)
        self.rotation = None if rotation is None else number("rotation", rotation, least=0, most=180)
        self.zoom = None if zoom is None else number("zoom", zoom, least=0, most=1)
        self.blur = number("blur", blur, least=0)
        self.total_variation = number("total_variation", total_variation, least=0)
        if rate * total_variation > STABLE_SMOOTHING:
            raise ValueError(
                f"total_variation must be at most {STABLE_SMOOTHING}/rate = {STABLE_SMOOTHING / rate:g}, "
                f"got {total_variation!r}: stronger smoothing overshoots"
            )
        self.layers = layer_names("layers", layers)
        self.channels = count_or_indices("channels", channels)
        self.steps = None if steps is None else positive("steps", steps)
        self.decorrelated = None if decorrelated is None else flag("decorrelated", decorrelated)
        self.scale = scale
        self._channels = Channels(self.channels)

    def check(self, model: nn.Module) -> None:
        check_names(model, self.layers)

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        layers = [layout[name] for name in layout.maps(self.layers)]
        for layer in layers:
            self._channels.check(layer.name, layer.channels)
        return Request(procedures={layer.name: partial(self._optimize, layer, samples) for layer in layers})

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        for layer in evidence.layout.maps(self.layers):
            found: Maximized = evidence.result(layer)
            mean, spread = _statistics(evidence.samples.images)
            tag = f"activation_max/{layer}"
            yield Array(tag, (mean + spread * found.images.cpu()).float())
            yield self._picture(tag, evidence.layout[layer], found)

    def _optimize(self, layer: Layer, samples: FixedSamples, model: Model) -> Maximized:
        images = model.images
        mean, spread = (values.to(images.device) for values in _statistics(samples.images))
        return maximize_activations(
            lambda inputs: layer.as_maps(model.output_of(layer.name, (mean + spread * inputs).to(images.dtype))),
            torch.tensor(self._chosen(layer, model), device=images.device),
            (images.shape[1], images.shape[2], images.shape[3]),
            steps=self._steps(images),
            rate=self.rate,
            regularizers=self._regularizers(images),
            dtype=torch.float64 if images.dtype == torch.float64 else torch.float32,
            on_step=partial(model.progress, f"Activation maximisation of {layer.name}"),
        )

    def _steps(self, images: Tensor) -> int:
        return self.steps or _STEPS[_is_photograph(images)]

    def _regularizers(self, images: Tensor) -> Regularizers:
        """Those given; for what is not, those without which large images are nothing but noise to people."""
        large = _is_photograph(images)
        jitter = min(images.shape[2:]) // _JITTERED if large else 0
        return Regularizers(
            jitter=jitter if self.jitter is None else self.jitter,
            rotation=(_ROTATED if large else 0.0) if self.rotation is None else self.rotation,
            zoom=(_ZOOMED if large else 0.0) if self.zoom is None else self.zoom,
            blur=self.blur,
            total_variation=self.total_variation,
            decorrelated=large if self.decorrelated is None else self.decorrelated,
        )

    def _chosen(self, layer: Layer, model: Model) -> list[int]:
        chosen = self._channels.known(layer.name, layer.channels)
        if chosen is None:
            with torch.no_grad():
                chosen = self._channels.of(layer.name, layer.as_maps(model.output_of(layer.name, model.images)))
        return chosen

    def state_dict(self) -> dict[str, Any]:
        return {"channels": self._channels.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._channels.load_state_dict(state.get("channels", {}))

    def _picture(self, tag: str, layer: Layer, found: Maximized) -> Picture:
        order = found.channels.argsort().cpu()
        images = _clipped(to_numpy(found.images.cpu()[order]), self.scale)
        cells: SignedImages | Maps
        if images.shape[1] == 3:
            cells = SignedImages(images, scale=self.scale)
        else:
            grey = images.mean(axis=1, keepdims=True)
            cells = Maps(grey, ("",), kind="signed", colormap="gray", scale=self.scale)
        labels = tuple(
            f"ch {channel}: {format_number(value)}"
            for channel, value in zip(
                found.channels.cpu()[order].tolist(), found.activations.cpu()[order].tolist(), strict=True
            )
        )
        title = f"What excites {layer.name}, {len(labels)} of {layer.channels} channels"
        footer = f"{self._steps(found.images)} steps from noise; channel: mean activation reached"
        still = int((~found.moved).sum())
        remark = (
            f"{still} of {len(found.moved)} are the noise that they started from: there the channel does not change "
            "with the image, as where a layer rounds"
        )
        picture = picture_of(tag, Tiles(cells, labels, title, footer, smooth=min(found.images.shape[2:]) > 64))
        return with_remark(picture, remark if still else None)


def _clipped(images: NDArray[np.float32], scale: Scale) -> NDArray[np.float32]:
    """Images whose few strongest pixels do not take the contrast of all others, or of all other images."""
    limit = np.nanquantile(np.abs(images), CLIPPED_FROM, axis=(1, 2, 3) if scale == "each" else None, keepdims=True)
    return images.clip(-limit, limit)


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each input channel, (1, C, 1, 1); 1 for a channel that is constant."""
    mean = images.double().mean(dim=(0, 2, 3), keepdim=True)
    spread = images.double().std(dim=(0, 2, 3), keepdim=True)
    return mean.float(), spread.where(spread > 0, 1).float()


def _is_photograph(images: Tensor) -> bool:
    return images.shape[1] == 3 and min(images.shape[2:]) >= _SMALLEST_PHOTOGRAPH
