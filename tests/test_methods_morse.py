"""Which network answers a call, and what it is told."""

import pytest
import torch

from morse.methods.base import timesteps
from morse.methods.baseline import Baseline
from morse.methods.morse import Morse
from morse.methods.plans import with_ratio
from morse.runtime.arguments import Takes
from morse.samplers.ddpm import DDPM
from morse.sampling.loop import trajectory
from morse.seeds import generator

PLAN = with_ratio("D..D.", 4.0)
TIMES = (900.0, 700.5, 500.0, 300.0, 100.0)


class Recorder:
    """A Dash and a Dot that note what they are asked and answer with recognisable constants."""

    def __init__(self):
        self.asked = []

    def dash(self, x, t):
        self.asked.append(("dash", x[0].item(), t.tolist()))
        return 10 * x

    def dot(self, x_s, x_t, eps_s, s, t):
        self.asked.append(("dot", x_s[0].item(), x_t[0].item(), eps_s[0].item(), s.tolist(), t.tolist()))
        return x_t / 8


def samples(calls=5):
    return [torch.full((2, 1), float(index + 1)) for index in range(calls)]


@pytest.fixture
def nets():
    return Recorder()


@pytest.fixture
def morse(nets):
    return Morse(nets.dash, nets.dot, PLAN)


@pytest.mark.parametrize(
    ("samples_", "times_"),
    [(torch.float16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_timesteps_are_one_an_image_and_keep_the_digits_of_samples(samples_, times_):
    times = timesteps(torch.zeros(3, 1, 2, 2, dtype=samples_), 7.1)
    assert times.dtype == times_
    assert times.tolist() == torch.tensor([7.1] * 3, dtype=times_).tolist()


def test_the_baseline_asks_dash_and_counts(nets):
    predictor = Baseline(nets.dash)
    estimates = [predictor(x, t)[0].item() for x, t in zip(samples(), TIMES, strict=True)]
    assert estimates == [10, 20, 30, 40, 50]
    assert nets.asked == [("dash", index + 1.0, [t, t]) for index, t in enumerate(TIMES)]
    assert predictor.letters == "DDDDD"
    predictor.begin()
    assert predictor.letters == ""


def test_morse_adds_the_residual_to_the_latest_estimate_of_dash(nets, morse):
    estimates = [morse(x, t)[0].item() for x, t in zip(samples(), TIMES, strict=True)]
    assert estimates == [10, 10 + 2 / 8, 10 + 3 / 8, 40, 40 + 5 / 8]
    assert nets.asked == [
        ("dash", 1, [900.0] * 2),
        ("dot", 1, 2, 10, [900.0] * 2, [700.5] * 2),
        ("dot", 1, 3, 10, [900.0] * 2, [500.0] * 2),
        ("dash", 4, [300.0] * 2),
        ("dot", 4, 5, 40, [300.0] * 2, [100.0] * 2),
    ]
    assert morse.letters == "D..D."


def test_begin_forgets_the_last_run(nets, morse):
    for x, t in zip(samples(2), TIMES, strict=False):
        morse(x, t)
    morse.begin()
    assert morse.letters == ""
    estimates = [morse(7 * x, t)[0].item() for x, t in zip(samples(2), TIMES, strict=False)]
    assert estimates == [70, 70 + 14 / 8]
    assert [ask[0] for ask in nets.asked] == ["dash", "dot"] * 2


def test_fresh_noise_enters_what_morse_remembers(nets, morse, schedule):
    morse(torch.ones(2, 1), 900.0)  # eps_s = 10
    morse.renew_noise(torch.full((2, 1), 3.0), 0.6, schedule)
    eps = 0.8 * 10 + 0.6 * 3
    assert morse(torch.full((2, 1), 2.0), 700.5)[0].item() == pytest.approx(eps + 2 / 8)
    _, x_s, _, eps_s, s, _ = nets.asked[-1]
    assert (x_s, eps_s, s) == (pytest.approx(1 + schedule.sigma(900.0) * (eps - 10)), pytest.approx(eps), [900.0] * 2)


def test_fresh_noise_beyond_all_replaces_all(nets, morse, schedule):
    morse(torch.ones(2, 1), 900.0)
    morse.renew_noise(torch.full((2, 1), 3.0), 1.2, schedule)
    morse(torch.full((2, 1), 2.0), 700.5)
    assert nets.asked[-1][3] == pytest.approx(3.0)


def test_dash_alone_needs_no_renewal(nets, schedule):
    predictor = Baseline(nets.dash)
    before = predictor(torch.ones(2, 1), 900.0)
    predictor.renew_noise(torch.ones(2, 1), 0.5, schedule)
    assert torch.equal(predictor(torch.ones(2, 1), 900.0), before)


def test_a_batch_of_any_size_counts_once(morse):
    morse(torch.ones(64, 1), 900.0)
    assert morse.letters == "D"


def test_a_call_beyond_the_plan_is_an_error(morse):
    for x, t in zip(samples(), TIMES, strict=True):
        morse(x, t)
    with pytest.raises(ValueError, match=r"^the plan has 5 calls, and the sampler made one more$"):
        morse(samples()[0], 50.0)
    assert morse.letters == "D..D."


class Remembering:
    """A Dot with memory, which answers with the line through both estimates, and notes its past."""

    takes = Takes(memory=1)

    def __init__(self):
        self.asked = []

    def __call__(self, x_s, x_t, eps_s, s, t, eps_before, before):
        self.asked.append((eps_before[0].flatten()[0].item(), before[0].item()))
        gap = (before - s)[0].item()
        return torch.zeros_like(eps_s) if gap == 0 else (s - t)[0].item() / gap * (eps_s - eps_before)


def test_a_dot_with_memory_gets_the_estimate_before_the_last_one(nets):
    """After the first call of Dash that is the last one itself, so that the line is flat."""
    dot = Remembering()
    morse = Morse(nets.dash, dot, with_ratio("D.DD.", 4.0))
    estimates = [morse(x, t)[0].item() for x, t in zip(samples(), TIMES, strict=True)]
    assert dot.asked == [(10.0, 900.0), (30.0, 500.0)]
    assert estimates == [10.0, 10.0, 30.0, 40.0, 40.0 + 10.0]
    morse.begin()
    morse(samples()[0], 800.0)
    morse(samples()[1], 700.0)
    assert dot.asked[-1] == (10.0, 800.0)  # nothing of the run before


def test_fresh_noise_enters_both_remembered_estimates(nets, schedule):
    dot = Remembering()
    morse = Morse(nets.dash, dot, with_ratio("DD.", 4.0))
    morse(torch.full((2, 1), 1.0), 900.0)
    morse.renew_noise(torch.full((2, 1), 3.0), 0.6, schedule)  # before the second call: the first estimate is the last
    morse(torch.full((2, 1), 2.0), 700.0)
    morse.renew_noise(torch.full((2, 1), 5.0), 0.6, schedule)
    last, before = (0.8 * eps + 0.6 * 5.0 for eps in (20.0, 0.8 * 10.0 + 0.6 * 3.0))
    assert morse(torch.full((2, 1), 3.0), 600.0)[0].item() == pytest.approx(last + 0.5 * (last - before))
    assert dot.asked == [(pytest.approx(before), 900.0)]


def test_two_remembered_estimates_keep_the_exact_distribution(mixture):
    """DDPM, half of whose calls are the line's: mean and covariance are nearly those of Dash alone.

    Without the line they are not, so it is the memory that is tried.
    """
    count, calls = 8_000, 100
    sampler = DDPM(mixture.schedule, calls, clip=False)

    def covariance(predictor):
        draws = generator(9)
        noise = (torch.randn(count, 1, 1, 2, generator=draws, dtype=torch.float64) for _ in range(calls))
        start = torch.randn(count, 1, 1, 2, generator=generator(8), dtype=torch.float64)
        images = trajectory(predictor, sampler, start, noise).flatten(1)
        torch.testing.assert_close(images.mean(0), mixture.moments()[0], rtol=0, atol=0.03)
        return images.T.cov()

    plan = with_ratio("D." * (calls // 2), 4.0)
    of_dash = covariance(Baseline(mixture))
    line, flat = (
        (covariance(Morse(mixture, dot, plan)) - of_dash).abs().max()
        for dot in (Remembering(), lambda x_s, x_t, eps_s, s, t: torch.zeros_like(eps_s))
    )
    torch.testing.assert_close(of_dash, mixture.moments()[1], rtol=0, atol=0.025)
    assert line < 0.005 and flat > 2 * line
