r"""DPM-Solver and DPM-Solver++, multistep, of orders 1 to 3 (Lu et al. 2022, arXiv 2206.00927 and
2211.01095).

From timestep t to s, with :math:`h = \lambda_s - \lambda_t`, a polynomial goes through the latest
predictions of the network. They are of the noise (DPM-Solver: k = h) or of the clean image
(DPM-Solver++: k = -h):

.. math::

    x_s = c\, x_t - f \left( (e^k - 1) D_0 + \left(\tfrac{e^k - 1}{k} - 1\right) D_1
        + \left(\tfrac{e^k - 1 - k}{k^2} - \tfrac 1 2\right) D_2 \right)

with :math:`c = \alpha_s / \alpha_t, f = \sigma_s` for the noise, and :math:`c = \sigma_s /
\sigma_t, f = \alpha_s` for the clean image. D_0 is the latest prediction. D_2 is the divided
difference of the last three, times h^2.

At order 2, D_1 is the divided difference of the last two, times h. Its coefficient is the authors'
midpoint rule, :math:`\tfrac 1 2 (e^k - 1)`. At order 3, D_1 is h times the parabola's slope at t.

The first steps have lower orders, as there are fewer predictions. The last steps have lower orders
in runs of few calls. A step to the data, where lambda is infinite, returns the clean estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from morse.samplers.base import GridSampler, Noise, State
from morse.schedules.noise import CLEAN

if TYPE_CHECKING:
    from torch import Tensor

LOWER_BELOW = {"data": 15, "first-timestep": 10, "abar_0": 10}
"""End of the run -> with fewer calls than this, the last steps have lower orders: to the data as in
diffusers, else as in the authors' code (15 in its older copies)."""


@dataclass(frozen=True)
class DPMSolverMultistep(GridSampler):
    """DPM-Solver (noise) and DPM-Solver++ (clean), multistep, with one network call per step.

    Args:
        order: 1 to 3; 1 is DDIM.
        prediction: what is interpolated: "clean" (DPM-Solver++) or "noise" (DPM-Solver).
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        corrected: take D_2 twice. This is the integral of the parabola through three predictions,
            and gives the third order. The authors' code and diffusers take D_2 once (measured:
            order 2), and so do numbers published with them.
        lower_below: with fewer calls than this, the last steps have lower orders: 3, 3, ..., 2, 1.
            None: as :data:`LOWER_BELOW` has it. 0: never.

    Raises:
        ValueError: for another order or prediction, or a negative ``lower_below``.
    """

    order: int = 2
    prediction: str = "clean"
    grid: str = "log-snr"
    corrected: bool = False
    lower_below: int | None = None

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ValueError(f"order of DPM-Solver is 1, 2 or 3, not {self.order}")
        if self.prediction not in ("clean", "noise"):
            raise ValueError(f"prediction of DPM-Solver is 'clean' or 'noise', not {self.prediction!r}")
        if self.lower_below is not None and self.lower_below < 0:
            raise ValueError(f"lower_below of DPM-Solver is a number of calls, not {self.lower_below}")
        super().__post_init__()

    def order_of(self, index: int) -> int:
        """The order of step ``index``.

        A step to the data is of order 1. It counts as the last one of a run that lowers orders.
        """
        few = LOWER_BELOW[self.end] if self.lower_below is None else self.lower_below
        lowered = self.calls < few or self.points[index + 1] == CLEAN
        return min(self.order, index + 1, self.calls - index if lowered else self.order)

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """``state`` holds the predictions of earlier steps, the latest first."""
        t, s = self.interval(index)
        alpha, sigma, clean = self.schedule.alpha, self.schedule.sigma, self.prediction == "clean"
        x_0 = self.schedule.clean_estimate(x, eps, t)
        if s == CLEAN:
            return x_0, None
        estimates = (x_0 if clean else eps, *(state or ()))[: self.order]
        h = self._step_of(index)
        k, ratio, factor = (-h, sigma(s) / sigma(t), alpha(s)) if clean else (h, alpha(s) / alpha(t), sigma(s))
        growth, order = math.expm1(k), self.order_of(index)
        total = growth * estimates[0]
        if order == 2:
            total = total + 0.5 * growth * self._slope(index, estimates)
        if order == 3:
            later, earlier = (
                self._slope(index, estimates),
                self._slope(index - 1, estimates[1:]) * (h / self._step_of(index - 1)),
            )
            before, last = self._step_of(index - 1) / h, self._step_of(index - 2) / h
            bend = (later - earlier) / (before + last)
            total = (
                total
                + (growth / k - 1.0) * (later + before * bend)
                + (2.0 if self.corrected else 1.0) * ((growth - k) / k**2 - 0.5) * bend
            )
        return ratio * x - factor * total, estimates

    def _step_of(self, index: int) -> float:
        """h of step ``index``."""
        return self.schedule.log_snr(self.points[index + 1]) - self.schedule.log_snr(self.points[index])

    def _slope(self, index: int, estimates: tuple[Tensor, ...]) -> Tensor:
        """The divided difference of the latest two predictions, times h of step ``index``."""
        return (estimates[0] - estimates[1]) * (self._step_of(index) / self._step_of(index - 1))
