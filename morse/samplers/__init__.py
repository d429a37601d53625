"""Samplers: from noise to data in a stated number of network calls (NFE).

A sampler is made for one noise schedule and one number of calls. It knows beforehand at which
timesteps it calls the network. It is pure: it holds no state of a run, no model, no file. The loop
(:func:`morse.sampling.loop.trajectory`) is

    state = None
    for i, t in enumerate(sampler.times):
        eps = predictor(x, t)
        x, state = sampler.step(i, x, eps, state, noise)

Each step is one call of the network. This also holds for singlestep solvers of higher order: their
inner evaluations are entries of ``times`` like any other. So a budget counts them, and Morse may
give them to Dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.options import check_options
from morse.registry import Registry
from morse.samplers.base import Sampler
from morse.schedules.noise import NoiseSchedule


def make_sampler(settings: Mapping[str, Any], schedule: NoiseSchedule, calls: int) -> Sampler:
    """The sampler of a card.

    Args:
        settings: ``kind``, a name of :data:`SAMPLERS`, and ``options``.

    Raises:
        ValueError: for an option that the kind does not have, or a value that it refuses.
        UnknownName: for an unknown kind.
    """
    name, options = settings["kind"], settings["options"]
    kind = SAMPLERS[name]
    check_options(f"option of sampler {name}", options, kind, given=("schedule", "calls"))
    return kind(schedule, calls, **options)


SAMPLERS = Registry(
    "sampler",
    {
        "ddpm": "morse.samplers.ddpm:DDPM",
        "ddim": "morse.samplers.ddim:DDIM",
        "dpm-solver": "morse.samplers.dpm_solver:DPMSolver",
        "dpm-solver-multistep": "morse.samplers.dpm_solver_multistep:DPMSolverMultistep",
        "unipc": "morse.samplers.unipc:UniPC",
        "ipndm": "morse.samplers.ipndm:IPNDM",
        "euler-maruyama": "morse.samplers.euler_maruyama:EulerMaruyama",
        "probability-flow": "morse.samplers.probability_flow:ProbabilityFlow",
        "lcm": "morse.samplers.lcm:LCM",
    },
)
"""Name in the configuration -> class, called as ``cls(schedule, calls, **options)``."""
