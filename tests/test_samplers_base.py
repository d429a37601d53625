"""Where runs on a grid end, and timesteps that are given instead of a grid."""

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from morse.methods.baseline import Baseline
from morse.samplers import SAMPLERS, make_sampler
from morse.samplers.base import ENDS, GridSampler
from morse.samplers.ddim import DDIM
from morse.sampling.loop import trajectory
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN, VPSDE
from morse.seeds import generator

TO_ZERO = ["uniform", "leading", "quadratic", "log-snr", "time-uniform", "time-quadratic", "openai"]
"""Grids that end at timestep 0."""

every_grid_sampler = pytest.mark.parametrize(
    "name", [name for name in SAMPLERS if issubclass(SAMPLERS[name], GridSampler)]
)


def run(sampler, dash, x):
    predictor = Baseline(dash)
    images = trajectory(predictor, sampler, x, [generator(1, i) for i in range(len(x))])
    assert predictor.letters == "D" * sampler.calls
    return images


@every_grid_sampler
@pytest.mark.parametrize(("end", "last"), [("data", CLEAN), ("first-timestep", 0.0), ("abar_0", 0.0)])
@pytest.mark.parametrize("calls", [1, 2, 3, 7, 20])
def test_a_run_ends_where_its_option_says(name, end, last, calls, schedule, gaussian, x):
    grid = "trailing" if end == "abar_0" else "time-uniform"
    sampler = SAMPLERS[name](schedule, calls, grid=grid, end=end)
    assert sampler.points == (*sampler.times, last)
    assert sampler.interval(calls - 1) == (sampler.times[-1], last)
    assert run(sampler, gaussian, x).isfinite().all()


@every_grid_sampler
@pytest.mark.parametrize("grid", TO_ZERO)
def test_a_run_to_the_first_timestep_has_a_grid_of_one_more(name, grid, schedule):
    sampler = SAMPLERS[name](schedule, 9, grid=grid, end="first-timestep")
    if (name, grid) != ("dpm-solver", "log-snr"):  # there, outer timesteps are even, not all
        assert list(sampler.points) == GRIDS[grid](schedule, 10)
    with pytest.raises(ValueError, match="a last step from timestep 0 to itself changes nothing; use end: data"):
        SAMPLERS[name](schedule, 9, grid=grid, end="abar_0")


@every_grid_sampler
def test_an_end_that_a_grid_does_not_have_is_refused(name, schedule):
    with pytest.raises(ValueError, match="needs a grid that ends there, such as log-snr .*; 'trailing' ends at 199$"):
        SAMPLERS[name](schedule, 4, grid="trailing", end="first-timestep")
    with pytest.raises(ValueError, match="unknown end of a run 'dat'; did you mean 'data'"):
        SAMPLERS[name](schedule, 4, end="dat")
    with pytest.raises(ValueError, match="abar_0 is of schedules in training steps; in continuous time use first-time"):
        SAMPLERS[name](VPSDE(), 4, grid="time-uniform", end="abar_0")


@every_grid_sampler
@pytest.mark.parametrize("end", ENDS)
def test_given_times_are_a_grid(name, end, schedule, gaussian, x):
    """Given the timesteps of a grid, a sampler does what it does on that grid."""
    grid = "trailing" if end == "abar_0" else "time-uniform"
    on_grid = SAMPLERS[name](schedule, 8, grid=grid, end=end)
    given = make_sampler({"kind": name, "options": {"times": list(on_grid.times), "end": end}}, schedule, 8)
    assert given.points == on_grid.points
    assert torch.equal(run(given, gaussian, x), run(on_grid, gaussian, x))


@every_grid_sampler
@pytest.mark.parametrize("end", ENDS)
def test_a_run_takes_any_falling_times(name, end, schedule, gaussian, x):
    sampler = SAMPLERS[name](schedule, 4, times=[999, 650.5, 333.25, 1e-3], end=end)
    assert sampler.times == (999.0, 650.5, 333.25, 1e-3)
    assert run(sampler, gaussian, x).isfinite().all()


@every_grid_sampler
@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([999, 500], "times gives 2 timesteps, a run of 3 calls needs 3"),
        ([999, 500, 500], "times must fall strictly, within 999 and 0; they are"),
        ([0, 500, 999], "times must fall strictly, within 999 and 0; they are"),
        ([1000, 500, 0], "times must fall strictly, within 999 and 0; they are"),
        ([999, 500, -0.5], "times must fall strictly, within 999 and 0; they are"),
        ([999, float("nan"), 0], "times must fall strictly, within 999 and 0; they are"),
    ],
)
def test_times_that_do_not_fit_are_refused(name, times, message, schedule):
    with pytest.raises(ValueError, match=message):
        SAMPLERS[name](schedule, 3, times=times)


@pytest.mark.parametrize("eta", [0.0, 0.7])
@pytest.mark.parametrize("calls", [1, 2, 5, 10, 50])
def test_ddim_of_compvis_is_diffusers_with_an_offset(eta, calls, schedule, gaussian, x):
    """As Stable Diffusion is run: timesteps from 1, and alpha of timestep 0 at the end."""
    theirs = DDIMScheduler(
        beta_start=1e-4, beta_end=0.02, clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        timestep_spacing="leading",
    )  # fmt: skip
    theirs.set_timesteps(calls)
    theirs.alphas_cumprod = torch.from_numpy(schedule.alphas_cumprod)
    theirs.final_alpha_cumprod = theirs.alphas_cumprod[0]
    ours = DDIM(schedule, calls, grid="compvis", end="abar_0", eta=eta)
    assert list(ours.times) == theirs.timesteps.tolist()
    for index, t in enumerate(theirs.timesteps):
        z, eps = torch.randn(x.shape, generator=generator(index), dtype=x.dtype), gaussian(x, t.repeat(len(x)))
        expected = theirs.step(eps, t, x, eta=eta, variance_noise=z).prev_sample
        x, _ = ours.step(index, x, eps, None, lambda z=z: z)
        torch.testing.assert_close(x, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "options"), [("ddim", {"eta": 1.0}), ("ddpm", {"clip": False})])
def test_a_stochastic_run_to_the_first_timestep_has_its_noise(name, options, schedule, gaussian):
    """With every timestep, the samples have mean and variance of the data at the first timestep."""
    sampler = SAMPLERS[name](schedule, 999, end="first-timestep", **options)
    mean, spread = torch.zeros(1, 1, 4, 4, dtype=torch.float64), torch.ones(1, 1, 4, 4, dtype=torch.float64)
    z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    for index, t in enumerate(sampler.times):
        probes = torch.cat([mean, mean + 1, mean])
        after, _ = sampler.step(index, probes, gaussian(probes, torch.full((3,), t)), None, lambda: z)
        mean, spread = after[:1], (after[1] - after[0]) ** 2 * spread + (after[2] - after[0]) ** 2
    alpha, sigma = schedule.alpha(0.0), schedule.sigma(0.0)
    torch.testing.assert_close(mean[0], alpha * gaussian.mean, rtol=0, atol=1e-3)
    torch.testing.assert_close(spread[0], alpha**2 * gaussian.variance + sigma**2, rtol=0.05, atol=0)
