"""A Dash: a pre-trained diffusion model, adapted to one calling convention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from morse.dash.autoencoder import Autoencoder
from morse.dash.conditioning import Condition, guided
from morse.schedules.noise import NoiseSchedule

if TYPE_CHECKING:
    from morse.dash.text import TextEncoders

AUTOENCODER, TEXT, TOKENIZER = "autoencoder.", "text.", "tokenizer."
"""Before the names of tensors in a file of Dash's weights: an autoencoder's, those of text models
(then a model's number), and of tokenizers as text (:func:`morse.checkpoints.as_tensor`)."""


@dataclass(frozen=True)
class Dash:
    """A loaded model, called as ``dash(x, t, *cond) -> eps``
    (:mod:`morse.dash.conditioning`).

    Attributes:
        network: the module itself, which Dot shares.
        estimate: the noise estimate, (x (B, C, H, W), t (B,), *condition) -> (B, C, H, W). With a
            learned variance it is (B, 2 C, H, W), with the variance after the noise.
        schedule: the noise schedule it was trained with.
        shape: (C, H, W) of a sample, of a latent model in latents.
        classes: how many classes it is conditioned on; 0 for none.
        weights: SHA-256 of its file of weights; empty for random weights.
        autoencoder: of a latent model.
        guidance: how a text model is guided; empty for others.
        prompt_shapes: of the tensors of an encoded prompt, without B.
        encoders: of a text model, what encodes its prompts. A job with encoded prompts loads none.
    """

    network: nn.Module
    estimate: Callable[..., Tensor]
    schedule: NoiseSchedule
    shape: tuple[int, int, int]
    weights: str = ""
    classes: int = 0
    autoencoder: Autoencoder | None = None
    guidance: str = ""
    prompt_shapes: tuple[tuple[int, ...], ...] = ()
    encoders: TextEncoders | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        if self.autoencoder is None:
            return self.shape
        return 3, *(side * self.autoencoder.factor for side in self.shape[1:])

    def encode(self, images: Tensor) -> Tensor:
        """Samples of images (B, C, H, W) in [-1, 1]: latents, or for a model of pixels the images
        themselves."""
        return images if self.autoencoder is None else self.autoencoder.encode(images)

    def decode(self, samples: Tensor) -> Tensor:
        """Images of samples; the reverse of :meth:`encode`."""
        return samples if self.autoencoder is None else self.autoencoder.decode(samples)

    def example(self, batch_size: int, device: torch.device | str = "cpu") -> Condition:
        """Some condition, for sizes and timings: class 0, or random prompts."""
        if not self.guidance:
            return (torch.zeros(batch_size, dtype=torch.int64, device=device),) if self.classes else ()
        noise = torch.Generator().manual_seed(0)
        own, empty = (
            tuple(torch.randn((count, *shape), generator=noise).to(device) for shape in self.prompt_shapes)
            for count in (batch_size, 1)
        )
        return guided(torch.full((batch_size,), 7.5, device=device), own, empty, self.guidance)

    def state(self) -> dict[str, Tensor]:
        """The tensors of its file of weights, without tokenizers."""
        return {f"{prefix}{name}": value for prefix, part in self.parts() for name, value in _state(part).items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes the tensors of :meth:`state`."""
        for prefix, part in self.parts():
            part.load_state_dict({name: state[f"{prefix}{_common(name)}"] for name in part.state_dict()})

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """Each network with what stands before the names of its tensors."""
        yield "", self.network
        if self.autoencoder is not None:
            yield AUTOENCODER, self.autoencoder.network
        for number, model in enumerate(() if self.encoders is None else self.encoders.models):
            yield f"{TEXT}{number}.", model

    def __call__(self, x: Tensor, t: Tensor, *cond: Tensor) -> Tensor:
        return self.estimate(x, t, *cond)


def _state(part: nn.Module) -> dict[str, Tensor]:
    return {_common(name): value for name, value in part.state_dict().items()}


def _common(name: str) -> str:
    """A tensor's name without what only some releases of transformers put before those of text
    models."""
    return name.removeprefix("text_model.")
