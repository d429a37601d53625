"""DPM-Solver and DPM-Solver++, multistep: parity with diffusers, order of convergence, options."""

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from morse.samplers.ddim import DDIM
from morse.samplers.dpm_solver_multistep import DPMSolverMultistep


def no_noise():
    raise AssertionError("a deterministic sampler draws no noise")


def solve(sampler, dash, x, stop=None):
    """The bare loop with times in float64, up to the sample at ``times[stop]``."""
    state = None
    for index, t in enumerate(sampler.times[:stop]):
        x, state = sampler.step(index, x, dash(x, torch.full((len(x),), t, dtype=torch.float64)), state, no_noise)
    return x


@pytest.mark.parametrize("calls", [5, 10, 20])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("prediction", "algorithm"), [("clean", "dpmsolver++"), ("noise", "dpmsolver")])
def test_every_step_is_diffusers(prediction, algorithm, order, calls, schedule, gaussian, x, recwarn):
    ours = DPMSolverMultistep(schedule, calls, order=order, prediction=prediction, grid="trailing")
    theirs = DPMSolverMultistepScheduler(
        beta_start=1e-4, beta_end=0.02, solver_order=order, algorithm_type=algorithm, lower_order_final=True,
        final_sigmas_type="zero" if prediction == "clean" else "sigma_min",
    )  # fmt: skip
    theirs.set_timesteps(timesteps=[int(t) for t in ours.times])
    sigmas = [schedule.sigma(t) / schedule.alpha(t) for t in ours.times]
    theirs.sigmas = torch.tensor([*sigmas, 0.0], dtype=torch.float64)  # theirs are float32
    state = None
    for index, t in enumerate(theirs.timesteps):
        eps = gaussian(x, t.repeat(len(x)))
        if index == calls - 1 and prediction == "noise":
            expected = (x - schedule.sigma(t.item()) * eps) / schedule.alpha(
                t.item()
            )  # theirs would stop before the data
        else:
            expected = theirs.step(eps, t, x).prev_sample
        x, state = ours.step(index, x, eps, state, no_noise)
        assert expected.dtype == torch.float64
        torch.testing.assert_close(x, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("prediction", ["clean", "noise"])
@pytest.mark.parametrize(
    ("order", "corrected", "expected"), [(1, False, 1.0), (2, False, 2.0), (3, True, 4.0), (3, False, 2.0)]
)
def test_order_of_convergence(order, corrected, expected, prediction, schedule, gaussian, x):
    """From exact predictions at the first times.

    The first steps' lower orders would hide the third, which is better than its name here.
    """
    counts, errors = (64, 96, 128, 192), []
    for calls in counts:
        sampler = DPMSolverMultistep(schedule, calls + 1, order=order, prediction=prediction, corrected=corrected)
        x_t, state = x, None
        for index, t in enumerate(sampler.times[:-1]):
            exact = index < order
            x_t = gaussian.flow(x, sampler.times[0], t) if exact else x_t
            x_t, state = sampler.step(
                index, x_t, gaussian(x_t, torch.full((3,), t, dtype=torch.float64)), state, no_noise
            )
        errors.append((x_t - gaussian.flow(x, sampler.times[0], sampler.times[-1])).abs().max().item())
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize("prediction", ["clean", "noise"])
def test_order_one_is_ddim(prediction, schedule, gaussian, x):
    ours = DPMSolverMultistep(schedule, 9, order=1, prediction=prediction, grid="uniform")
    torch.testing.assert_close(solve(ours, gaussian, x), solve(DDIM(schedule, 9), gaussian, x), rtol=1e-9, atol=1e-9)


def test_orders_of_the_steps(schedule):
    def orders(calls, order):
        sampler = DPMSolverMultistep(schedule, calls, order=order)
        return [sampler.order_of(index) for index in range(calls)]

    assert orders(6, 3) == [1, 2, 3, 3, 2, 1]
    assert orders(6, 2) == [1, 2, 2, 2, 2, 1]
    assert orders(2, 3) == [1, 1]
    assert orders(15, 3)[-3:] == [3, 3, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"order": 4}, "order of DPM-Solver is 1, 2 or 3, not 4"), ({"prediction": "v"}, "'clean' or 'noise', not 'v'")],
)
def test_bad_options_are_named(options, message, schedule):
    with pytest.raises(ValueError, match=message):
        DPMSolverMultistep(schedule, 5, **options)
