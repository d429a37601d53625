"""What a run costs beside its networks: the samplers' arithmetic, the loop, and the imports before it.

The predictor is free: it returns one fixed tensor. Run with ``pytest tests/benchmarks``.
"""

import subprocess
import sys

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from morse.samplers import SAMPLERS
from morse.schedules import linear

CALLS = 20
BATCH = (100, 1, 32, 32)


@pytest.fixture
def noise():
    return torch.randn(BATCH, generator=torch.Generator().manual_seed(1))


@pytest.mark.benchmark(group="sampler, 20 steps")
@pytest.mark.parametrize("name", list(SAMPLERS))
def test_arithmetic_of_a_sampler(benchmark, name, noise):
    sampler = SAMPLERS[name](linear(), CALLS)
    eps, fresh = noise.flip(0), noise.flip(1)  # fresh noise is free too

    @torch.inference_mode()
    def run():
        x, state = noise, None
        for index in range(CALLS):
            x, state = sampler.step(index, x, eps, state, lambda: fresh)
        return x

    assert benchmark(run).isfinite().all()


@pytest.mark.benchmark(group="sampler, 20 steps")
def test_arithmetic_of_diffusers_ddim(benchmark, noise):
    scheduler = DDIMScheduler(beta_start=1e-4, beta_end=0.02, clip_sample=False, timestep_spacing="leading")
    scheduler.set_timesteps(CALLS)
    eps = noise.flip(0)

    @torch.inference_mode()
    def run():
        x = noise
        for t in scheduler.timesteps:
            x = scheduler.step(eps, t, x).prev_sample
        return x

    assert benchmark(run).isfinite().all()


@pytest.mark.benchmark(group="start-up")
def test_start_up_of_a_sampling_process(benchmark):
    """A node of the workflow pays this before its first image."""

    def start():
        subprocess.run([sys.executable, "-c", "import morse.zoo"], check=True)

    benchmark.pedantic(start, rounds=3, iterations=1)
