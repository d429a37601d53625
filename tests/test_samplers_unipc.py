"""UniPC: diffusers' steps, order of convergence on a Gaussian, calls, times, purity, errors."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

from morse.methods.baseline import Baseline
from morse.samplers.ddim import DDIM, ddim_step
from morse.samplers.unipc import ORDERS, PREDICTIONS, VARIANTS, UniPC, unipc_weights
from morse.sampling.loop import trajectory
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN
from morse.seeds import generator

ALL = list(product(ORDERS, VARIANTS, PREDICTIONS))


old_torch_array = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def no_noise():
    raise AssertionError("UniPC is deterministic")


def estimate(dash, x, t):
    """With the time in float64."""
    return dash(x, torch.full((len(x),), t, dtype=torch.float64))


def same_trajectory(ours, dash, x, on_our_times=False):
    """Compares every step.

    Diffusers' last one is NaN but for bh2 and the clean image, as it multiplies infinity by 0.
    """
    theirs = UniPCMultistepScheduler(
        solver_order=ours.order,
        solver_type=ours.variant,
        predict_x0=ours.prediction == "clean",
        timestep_spacing="trailing",
        final_sigmas_type="zero",
    )
    theirs.set_timesteps(ours.calls)
    if on_our_times:
        theirs.timesteps = torch.tensor(ours.times, dtype=torch.float64)
    assert theirs.timesteps.tolist() == list(ours.times)
    sigmas = torch.tensor(
        [ours.schedule.sigma(t) / ours.schedule.alpha(t) for t in (*ours.times, CLEAN)], dtype=torch.float64
    ).abs()
    if not on_our_times:
        torch.testing.assert_close(theirs.sigmas.double(), sigmas, rtol=1e-4, atol=0)
    theirs.sigmas = sigmas  # theirs are float32
    state, compared = None, 0
    for index, t in enumerate(ours.times):
        eps = estimate(dash, x, t)
        expected = theirs.step(eps, theirs.timesteps[index], x).prev_sample
        x, state = ours.step(index, x, eps, state, no_noise)
        if index < ours.calls - 1 or (ours.variant, ours.prediction) == ("bh2", "clean"):
            torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)
            compared += 1
        assert x.isfinite().all()
    assert compared >= ours.calls - 1


@old_torch_array
@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5, 10, 20])
@pytest.mark.parametrize(("order", "variant", "prediction"), ALL)
def test_is_diffusers_unipc(order, variant, prediction, calls, schedule, gaussian, x):
    same_trajectory(UniPC(schedule, calls, "trailing", order, variant, prediction), gaussian, x)


@old_torch_array
@pytest.mark.parametrize("grid", ["uniform", "quadratic", "log-snr"])
@pytest.mark.parametrize(("order", "variant", "prediction"), ALL)
def test_is_diffusers_unipc_on_other_grids(order, variant, prediction, grid, schedule, gaussian, x):
    same_trajectory(UniPC(schedule, 9, grid, order, variant, prediction), gaussian, x, on_our_times=True)


@pytest.mark.parametrize(("order", "variant", "prediction"), ALL)
def test_the_last_step_returns_the_clean_estimate(order, variant, prediction, schedule, gaussian, x):
    """A DDIM step to the data.

    It is of the predicted sample, or with the noise prediction of the corrected one.
    """
    sampler, state = UniPC(schedule, 6, "uniform", order, variant, prediction), None
    for index, t in enumerate(sampler.times):
        before, eps = x, estimate(gaussian, x, t)
        x, state = sampler.step(index, x, eps, state, no_noise)
    assert not torch.allclose(state.x, before, rtol=1e-6, atol=1e-6)
    expected = ddim_step(schedule, before if prediction == "clean" else state.x, eps, t, CLEAN)
    torch.testing.assert_close(x, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("order", "variant", "prediction"), ALL)
def test_order_of_convergence(order, variant, prediction, schedule, gaussian, x):
    """p + 1 by the corrector, of the corrected sample at the last time but one.

    After that the predictor's order falls. The start at order 1 has a local error of h ** 3, which
    is too small here to be seen.
    """
    counts, errors = (100, 150, 225), []
    for calls in counts:
        sampler, x_t, state = UniPC(schedule, calls, "log-snr", order, variant, prediction), x, None
        for index, t in enumerate(sampler.times[:-1]):
            x_t, state = sampler.step(index, x_t, estimate(gaussian, x_t, t), state, no_noise)
        errors.append((state.x - gaussian.flow(x, sampler.times[0], sampler.times[-2])).abs().max().item())
    assert -np.polyfit(np.log(counts), np.log(errors), 1)[0] == pytest.approx(order + 1, abs=0.2)
    assert errors[-1] < 0.1 ** (order + 2)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("h", [0.7, -0.7])
def test_weights_integrate_polynomials(count, h):
    """From two weights on, a step with estimates that are polynomials of degree K is exact.

    They are polynomials in log-SNR, and B(h) is any.
    """
    places = [-1.3, 1.0, -2.1][:count]
    points, fractions = np.polynomial.legendre.leggauss(30)
    u = 0.5 * (points + 1.0)
    for degree in range(1, count + 1):
        exact = h * np.sum(0.5 * fractions * np.exp((1.0 - u) * h) * u**degree)
        for variant in VARIANTS:
            weights = unipc_weights(places, h, variant)
            assert sum(w / r * r**degree for w, r in zip(weights, places, strict=True)) == pytest.approx(
                exact, rel=1e-9
            )


@pytest.mark.parametrize("grid", list(GRIDS))
@pytest.mark.parametrize("calls", [10, 50])
def test_a_run_makes_exactly_the_stated_calls(grid, calls, schedule, gaussian, x):
    if grid == "ddim-quadratic" and calls == 50:
        pytest.skip("a grid that has no 50 times")
    sampler, predictor = UniPC(schedule, calls, grid, order=3), Baseline(gaussian)
    assert trajectory(predictor, sampler, x, [generator(1, i) for i in range(len(x))]).isfinite().all()
    assert (len(sampler.times), predictor.letters) == (calls, "D" * calls)
    assert all(s < t for t, s in pairwise(sampler.times))
    assert list(sampler.times) == GRIDS[grid](schedule, calls)


@pytest.mark.parametrize("calls", [*range(1, 12), 1000])
def test_any_number_of_calls(calls, schedule, gaussian, x):
    predictor, sampler = Baseline(gaussian), UniPC(schedule, calls, order=3)
    images = trajectory(predictor, sampler, x, [generator(1, i) for i in range(len(x))])
    assert (len(sampler.times), predictor.letters) == (calls, "D" * calls)
    assert [sampler.fresh_noise(index) for index in range(calls)] == [0.0] * calls
    if calls == 1000:
        torch.testing.assert_close(images, gaussian.flow(x, 999.0, CLEAN), rtol=0, atol=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_shape_and_dtype_are_kept(prediction, dtype, schedule, gaussian, x):
    sampler = UniPC(schedule, 7, order=3, prediction=prediction)
    images = trajectory(Baseline(gaussian), sampler, x.to(dtype), [generator(1, i) for i in range(len(x))])
    assert (images.shape, images.dtype) == (x.shape, dtype)


def test_with_one_call_it_is_ddim(schedule, gaussian, x):
    eps = estimate(gaussian, x, 999.0)
    for order, variant, prediction in ALL:
        image, _ = UniPC(schedule, 1, "trailing", order, variant, prediction).step(0, x, eps, None, no_noise)
        torch.testing.assert_close(
            image, DDIM(schedule, 1, "trailing").step(0, x, eps, None, no_noise)[0], rtol=1e-12, atol=1e-12
        )


def test_orders_rise_and_fall(schedule):
    assert [UniPC(schedule, 6, order=3).order_of(index) for index in range(6)] == [1, 2, 3, 3, 2, 1]
    assert [UniPC(schedule, 3, order=3).order_of(index) for index in range(3)] == [1, 2, 1]


def test_a_step_is_pure(schedule, gaussian, x):
    """The same step again is the same, and nothing that it was given has changed."""
    sampler, state = UniPC(schedule, 6, order=3), None
    for index, t in enumerate(sampler.times):
        eps = estimate(gaussian, x, t)
        held = [x, eps] if state is None else [x, eps, state.x, *state.estimates]
        copies = [tensor.clone() for tensor in held]
        after, following = sampler.step(index, x, eps, state, no_noise)
        again, _ = sampler.step(index, x, eps, state, no_noise)
        assert torch.equal(after, again) and all(map(torch.equal, held, copies))
        assert len(following.estimates) == min(3, index + 1)
        x, state = after, following


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0}, "order of UniPC is 1, 2 or 3, not 0"),
        ({"order": 4}, "order of UniPC is 1, 2 or 3, not 4"),
        ({"variant": "bh3"}, "variant of UniPC is bh1 or bh2, not 'bh3'"),
        ({"prediction": "velocity"}, "prediction of UniPC is clean or noise, not 'velocity'"),
        ({"calls": 0}, "a uniform grid over 1000 steps has 1 to 1000 calls, not 0"),
        ({"calls": 1001}, "a uniform grid over 1000 steps has 1 to 1000 calls, not 1001"),
    ],
)
def test_bad_options_are_an_error_of_one_line(options, message, schedule):
    with pytest.raises(ValueError) as error:
        UniPC(schedule, **{"calls": 10, **options})
    assert str(error.value) == message
