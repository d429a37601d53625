"""Continuous time: the VP-SDE, its samplers, and all others on it."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers.schedulers.deprecated.scheduling_sde_vp import ScoreSdeVpScheduler
from hypothesis import given
from hypothesis import strategies as st
from test_every_sampler import order, rounded, run, solve

from morse.dash.training import TRAINED_FROM, draw_times
from morse.methods.baseline import Baseline
from morse.methods.morse import Morse
from morse.methods.plans import baseline_plan, paper_plan
from morse.samplers import SAMPLERS
from morse.samplers.ddim import ddim_step
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN, VPSDE
from morse.schedules.presets import SCHEDULES
from morse.seeds import generator

VP = VPSDE()
ON_ANY = {
    "ddpm": {"grid": "time-uniform"},
    "ddim": {"grid": "time-uniform"},
    "dpm-solver-multistep": {"grid": "log-snr"},
    "unipc": {"grid": "log-snr"},
    "ipndm": {"grid": "time-uniform"},
}
every_sampler = pytest.mark.parametrize(
    "name", [name for name in SAMPLERS if name != "lcm"]
)  # LCM counts training steps


@pytest.fixture
def continuous(gaussian):
    return replace(gaussian, schedule=VP)


def make(name, calls):
    return SAMPLERS[name](VP, calls, **ON_ANY.get(name, {}))


def test_anchors_of_the_vp_sde():
    """Of the authors' code in float64. Timesteps are 999 times their time."""
    assert SCHEDULES["vp-sde"] is VPSDE
    assert VP.alpha(999) == pytest.approx(6.5716e-3, rel=1e-5)
    assert VP.sigma(0.999) == pytest.approx(1.04854e-2, rel=1e-5)
    assert VP.sigma(0.0999) == pytest.approx(3.178e-3, rel=1e-4)
    assert VP.log_snr(999) == pytest.approx(-5.02498, abs=5e-6)
    assert VP.log_snr(0.999) == pytest.approx(4.55771, abs=5e-6)
    assert (VP.alpha(CLEAN), VP.sigma(CLEAN), VP.log_snr(CLEAN)) == (1.0, 0.0, math.inf)


@given(st.floats(0.01, 999.0))
def test_time_of_log_snr_is_the_inverse(t):
    assert VP.time_of_log_snr(VP.log_snr(t)) == pytest.approx(t, rel=1e-10)


@pytest.mark.parametrize("schedule", [VP, SCHEDULES["linear"]()], ids=["vp", "discrete"])
@pytest.mark.parametrize("t", [0.9, 40.5, 998.5])
def test_rate_is_the_slope_of_log_alpha(schedule, t):
    slope = (schedule.log_alpha(t + 1e-4) - schedule.log_alpha(t - 1e-4)) / 2e-4
    assert schedule.rate(t) == pytest.approx(-2.0 * slope, rel=1e-5)


def test_rate_at_a_whole_timestep_is_its_own_step():
    linear = SCHEDULES["linear"]()
    assert linear.rate(999.0) == pytest.approx(-math.log(1 - 0.02), rel=1e-9)
    assert linear.rate(0.0) == pytest.approx(-math.log(1 - 1e-4), rel=1e-9)


@pytest.mark.parametrize(
    "settings", [{"beta_min": 0.0}, {"beta_min": 2.0, "beta_max": 1.0}, {"end": 0.0}, {"end": 1.0}]
)
def test_other_sdes_are_refused(settings):
    with pytest.raises(ValueError, match="^a VP-SDE needs 0 < beta_min <= beta_max and 0 < end < 1, not beta"):
        VPSDE(**settings)


@pytest.mark.parametrize(
    ("end", "anchors"), [(1e-3, (1, 0.722337, 0.304644, 0.03169)), (1e-4, (1, 0.680117, 0.19404, 0.010681))]
)
def test_outer_times_of_dpm_solver_are_the_authors(end, anchors):
    """Theirs are float32: they end at log-SNR 4.55759 and 5.75281, not 4.55771 and 5.75151."""
    times = SAMPLERS["dpm-solver"](VPSDE(end=end), 10).times
    np.testing.assert_allclose(np.array(times)[[0, 3, 6, 9]] / 999, anchors, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["time-uniform", "time-quadratic", "log-snr"])
@pytest.mark.parametrize("calls", [1, 2, 3, 10, 100])
def test_grids_of_continuous_time(name, calls):
    times = GRIDS[name](VP, calls)
    assert len(times) == calls
    assert all(s < t for t, s in pairwise(times))
    assert times[0] == 999.0
    assert calls == 1 or times[-1] == 0.999


def test_what_time_grids_are_uniform_in():
    np.testing.assert_allclose(np.diff(GRIDS["time-uniform"](VP, 9)), (0.999 - 999) / 8)
    np.testing.assert_allclose(
        np.diff(np.sqrt(GRIDS["time-quadratic"](VP, 9))), (math.sqrt(0.999) - math.sqrt(999)) / 8
    )


@pytest.mark.parametrize(
    "name", ["uniform", "leading", "trailing", "quadratic", "ays-sd", "ddim-uniform", "ddim-quadratic"]
)
def test_grids_of_training_steps_are_refused(name):
    with pytest.raises(
        ValueError, match="counts training steps, which .* continuous time has not; use the grid 'time-uniform'$"
    ):
        GRIDS[name](VP, 10)


@every_sampler
@pytest.mark.parametrize("calls", [1, 2, 3, 4, 7, 20, 100])
def test_a_run_makes_exactly_the_stated_calls(name, calls, continuous, x):
    sampler, predictor = make(name, calls), Baseline(continuous)
    assert len(sampler.times) == calls
    assert all(s < t for t, s in pairwise(sampler.times))
    assert VP.t_min <= sampler.times[-1] and sampler.times[0] <= VP.t_max
    images = run(predictor, sampler, x)
    assert images.isfinite().all() and images.dtype == x.dtype
    assert predictor.letters == "D" * calls


@every_sampler
def test_morse_runs_on_it(name, continuous, x):
    sampler = make(name, 10)
    assert torch.equal(
        run(Morse(continuous, None, baseline_plan(10)), sampler, x), run(Baseline(continuous), sampler, x)
    )
    plan = paper_plan(6, 4.0, 0.5)
    fine = make(name, plan.nfe)
    dash = rounded(continuous)
    morse, baseline = (
        run(Morse(dash, lambda x_s, x_t, eps_s, s, t: dash(x_t, t) - eps_s, plan), fine, x),
        run(Baseline(dash), fine, x),
    )
    assert torch.equal(morse, baseline) or fine.stochastic
    torch.testing.assert_close(morse, baseline, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("calls", [2, 10, 100])
def test_euler_maruyama_is_diffusers(calls, continuous, x):
    """Whose step is 1 / n between times (1 - end) / (n - 1) apart, as the authors'."""
    theirs, draws, other = ScoreSdeVpScheduler(beta_min=0.1, beta_max=20, sampling_eps=1e-3), generator(3), generator(3)
    theirs.set_timesteps(calls)
    ours = SAMPLERS["euler-maruyama"](VP, calls)
    np.testing.assert_allclose(999 * theirs.timesteps.double().numpy(), ours.times, rtol=1e-5)
    shape = x.shape

    def noise():
        return torch.randn(shape, generator=other, dtype=torch.float64)

    theirs.timesteps = torch.tensor(ours.times, dtype=torch.float64) / 999  # theirs are float32
    for index, t in enumerate(theirs.timesteps):
        eps = continuous(x, torch.full((len(x),), ours.times[index], dtype=torch.float64))
        expected, mean = theirs.step_pred(eps, x, t.repeat(len(x)), generator=draws)
        x, _ = ours.step(index, x, eps, None, noise)
        torch.testing.assert_close(x, mean if index == calls - 1 else expected, rtol=1e-9, atol=1e-9)


def moments(sampler, dash):
    """Mean and variance of the samples of a sampler that is affine in x, without drawing any."""
    mean, variance = torch.zeros(1, 1, 4, 4, dtype=torch.float64), torch.ones(1, 1, 4, 4, dtype=torch.float64)
    z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    for index, t in enumerate(sampler.times):
        probes = torch.cat([mean, mean + 1, mean])
        after, _ = sampler.step(index, probes, dash(probes, torch.full((3,), t, dtype=torch.float64)), None, lambda: z)
        mean, variance = after[:1], (after[1] - after[0]) ** 2 * variance + (after[2] - after[0]) ** 2
    return mean[0], variance[0]


@pytest.mark.parametrize(
    ("grid", "step_size"), [("time-uniform", "constant"), ("time-uniform", "grid"), ("time-quadratic", "grid")]
)
def test_euler_maruyama_reaches_the_gaussian(grid, step_size, continuous):
    counts, errors = (250, 500, 1000), []
    for calls in counts:
        mean, variance = moments(SAMPLERS["euler-maruyama"](VP, calls, grid=grid, step_size=step_size), continuous)
        errors.append((variance / continuous.variance - 1).abs().max().item())
        assert (mean - continuous.mean).abs().max() < 20 / calls
    assert order(counts, errors) == pytest.approx(1.0, abs=0.35)
    assert errors[-1] < 0.1


def test_without_denoising_the_noise_of_one_step_is_left(continuous):
    _, with_it = moments(SAMPLERS["euler-maruyama"](VP, 100, denoise=False), continuous)
    _, without = moments(SAMPLERS["euler-maruyama"](VP, 100), continuous)
    torch.testing.assert_close(with_it - without, torch.full_like(without, VP.rate(0.999) * 9.99))


def test_a_run_may_end_with_noise(continuous, x):
    noisy, clean = (run(Baseline(continuous), SAMPLERS["euler-maruyama"](VP, 20, denoise=d), x) for d in (False, True))
    assert (noisy - clean).std() == pytest.approx(math.sqrt(VP.rate(0.999) * 999 / 20), rel=0.4)


@pytest.mark.parametrize(("name", "end"), [("first-timestep", 0.999), ("data", CLEAN)])
def test_probability_flow_converges_at_order_one(name, end, continuous, x):
    counts = (100, 200, 400)
    errors = []
    for calls in counts:
        images = solve(SAMPLERS["probability-flow"](VP, calls, end=name), continuous, x)
        errors.append((images - continuous.flow(x, 999.0, end)).abs().max().item())
    assert order(counts, errors) == pytest.approx(1.0, abs=0.2)
    assert errors[-1] < 0.05


@pytest.mark.parametrize(
    ("name", "end", "counts", "expected"),
    [("ddim", CLEAN, (40, 80, 160), 1.0), ("dpm-solver", 0.999, (23, 47, 95), 3.2)],
)
def test_other_solvers_keep_their_order(name, end, counts, expected, continuous, x):
    errors = [
        (solve(make(name, calls), continuous, x) - continuous.flow(x, 999.0, end)).abs().max().item()
        for calls in counts
    ]
    assert order(counts, errors) == pytest.approx(expected, abs=0.3)


def test_one_call_of_dpm_solver_is_a_ddim_step(continuous, x):
    eps = continuous(x, torch.full((3,), 999.0))
    torch.testing.assert_close(
        solve(make("dpm-solver", 1), continuous, x), ddim_step(VP, x, eps, 999.0, 0.999), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_size": "even"}, "step_size of Euler-Maruyama is constant or grid, not 'even'"),
        ({"grid": "uniform"}, "counts training steps"),
    ],
)
def test_other_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SAMPLERS["euler-maruyama"](VP, 5, **options)


@pytest.mark.parametrize(("of", "data"), [(VP, 0.0), (SCHEDULES["linear"](), -1.0)], ids=["vp", "discrete"])
def test_euler_maruyama_goes_all_the_way_to_the_data(of, data, x):
    assert of.log_alpha(of.t_clean) == 0.0 and of.t_clean == data
    sampler = SAMPLERS["euler-maruyama"](of, 50, step_size="grid")
    last, t = 49, sampler.times[-1]
    eps = torch.ones_like(x)
    after, _ = sampler.step(last, x, eps, None, None)
    share = of.rate(t) * (t - data)
    torch.testing.assert_close(after, (1 + share / 2) * x - share / of.sigma(t) * eps)
    assert share == pytest.approx(-2 * of.log_alpha(t), rel=0.1)


def test_the_last_part_of_continuous_time_is_not_trained():
    times = draw_times(VP, 500_000, generator(0))  # without the bound the least would be about 0.002
    assert 999 * TRAINED_FROM <= times.min() < 0.1 and times.max() <= 999
