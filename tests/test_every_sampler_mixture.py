"""Every sampler on data whose flow is not linear, and whose noise estimate is known: a mixture."""

from dataclasses import replace

import pytest
import torch
from test_every_sampler import order, solve

from morse.samplers import SAMPLERS
from morse.samplers.ddim import ddim_step
from morse.schedules.noise import CLEAN, VPSDE
from morse.seeds import generator

SOLVERS = [
    ("ddim", 1.0, {"grid": "time-quadratic"}),
    ("probability-flow", 1.0, {"grid": "time-quadratic"}),
    ("dpm-solver", 2.0, {"order": 2}),
    ("dpm-solver", 3.0, {}),
    ("dpm-solver-multistep", 2.0, {"order": 2, "grid": "log-snr"}),
    ("dpm-solver-multistep", 2.0, {"order": 3, "grid": "log-snr"}),  # as its authors wrote it
    ("dpm-solver-multistep", 3.0, {"order": 3, "grid": "log-snr", "corrected": True}),
    ("unipc", 2.0, {"order": 1, "grid": "log-snr"}),  # its corrector adds one
    ("unipc", 3.0, {"order": 2, "grid": "log-snr"}),
    ("ipndm", 2.0, {"order": 2, "grid": "time-quadratic"}),
    ("ipndm", 2.0, {"grid": "time-quadratic"}),  # its higher orders need steps of equal length in sigma / alpha
]
"""Name, order of convergence, options. DPM-Solver of order 1 is DDIM (test_samplers)."""
EXACT = {"ddpm": {"clip": False}, "ddim": {"eta": 1.0}, "euler-maruyama": {"step_size": "grid"}}
"""Stochastic samplers, which reach the data's distribution."""


@pytest.fixture(scope="module")
def continuous(mixture):
    return replace(mixture, schedule=VPSDE())


def test_every_sampler_is_tried():
    """LCM is no solver: it needs a network that was distilled for it (test_lcm)."""
    assert {name for name, *_ in SOLVERS} | set(EXACT) | {"lcm"} == set(SAMPLERS)


def start(count):
    return torch.randn(count, 1, 1, 2, generator=generator(8), dtype=torch.float64)


@pytest.fixture(scope="module")
def limit(continuous):
    """Where the flow from 64 samples of noise ends: at the first timestep, and estimated clean."""
    ended = solve(SAMPLERS["dpm-solver"](continuous.schedule, 1500), continuous, start(64))
    first = continuous.schedule.t_min
    eps = continuous(ended, torch.full((64,), first, dtype=torch.float64))
    return {"dpm-solver": ended, "others": ddim_step(continuous.schedule, ended, eps, first, CLEAN)}


@pytest.mark.parametrize(("name", "expected", "options"), SOLVERS)
def test_solvers_converge_at_their_order(name, expected, options, continuous, limit):
    counts, errors = (80, 160, 320), []
    for calls in counts:
        images = solve(SAMPLERS[name](continuous.schedule, calls, **options), continuous, start(64))
        errors.append((images - limit.get(name, limit["others"])).square().mean().sqrt().item())
    assert order(counts, errors) == pytest.approx(expected, abs=0.35)
    assert errors[-1] < 0.03


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_stochastic_samplers_reach_the_data(name, kind, request, mixture):
    dash = mixture if kind == "discrete" else request.getfixturevalue("continuous")
    grid = "time-quadratic" if kind == "continuous" else "uniform"
    count, draws = 20_000, generator(9)
    sampler = SAMPLERS[name](dash.schedule, 500, **EXACT[name], grid=grid)

    def noise():
        return torch.randn(count, 1, 1, 2, generator=draws, dtype=torch.float64)

    images = solve(sampler, dash, start(count), noise).flatten(1)
    mean, covariance = dash.moments()
    torch.testing.assert_close(images.mean(0), mean, rtol=0, atol=0.025)  # four standard errors are 0.018
    torch.testing.assert_close(images.T.cov(), covariance, rtol=0, atol=0.025)
    nearest = (images[:, None] - dash.means.flatten(1)).square().sum(2).argmin(1)
    torch.testing.assert_close(nearest.bincount() / count, dash.weights.float(), rtol=0, atol=0.02)
