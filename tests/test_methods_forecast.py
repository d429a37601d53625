"""Dash's estimates, extrapolated: plans, polynomials, DDIM on a sub-grid, fresh noise, costs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from curves import record
from networks import tiny_dash, tiny_zoo

from morse.experiments.cards import default_settings, method_view, network_view
from morse.methods import METHODS
from morse.methods.baseline import Baseline
from morse.methods.forecast import Forecast, lagrange_weights, predictor
from morse.methods.forecast_plans import FORECAST, MOST_ORDER, forecast_plan
from morse.methods.plans import Plan
from morse.results.runs import runs_table
from morse.samplers.ddim import DDIM
from morse.samplers.ddpm import DDPM
from morse.sampling.call_costs import measure_model
from morse.sampling.loop import trajectory
from morse.sampling.run import run_shard, sample
from morse.seeds import generator

ORDERS = range(MOST_ORDER + 1)
COSTS = {"D": 1.0, FORECAST: 0.0}
every_order = pytest.mark.parametrize("order", ORDERS)


def follow(dash, letters, order, channels=1):
    """The estimates of a run without a sampler, whose sample at call i is i everywhere."""
    forecast = Forecast(dash, Plan(letters, COSTS), order)
    return [forecast(torch.full((2, channels, 1, 1), float(index)), 900.0 - index) for index in range(len(letters))]


@pytest.mark.parametrize(
    ("budget", "calls", "letters"),
    [
        (1, 1.0, "D"),
        (3, 2.0, "DeDeDe"),
        (3, 1.5, "DDDe"),  # 4.5 calls are 4
        (2, 2.5, "DeDee"),
        (2, 1.2, "DD"),
    ],
)
def test_plans(budget, calls, letters):
    plan = forecast_plan(budget, order=1, calls=calls)
    assert plan.letters == letters
    assert (plan.lsd, plan.costs, plan.settings) == (budget, COSTS, {"order": 1})


def test_a_product_that_is_whole_is_not_rounded_down():
    assert 1.16 * 25 < 29 == forecast_plan(25, order=1, calls=1.16).nfe


@pytest.mark.parametrize(
    ("budget", "settings", "message"),
    [
        (0, {"order": 1, "calls": 2.0}, "a budget of 0 LSD is too small: a run takes at least 1"),
        (4, {"order": 3, "calls": 2.0}, "forecast: order is 0 to 2, not 3"),
        (4, {"order": 1, "calls": 0.5}, "forecast: calls is 0.5, not a finite number of 1 or more: all calls over"),
        (4, {"order": 1, "calls": float("nan")}, "forecast: calls is nan, not a finite number of 1 or more"),
    ],
)
def test_other_plans_are_refused(budget, settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        forecast_plan(budget, **settings)


def test_the_order_of_the_predictor_is_the_plan_s(gaussian):
    orders = [predictor({"dash": gaussian}, forecast_plan(3, order, 2.0)).order for order in ORDERS]
    assert orders == [*ORDERS]
    assert predictor({"dash": gaussian}, Plan("De", COSTS)).order == MOST_ORDER


def test_a_plan_with_dot_is_refused(gaussian):
    with pytest.raises(ValueError, match=r"^forecast calls Dash and extrapolates, its plan D\.e has '\.'$"):
        predictor({"dash": gaussian}, Plan("D.e", {"D": 1.0, ".": 0.2, "e": 0.0}))


def test_lagrange_weights_by_hand():
    assert lagrange_weights(7, [5]) == [1.0]
    assert lagrange_weights(4, [3, 2]) == [2.0, -1.0]
    assert lagrange_weights(3, [2, 1, 0]) == [3.0, -3.0, 1.0]
    assert lagrange_weights(5, [3, 0]) == pytest.approx([5 / 3, -2 / 3])


@every_order
@pytest.mark.parametrize("letters", ["DeDeDeDe", "DDDeeee", "DeeDeDeeeDe"])
def test_polynomials_in_the_step_s_index_are_exact(letters, order):
    """Up to the order's degree, once order + 1 estimates are known; the next degree is not."""
    for degree in range(order + 2):
        found = torch.stack(follow(lambda x, t, degree=degree: 2.0 - x**degree, letters, order))[:, 0, 0, 0, 0]
        exact = (found - (2.0 - torch.arange(len(letters), dtype=found.dtype) ** degree)).abs() < 1e-4
        known = torch.tensor([letters[: index + 1].count("D") > order for index in range(len(letters))])
        asked = torch.tensor([letter == "D" for letter in letters])
        assert exact[asked].all() and exact[known & (degree <= order)].all()
        assert degree <= order or not exact[known & ~asked].any()


def test_fewer_estimates_give_a_lower_order():
    values = iter([1.0, 4.0, 16.0])
    found = [one[0].item() for one in follow(lambda x, t: torch.full_like(x, next(values)), "DeDeDe", 2)]
    assert found == pytest.approx([1, 1, 4, 4 + 3 / 2, 16, 16 * 15 / 8 - 4 * 10 / 8 + 3 / 8])


def test_the_next_run_forgets_all(gaussian, schedule, x):
    forecast = Forecast(gaussian, Plan("DDDe", COSTS), 2)
    first, second = (trajectory(forecast, DDIM(schedule, 4), x) for _ in range(2))
    assert torch.equal(first, second) and forecast.letters == "DDDe"
    forecast.begin()
    assert forecast.letters == ""


def test_a_call_beyond_the_plan_is_an_error():
    forecast = Forecast(lambda x, t: x, Plan("De", COSTS), 1)
    for _ in range(2):
        forecast(torch.ones(2, 1, 1, 1), 900.0)
    with pytest.raises(ValueError, match=r"^the plan has 2 calls, and the sampler made one more$"):
        forecast(torch.ones(2, 1, 1, 1), 900.0)


@pytest.mark.parametrize("letters", ["DeDeDeDe", "DeeDeDeee", "DDe"])
@pytest.mark.parametrize("sampler", [{}, {"grid": "log-snr", "end": "first-timestep"}])
def test_order_zero_with_ddim_is_ddim_on_dash_s_timesteps(letters, sampler, schedule, gaussian, x):
    """Steps with one estimate compose. On a run that ends earlier it is so up to that end."""
    fine = DDIM(schedule, len(letters), **sampler)
    points = [t for t, letter in zip(fine.points, letters, strict=False) if letter == "D"]
    coarse = DDIM(schedule, len(points), end=fine.end, times=points)
    found = trajectory(Forecast(gaussian, Plan(letters, COSTS), 0), fine, x)
    torch.testing.assert_close(found, trajectory(Baseline(gaussian), coarse, x), rtol=1e-9, atol=1e-9)
    other = trajectory(Forecast(gaussian, Plan(letters, COSTS), 1), fine, x)
    assert not torch.allclose(found, other, rtol=1e-3, atol=1e-3)


def test_further_channels_are_those_of_dash_s_last_call():
    """The noise is 1 and 3, hence 4 and 5; beside it are 10 and 30."""
    values = iter([1.0, 3.0])

    def dash(x, t):
        value = next(values)
        return torch.cat([torch.full_like(x, value), torch.full_like(x, 10 * value)], dim=1)

    found = [one[0, :, 0, 0].tolist() for one in follow(dash, "DDee", 1, channels=2)]
    assert found == [[1, 1, 10, 10], [3, 3, 30, 30], [5, 5, 30, 30], [7, 7, 30, 30]]


def test_fresh_noise_enters_all_that_is_remembered(schedule):
    forecast = Forecast(lambda x, t: 10 * x, Plan("DDee", COSTS), 1)
    forecast(torch.ones(2, 1, 1, 1), 900.0)
    forecast(torch.full((2, 1, 1, 1), 2.0), 800.0)
    forecast.renew_noise(torch.full((2, 1, 1, 1), 3.0), 0.6, schedule)
    assert forecast(torch.zeros(2, 1, 1, 1), 700.0)[0].item() == pytest.approx(0.8 * (2 * 20 - 10) + 0.6 * 3)
    forecast.renew_noise(torch.full((2, 1, 1, 1), 3.0), 1.2, schedule)  # beyond all replaces all
    assert forecast(torch.zeros(2, 1, 1, 1), 600.0)[0].item() == pytest.approx(3.0)


STOCHASTIC = {
    "ddim 0.5": lambda schedule, calls, **times: DDIM(schedule, calls, eta=0.5, **times),
    "ddim 1": lambda schedule, calls, **times: DDIM(schedule, calls, eta=1.0, **times),
    "ddpm": lambda schedule, calls, **times: DDPM(schedule, calls, clip=False, **times),
}
every_stochastic = pytest.mark.parametrize("make", STOCHASTIC.values(), ids=STOCHASTIC)


@every_order
@every_stochastic
def test_estimates_are_exact_for_data_of_one_point(make, order, schedule, gaussian, x):
    """Whose estimate is the noise in the sample. So each estimate that is remembered is that of the
    sample as it is now, whatever was exchanged."""
    point, pairs = replace(gaussian, variance=torch.zeros_like(gaussian.variance)), []

    class Compared(Forecast):
        def __call__(self, x, t):
            estimate = super().__call__(x, t)
            pairs.append((estimate, point(x, torch.full((len(x),), t, dtype=x.dtype))))
            return estimate

    letters = "DDDeeDeeeDee"
    sampler = make(schedule, len(letters))
    trajectory(Compared(point, Plan(letters, COSTS), order), sampler, x, [generator(3, i) for i in range(len(x))])
    assert len(pairs) == len(letters)
    for estimate, exact in pairs:
        torch.testing.assert_close(estimate, exact, rtol=1e-8, atol=1e-8)


def moments(predictor, sampler):
    """Mean and variance of the images (1, 4, 4) of a run that is affine in all of its noise.

    None is drawn: each noise is pushed alone.
    """
    calls = sampler.calls  # x and the noise of all steps but the last
    pushes = torch.zeros(calls, calls + 1, 1, 4, 4, dtype=torch.float64)
    pushes[range(calls), range(1, calls + 1)] = 1.0
    images = trajectory(predictor, sampler, pushes[0], list(pushes[1:]))
    return images[0], (images[1:] - images[0]).square().sum(0)


@pytest.mark.parametrize("name", ["ddim 1", "ddpm"])
def test_order_zero_has_the_moments_of_dash_s_timesteps(name, schedule, gaussian):
    """With eta = 1 the steps of one clean estimate compose too, in distribution, if the noise is
    renewed."""
    letters = "DeeDeDeeeDe"
    fine = STOCHASTIC[name](schedule, len(letters))
    points = [t for t, letter in zip(fine.times, letters, strict=True) if letter == "D"]
    found = moments(Forecast(gaussian, Plan(letters, COSTS), 0), fine)
    expected = moments(Baseline(gaussian), STOCHASTIC[name](schedule, len(points), times=points))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@every_order
def test_a_stochastic_run_reaches_the_gaussian(order, schedule, gaussian):
    budgets, errors = (50, 100, 200), []
    for budget in budgets:
        plan = forecast_plan(budget, order, calls=2.0)
        mean, variance = moments(predictor({"dash": gaussian}, plan), DDIM(schedule, plan.nfe, eta=1.0))
        torch.testing.assert_close(mean, gaussian.mean, rtol=0, atol=1e-4)
        errors.append((variance / gaussian.variance - 1).abs().max().item())
    slope = -np.polyfit(np.log(budgets), np.log(errors), 1)[0]
    assert slope > 0.65 and errors[-1] < 0.14
    assert order == 0 or errors[-1] < 0.08


SETTINGS = {"order": 1, "calls": 2.0}
RUN = {"model": "tiny", "task": "shapes", "sampler": "ddim", "method": "forecast", "budget": 3, "seed": 4}


def test_the_library_s_door_takes_the_settings_of_the_configuration():
    dash = tiny_dash()
    usual = sample(dash, method="forecast", budget=4, images=2)
    given = {**default_settings("forecast")}
    assert given == method_view({"forecast": given}, "forecast") and given.keys() == SETTINGS.keys()
    np.testing.assert_array_equal(usual, sample(dash, method="forecast", budget=4, images=2, settings=given))
    dash_alone = sample(dash, method="forecast", budget=4, images=2, settings={"order": 1, "calls": 1.0})
    np.testing.assert_array_equal(dash_alone, sample(dash, budget=4, images=2))
    assert not np.array_equal(usual, dash_alone)


def test_a_run_s_measured_cost_is_a_little_above_its_budget(tmp_path):
    """From a job's shard and a job's latencies to the table."""
    card, _ = tiny_zoo(tmp_path)
    view = network_view(card, METHODS["forecast"].networks)
    shard = run_shard(RUN, 0, view, {"kind": "ddim", "options": {}}, SETTINGS, 2, 1, 2, "cpu", {"dash": "eager"})
    assert (shard.letters, shard.costs) == ("DeDeDe", COSTS) and "dot" not in view
    latency = {"batch_sizes": [], "executions": [], "repetitions": 3}
    (measured,), flops, _, _ = measure_model(view, ["baseline", "forecast"], None, [], "eager", 2, latency)
    assert set(measured["costs"]) == {"D", "e"} and set(flops) == {"dash"}
    assert 0.0 < measured["costs"]["e"] < 0.5
    run = record("forecast", 3, plan=shard.letters, costs=dict(shard.costs))
    row = runs_table([run], {"twin": {"costs": measured["costs"]}}).iloc[0]
    assert (row["lsd_nominal"], row["nfe"], row["dash_calls"], row["dot_calls"]) == (3.0, 6, 3, 0)
    assert row["lsd"] == pytest.approx(3 + 3 * measured["costs"]["e"]) and np.isnan(row["ratio_nominal"])


def test_latencies_are_measured_with_as_many_estimates_as_any_order_reads():
    timed = METHODS["forecast"].timed
    assert timed == "DDDe" and timed.count("D") == MOST_ORDER + 1
