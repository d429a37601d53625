"""Images do not depend on how the work is cut, and the baseline starts where Morse does."""

import numpy as np
import pytest
import torch

from morse.data.pixels import UINT8_RULE, to_uint8
from morse.methods.baseline import Baseline
from morse.methods.morse import Morse
from morse.methods.plans import baseline_plan, paper_plan
from morse.samplers import SAMPLERS
from morse.samplers.ddim import DDIM
from morse.sampling.loop import batch_sizes, draw, sample_shard, trajectory
from morse.seeds import generator

SHAPE = (1, 4, 4)
PLAN = paper_plan(3, 4.0, 0.5)
CALLS = PLAN.nfe


def morse(dash, plan=PLAN):
    return Morse(dash, lambda x_s, x_t, eps_s, s, t: 0.1 * (x_t - x_s), plan)


def shard_of(predictor, schedule, first=0, count=8, batch_size=3, seed=11, sampler="ddpm"):
    return sample_shard(predictor, SAMPLERS[sampler](schedule, CALLS), SHAPE, seed, first, count, batch_size)


@pytest.mark.parametrize("method", [Baseline, morse])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 8, 100])
def test_images_do_not_depend_on_the_batch_size(method, batch_size, schedule, gaussian):
    whole = shard_of(method(gaussian), schedule, batch_size=5).images
    assert (whole.shape, whole.dtype) == ((8, *SHAPE), np.uint8)
    np.testing.assert_array_equal(shard_of(method(gaussian), schedule, batch_size=batch_size).images, whole)


@pytest.mark.parametrize("method", [Baseline, morse])
def test_images_do_not_depend_on_shards_or_their_order(method, schedule, gaussian):
    predictor = method(gaussian)
    late, early = shard_of(predictor, schedule, 5, 3), shard_of(predictor, schedule, 0, 5)
    assert (early.first, late.first) == (0, 5)
    np.testing.assert_array_equal(
        np.concatenate([early.images, late.images]), shard_of(method(gaussian), schedule).images
    )


@pytest.mark.parametrize("batch_size", [1, 4])
def test_trajectories_in_floating_point_do_not_depend_on_the_batch(batch_size, schedule, gaussian):
    """Bit for bit before rounding to uint8 hides anything."""

    def run(indices):
        generators = [generator(11, i) for i in indices]
        return trajectory(morse(gaussian), SAMPLERS["ddpm"](schedule, CALLS), draw(generators, SHAPE), generators)

    parts = [run(range(start, min(start + batch_size, 6))) for start in range(0, 6, batch_size)]
    assert torch.equal(torch.cat(parts), run(range(6)))


def test_every_image_and_every_seed_differs(schedule, gaussian):
    images = [*shard_of(Baseline(gaussian), schedule).images, *shard_of(Baseline(gaussian), schedule, seed=12).images]
    assert len({image.tobytes() for image in images}) == 16


def test_the_same_seed_gives_the_same_images(schedule, gaussian):
    np.testing.assert_array_equal(
        shard_of(Baseline(gaussian), schedule).images, shard_of(Baseline(gaussian), schedule).images
    )


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_baseline_and_morse_start_from_the_same_noise(sampler, schedule, gaussian):
    starts = []

    def dash(x, t):
        starts.append((t[0].item(), x.clone()))
        return gaussian(x, t)

    shard_of(Baseline(dash), schedule, count=2, sampler=sampler)
    before = len(starts)
    shard_of(morse(dash), schedule, count=2, sampler=sampler)
    assert starts[0][0] == starts[before][0]
    assert torch.equal(starts[0][1], starts[before][1])


def test_draws_are_each_generators_own():
    together = draw([generator(3, 0), generator(3, 1)], SHAPE)
    assert torch.equal(together[1], draw([generator(3, 1)], SHAPE)[0])
    assert together.shape == (2, *SHAPE)
    assert not torch.equal(together[0], together[1])


def test_calls_are_counted_an_image(schedule, gaussian):
    shard = shard_of(morse(gaussian), schedule)
    assert shard.letters == PLAN.letters
    shard = shard_of(Baseline(gaussian), schedule)
    assert (shard.letters, shard.provenance) == ("D" * CALLS, {})
    assert shard.seconds > 0
    assert 10_000_000 < shard.memory < 1e12  # bytes, of a process that has loaded torch


def test_sizes_of_batches_are_warmed_up_before_the_clock():
    assert [batch_sizes(250, 100), batch_sizes(200, 100), batch_sizes(60, 100)] == [[100, 50], [100], [60]]


@pytest.mark.parametrize("warm_up", [[2], [3, 1, 3, 1]])
def test_warming_up_changes_no_image(schedule, gaussian, warm_up):
    sizes = []

    def counted(x, t):
        sizes.append(len(x))
        return gaussian(x, t)

    sampler = DDIM(schedule, 1)
    images = sample_shard(Baseline(counted), sampler, SHAPE, 0, 0, 4, 3, warm_up=warm_up).images
    assert sizes == [*warm_up, 3, 1]
    assert np.array_equal(images, sample_shard(Baseline(gaussian), sampler, SHAPE, 0, 0, 4, 3).images)


def test_decoding_counts_and_is_timed_by_itself(schedule, gaussian, monkeypatch):
    """A clock that only calls and decoding move: batches of 3 and 1, after a warm-up of 2."""
    now = 0.0

    def take(seconds, result):
        nonlocal now
        now += seconds
        return result

    monkeypatch.setattr("morse.sampling.loop.time.perf_counter", lambda: now)
    predictor = Baseline(lambda x, t: take(1.0, gaussian(x, t)))
    what = predictor, DDIM(schedule, 4), SHAPE, 0, 0, 4, 3
    shard = sample_shard(*what, decode=lambda samples: take(10.0, samples / 2.0))
    assert (shard.seconds, shard.decoding) == (2 * (4.0 + 10.0), 20.0)
    assert not np.array_equal(shard.images, sample_shard(*what).images)  # they are the decoded ones
    assert sample_shard(*what).decoding == 0.0


def test_a_plan_shorter_than_the_run_is_an_error(schedule, gaussian):
    with pytest.raises(ValueError, match=f"the plan has {CALLS - 1} calls"):
        shard_of(morse(gaussian, baseline_plan(CALLS - 1)), schedule)


def test_a_predictor_that_miscounts_is_an_error(schedule, gaussian):
    class Twice(Baseline):
        def __call__(self, x, t):
            self.letters += "D"
            return super().__call__(x, t)

    with pytest.raises(RuntimeError, match=f"stated {CALLS} network calls and {2 * CALLS} were made"):
        shard_of(Twice(gaussian), schedule)


def test_a_trajectory_begins_a_new_run(schedule, gaussian):
    predictor = morse(gaussian)
    predictor(torch.zeros(1, *SHAPE), 500.0)
    shard_of(predictor, schedule, count=1)
    assert predictor.letters == PLAN.letters


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-1.0, 0), (1.0, 255), (0.0, 128), (-7.0, 0), (3.0, 255), (0.4 / 127.5, 128), (0.6 / 127.5, 128)],
)
def test_uint8_of_some_values(value, expected):
    assert to_uint8(torch.tensor([value], dtype=torch.float64)).tolist() == [expected]


def test_uint8_is_the_rule_that_statistics_name():
    assert UINT8_RULE == "uint8=round(127.5(x+1))"
    x = torch.linspace(-1, 1, 997, dtype=torch.float64)
    assert to_uint8(x).tolist() == [round(127.5 * (value + 1)) for value in x.float().double().tolist()]


def test_uint8_rounds_to_the_nearest():
    levels = torch.arange(256, dtype=torch.float64)
    for shift in (-0.49, 0.0, 0.49):
        pixels = to_uint8((levels + shift) / 127.5 - 1)
        assert pixels.dtype == np.uint8
        assert pixels.tolist() == list(range(256))


def test_a_sample_that_is_not_finite_is_refused(schedule, x):
    def broken(x, t):
        return torch.full_like(x, float("nan"))

    with pytest.raises(FloatingPointError, match="not finite after 3 network calls"):
        trajectory(Baseline(broken), DDIM(schedule, 3), x, [])


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_a_plain_function_is_a_predictor(sampler, schedule, gaussian, x):
    """In float64, with timesteps as they are."""
    made, asked = SAMPLERS[sampler](schedule, 7), []

    def eps(x, t):
        asked.append(t)
        return gaussian(x, torch.full((len(x),), t, dtype=torch.float64))

    images = trajectory(eps, made, x, [generator(1, i) for i in range(len(x))])
    assert asked == list(made.times) and all(type(t) is float for t in asked)
    assert images.dtype == torch.float64
    assert torch.equal(images, trajectory(Baseline(gaussian), made, x, [generator(1, i) for i in range(len(x))]))


def test_given_noise_is_what_generators_draw(schedule, gaussian, x):
    made = SAMPLERS["ddpm"](schedule, 5)
    generators = [generator(1, i) for i in range(len(x))]
    given = [draw(generators, x.shape[1:]).double() for _ in range(4)]
    images = trajectory(Baseline(gaussian), made, x, [generator(1, i) for i in range(len(x))])
    for noise in (given, tuple(given), iter(given), torch.stack(given)):
        assert torch.equal(trajectory(Baseline(gaussian), made, x, noise), images)
    assert not torch.equal(trajectory(Baseline(gaussian), made, x, given[::-1]), images)


def test_given_noise_keeps_the_digits_of_float64(schedule, x):
    made = SAMPLERS["ddim"](schedule, 2, eta=1.0)
    noise = torch.full_like(x, 0.1)
    with_it, without = (trajectory(lambda x, t: 0 * x, made, x, [z]) for z in (noise, 0 * noise))
    torch.testing.assert_close(with_it - without, noise * made.fresh_noise(0) / schedule.alpha(0.0), rtol=1e-12, atol=0)


@pytest.mark.parametrize("given", [[], [None, None], "two images"])
def test_noise_that_does_not_fit_is_an_error(given, schedule, gaussian, x):
    noise = [torch.zeros_like(x)] * len(given) if given != "two images" else [generator(1, 0), generator(1, 1)]
    message = "noise .2, 1, 4, 4. is not of the shape .* .3, 1, 4, 4." if given else "the sampler adds noise; give a"
    with pytest.raises(ValueError, match="the sampler adds noise" if given == [None, None] else message):
        trajectory(gaussian_of(gaussian), SAMPLERS["ddpm"](schedule, 5), x, noise)


def gaussian_of(gaussian):
    return lambda x, t: gaussian(x, torch.full((len(x),), t, dtype=torch.float64))
