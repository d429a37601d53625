"""What several tests share: the linear schedule, and Dash in closed form with its exact flow."""

import hypothesis
import pytest
import torch

from morse.dash.analytic import GaussianDash, MixtureDash
from morse.schedules.presets import linear

# The same examples in every run, however slow the machine.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def schedule():
    return linear()


@pytest.fixture(scope="session")
def gaussian(schedule):
    """Pixels (1, 4, 4) of many means and variances."""
    mean, variance = (
        torch.linspace(-0.5, 0.5, 16, dtype=torch.float64),
        torch.linspace(0.05, 0.6, 16, dtype=torch.float64),
    )
    return GaussianDash(schedule, mean.view(1, 4, 4), variance.flip(0).view(1, 4, 4))


@pytest.fixture(scope="session")
def mixture(schedule):
    """Images (1, 1, 2) around three points."""
    means = torch.tensor([[0.8, 0.1], [-0.6, 0.5], [-0.2, -0.9]], dtype=torch.float64).view(3, 1, 1, 2)
    weights, variances = torch.tensor([[0.5, 0.3, 0.2], [0.02, 0.05, 0.01]], dtype=torch.float64)
    return MixtureDash(schedule, weights, means, variances)


@pytest.fixture
def x():
    """Noise (3, 1, 4, 4) in float64."""
    return torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
