"""Solvers against their papers: the formulas, times and orders that are printed there, in float64.

Here nothing of the samplers is used. Time is DPM-Solver's own, (t + 1) / T for training steps and
t / 999 for the VP-SDE. The data are a mixture, whose flow is not linear.
"""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from morse.samplers import SAMPLERS
from morse.sampling.loop import trajectory
from morse.schedules.noise import VPSDE
from morse.schedules.presets import cosine, linear
from morse.seeds import generator

SCHEDULES = {"linear": linear(), "vp-sde": VPSDE(), "cosine": cosine(1000)}
GRIDS = ["log-snr", "time-uniform", "time-quadratic"]
COUNTS = [1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 15, 20]
"""Not 5: there the inner points of one step on a quadratic grid amplify rounding to 4e-10."""


class Setting:
    """A schedule in DPM-Solver's notation: time u, lambda(u), its inverse, and eps(x, u)."""

    def __init__(self, name, mixture):
        self.schedule = SCHEDULES[name]
        self.dash = replace(mixture, schedule=self.schedule)
        self.training_steps = 0 if name == "vp-sde" else 1000
        self.first = 1.0
        if name == "cosine":  # its log-SNR ends below -5.1: steps below are cut off
            self.first = 1e-3 * sum(self.schedule.log_snr(t) >= -5.1 for t in range(1000))
        self.last = 1e-3

    def timestep(self, u):
        return self.training_steps * u - 1.0 if self.training_steps else 999.0 * u

    def levels(self, u):
        """alpha, sigma, lambda."""
        t = self.timestep(u)
        return self.schedule.alpha(t), self.schedule.sigma(t), self.schedule.log_snr(t)

    def time_of(self, log_snr):
        t = self.schedule.time_of_log_snr(log_snr)
        return (t + 1.0) / self.training_steps if self.training_steps else t / 999.0

    def eps(self, x, u):
        return self.dash(x, torch.full((len(x),), self.timestep(u), dtype=torch.float64))

    def clean(self, x, u):
        alpha, sigma, _ = self.levels(u)
        return (x - sigma * self.eps(x, u)) / alpha

    def spaced(self, grid, start, stop, intervals):
        """Times from start to stop, evenly spaced as the grid says."""
        if grid == "time-uniform":
            return list(np.linspace(start, stop, intervals + 1))
        if grid == "time-quadratic":
            return list(np.linspace(start**0.5, stop**0.5, intervals + 1) ** 2)
        values = np.linspace(self.levels(start)[2], self.levels(stop)[2], intervals + 1)
        return [start, *(self.time_of(value) for value in values[1:-1]), stop]


@pytest.fixture(scope="module", params=list(SCHEDULES))
def setting(request, mixture):
    return Setting(request.param, mixture)


@pytest.fixture(scope="module")
def noise():
    return torch.randn(8, 1, 1, 2, generator=generator(8), dtype=torch.float64)


def ours(setting, name, calls, grid, noise, **options):
    """The run of our sampler, driven by a plain function of (x, t)."""
    grid = f"{grid}-cut" if setting.first < 1.0 else grid
    sampler = SAMPLERS[name](setting.schedule, calls, grid=grid, **options)
    return trajectory(lambda x, t: setting.dash(x, torch.full((len(x),), t, dtype=torch.float64)), sampler, noise)


def agree(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def paper_orders(calls, order):
    """DPM-Solver-fast (arXiv 2206.00927, section 3.4 and its code's lower orders)."""
    orders = []
    while sum(orders) < calls:
        left = calls - sum(orders)
        orders.append(2 if left == 3 == order else min(order, left) if order == 3 or left >= order else 1)
    return orders


def dpm_solver_step(setting, x, s, t, order, between):
    """Algorithms 1 to 5 of arXiv 2206.00927: DPM-Solver-1, -2 and -3 from time s to t."""
    alpha_s, _, low = setting.levels(s)
    alpha_t, sigma_t, high = setting.levels(t)
    h, eps_s = high - low, setting.eps(x, s)
    first = alpha_t / alpha_s * x - sigma_t * math.expm1(h) * eps_s
    if order == 1:
        return first
    alpha_1, sigma_1, inner = setting.levels(between[0])
    r_1 = (inner - low) / h
    u_1 = alpha_1 / alpha_s * x - sigma_1 * math.expm1(r_1 * h) * eps_s
    d_1 = setting.eps(u_1, between[0]) - eps_s
    if order == 2:
        return first - sigma_t / (2 * r_1) * math.expm1(h) * d_1
    alpha_2, sigma_2, inner = setting.levels(between[1])
    r_2 = (inner - low) / h
    u_2 = alpha_2 / alpha_s * x - sigma_2 * math.expm1(r_2 * h) * eps_s
    u_2 = u_2 - sigma_2 * r_2 / r_1 * (math.expm1(r_2 * h) / (r_2 * h) - 1) * d_1
    d_2 = setting.eps(u_2, between[1]) - eps_s
    return first - sigma_t / r_2 * (math.expm1(h) / h - 1) * d_2


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("calls", COUNTS)
def test_singlestep_dpm_solver(calls, order, grid, setting, noise):
    orders, x = paper_orders(calls, order), noise
    if grid == "log-snr":
        outer = setting.spaced(grid, setting.first, setting.last, len(orders))
    else:
        outer = np.array(setting.spaced(grid, setting.first, setting.last, calls))[np.cumsum([0, *orders])]
    for p, s, t in zip(orders, outer, outer[1:], strict=False):
        x = dpm_solver_step(setting, x, s, t, p, setting.spaced(grid, s, t, p)[1:-1])
    agree(ours(setting, "dpm-solver", calls, grid, noise, order=order), x)
    # The authors' denoise_to_zero is one call more, at the first timestep.
    denoised = ours(setting, "dpm-solver", calls + 1, grid, noise, order=order, end="data")
    agree(denoised, setting.clean(x, setting.last))


def multistep_update(setting, x, estimates, times, order, prediction):
    """DPM-Solver++ (arXiv 2211.01095, algorithm 2 and its code's third order), and the same for
    noise. ``estimates`` and ``times`` are of the last calls, newest first; the target is before."""
    t, *made = times
    alpha_t, sigma_t, high = setting.levels(t)
    alpha_s, sigma_s, low = setting.levels(made[0])
    h = high - low
    gaps = [(setting.levels(later)[2] - setting.levels(earlier)[2]) / h for later, earlier in pairwise(made[:order])]
    growth = math.expm1(h) if prediction == "noise" else -math.expm1(-h)
    phi_2 = math.expm1(h) / h - 1 if prediction == "noise" else -(math.expm1(-h) / h + 1)
    phi_3 = phi_2 / h - 0.5 if prediction == "noise" else (math.expm1(-h) / h + 1) / h - 0.5
    scale = (alpha_t / alpha_s, -sigma_t) if prediction == "noise" else (sigma_t / sigma_s, alpha_t)
    total = growth * estimates[0]
    if order == 2:
        total = total + 0.5 * growth * (estimates[0] - estimates[1]) / gaps[0]
    if order == 3:
        (r_0, r_1), d_0, d_1 = gaps, (estimates[0] - estimates[1]) / gaps[0], (estimates[1] - estimates[2]) / gaps[1]
        slope, bend = d_0 + r_0 / (r_0 + r_1) * (d_0 - d_1), (d_0 - d_1) / (r_0 + r_1)
        total = total + (phi_2 * slope + phi_3 * bend if prediction == "noise" else -phi_2 * slope - phi_3 * bend)
    return scale[0] * x + scale[1] * total


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("prediction", ["noise", "clean"])
@pytest.mark.parametrize(
    ("calls", "options", "orders"),
    [
        (1, {"order": 3}, [1]),
        (4, {"order": 3}, [1, 2, 2, 1]),
        (5, {"order": 2}, [1, 2, 2, 2, 1]),
        (9, {"order": 3}, [1, 2, 3, 3, 3, 3, 3, 2, 1]),
        (10, {"order": 3}, [1, 2, 3, 3, 3, 3, 3, 3, 3, 3]),
        (12, {"order": 3, "lower_below": 15}, [1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1]),
        (6, {"order": 3, "lower_below": 0}, [1, 2, 3, 3, 3, 3]),
        (12, {"order": 2}, [1, *[2] * 11]),
        (7, {"order": 1}, [1] * 7),
    ],
)
def test_multistep_dpm_solver(calls, options, orders, prediction, grid, setting, noise):
    times, x, estimates = setting.spaced(grid, setting.first, setting.last, calls), noise, []
    for index, order in enumerate(orders):
        model = setting.eps if prediction == "noise" else setting.clean
        estimates = [model(x, times[index]), *estimates]
        x = multistep_update(setting, x, estimates, times[: index + 2][::-1], order, prediction)
    run = {"prediction": prediction, "end": "first-timestep"} | options
    agree(ours(setting, "dpm-solver-multistep", calls, grid, noise, **run), x)


def unipc_update(setting, x, estimates, times, order, variant, prediction, corrected=False):
    """UniP and UniC (arXiv 2302.04867, equations 3, 8 and 9, and appendix A for clean images).

    ``estimates`` and ``times`` are newest first. For UniC the first estimate is at the target.
    """
    t, s, *before = times
    at_target, (first, *others) = (estimates[0], estimates[1:]) if corrected else (None, estimates)
    alpha_t, sigma_t, high = setting.levels(t)
    alpha_s, sigma_s, low = setting.levels(s)
    h = high - low
    r = [(setting.levels(u)[2] - low) / h for u in before[: order - 1]]
    differences = [(other - first) / ratio for other, ratio in zip(others, r, strict=False)][: order - 1]
    if corrected:
        r, differences = [*r, 1.0], [*differences, at_target - first]
    k = h if prediction == "noise" else -h
    b_h = k if variant == "bh1" else math.expm1(k)
    if len(r) == 1:  # the authors set a single coefficient to 1/2
        a = [0.5]
    elif r:
        phi, g = [math.expm1(k) / k], []
        for n in range(1, len(r) + 1):
            phi.append((phi[-1] - 1 / math.factorial(n)) / k)  # phi_{n+1}(k)
            g.append(k * math.factorial(n) * phi[-1] / b_h)
        a = np.linalg.solve(np.array([[ratio**n for ratio in r] for n in range(len(r))]), g)
    kept, changed = (alpha_t / alpha_s, sigma_t) if prediction == "noise" else (sigma_t / sigma_s, alpha_t)
    x = kept * x - changed * math.expm1(k) * first
    for weight, difference in zip(a if r else [], differences, strict=True):
        x = x - changed * b_h * weight * difference
    return x


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("prediction", ["noise", "clean"])
@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize(
    ("calls", "orders"),
    [(1, [1]), (2, [1, 1]), (6, [1, 2, 2, 2, 2, 1]), (5, [1, 2, 3, 2, 1]), (9, [1, 2, 3, 3, 3, 3, 3, 2, 1])],
)
def test_unipc(calls, orders, variant, prediction, grid, setting, noise):
    times, model = setting.spaced(grid, setting.first, setting.last, calls), setting.clean
    if prediction == "noise":
        model = setting.eps
    x, estimates = noise, [model(noise, times[0])]
    for index, order in enumerate(orders):
        recent = times[: index + 2][::-1]
        predicted = unipc_update(setting, x, estimates, recent, order, variant, prediction)
        if index == calls - 1:  # no call at the end of the run, so no correction
            x = predicted
            break
        estimates = [model(predicted, times[index + 1]), *estimates]
        x = unipc_update(setting, x, estimates, recent, order, variant, prediction, corrected=True)
    run = {"order": max(orders), "variant": variant, "prediction": prediction, "end": "first-timestep"}
    agree(ours(setting, "unipc", calls, grid, noise, **run), x)
