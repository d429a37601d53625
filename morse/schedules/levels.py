"""alpha and sigma of a schedule at a tensor of timesteps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from morse.schedules.noise import NoiseSchedule


class NoiseLevels(nn.Module):
    """alpha and sigma at a tensor of timesteps: (B,) -> (B, 1, 1, 1) each, in float32.

    log alpha is tabulated at sixteen points per timestep, and linear in between. That is exact for
    a discrete schedule, which is linear between whole timesteps. The VP-SDE's log alpha is
    quadratic. The relative error of its sigma is below 1e-4 from timestep 0.999 on, and below 5e-4
    from 0.0999 on. sigma = sqrt(-expm1(2 log alpha)) keeps its digits near t = 0.
    """

    PER_TIMESTEP = 16

    def __init__(self, schedule: NoiseSchedule):
        super().__init__()
        log_alpha = [
            schedule.log_alpha(i / self.PER_TIMESTEP) for i in range(int(schedule.t_max) * self.PER_TIMESTEP + 1)
        ]
        self.register_buffer("log_alpha", torch.tensor(log_alpha, dtype=torch.float32), persistent=False)

    def forward(self, t: Tensor) -> tuple[Tensor, Tensor]:
        t = t.float() * self.PER_TIMESTEP
        below = t.floor().long().clamp(0, len(self.log_alpha) - 2)
        log_alpha = torch.lerp(self.log_alpha[below], self.log_alpha[below + 1], t - below)[:, None, None, None]
        return log_alpha.exp(), (-torch.expm1(2.0 * log_alpha)).sqrt()

    def clean_estimate(self, x: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """(x - sigma_t eps) / alpha_t of each image: x, eps (B, C, H, W), t (B,)."""
        alpha, sigma = self(t)
        return (x - sigma * eps) / alpha

    def ddim(self, x: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """One deterministic DDIM step of each image, from its t (B,) to its s (B,)."""
        (alpha, sigma), (next_alpha, next_sigma) = self(t), self(s)
        return next_alpha * (x - sigma * eps) / alpha + next_sigma * eps

    def noisy(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t = alpha_t x_0 + sigma_t eps of each image."""
        alpha, sigma = self(t)
        return alpha * x_0 + sigma * eps
