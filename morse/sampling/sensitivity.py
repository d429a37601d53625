r"""How much an error at each call of a run changes the final image.

A run is made once as it is, and once more for each call that Dash does not answer. There that one
call's estimate is Dash's own for the same sample, which no later call is told of. Of each such call
come the size of its error, and how far it moved the image,

.. math::
    \mathrm{error} = |z_t - \theta(x_t, t)|, \qquad \mathrm{change} = |x_0 - x_0'|,

as root mean squares over pixels, and means over images. All runs draw the same noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from morse.dash.base import Dash
from morse.experiments.cards import Card
from morse.methods import METHODS
from morse.methods.base import DashFunction, Predictor, timesteps
from morse.methods.plans import DASH, Plan
from morse.samplers import make_sampler
from morse.samplers.base import Sampler
from morse.sampling.plan_search import NO_TEXT, Text, batch_of
from morse.sampling.run import load_networks, nominal_ratio, plan_of
from morse.schedules.noise import NoiseSchedule

SEED = 11
"""Of the noise, which is that of no run."""


class Corrected:
    """A method's predictor, but for one call, which gets Dash's estimate.

    The method does not learn of it: it goes on with what it had answered itself.

    Attributes:
        error: after the run, the root mean square (B,) of the error that was corrected.
    """

    def __init__(self, predictor: Predictor, dash: DashFunction, index: int):
        self.predictor, self.dash, self.index = predictor, dash, index

    @property
    def letters(self) -> str:
        return self.predictor.letters

    def begin(self) -> None:
        self.predictor.begin()

    def __call__(self, x: Tensor, t: float, *cond: Tensor) -> Tensor:
        answered = self.predictor(x, t, *cond)
        if len(self.letters) != self.index + 1:
            return answered
        right = self.dash(x, timesteps(x, t), *cond)
        channels = x.shape[1]
        self.error = _size(right[:, :channels] - answered[:, :channels])
        return right

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        self.predictor.renew_noise(noise, share, schedule)


def sensitivity(
    networks: Mapping[str, Any],
    method: str,
    plan: Plan,
    sampler: Sampler,
    images: int,
    device: torch.device | str = "cpu",
    text: Text = NO_TEXT,
) -> list[dict[str, float]]:
    """The sensitivity of a run to each call that is not Dash's.

    It takes as many runs as there are such calls, and one.

    Args:
        networks: of :func:`morse.sampling.run.load_networks`.
        sampler: for the plan's number of calls.
        text: the encoded prompts and the guidance scale of a text model.

    Returns:
        Of each call its ``index`` in the run, its timestep ``t``, ``error`` and ``change``.
    """
    dash: Dash = networks["dash"]

    def run(predictor: Predictor) -> Tensor:
        return batch_of(predictor, sampler, dash, images, SEED, device, text)

    whole = run(METHODS[method].make_predictor(networks, plan))
    calls = []
    for index, letter in enumerate(tqdm(plan.letters, desc="sensitivity", unit="call", mininterval=2)):
        if letter == DASH:
            continue
        corrected = Corrected(METHODS[method].make_predictor(networks, plan), dash, index)
        change = _size(run(corrected) - whole)
        sizes = {"error": corrected.error.mean().item(), "change": change.mean().item()}
        calls.append({"index": index, "t": sampler.times[index], **sizes})
    return calls


def run_sensitivity(
    run: Mapping[str, Any],
    card: Card,
    sampler: Card,
    settings: Mapping[str, Any],
    images: int,
    device: torch.device | str,
    dot: Path | str | None = None,
    chosen: Path | str | None = None,
    text: Text = NO_TEXT,
) -> tuple[str, list[dict[str, float]]]:
    """The letters of a run's plan, and its sensitivity.

    Args:
        run: axis -> value.
        card, settings, dot, chosen: as for :func:`morse.sampling.run.run_shard`.
    """
    networks = load_networks(card, METHODS[run["method"]].networks, dot, device)
    plan = plan_of(run["method"], int(run["budget"]), nominal_ratio(card), settings, chosen)
    steps = make_sampler(sampler, networks["dash"].schedule, plan.nfe)
    return plan.letters, sensitivity(networks, run["method"], plan, steps, images, device, text)


def _size(difference: Tensor) -> Tensor:
    """(B, C, H, W) -> (B,), root mean squares."""
    return difference.square().mean(dim=(1, 2, 3)).sqrt()
