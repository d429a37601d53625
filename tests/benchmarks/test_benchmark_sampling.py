"""What a run costs beside its networks: samplers' arithmetic, the loop, and imports before it.

Run with ``pytest tests/benchmarks``. In the first group the predictor is free, it returns one fixed
tensor. Beside it are the calls of the shipped Dash for the same number of steps, of which the
samplers' arithmetic should be under 2 %.
"""

import subprocess
import sys

import pytest
import torch
from diffusers.pipelines.ddim.pipeline_ddim import DDIMPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from pairs import ratio_in_turn

from morse.dash.loading import load_dash
from morse.dot.loading import load_dot
from morse.experiments.cards import ROOT
from morse.methods.base import timesteps
from morse.methods.baseline import Baseline
from morse.samplers import SAMPLERS
from morse.sampling.loop import draw, trajectory
from morse.schedules.presets import linear
from morse.seeds import generator

MODEL = "cifar10-ddpm-mini"
CALLS = 20
BATCH = (100, 1, 32, 32)


@pytest.fixture(scope="module")
def dash():
    return load_dash(MODEL)


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


@pytest.mark.benchmark(group="sampler, 20 steps")
def test_calls_of_the_shipped_dash(benchmark, dash, noise):
    @torch.inference_mode()
    def run():
        for t in SAMPLERS["ddim"](linear(), CALLS).times:
            eps = dash(noise, timesteps(noise, t))
        return eps

    assert benchmark.pedantic(run, rounds=2, warmup_rounds=1).isfinite().all()


@pytest.mark.benchmark(group="a call on 100 images")
@pytest.mark.parametrize("network", ["dash", "dot"])
def test_a_call_of_the_shipped_networks(benchmark, dash, noise, network):
    dot, s, t = load_dot(MODEL, dash), timesteps(noise, 600.0), timesteps(noise, 500.0)
    run = {"dash": lambda: dash(noise, t), "dot": lambda: dot(noise, noise, noise, s, t)}[network]
    with torch.inference_mode():
        benchmark.pedantic(run, rounds=7, warmup_rounds=2)


@pytest.mark.benchmark(group="loop")
def test_ddim_loop_beside_diffusers_pipeline(benchmark, dash):
    """Ours and DDIMPipeline on the same network, in turn.

    ``ratio`` in the extra info is our time over theirs, the median of pairs. Noise, network and
    steps are the same. Theirs ends with images in [0, 1], ours in [-1, 1].
    """
    scheduler = DDIMScheduler(beta_start=1e-4, beta_end=0.02, clip_sample=False, timestep_spacing="leading")
    pipeline = DDIMPipeline(dash.network, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    sampler, batch = SAMPLERS["ddim"](dash.schedule, 10), 16

    def ours():
        generators = [generator(0, i) for i in range(batch)]
        return trajectory(Baseline(dash), sampler, draw(generators, dash.shape), generators)

    def theirs():
        generators = [generator(0, i) for i in range(batch)]
        options = {"num_inference_steps": 10, "use_clipped_model_output": False, "output_type": "np"}
        return pipeline(batch, generators, **options).images

    same = torch.from_numpy(theirs()).permute(0, 3, 1, 2)
    torch.testing.assert_close((ours() / 2 + 0.5).clamp(0, 1), same, rtol=0, atol=1e-4)
    benchmark.extra_info["ratio"] = ratio_in_turn(benchmark, ours, theirs, rounds=12)


@pytest.mark.benchmark(group="per image")
@pytest.mark.parametrize("batch", [1, 10, 100])
def test_sampling_of_an_image_by_batch_size(benchmark, dash, batch):
    """Ten DDIM steps.

    ``over_network`` in the extra info is the run's time over that of its ten calls of Dash alone.
    """
    sampler, x = SAMPLERS["ddim"](dash.schedule, 10), torch.randn((batch, *dash.shape), generator=generator(0))

    def run():
        generators = [generator(0, i) for i in range(batch)]
        return trajectory(Baseline(dash), sampler, draw(generators, dash.shape), generators)

    @torch.inference_mode()
    def network():
        for t in sampler.times:
            dash(x, timesteps(x, t))

    benchmark.extra_info["over_network"] = ratio_in_turn(benchmark, run, network, rounds=5)


@pytest.mark.benchmark(group="start-up")
def test_start_up_of_a_sampling_process(benchmark):
    """A job of the workflow pays this before its first image."""

    def start():
        code = "from morse.runtime import light_import; light_import.import_unet()\n"
        code += "import morse.sampling.loop, morse.dash.loading"
        subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow" / "scripts", check=True)

    benchmark.pedantic(start, rounds=3, iterations=1)
