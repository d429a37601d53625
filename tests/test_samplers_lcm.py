"""LCM: diffusers' steps, its times, its noise, and a perfect consistency model of a Gaussian."""

from itertools import pairwise

import pytest
import torch
from diffusers.schedulers.scheduling_lcm import LCMScheduler

from morse.methods.baseline import Baseline
from morse.samplers.lcm import LCM, lcm_times
from morse.sampling.loop import trajectory
from morse.schedules.noise import CLEAN
from morse.schedules.presets import cosine
from morse.seeds import generator


def diffusers_lcm(schedule, **options):
    theirs = LCMScheduler(beta_start=1e-4, beta_end=0.02, beta_schedule="linear", **options)
    torch.testing.assert_close(theirs.alphas_cumprod.double().numpy(), schedule.alphas_cumprod, rtol=1e-4, atol=0)
    theirs.alphas_cumprod = torch.from_numpy(schedule.alphas_cumprod)  # theirs are float32
    return theirs


@pytest.mark.parametrize("calls", [1, 2, 4, 8, 50])
@pytest.mark.parametrize("scaling", [10.0, 0.001])
def test_is_diffusers_lcm(scaling, calls, schedule, gaussian, x):
    """Every step, with the same noise. By the small scaling the sample's share is large."""
    theirs, ours = diffusers_lcm(schedule, timestep_scaling=scaling), LCM(schedule, calls, timestep_scaling=scaling)
    theirs.set_timesteps(calls)
    draws, reference, state = generator(3), generator(3), None
    for index, t in enumerate(theirs.timesteps.tolist()):
        eps = gaussian(x, torch.full((len(x),), t))
        expected = theirs.step(eps, t, x, generator=reference).prev_sample
        x, state = ours.step(
            index, x, eps, state, lambda: torch.randn(3, 1, 4, 4, generator=draws, dtype=torch.float64)
        )
        torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(draws.get_state(), reference.get_state())


@pytest.mark.parametrize("original_steps", [1, 7, 30, 50, 64, 100, 1000])
def test_times_are_diffusers(original_steps, schedule):
    theirs = diffusers_lcm(schedule)
    for calls in {*range(1, min(original_steps, 100) + 1), original_steps}:
        theirs.set_timesteps(calls, original_inference_steps=original_steps)
        times = lcm_times(schedule, calls, original_steps)
        apart = [ours - other for ours, other in zip(times, theirs.timesteps.tolist(), strict=True)]
        if original_steps in (
            30,
            1000,
        ):  # theirs round i * (original_steps / calls), at times just below a whole number
            assert set(apart) <= {0, -(1000 // original_steps)}
        else:
            assert not any(apart)
        assert len(times) == calls and all(s < t for t, s in pairwise(times)) and times[-1] >= 0


def test_times_of_the_authors(schedule):
    assert lcm_times(schedule, 4) == [999, 759, 499, 259]
    assert LCM(schedule, 2).times == (999.0, 499.0)
    assert lcm_times(cosine(), 2) == [3999, 1999]


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 7, 12, 50])
def test_a_run_makes_exactly_the_stated_calls(calls, schedule, gaussian, x):
    predictor, sampler = Baseline(gaussian), LCM(schedule, calls)
    assert trajectory(predictor, sampler, x, [generator(1, i) for i in range(len(x))]).isfinite().all()
    assert (len(sampler.times), predictor.letters) == (calls, "D" * calls)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype_are_kept(dtype, schedule, gaussian, x):
    sampler, x = LCM(schedule, 4), x.to(dtype)
    for index, t in enumerate(sampler.times):
        x, _ = sampler.step(index, x, gaussian(x, torch.full((3,), t)), None, lambda x=x: torch.ones_like(x))
        assert (x.shape, x.dtype) == ((3, 1, 4, 4), dtype)


def test_all_noise_at_the_next_time_is_fresh(schedule, gaussian, x):
    """One draw a step and none in the last.

    Without it, the sample is the clean image at the next time's scale.
    """
    sampler, drawn = LCM(schedule, 5), []
    for index, t in enumerate(sampler.times):
        eps = gaussian(x, torch.full((3,), t))

        def noise(eps=eps):
            drawn.append(torch.full_like(eps, 2.0))
            return drawn[-1]

        after, _ = sampler.step(index, x, eps, None, noise)
        assert len(drawn) == min(index + 1, 4)
        quiet, _ = sampler.step(index, x, eps, None, lambda: torch.zeros(()))
        torch.testing.assert_close(
            after - quiet, torch.full_like(x, 2.0 * sampler.fresh_noise(index)), rtol=1e-9, atol=1e-12
        )
        x = after
    assert [sampler.fresh_noise(index) for index in range(5)] == [*(schedule.sigma(t) for t in sampler.times[1:]), 0.0]


@pytest.mark.parametrize("calls", [1, 2, 4, 10])
def test_a_perfect_consistency_model_gives_the_data(calls, schedule, gaussian):
    """Its clean image is the flow's end.

    Steps are affine in x, so mean and variance follow without drawing any.
    """
    sampler = LCM(schedule, calls)
    mean, spread = torch.zeros(1, 1, 4, 4, dtype=torch.float64), torch.ones(1, 1, 4, 4, dtype=torch.float64)
    z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    for index, t in enumerate(sampler.times):
        probes = torch.cat([mean, mean + 1, mean])
        eps = (probes - schedule.alpha(t) * gaussian.flow(probes, t, CLEAN)) / schedule.sigma(t)
        after, _ = sampler.step(index, probes, eps, None, lambda: z)
        mean, spread = after[:1], (after[1] - after[0]) ** 2 * spread + (after[2] - after[0]) ** 2
    torch.testing.assert_close(mean[0], gaussian.mean, rtol=0, atol=3e-3)
    torch.testing.assert_close(spread[0], gaussian.variance, rtol=1e-4, atol=0)


def test_the_boundary_condition(schedule):
    sampler = LCM(schedule, 4)
    assert sampler.boundary(0.0) == (1.0, 0.0)
    skip, out = sampler.boundary(0.05)  # where the scaled time is sigma_data
    assert (skip, out) == pytest.approx((0.5, 0.5**0.5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calls": 0}, "an LCM grid over 50 original steps has 1 to 50 calls, not 0"),
        ({"calls": 51}, "an LCM grid over 50 original steps has 1 to 50 calls, not 51"),
        ({"original_steps": 0}, "original_steps of LCM lies between 1 and 1000, not 0"),
        ({"original_steps": 1001}, "original_steps of LCM lies between 1 and 1000, not 1001"),
        ({"timestep_scaling": 0.0}, "timestep_scaling of LCM is positive, not 0"),
    ],
)
def test_bad_options_are_an_error_of_one_line(options, message, schedule):
    with pytest.raises(ValueError) as error:
        LCM(schedule, **{"calls": 4, **options})
    assert str(error.value) == message
