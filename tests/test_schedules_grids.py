"""Every grid: as many times as asked, falling, and the originals' anchors."""

import math
from itertools import pairwise

import numpy as np
import pytest
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from hypothesis import given
from hypothesis import strategies as st

from morse.schedules.align_your_steps import ALIGN_YOUR_STEPS
from morse.schedules.grids import GRIDS
from morse.schedules.noise import VPSDE, DiscreteSchedule
from morse.schedules.presets import cosine, linear, scaled_linear

EVEN = ["log-snr", "time-uniform", "time-quadratic"]
CUT = [f"{name}-cut" for name in EVEN]
OWN = ["uniform", "leading", "trailing", "quadratic", "openai", *EVEN, *CUT]
ORIGINAL = ["ddim-uniform", "ddim-quadratic", "compvis"]


@pytest.mark.parametrize("name", OWN)
@given(st.integers(1, 200), st.sampled_from([linear(), linear(400, 1e-4, 0.03), cosine(4000)]))
def test_exactly_as_many_times_as_asked_strictly_falling(name, calls, schedule):
    times = GRIDS[name](schedule, calls)
    assert len(times) == calls
    assert (np.diff(times) < 0).all()
    assert 0 <= times[-1] and times[0] <= schedule.num_train_timesteps - 1


@pytest.mark.parametrize("name", ["uniform", "leading", "trailing", "openai"])
@given(st.integers(2, 1200), st.data())
def test_grids_of_whole_timesteps_go_up_to_every_step(name, total, data):
    calls = data.draw(st.integers(1, total))
    times = GRIDS[name](linear(total, 1e-4, 0.01), calls)
    assert len(set(times)) == calls and all(t == int(t) for t in times)
    assert GRIDS[name](linear(total, 1e-4, 0.01), total) == list(range(total))[::-1]


def test_quadratic_goes_up_to_every_step_of_its_part(schedule):
    assert GRIDS["quadratic"](schedule, 801) == list(range(801))[::-1]
    with pytest.raises(ValueError, match="quadratic grid over 1000 steps has 1 to 801 calls, not 802"):
        GRIDS["quadratic"](schedule, 802)


def test_uniform_is_the_ddim_authors_where_calls_divide_the_steps(schedule):
    for calls in (1, 2, 10, 50, 1000):
        assert (
            GRIDS["uniform"](schedule, calls)
            == list(range(0, 1000, 1000 // calls))[::-1]
            == GRIDS["ddim-uniform"](schedule, calls)
        )


@given(st.integers(1, 1000))
def test_uniform_starts_within_a_step_of_the_noise(calls):
    times = GRIDS["uniform"](linear(), calls)
    assert times[0] >= 999 - 1000 / calls and times[-1] == 0
    assert set(np.diff(times)) <= {-float(1000 // calls), -float(1000 // calls + 1)}


def test_leading_is_diffusers(schedule):
    theirs = DDIMScheduler(timestep_spacing="leading")
    for calls in (1, 3, 7, 12, 130):
        theirs.set_timesteps(calls)
        assert GRIDS["leading"](schedule, calls) == theirs.timesteps.tolist()


def test_one_call_of_quadratic_is_at_its_start(schedule):
    assert GRIDS["quadratic"](schedule, 1) == [800]


def test_trailing_starts_from_noise(schedule):
    assert GRIDS["trailing"](schedule, 4) == [999, 749, 499, 249]


def test_quadratic_anchors(schedule):
    times = GRIDS["ddim-quadratic"](schedule, 10)[::-1]
    assert times == GRIDS["quadratic"](schedule, 10)[::-1]
    assert (times[:5], times[-3:]) == ([0, 9, 39, 88, 158], [483, 632, 800])


@pytest.mark.parametrize(("steps", "calls"), [(6, 7), (7, 8), (9, 10), (12, 13), (30, 31), (48, 50), (150, 167)])
def test_ddim_uniform_has_what_the_authors_steps_give(steps, calls, schedule):
    """What their range(0, 1000, 1000 // steps) has; a smaller number of steps may give as many."""
    times = GRIDS["ddim-uniform"](schedule, calls)
    assert len(times) == len(range(0, 1000, 1000 // steps)) == calls


@pytest.mark.parametrize(
    ("name", "calls", "message"),
    [
        ("ddim-uniform", 6, "never has 6 times over 1000 steps; use the grid 'uniform'"),
        ("ddim-quadratic", 30, "of 30 times has 0 twice; use the grid 'quadratic'"),
        ("compvis", 6, "never has 6 times over 1000 steps; use the grid 'leading'"),
        ("compvis", 28, "never has 28 times"),  # S = 27 gives 1, 38, ..., 1000
    ],
)
def test_grids_that_the_originals_have_not(name, calls, message, schedule):
    with pytest.raises(ValueError, match=message):
        GRIDS[name](schedule, calls)


def test_log_snr_is_uniform_in_the_log_snr(schedule):
    times = GRIDS["log-snr"](schedule, 9)
    assert (times[0], times[-1]) == (999, 0)
    steps = np.diff([schedule.log_snr(t) for t in times])
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-6)


def test_grids_of_dpm_solver_are_even_in_their_value(schedule):
    """Its time is (n + 1) / T at timestep n."""
    units = np.sqrt((np.array(GRIDS["time-quadratic"](schedule, 9)) + 1) / 1000)
    np.testing.assert_allclose(units, np.linspace(1, math.sqrt(1e-3), 9), rtol=1e-12)
    np.testing.assert_allclose(GRIDS["time-uniform"](schedule, 9), np.linspace(999, 0, 9), rtol=1e-12)


@pytest.mark.parametrize("grid", EVEN)
@pytest.mark.parametrize(("schedule", "start"), [(cosine(4000), 3983), (cosine(1000), 995), (linear(), 999)])
def test_dpm_solver_cuts_schedules_of_low_log_snr(grid, schedule, start):
    """Of 4000 and 1000 steps of a cosine schedule its authors keep 3984 and 996."""
    times = GRIDS[f"{grid}-cut"](schedule, 7)
    assert (times[0], times[-1]) == (start, 0)
    assert schedule.log_snr(start) >= -5.1
    assert start == schedule.t_max or schedule.log_snr(start + 1) < -5.1
    shorter = DiscreteSchedule(schedule.alphas_cumprod[: start + 1])
    np.testing.assert_allclose(times, GRIDS[grid](shorter, 7), rtol=1e-9)


def test_a_cut_in_continuous_time_is_exact():
    schedule = VPSDE(beta_max=40.0)
    assert schedule.log_snr(GRIDS["log-snr-cut"](schedule, 3)[0]) == pytest.approx(-5.1, abs=1e-12)
    assert GRIDS["log-snr-cut"](VPSDE(), 3) == GRIDS["log-snr"](VPSDE(), 3)


@pytest.mark.parametrize(
    ("calls", "times"),
    [
        (1, [0]),
        (2, [999, 0]),
        (4, [999, 666, 333, 0]),
        (5, [999, 749, 500, 250, 0]),  # of 749.25, 499.5 and 249.75
        (9, [999, 874, 749, 624, 500, 375, 250, 125, 0]),
    ],
)
def test_openai_rounds_a_fractional_stride(calls, times, schedule):
    assert GRIDS["openai"](schedule, calls) == times


def test_compvis_is_one_later_than_the_ddim_authors(schedule):
    assert GRIDS["compvis"](schedule, 5) == [801, 601, 401, 201, 1]
    for calls in (1, 2, 7, 10, 50, 84, 500):
        assert GRIDS["compvis"](schedule, calls) == [t + 1 for t in GRIDS["ddim-uniform"](schedule, calls)]


def noise_to_signal(schedule, times):
    return [schedule.sigma(t) / schedule.alpha(t) for t in times]


@pytest.mark.parametrize("name", list(ALIGN_YOUR_STEPS))
def test_align_your_steps_has_the_published_times_and_extends_them_as_its_authors_do(name):
    grid, schedule, (times, sigmas) = GRIDS[name], scaled_linear(), ALIGN_YOUR_STEPS[name]
    assert grid(schedule, 10) == list(times)
    # Twenty steps go between the eleven values and their geometric means; the last value becomes 0.
    assert noise_to_signal(schedule, grid(schedule, 20)[::2]) == pytest.approx(sigmas[:-1], rel=1e-4)
    between = [math.sqrt(a * b) for a, b in pairwise(sigmas)]
    assert noise_to_signal(schedule, grid(schedule, 20)[1::2]) == pytest.approx(between, rel=1e-9)
    assert grid(schedule, 1) == [999.0]
    for calls in (2, 5, 33, 100):
        assert len(grid(schedule, calls)) == calls and (np.diff(grid(schedule, calls)) < 0).all()
    with pytest.raises(ValueError, match="are of 1000 steps, not 4000"):
        grid(cosine(4000), 10)


def test_align_your_steps_of_stable_diffusion_in_numbers():
    """The values of the authors' how-to: five steps, and the last of twenty."""
    schedule = scaled_linear()
    five = noise_to_signal(schedule, GRIDS["ays-sd"](schedule, 5))
    assert five == pytest.approx([14.615, 3.861, 1.886, 0.963, 0.399], rel=1e-4)
    assert noise_to_signal(schedule, GRIDS["ays-sd"](schedule, 20))[-1] == pytest.approx(0.0664, abs=5e-5)


@pytest.mark.parametrize("name", [*OWN, *ORIGINAL])
@pytest.mark.parametrize("calls", [-1, 0])
def test_no_calls_are_an_error(name, calls, schedule):
    with pytest.raises(ValueError, match=f"not {calls}$"):
        GRIDS[name](schedule, calls)


@pytest.mark.parametrize("name", ["uniform", "trailing", "ddim-uniform"])
def test_more_calls_than_steps_are_an_error(name, schedule):
    with pytest.raises(ValueError, match="1000 steps has 1 to 1000 calls, not 1001$"):
        GRIDS[name](schedule, 1001)
