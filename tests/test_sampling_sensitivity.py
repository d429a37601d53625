"""What one call's error does to the final image."""

from dataclasses import replace

import pytest
import torch
from networks import tiny_dash, tiny_dot

from morse.methods import METHODS
from morse.methods.morse import Morse
from morse.methods.plans import with_ratio
from morse.samplers.ddim import DDIM
from morse.samplers.ddpm import DDPM
from morse.sampling.loop import trajectory
from morse.sampling.sensitivity import Corrected, sensitivity

PLAN = with_ratio("D..D.", 4.0)


@pytest.fixture(scope="module")
def dash():
    return tiny_dash()


def biased(dash, bias):
    """A Dot that is right, but for a bias in each pixel."""
    return lambda x_s, x_t, eps_s, s, t: dash(x_t, t) - eps_s + bias


def test_every_call_that_is_not_dash_s_has_its_error(dash):
    sampler = DDIM(dash.schedule, PLAN.nfe)
    calls = sensitivity({"dash": dash, "dot": biased(dash, 0.25)}, "morse", PLAN, sampler, 3)
    assert [call["index"] for call in calls] == [1, 2, 4]
    assert [call["t"] for call in calls] == [sampler.times[index] for index in (1, 2, 4)]
    assert [call["error"] for call in calls] == pytest.approx([0.25] * 3, rel=1e-4)
    assert all(call["change"] > 0 for call in calls)


def test_a_perfect_dot_changes_nothing(dash):
    calls = sensitivity({"dash": dash, "dot": biased(dash, 0.0)}, "morse", PLAN, DDIM(dash.schedule, 5), 2)
    assert max(call["error"] for call in calls) < 1e-5 and max(call["change"] for call in calls) < 1e-3


def test_the_change_is_that_of_the_exact_flow(dash, gaussian):
    """The last call's error e moves the image by sigma / alpha of e: nothing follows it."""
    plan, bias = with_ratio("D.", 4.0), 0.5
    sampler = DDIM(gaussian.schedule, 2)
    exact = replace(dash, estimate=gaussian, shape=(1, 4, 4))
    (call,) = sensitivity({"dash": exact, "dot": biased(gaussian, bias)}, "morse", plan, sampler, 4)
    t = sampler.times[-1]
    assert call["change"] == pytest.approx(bias * gaussian.schedule.sigma(t) / gaussian.schedule.alpha(t), rel=1e-4)


def test_later_calls_are_not_told_of_the_correction(dash, gaussian, x):
    """Else a correction would also change what Dot's next calls start from."""
    seen = []

    def dot(x_s, x_t, eps_s, s, t):
        seen.append(s[0].item())
        return torch.zeros_like(eps_s)

    sampler = DDIM(gaussian.schedule, 5)
    corrected = Corrected(Morse(gaussian, dot, PLAN), gaussian, 1)
    trajectory(corrected, sampler, x)
    assert seen == [sampler.times[0], sampler.times[0], sampler.times[3]]
    assert corrected.letters == PLAN.letters


def test_a_stochastic_sampler_draws_the_same_noise(dash):
    networks = {"dash": dash, "dot": tiny_dot(dash)}
    first, second = (sensitivity(networks, "morse", PLAN, DDPM(dash.schedule, 5), 2) for _ in range(2))
    assert first == second
    still = sensitivity({"dash": dash, "dot": biased(dash, 0.0)}, "morse", PLAN, DDPM(dash.schedule, 5), 2)
    assert max(call["change"] for call in still) < 1e-3


def test_methods_without_dot_have_a_sensitivity_too(dash):
    forecast = METHODS["forecast"].plan(2, 1.0, {"order": 1, "calls": 2.0})
    calls = sensitivity({"dash": dash}, "forecast", forecast, DDIM(dash.schedule, forecast.nfe), 2)
    assert [call["index"] for call in calls] == [1, 3] and all(call["error"] > 0 for call in calls)
