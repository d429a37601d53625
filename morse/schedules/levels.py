"""alpha and sigma of a schedule at tensors of timesteps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from morse.schedules.noise import NoiseSchedule


class NoiseLevels(nn.Module):
    """alpha and sigma of a schedule at a tensor of times: (B,) -> (B, 1, 1, 1) each, in float32.

    log alpha is linear between the points of a table, as a discrete schedule's is between labels; of the VP-SDE, whose log alpha is
    quadratic, sixteen points a label keep sigma within 1e-4 of itself from label 0.999 on, and 5e-4 from label 0.0999.
    sigma = sqrt(-expm1(2 log alpha)) keeps its digits near t = 0.
    """

    PER_LABEL = 16

    def __init__(self, schedule: NoiseSchedule):
        super().__init__()
        log_alpha = [schedule.log_alpha(i / self.PER_LABEL) for i in range(int(schedule.last) * self.PER_LABEL + 1)]
        self.register_buffer("log_alpha", torch.tensor(log_alpha, dtype=torch.float32), persistent=False)

    def forward(self, t: Tensor) -> tuple[Tensor, Tensor]:
        t = t.float() * self.PER_LABEL
        below = t.floor().long().clamp(0, len(self.log_alpha) - 2)
        log_alpha = torch.lerp(self.log_alpha[below], self.log_alpha[below + 1], t - below)[:, None, None, None]
        return log_alpha.exp(), (-torch.expm1(2.0 * log_alpha)).sqrt()
