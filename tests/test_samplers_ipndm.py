"""iPNDM: DDIM at order 1, exact on polynomials, order of convergence, parity with diffusers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ipndm import IPNDMScheduler

from morse.methods.baseline import Baseline
from morse.samplers.ddim import DDIM, ddim_step
from morse.samplers.ipndm import IPNDM, WEIGHTS
from morse.sampling.loop import trajectory
from morse.schedules.noise import CLEAN, VPSDE
from morse.schedules.presets import linear

SCHEDULES = {"discrete": linear(), "continuous": VPSDE()}
every_schedule = pytest.mark.parametrize("of", SCHEDULES.values(), ids=SCHEDULES)
every_order = pytest.mark.parametrize("order", WEIGHTS)


def no_noise():
    raise AssertionError("a deterministic sampler draws no noise")


def even_times(of, calls, first=4.0, last=0.4):
    """Timesteps of evenly spaced sigma / alpha: all steps but the last are of equal length."""
    return [of.time_of_log_snr(-np.log(ratio)) for ratio in np.linspace(first, last, calls)]


def ratio(of, t):
    return of.sigma(t) / of.alpha(t)


def asked(dash, x, t):
    return dash(x, torch.full((len(x),), t, dtype=torch.float64))


@pytest.mark.parametrize("options", [{}, {"grid": "log-snr"}, {"grid": "log-snr", "end": "first-timestep"}])
@pytest.mark.parametrize("calls", [1, 2, 9])
def test_order_one_is_ddim_bit_for_bit(options, calls, schedule, gaussian, x):
    ours = trajectory(Baseline(gaussian), IPNDM(schedule, calls, order=1, **options), x)
    assert torch.equal(ours, trajectory(Baseline(gaussian), DDIM(schedule, calls, **options), x))


def test_higher_orders_are_not_ddim(schedule, gaussian, x):
    images = [trajectory(Baseline(gaussian), IPNDM(schedule, 9, order=order), x) for order in WEIGHTS]
    for index, one in enumerate(images):
        assert all(not torch.allclose(one, other, rtol=1e-3, atol=1e-3) for other in images[:index])


@every_order
def test_weights_are_a_mean(order):
    assert len(WEIGHTS[order]) == order
    assert sum(WEIGHTS[order]) == pytest.approx(1.0, abs=1e-15)


@every_schedule
@every_order
def test_steps_of_equal_length_are_exact_on_polynomials(order, of, x):
    """Of degree order - 1 in the step's index, once as many estimates are known. They are not on
    the next power."""
    calls = 9
    sampler = IPNDM(of, calls, order=order, times=even_times(of, calls))
    length = ratio(of, sampler.times[1]) - ratio(of, sampler.times[0])
    for degree in range(order + 1):
        estimates = [torch.full_like(x, 1.0 + float(index) ** degree) for index in range(calls)]
        x_t, state = x, None
        for index, t in enumerate(sampler.times[:-1]):
            s, before = sampler.times[index + 1], x_t
            x_t, state = sampler.step(index, before, estimates[index], state, no_noise)
            mean = 1.0 + ((index + 1) ** (degree + 1) - index ** (degree + 1)) / (degree + 1)
            expected = of.alpha(s) * (before / of.alpha(t) + length * mean)
            exact = torch.allclose(x_t, expected, rtol=1e-9, atol=1e-9)
            assert exact == (degree < order) or index < order - 1


def last_error(sampler, dash, x):
    """Of the sample at the last call. The first samples are exact, so that the lower orders of the
    start do not hide the order."""
    first, x_t, state = sampler.times[0], x, None
    for index, t in enumerate(sampler.times[:-1]):
        x_t = dash.flow(x, first, t) if index < sampler.order else x_t
        x_t, state = sampler.step(index, x_t, asked(dash, x_t, t), state, no_noise)
    return (x_t - dash.flow(x, first, sampler.times[-1])).abs().max().item()


def slope(counts, errors):
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


@every_schedule
@every_order
def test_order_of_convergence_on_steps_of_equal_length(order, of, gaussian, x):
    dash, counts = replace(gaussian, schedule=of), (64, 96, 128, 192)
    errors = [
        last_error(IPNDM(of, calls + 1, order=order, times=even_times(of, calls + 1)), dash, x) for calls in counts
    ]
    assert slope(counts, errors) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize(("order", "expected"), [(1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0)])
def test_other_smooth_grids_have_order_two_at_most(order, expected, gaussian, x):
    dash, counts = replace(gaussian, schedule=VPSDE(end=0.05)), (128, 256, 512)
    errors = [last_error(IPNDM(dash.schedule, calls, order=order, grid="log-snr"), dash, x) for calls in counts]
    assert slope(counts, errors) == pytest.approx(expected, abs=0.25)


def test_orders_of_the_steps(schedule):
    def orders(**options):
        sampler = IPNDM(schedule, 6, **options)
        return [sampler.order_of(index) for index in range(6)]

    assert orders() == [1, 2, 3, 4, 4, 1]
    assert orders(lower_final=False) == [1, 2, 3, 4, 4, 4]
    assert orders(order=2) == [1, 2, 2, 2, 2, 1]
    assert orders(grid="log-snr", end="first-timestep") == [1, 2, 3, 4, 4, 4]  # a run that does not reach the data
    assert IPNDM(schedule, 1).order_of(0) == 1


def test_the_last_step_is_the_clean_estimate_of_its_own_call(schedule, gaussian, x):
    sampler, state = IPNDM(schedule, 5), None
    for index, t in enumerate(sampler.times):
        before, eps = x, asked(gaussian, x, t)
        x, state = sampler.step(index, x, eps, state, no_noise)
    torch.testing.assert_close(x, ddim_step(schedule, before, eps, sampler.times[-1], CLEAN), rtol=0, atol=0)


@pytest.mark.parametrize("calls", [1, 3, 4, 12])
def test_every_step_is_diffusers(calls, schedule, gaussian, x):
    """Of order 4 up to the data, from the same start. Theirs takes the velocity v, of which eps =
    sigma x + alpha v, and has a schedule of its own, which is replaced by ours."""
    ours, theirs = IPNDM(schedule, calls, lower_final=False), IPNDMScheduler()
    theirs.set_timesteps(calls)
    theirs.betas, theirs.alphas = (
        torch.tensor([factor(t) for t in ours.points], dtype=torch.float64)
        for factor in (schedule.sigma, schedule.alpha)
    )
    theirs.set_begin_index(0)
    state = None
    for index, t in enumerate(ours.times):
        eps = asked(gaussian, x, t)
        velocity = (eps - schedule.sigma(t) * x) / schedule.alpha(t)
        expected = theirs.step(velocity, theirs.timesteps[index], x).prev_sample
        x, state = ours.step(index, x, eps, state, no_noise)
        assert expected.dtype == torch.float64
        torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)


def test_a_step_without_its_earlier_estimates_is_an_error(schedule, gaussian, x):
    with pytest.raises(ValueError, match="zip"):
        IPNDM(schedule, 5).step(2, x, x, None, no_noise)


@pytest.mark.parametrize("order", [0, 5])
def test_other_orders_are_refused(order, schedule):
    with pytest.raises(ValueError, match=f"^order of iPNDM is 1, 2, 3 or 4, not {order}$"):
        IPNDM(schedule, 5, order=order)
