"""Every registered sampler: calls, times, orders of convergence on a Gaussian, diffusers' steps."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from morse.methods.base import timesteps
from morse.methods.baseline import Baseline
from morse.methods.morse import Morse
from morse.methods.plans import baseline_plan, paper_plan
from morse.registry import UnknownName
from morse.samplers import SAMPLERS, make_sampler
from morse.samplers.base import GridSampler
from morse.samplers.ddim import ddim_step
from morse.samplers.dpm_solver import fast_orders
from morse.sampling.loop import trajectory
from morse.schedules.grids import GRIDS
from morse.schedules.noise import VPSDE, DiscreteSchedule
from morse.schedules.presets import linear
from morse.seeds import generator

COUNTS = [*range(1, 31), 50, 100]
ON_A_GRID = ["ddpm", "ddim"]
OPTIONS = {"lcm": {"original_steps": 100}}  # of the tests with many calls
STOCHASTIC = ["ddpm", "lcm", "euler-maruyama"]
UNCLIPPED = {"ddpm": {"clip": False}}

every_sampler = pytest.mark.parametrize("name", list(SAMPLERS))


def zero_noise():
    return torch.zeros(())


def run(predictor, sampler, x):
    return trajectory(predictor, sampler, x, [generator(1, i) for i in range(len(x))])


def solve(sampler, dash, x, noise=zero_noise):
    """The bare loop, with times in float64."""
    state = None
    for index, t in enumerate(sampler.times):
        x, state = sampler.step(index, x, dash(x, torch.full((len(x),), t, dtype=torch.float64)), state, noise)
    return x


def order(calls, errors):
    """Minus the slope of log error over log calls."""
    return -np.polyfit(np.log(calls), np.log(errors), 1)[0]


@every_sampler
@pytest.mark.parametrize("calls", COUNTS)
def test_a_run_makes_exactly_the_stated_calls(name, calls, schedule, gaussian, x):
    sampler, predictor = SAMPLERS[name](schedule, calls, **OPTIONS.get(name, {})), Baseline(gaussian)
    assert len(sampler.times) == calls
    assert run(predictor, sampler, x[:1]).isfinite().all()
    assert predictor.letters == "D" * calls


@every_sampler
@pytest.mark.parametrize("calls", COUNTS)
def test_times_fall_within_the_schedule(name, calls, schedule):
    times = SAMPLERS[name](schedule, calls, **OPTIONS.get(name, {})).times
    assert all(s < t for t, s in pairwise(times))
    assert 0 <= times[-1] and times[0] <= schedule.num_train_timesteps - 1


@every_sampler
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype_are_kept(name, dtype, schedule, gaussian, x):
    images = run(Baseline(gaussian), SAMPLERS[name](schedule, 7), x.to(dtype))
    assert (images.shape, images.dtype) == (x.shape, dtype)


@every_sampler
def test_a_plan_of_dash_alone_is_the_baseline(name, schedule, gaussian, x):
    sampler = SAMPLERS[name](schedule, 10)
    assert torch.equal(run(Morse(gaussian, None, baseline_plan(10)), sampler, x), run(Baseline(gaussian), sampler, x))


@every_sampler
def test_fresh_noise_is_what_a_step_adds(name, schedule, gaussian, x):
    sampler, state, found, one = SAMPLERS[name](schedule, 9), None, [], torch.ones_like(x)
    for index, t in enumerate(sampler.times):
        eps = gaussian(x, torch.full((len(x),), t))
        quiet, _ = sampler.step(index, x, eps, state, zero_noise)
        noisy, state = sampler.step(index, x, eps, state, lambda: one)
        found.append(sampler.fresh_noise(index))
        torch.testing.assert_close(noisy - quiet, torch.full_like(x, found[-1]), rtol=1e-9, atol=1e-12)
        x = noisy
    assert any(found) == (name in STOCHASTIC) and found[-1] == 0


@pytest.mark.parametrize("name", ON_A_GRID)
def test_a_zero_dot_keeps_the_last_estimate_of_the_clean_image(name, schedule, gaussian, x):
    """Where a first-order sampler adds no noise, that is to use the noise estimate again."""
    plan = paper_plan(6, 4.0, 0.5)
    sampler = SAMPLERS[name](schedule, plan.nfe, **UNCLIPPED.get(name, {}))
    letters, cleans = iter(plan.letters), []

    def again(x, t):
        alpha, sigma = schedule.alpha(t[0].item()), schedule.sigma(t[0].item())
        eps = gaussian(x, t) if next(letters) == "D" else (x - alpha * cleans[-1]) / sigma
        cleans.append((x - sigma * eps) / alpha)
        return eps

    morse = run(Morse(gaussian, lambda x_s, x_t, eps_s, s, t: torch.zeros_like(eps_s), plan), sampler, x)
    torch.testing.assert_close(morse, run(Baseline(again), sampler, x), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(morse, run(Baseline(gaussian), sampler, x), rtol=1e-3, atol=1e-3)


class Again(Baseline):
    """Dash's last estimate in the place of Dot's.

    The part of the noise is exchanged that a stochastic sampler exchanges.
    """

    def __init__(self, dash, plan):
        super().__init__(dash)
        self.plan = plan

    def __call__(self, x, t):
        if self.plan.letters[len(self.letters)] == "D":
            self.last = self.dash(x, timesteps(x, t))
        self.letters += "D"
        return self.last

    def renew_noise(self, noise, share, schedule):
        share = min(share, 1.0)
        self.last = (1 - share**2) ** 0.5 * self.last + share * noise


@every_sampler
def test_a_zero_dot_uses_the_last_estimate_again(name, schedule, gaussian, x):
    plan = paper_plan(6, 4.0, 0.5)
    sampler = SAMPLERS[name](schedule, plan.nfe)
    morse = run(Morse(gaussian, lambda x_s, x_t, eps_s, s, t: torch.zeros_like(eps_s), plan), sampler, x)
    assert torch.equal(morse, run(Again(gaussian, plan), sampler, x))
    assert not torch.allclose(morse, run(Baseline(gaussian), sampler, x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ON_A_GRID)
def test_dot_sees_deterministic_steps(name, schedule, gaussian, x):
    """x_t is a DDIM step from the x_s and eps_s that Dot is told, while its residual is zero.

    That holds for first-order samplers.
    """
    plan = paper_plan(6, 1.5, 0.5)
    sampler, found = SAMPLERS[name](schedule, plan.nfe, **UNCLIPPED.get(name, {})), []

    def dot(x_s, x_t, eps_s, s, t):
        found.append((ddim_step(schedule, x_s, eps_s, s[0].item(), t[0].item()), x_t))
        return torch.zeros_like(eps_s)

    run(Morse(gaussian, dot, plan), sampler, x)
    for expected, x_t in found:
        torch.testing.assert_close(x_t, expected, rtol=1e-5, atol=1e-5)
    assert len(found) == plan.letters.count(".") > 2


def rounded(dash):
    """A Dash whose estimates are multiples of 2^-20.

    Sums and differences of them have no rounding errors in float64.
    """
    return lambda x, t: (dash(x, t) * 2**20).round() / 2**20


@every_sampler
def test_a_perfect_dot_is_the_fine_baseline(name, schedule, gaussian, x):
    """Bit for bit. Where fresh noise is mixed into Dash's last estimate, that rounds."""
    dash, plan = rounded(gaussian), paper_plan(6, 4.0, 0.5)
    sampler = SAMPLERS[name](schedule, plan.nfe)
    morse = run(Morse(dash, lambda x_s, x_t, eps_s, s, t: dash(x_t, t) - eps_s, plan), sampler, x)
    baseline = run(Baseline(dash), sampler, x)
    assert torch.equal(morse, baseline) or sampler.stochastic
    torch.testing.assert_close(morse, baseline, rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(st.integers(1, 200), st.floats(1.5, 20.0), st.floats(0.05, 0.6), st.sampled_from(list(SAMPLERS)))
def test_every_plan_has_falling_times_or_one_line_that_says_why_not(budget, ratio, share, name):
    schedule = linear()
    try:
        plan = paper_plan(budget, ratio, share)
        times = SAMPLERS[name](schedule, plan.nfe, **OPTIONS.get(name, {})).times
    except ValueError as error:
        assert "\n" not in str(error) and (budget == 1 or plan.nfe > OPTIONS.get(name, {}).get("original_steps", 1000))
    else:
        assert plan.lsd <= budget + 1e-9 and plan.letters[0] == "D" and len(times) == plan.nfe
        assert all(s < t for t, s in pairwise(times)) and 0 <= times[-1] and times[0] <= schedule.t_max


@pytest.mark.parametrize("calls", [1, 5, 10, 50])
def test_ddim_is_diffusers_ddim(calls, schedule, gaussian, x):
    theirs = diffusers_ddim()
    same_trajectory(theirs, SAMPLERS["ddim"](schedule, calls), gaussian, x)


@pytest.mark.parametrize("calls", [1, 5, 10, 50])
@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
def test_ddpm_is_diffusers_ddpm(variance, calls, schedule, gaussian, x):
    theirs = diffusers_ddpm(variance)
    same_trajectory(theirs, SAMPLERS["ddpm"](schedule, calls, variance=variance), gaussian, x, generator=generator(3))


@pytest.mark.parametrize("calls", [5, 50])
def test_learned_variance_is_diffusers(calls, schedule, gaussian, x):
    theirs = diffusers_ddpm("learned_range")

    def dash(x, t):
        return torch.cat([gaussian(x, t), (3 * x).sin()], dim=1)

    same_trajectory(
        theirs, SAMPLERS["ddpm"](schedule, calls, variance="learned_range"), dash, x, generator=generator(3)
    )


@pytest.mark.parametrize(("w", "variance"), [(-1.0, "fixed_small"), (1.0, "fixed_large")])
def test_learned_variance_ends_at_the_fixed_ones(w, variance, schedule, gaussian, x):
    learned, fixed = (SAMPLERS["ddpm"](schedule, 10, variance=kind) for kind in ("learned_range", variance))
    images = run(Baseline(lambda x, t: torch.cat([gaussian(x, t), torch.full_like(x, w)], dim=1)), learned, x)
    torch.testing.assert_close(images, run(Baseline(gaussian), fixed, x), rtol=1e-5, atol=1e-6)


def test_channels_that_do_not_fit_the_variance_are_refused(schedule, gaussian, x):
    with pytest.raises(ValueError, match="^DDPM with variance learned_range needs a network of 2 channels, not 1$"):
        run(Baseline(gaussian), SAMPLERS["ddpm"](schedule, 5, variance="learned_range"), x)


def test_morse_with_learned_variance(schedule, gaussian, x):
    """A perfect Dot makes the noise exact; the variance is Dash's of its own last call."""
    plan, asked = paper_plan(6, 4.0, 0.5), []

    def dash(x, t):
        return torch.cat([gaussian(x, t), torch.full_like(x, 0.5 - t[0].item() / 1000)], dim=1)

    def dot(x_s, x_t, eps_s, s, t):
        asked.append(eps_s.shape)
        return gaussian(x_t, t) - eps_s

    sampler = SAMPLERS["ddpm"](schedule, plan.nfe, variance="learned_range")
    last, letters = [], iter(plan.letters)

    def baseline(x, t):
        if next(letters) == "D":
            last.append(dash(x, t)[:, 1:])
        return torch.cat([gaussian(x, t), last[-1]], dim=1)

    morse = run(Morse(dash, dot, plan), sampler, x)
    torch.testing.assert_close(morse, run(Baseline(baseline), sampler, x), rtol=1e-6, atol=1e-6)
    assert set(asked) == {x.shape}


LINEAR = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "timestep_spacing": "leading"}
"""Settings of diffusers' schedulers for DDPM's schedule and the uniform grid."""


def diffusers_ddim():
    return DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **LINEAR)


def diffusers_ddpm(variance):
    return DDPMScheduler(variance_type=variance, clip_sample=True, **LINEAR)


def same_trajectory(theirs, ours, dash, x, **options):
    """Compares every step of both, with the same noise, from 3 x on, where clipping acts."""
    torch.testing.assert_close(theirs.alphas_cumprod.double().numpy(), ours.schedule.alphas_cumprod, rtol=1e-4, atol=0)
    theirs.alphas_cumprod = torch.from_numpy(ours.schedule.alphas_cumprod)  # theirs are float32
    theirs.set_timesteps(ours.calls)
    assert theirs.timesteps.tolist() == list(ours.times)
    draws, state, x = generator(3), None, 3 * x
    shape = x.shape

    def noise():
        return torch.randn(shape, generator=draws, dtype=torch.float64)

    for index, t in enumerate(theirs.timesteps):
        eps = dash(x, t.repeat(len(x)))
        expected = theirs.step(eps, t, x, **options).prev_sample
        x, state = ours.step(index, x, eps, state, noise)
        torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "end", "counts", "expected"),
    [("ddim", -1.0, (20, 40, 50, 100, 125, 250), 1.0), ("dpm-solver", 0.0, (23, 35, 47, 71, 95, 143), 3.2)],
)
def test_order_of_convergence(name, end, counts, expected, schedule, gaussian, x):
    samplers = [SAMPLERS[name](schedule, calls) for calls in counts]
    errors = [
        (solve(sampler, gaussian, x) - gaussian.flow(x, sampler.times[0], end)).abs().max().item()
        for sampler in samplers
    ]
    assert order(counts, errors) == pytest.approx(expected, abs=0.2)
    assert errors[-1] < 0.02


@pytest.mark.parametrize("grid", ["log-snr", "time-uniform", "time-quadratic"])
@pytest.mark.parametrize(("order_", "counts"), [(1, (160, 320, 640)), (2, (80, 160, 320)), (3, (95, 191, 383))])
def test_dpm_solver_of_every_order_on_every_grid(order_, counts, grid, gaussian, x):
    dash = replace(gaussian, schedule=VPSDE(end=0.05))  # near the data, a time-uniform grid's steps are long in log-SNR
    samplers = [SAMPLERS["dpm-solver"](dash.schedule, calls, order=order_, grid=grid) for calls in counts]
    assert all(len(sampler.times) == calls for sampler, calls in zip(samplers, counts, strict=True))
    errors = [(solve(sampler, dash, x) - dash.flow(x, 999.0, 999 * 0.05)).abs().max().item() for sampler in samplers]
    assert order(counts, errors) == pytest.approx(order_, abs=0.4)


def test_outer_times_of_dpm_solver_stand_at_the_cumulative_orders(schedule):
    times = SAMPLERS["dpm-solver"](schedule, 10, grid="time-uniform").times
    np.testing.assert_allclose(np.array(times)[[0, 3, 6, 9]], np.linspace(999, 0, 11)[[0, 3, 6, 9]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 4}, "order of dpm-solver is 1, 2 or 3, not 4"),
        (
            {"grid": "trailing"},
            "end: first-timestep needs a grid that ends there, such as log-snr or time-uniform; 'trailing' ends at 99",
        ),
    ],
)
def test_dpm_solver_refuses_other_options(options, message, schedule):
    with pytest.raises(ValueError, match=f"^{message}$"):
        SAMPLERS["dpm-solver"](schedule, 9, **options)


@pytest.mark.parametrize("calls", [1, 2])
def test_local_error_of_the_last_steps_of_dpm_solver(calls, schedule, gaussian, x):
    """With one or two calls, a run is one step of that order.

    Over ever shorter stretches of the schedule its h shrinks.
    """
    lengths, errors = [], []
    for steps in (5, 10, 20):
        dash = replace(gaussian, schedule=DiscreteSchedule(schedule.alphas_cumprod[300 : 300 + steps + 1]))
        lengths.append(dash.schedule.log_snr(0) - dash.schedule.log_snr(steps))
        errors.append(
            (solve(SAMPLERS["dpm-solver"](dash.schedule, calls), dash, x) - dash.flow(x, steps, 0)).abs().max().item()
        )
    assert order(lengths, errors) == pytest.approx(-(calls + 1), abs=0.1)


@pytest.mark.parametrize(("variance", "sign"), [("fixed_small", -1), ("fixed_large", 1)])
def test_ddpm_reaches_the_gaussian(variance, sign, schedule, gaussian):
    """Its steps are affine in x, so mean and variance of its samples follow without drawing any."""
    counts, errors = (125, 250, 500), []
    for calls in counts:
        sampler = SAMPLERS["ddpm"](schedule, calls, variance=variance, clip=False)
        mean, spread = torch.zeros(1, 1, 4, 4, dtype=torch.float64), torch.ones(1, 1, 4, 4, dtype=torch.float64)
        z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
        for index, t in enumerate(sampler.times):
            probes = torch.cat([mean, mean + 1, mean])
            after, _ = sampler.step(index, probes, gaussian(probes, torch.full((3,), t)), None, lambda z=z: z)
            mean, spread = after[:1], (after[1] - after[0]) ** 2 * spread + (after[2] - after[0]) ** 2
        torch.testing.assert_close(mean[0], gaussian.mean, rtol=0, atol=1e-4)
        errors.append((spread[0] / gaussian.variance - 1).abs().max().item())
        assert ((spread[0] - gaussian.variance) * sign > 0).all()
    assert errors[-1] < 0.07
    assert order(counts, errors) == pytest.approx(1.0, abs=0.2)


def test_dpm_solver_with_one_call_is_a_ddim_step(schedule, gaussian, x):
    sampler = SAMPLERS["dpm-solver"](schedule, 1)
    assert sampler.times == (999.0,)
    eps = gaussian(x, torch.full((3,), 999.0))
    torch.testing.assert_close(
        solve(sampler, gaussian, x), ddim_step(schedule, x, eps, 999.0, 0.0), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("calls", "anchors"),
    [(10, (1, 0.722567, 0.303316, 0.031146)), (20, (1, 0.8525, 0.673959, 0.440992, 0.178409, 0.04549, 0.00886))],
)
def test_outer_times_of_dpm_solver_are_the_authors(calls, anchors, schedule):
    """The authors' time t is our timestep 1000 t - 1.

    Their schedule in float32 ends at log-SNR 4.60504, ours at 4.60512.
    """
    starts = np.cumsum([0, *fast_orders(calls)[:-1]])
    times = np.array(SAMPLERS["dpm-solver"](schedule, calls).times)[starts]
    np.testing.assert_allclose(times, 1000 * np.array(anchors) - 1, rtol=0, atol=0.01)


@pytest.mark.parametrize("calls", COUNTS)
def test_fast_orders_spend_every_call(calls):
    orders = fast_orders(calls)
    assert sum(orders) == calls
    assert len(orders) == (calls // 3 + 1 if calls > 2 else 1)
    assert set(orders[:-2]) <= {3}


def test_a_sampler_comes_from_its_card(schedule):
    card = {"kind": "ddim", "options": {"eta": 0.5}}
    assert make_sampler(card, schedule, 7) == SAMPLERS["ddim"](schedule, 7, eta=0.5)
    with pytest.raises(ValueError, match="unknown option of sampler ddim 'etta'; did you mean 'eta'"):
        make_sampler({"kind": "ddim", "options": {"etta": 0.5}}, schedule, 7)


def test_fast_orders_of_lower_order():
    assert fast_orders(7, 2) == [2, 2, 2, 1] and fast_orders(6, 2) == [2, 2, 2] and fast_orders(3, 1) == [1, 1, 1]


def test_fast_orders_end_as_the_authors_do():
    assert [fast_orders(calls) for calls in (6, 7, 8, 9)] == [[3, 2, 1], [3, 3, 1], [3, 3, 2], [3, 3, 2, 1]]


@pytest.mark.parametrize("eta", [0.3, 1.0])
@pytest.mark.parametrize("calls", [1, 5, 10, 50])
def test_stochastic_ddim_is_diffusers_ddim(eta, calls, schedule, gaussian, x):
    theirs = diffusers_ddim()
    ours = SAMPLERS["ddim"](schedule, calls, eta=eta)
    theirs.set_timesteps(calls)
    theirs.alphas_cumprod = torch.from_numpy(schedule.alphas_cumprod)
    state = None
    for index, t in enumerate(theirs.timesteps):
        z, eps = torch.randn(x.shape, generator=generator(index), dtype=x.dtype), gaussian(x, t.repeat(len(x)))
        quiet = 0.0 if index == calls - 1 else 1.0  # theirs adds sigma z with sigma = 0 at the end
        expected = theirs.step(eps, t, x, eta=eta, variance_noise=z * quiet).prev_sample
        x, state = ours.step(index, x, eps, state, lambda z=z: z)
        torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)


def test_ddim_with_eta_one_is_ddpm(schedule, gaussian, x):
    ddim, ddpm = SAMPLERS["ddim"](schedule, 12, eta=1.0), SAMPLERS["ddpm"](schedule, 12, clip=False)
    torch.testing.assert_close(run(Baseline(gaussian), ddim, x), run(Baseline(gaussian), ddpm, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("eta", [-0.1, 1.5])
def test_an_eta_out_of_range_is_an_error(eta, schedule):
    with pytest.raises(ValueError, match=f"between 0 and 1, not {eta}"):
        SAMPLERS["ddim"](schedule, 10, eta=eta)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if issubclass(SAMPLERS[name], GridSampler)])
@pytest.mark.parametrize("grid", list(GRIDS))
def test_samplers_take_any_grid(name, grid, schedule, gaussian, x):
    sampler = SAMPLERS[name](schedule, 10, grid=grid, end="data")
    if name != "dpm-solver":  # whose outer timesteps are uniform in log-SNR, not all
        assert list(sampler.times) == GRIDS[grid](schedule, 10)
    assert run(Baseline(gaussian), sampler, x).isfinite().all()


@every_sampler
def test_no_calls_are_an_error(name, schedule):
    with pytest.raises(ValueError, match=r"not 0$"):
        SAMPLERS[name](schedule, 0)


@pytest.mark.parametrize("name", ON_A_GRID)
def test_more_calls_than_steps_are_an_error(name, schedule):
    with pytest.raises(ValueError, match="1000 steps has 1 to 1000 calls, not 1001"):
        SAMPLERS[name](schedule, 1001)


def test_an_unknown_variance_is_an_error(schedule):
    with pytest.raises(ValueError, match="fixed_small, fixed_large or learned_range, not 'learned'"):
        SAMPLERS["ddpm"](schedule, 10, variance="learned")


def test_an_unknown_sampler_names_the_nearest():
    with pytest.raises(UnknownName) as error:
        SAMPLERS["dpm_solver"]
    assert str(error.value) == "unknown sampler 'dpm_solver'; did you mean 'dpm-solver'?"
