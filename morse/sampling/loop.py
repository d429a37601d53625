"""The one sampling loop: predictor x sampler -> uint8 images.

Image i of a run with seed r draws all its noise from a generator seeded by (r, i). So its noise
does not depend on batch size, shard or number of devices. The image does, but only by the rounding
of networks. A baseline starts from the same noise as Morse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from morse.dash.conditioning import Condition
from morse.data.pixels import to_uint8
from morse.methods.base import EstimateFunction, Predictor
from morse.methods.baseline import as_predictor
from morse.runtime.device import peak_memory, wait_for
from morse.samplers.base import Sampler
from morse.sampling.shards import Shard
from morse.seeds import generator


def draw(generators: Sequence[torch.Generator], shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    r"""Standard normal noise, (B, \*shape): each image's from its own generator.

    It is drawn on the CPU, so it is the same on every device.
    """
    return torch.stack([torch.randn(tuple(shape), generator=g) for g in generators]).to(device)


Noise = Sequence[torch.Generator] | Iterable[Tensor]
"""Fresh noise of a batch: a generator for each image, or (B, C, H, W) tensors, one for each step
that adds noise."""


def _draws(noise: Noise, x: Tensor) -> Iterator[Tensor]:
    """The fresh noise of each step that adds some."""
    given = iter(noise)
    first = next(given, None)
    if isinstance(first, torch.Generator):
        generators = [first, *given]
        while True:
            yield draw(generators, x.shape[1:])
    elif first is not None:
        yield first
        yield from given


@torch.inference_mode()
def trajectory(
    predictor: Predictor | EstimateFunction,
    sampler: Sampler,
    x: Tensor,
    noise: Noise = (),
    cond: Condition = (),
) -> Tensor:
    """The images, in [-1, 1], that a sampler makes of noise x (B, C, H, W) at its first time.

    >>> from morse.samplers.ddim import DDIM
    >>> from morse.schedules.presets import linear
    >>> x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    >>> trajectory(lambda x, t: x, DDIM(linear(), 10), x).dtype
    torch.float64

    Args:
        predictor: a method's predictor, or a plain function (x, t) -> eps with t a number.
        x: of any floating-point type. All is computed in it.
        noise: fresh noise for a stochastic sampler. Generators draw in float32 whatever x is, so a
            run in float64 has the noise of one in float32.
        cond: of the images, for a network that takes any.

    Raises:
        ValueError: if noise is missing, or is of another shape than x.
        RuntimeError: if other than the stated number of calls were made, or noise was drawn that
            ``fresh_noise`` does not report.
        FloatingPointError: if a sample is not finite. As uint8 it would be a black pixel that
            nobody notices.
    """
    predictor, draws = as_predictor(predictor), _draws(noise, x)
    drawn: list[Tensor] = []

    def take() -> Tensor:
        fresh = next(draws, None)
        if fresh is None:
            raise ValueError("the sampler adds noise; give a generator for each image, or a tensor for each such step")
        if fresh.shape != x.shape:
            raise ValueError(f"noise {tuple(fresh.shape)} is not of the shape of the samples {tuple(x.shape)}")
        drawn.append(fresh.to(x))
        return drawn[-1]

    predictor.begin()
    state = None
    for index, t in enumerate(sampler.times):
        estimate = predictor(x, t, *cond)
        if not sampler.learned_variance:
            estimate = estimate[:, : x.shape[1]]
        x, state = sampler.step(index, x, estimate, state, take)
        fresh = sampler.fresh_noise(index)
        if len(drawn) != bool(fresh):
            raise RuntimeError(
                f"{type(sampler).__name__} drew noise {len(drawn)} times in step {index}, "
                f"and says that it adds {fresh:g}"
            )
        if fresh and index + 1 < sampler.calls:  # after the last call no method needs it
            share = fresh / sampler.schedule.sigma(sampler.times[index + 1])
            predictor.renew_noise(drawn[0], share, sampler.schedule)
        drawn.clear()
    calls = len(predictor.letters)
    if calls != sampler.calls:
        raise RuntimeError(f"the sampler stated {sampler.calls} network calls and {calls} were made")
    if not torch.isfinite(x).all():
        raise FloatingPointError(
            f"a sample is not finite after {calls} network calls; check the weights and the sampler"
        )
    return x


def batch_sizes(count: int, batch_size: int) -> list[int]:
    """The different sizes of batches of ``count`` images: ``batch_size``, and a smaller last one.

    >>> batch_sizes(250, 100), batch_sizes(200, 100), batch_sizes(60, 100)
    ([100, 50], [100], [60])
    """
    return [size for size in (batch_size if count >= batch_size else 0, count % batch_size) if size]


def sample_shard(
    predictor: Predictor,
    sampler: Sampler,
    shape: Sequence[int],
    seed: int,
    first: int,
    count: int,
    batch_size: int,
    device: torch.device | str = "cpu",
    progress: str | None = "sample",
    warm_up: Sequence[int] = (2,),
    conditions: Callable[[Sequence[int]], Condition] = lambda indices: (),
    decode: Callable[[Tensor], Tensor] = lambda samples: samples,
) -> Shard:
    """Images ``first`` to ``first + count - 1`` of the run with ``seed``.

    Args:
        shape: (C, H, W) of a sample.
        progress: caption of the progress bar; None: no bar.
        warm_up: sizes of batches that run before the clock starts. Two images load all code.
            Compiled networks need each size of the run (:func:`batch_sizes`).
        conditions: indices of images -> their condition
            (:func:`morse.dash.conditioning.conditions_of`).
        decode: samples -> images. Its time counts, and is measured by itself too.
    """

    def run(indices: Sequence[int]) -> Tensor:
        generators = [generator(seed, i) for i in indices]
        x = draw(generators, shape, device)
        return trajectory(predictor, sampler, x, generators, conditions(indices))

    images, seconds, decoding = [], 0.0, 0.0
    for size in warm_up:  # first calls also choose kernels and claim memory
        decode(run(range(first, first + min(size, count))))
    starts = range(first, first + count, batch_size)
    for start in tqdm(starts, desc=progress, unit="batch", mininterval=2, disable=progress is None):
        started = time.perf_counter()
        samples = run(range(start, min(start + batch_size, first + count)))
        wait_for(device)
        sampled = time.perf_counter()
        images.append(to_uint8(decode(samples)))  # waits for the device
        done = time.perf_counter()
        seconds, decoding = seconds + done - started, decoding + done - sampled
    return Shard(np.concatenate(images), first, seconds, predictor.letters, peak_memory(device), decoding=decoding)
