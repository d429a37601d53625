"""Anchors of the linear schedule, and times and their inverse."""

import math

import numpy as np
import pytest
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from morse.schedules.noise import CLEAN, DiscreteSchedule
from morse.schedules.presets import SCHEDULES, linear


@pytest.mark.parametrize(
    ("t", "expected"), [(0, 0.9999), (99, 0.89701815), (499, 0.078587243), (799, 0.0015320895), (999, 4.0358298e-5)]
)
def test_alphas_cumprod_of_the_linear_schedule(t, expected, schedule):
    assert schedule.alphas_cumprod[t] == pytest.approx(expected, rel=1e-7)
    assert schedule.alpha(t) == pytest.approx(math.sqrt(expected), rel=1e-7)
    assert schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2 == pytest.approx(1.0, rel=1e-15)


def test_log_snr_at_the_ends_of_the_linear_schedule(schedule):
    assert schedule.log_snr(0) == pytest.approx(4.60512, abs=5e-6)
    assert schedule.log_snr(999) == pytest.approx(-5.05884, abs=5e-6)


def test_linear_is_in_the_registry():
    assert SCHEDULES["linear"] is linear
    assert linear(50).num_train_timesteps == 50


@given(st.floats(0.0, 999.0))
def test_time_of_log_snr_is_the_inverse(schedule, t):
    assert schedule.time_of_log_snr(schedule.log_snr(t)) == pytest.approx(t, abs=1e-8)


@given(st.floats(CLEAN, 999.0), st.floats(CLEAN, 999.0))
def test_log_snr_falls_with_time(schedule, t, s):
    early, late = sorted((t, s))
    assert schedule.log_snr(early) >= schedule.log_snr(late)
    if late - early > 1e-3:
        assert schedule.log_snr(early) > schedule.log_snr(late)


def test_log_alpha_is_linear_between_timesteps(schedule):
    low, high = np.log(schedule.alphas_cumprod[[41, 42]]) / 2
    assert schedule.log_alpha(41.25) == pytest.approx(0.75 * low + 0.25 * high, rel=1e-13)
    assert schedule.log_alpha(-0.25) == pytest.approx(0.75 * np.log(0.9999) / 2, rel=1e-12)  # from 0 at CLEAN


def test_clean_is_the_data_itself(schedule):
    assert (schedule.alpha(CLEAN), schedule.sigma(CLEAN), schedule.log_snr(CLEAN)) == (1.0, 0.0, math.inf)


@pytest.mark.parametrize(
    "values",
    [
        [0.9],
        [],
        [[0.9, 0.5]],
        [[0.9], [0.5]],
        [0.5, 0.9],
        [0.9, 0.9],
        [1.0, 0.5],
        [0.9, 0.0],
        [0.9, -0.1],
        [0.9, float("nan"), 0.1],
        [float("nan")] * 2,
    ],
)
def test_other_sequences_are_refused(values):
    with pytest.raises(ValueError, match=r"strictly decreasing sequence inside \(0, 1\)$"):
        DiscreteSchedule(np.array(values))


def test_scaled_linear_is_diffusers():
    theirs = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod
    np.testing.assert_allclose(SCHEDULES["scaled-linear"]().alphas_cumprod, theirs.double().numpy(), rtol=1e-4)
    assert SCHEDULES["scaled-linear"](50).num_train_timesteps == 50


@pytest.mark.parametrize("total", [1000, 4000])
def test_cosine_is_diffusers(total):
    theirs = DDPMScheduler(total, beta_schedule="squaredcos_cap_v2")
    ours = SCHEDULES["cosine"](total).alphas_cumprod
    betas = 1 - ours[1:] / ours[:-1]
    np.testing.assert_allclose(betas, theirs.betas[1:].double().numpy(), rtol=2e-3, atol=1e-6)
    half = total // 2
    np.testing.assert_allclose(ours[:half], theirs.alphas_cumprod[:half].double().numpy(), rtol=1e-3)
    start, middle = (math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2 for u in (0, 0.5))
    assert ours[half - 1] == pytest.approx(middle / start)
