"""Dot's training samples, loss and measure."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from networks import tiny_dash, tiny_images

from morse.dash.analytic import GaussianDash
from morse.data.batches import draw_batch
from morse.dot.chain_times import VARIANCE, ChainTimes, draw_answers, draw_chain_times, effect
from morse.dot.chains import ChainSettings, ChainSource
from morse.dot.explained import GAP_PARTS, edges_of, explain, explained_residual
from morse.dot.lora import attach_lora
from morse.dot.network import Dot
from morse.dot.residual_scale import ResidualScale
from morse.dot.training import calibrate_scale, dot_loss, importance
from morse.methods.morse import Morse
from morse.methods.plans import endpoint_plan, paper_plan, with_ratio
from morse.runtime.arguments import Takes
from morse.samplers.ddim import DDIM, ddim_step
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN, VPSDE
from morse.schedules.presets import linear
from morse.seeds import generator
from morse.training.loop import TrainSettings, train


@pytest.fixture(scope="module")
def dash():
    return tiny_dash()


def source_of(dash, **settings):
    settings = {"chains": 3, "points": 4} | settings
    return ChainSource(dash, tiny_images(), ChainSettings(**settings))


class StubDot(torch.nn.Module):
    """A Dot whose residual is ``function`` of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.function, self.scale = function, ResidualScale(1000)

    def forward(self, *inputs):
        return self.function(*inputs)


def perfect(dash):
    return StubDot(lambda x_s, x_t, eps_s, s, t: dash(x_t, t) - eps_s)


def zero():
    return StubDot(lambda x_s, x_t, eps_s, s, t: torch.zeros_like(eps_s))


def explained(dot, source, draws):
    """The map and the value, with the edges of the schedule."""
    return explained_residual(dot, source, 0, draws, *edges_of(source.dash.schedule))


@pytest.mark.parametrize("settings", [{"points": 6}, {"points": 2, "min_calls": 1.0, "max_calls": 1.0}])
def test_times_descend_within_the_schedule(settings):
    settings = ChainSettings(chains=2000, **settings)
    times = draw_chain_times(settings, linear(), generator(0)).t
    assert times.shape == (settings.points, 2000)
    assert (times.diff(dim=0) <= 0).all() and (times.diff(dim=0) < 0).float().mean() > 0.99
    assert times.min() >= 0 and times.max() <= 999
    assert torch.equal(times, draw_chain_times(settings, linear(), generator(0)).t)
    assert not torch.equal(times, draw_chain_times(settings, linear(), generator(1)).t)


def test_chains_of_continuous_time_end_at_its_end():
    times = draw_chain_times(ChainSettings(chains=2000, points=5), VPSDE(end=1e-3), generator(0)).t
    assert times.min() >= 0.999 and times.max() <= 999
    assert (times.diff(dim=0) < 0).float().mean() > 0.99


def test_chains_start_anywhere_and_span_what_the_settings_say():
    settings = ChainSettings(chains=5000, points=30, min_calls=4.0, max_calls=25.0)
    times = draw_chain_times(settings, linear(), generator(0)).t
    assert times[0].mean() == pytest.approx(999 / 2, rel=0.05)
    span = times[0] - times[-1]
    assert span.max() < 1000 / 4 and span.max() > 0.9 * 1000 / 4
    late = span[times[0] > 250]
    # log-uniform between 40 and 250, and the last of 29 uniform points at 29/30 of it:
    # median 29/30 sqrt(40 250) = 97
    assert late.median() == pytest.approx(97, rel=0.08)


def test_a_chain_has_two_points_or_more():
    with pytest.raises(ValueError, match="a chain has 2 points or more, not 1"):
        ChainSettings(points=1)


def test_pairs_are_dealt_out_evenly():
    assert ChainSettings(chains=4, points=5, steps=8).pairs == 40
    with pytest.raises(ValueError, match="40 pairs of a draw cannot be dealt out evenly to 7 steps"):
        ChainSettings(chains=4, points=5, steps=7)


@pytest.mark.parametrize("points", [2, 3, 5])
def test_every_pair_of_a_chain_is_a_sample(dash, points):
    pairs, times = source_of(dash, points=points).draw(generator(7)), expected_times(points)
    assert len(pairs.s) == len(pairs.x_t) == 3 * points * (points - 1) // 2
    found = {(s, t) for s, t in zip(pairs.s.tolist(), pairs.t.tolist(), strict=True)}
    assert found == {pair for column in times.T.tolist() for pair in combinations(column, 2)}
    assert (pairs.s > pairs.t).all()


def expected_times(points):
    rng = generator(7)
    draw_batch(tiny_images(), 3, rng, flip=True)
    return draw_chain_times(ChainSettings(chains=3, points=points), linear(), rng).t


def test_estimates_are_dash_s_at_their_own_samples(dash):
    pairs = source_of(dash).draw(generator(0))
    torch.testing.assert_close(pairs.eps_s, dash(pairs.x_s, pairs.s), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pairs.eps_t, dash(pairs.x_t, pairs.t), rtol=1e-4, atol=1e-5)
    assert pairs.eps_t.requires_grad is False


def test_neighbours_are_one_ddim_step_apart(dash, monkeypatch):
    times = torch.tensor([[900.0, 500.0], [610.0, 499.0], [33.0, 0.0]])
    monkeypatch.setattr(
        "morse.dot.chains.draw_chain_times", lambda *_: ChainTimes(times, torch.zeros(2, dtype=torch.bool), times)
    )
    pairs = source_of(dash, points=3, chains=2).draw(generator(0))
    points = {}
    for x_s, eps_s, s, x_t, t in zip(
        pairs.x_s, pairs.eps_s, pairs.s.tolist(), pairs.x_t, pairs.t.tolist(), strict=True
    ):
        points[s], points[t] = (x_s, eps_s), points.get(t, (x_t, None))
    for s, t in ((900.0, 610.0), (610.0, 33.0), (500.0, 499.0), (499.0, 0.0)):
        expected = ddim_step(dash.schedule, *points[s], s, t)
        torch.testing.assert_close(points[t][0], expected, rtol=1e-4, atol=1e-4)


def test_chain_of_two_is_algorithm_1(dash):
    pairs = source_of(dash, points=2).draw(generator(7))
    rng = generator(7)
    x_0, _ = draw_batch(tiny_images(), 3, rng, flip=True)
    s, t = draw_chain_times(ChainSettings(chains=3, points=2), linear(), rng).t
    noise = torch.randn(x_0.shape, generator=rng)
    assert torch.equal(pairs.s, s) and torch.equal(pairs.t, t)
    for i in range(3):
        alpha, sigma = dash.schedule.alpha(s[i].item()), dash.schedule.sigma(s[i].item())
        x_s = alpha * x_0[i] + sigma * noise[i]
        torch.testing.assert_close(pairs.x_s[i], x_s, rtol=1e-4, atol=1e-5)
        eps_s = dash(x_s[None], s[i : i + 1])[0]
        x_t = ddim_step(dash.schedule, x_s, eps_s, s[i].item(), t[i].item())
        torch.testing.assert_close(pairs.x_t[i], x_t, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(pairs.eps_t[i], dash(x_t[None], t[i : i + 1])[0], rtol=1e-3, atol=1e-3)


def test_the_same_generator_draws_the_same_pairs(dash):
    first, second, other = (source_of(dash).draw(generator(k)) for k in (0, 0, 1))
    assert torch.equal(first.eps_t, second.eps_t) and torch.equal(first.x_s, second.x_s)
    assert not torch.equal(first.x_s, other.x_s)


def test_a_perfect_dot_has_no_loss_and_explains_all(dash):
    source, dot = source_of(dash), perfect(dash)
    assert dot_loss(dot, source, 0)(0, generator(0)) < 1e-8
    cells, value = explained(dot, source, draws=4)
    assert value == pytest.approx(1, abs=1e-6)
    assert np.nanmax(np.abs(cells - 1)) < 1e-3


def test_a_zero_dot_explains_exactly_nothing(dash):
    cells, value = explained(zero(), source_of(dash), draws=4)
    assert value == 0.0
    assert cells.shape == (10, 8) and (cells[~np.isnan(cells)] == 0).all()
    assert np.isnan(cells).any() and not np.isnan(cells).all()  # some cells had no pair


def test_half_of_the_residual_explains_three_quarters(dash):
    dot = StubDot(lambda x_s, x_t, eps_s, s, t: (dash(x_t, t) - eps_s) / 2)
    assert explained(dot, source_of(dash), draws=2)[1] == pytest.approx(0.75, abs=1e-5)


def test_the_value_counts_pairs_outside_of_the_cells(dash):
    source = source_of(dash, min_calls=1.0, max_calls=1.0)
    dot = StubDot(
        lambda x_s, x_t, eps_s, s, t: torch.where((s - t > 100)[:, None, None, None], dash(x_t, t) - eps_s, 0.0)
    )
    cells, value = explained_residual(dot, source, 0, 4, edges_of(dash.schedule)[0], [0, 100])
    assert (cells[~np.isnan(cells)] == 0).all()
    assert value > 0.5


@pytest.mark.parametrize("schedule", [linear(), VPSDE()], ids=["discrete", "vp"])
def test_edges_are_parts_of_all_timesteps(schedule):
    s_edges, gap_edges = edges_of(schedule)
    assert s_edges == [100.0 * tenth for tenth in range(11)]
    assert gap_edges == [0.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 500.0]


def test_edges_of_a_shorter_schedule_are_the_same_parts_of_it():
    s_edges, gap_edges = edges_of(linear(200))
    assert (s_edges[1], s_edges[-1]) == (20.0, 200.0)
    assert gap_edges == [200 * part for part in GAP_PARTS]


def test_the_map_is_of_images_as_they_are(dash):
    """Chains are as in training, but no image is mirrored."""
    chain, dot = {"chains": 3, "points": 4, "flip": True}, StubDot(lambda x_s, x_t, eps_s, s, t: 0.1 * x_t)
    cells, value, *edges = explain(dash, dot, tiny_images(), chain, draws=2)
    expected, total = explained(dot, source_of(dash, flip=False), draws=2)
    np.testing.assert_array_equal(cells, expected)
    assert value == total != explained(dot, source_of(dash, flip=True), draws=2)[1]
    assert tuple(edges) == edges_of(dash.schedule)


def test_the_loss_without_scale_is_the_mean_square(dash):
    source = source_of(dash, normalise=False)
    pairs = source.draw(generator(0, 5, 3))
    expected = (pairs.eps_s - pairs.eps_t).square().mean()
    torch.testing.assert_close(dot_loss(zero(), source, 0)(5, generator(0)), expected)


def test_each_pair_of_a_draw_is_dealt_out_once(dash):
    source, seen = source_of(dash, chains=4, points=3, steps=3), []
    dot = zero()
    dot.function = lambda x_s, x_t, eps_s, s, t: (seen.append(torch.stack([s, t], 1)), torch.zeros_like(eps_s))[1]
    loss = dot_loss(dot, source, 9)
    for step in range(6):
        loss(step, generator(0))
    for draw, parts in enumerate((seen[:3], seen[3:])):
        pairs = source.draw(generator(9, draw, 3))
        assert [len(part) for part in parts] == [4, 4, 4]
        assert sorted(torch.cat(parts).tolist()) == sorted(torch.stack([pairs.s, pairs.t], 1).tolist())
    in_order = torch.stack([pairs.s, pairs.t], 1)
    assert not torch.equal(torch.cat(seen[3:]), in_order)  # but mixed


def test_a_resumed_training_is_dealt_the_same_pairs(dash):
    source = source_of(dash, steps=6)
    whole, resumed = dot_loss(zero(), source, 1), dot_loss(zero(), source, 1)
    values = [whole(step, generator(0)).item() for step in range(9)]
    assert resumed(4, generator(0)).item() == values[4] and resumed(8, generator(0)).item() == values[8]
    assert len(set(values)) == 9


def test_calibration_makes_the_loss_of_a_zero_dot_about_one(dash):
    source, dot = source_of(dash, chains=8), zero()
    calibrate_scale(dot.scale, source, seed=0, draws=24)
    loss = dot_loss(dot, source, 0)
    assert np.mean([loss(step, generator(5, step)).item() for step in range(12)]) == pytest.approx(1, abs=0.25)
    assert dot.scale.table.max() / dot.scale.table.min() > 3


def test_calibration_is_the_mean_over_cells_and_leaves_no_hole():
    class Stub:
        total, draws = 1000, 0

        def draw(self, rng):
            times = torch.tensor([[350.0, 350.0, 350.0, 950.0], [349.0, 349.0, 250.0, 850.0]])  # gaps 1, 1, 100, 100
            size = torch.tensor([1.0, 3.0, 2.0, 5.0])[:, None, None, None].expand(4, 1, 2, 2)
            return type("Pairs", (), {"s": times[0], "t": times[1], "eps_t": size, "eps_s": 0 * size})

    scale = ResidualScale(1000)
    calibrate_scale(scale, Stub(), seed=0, draws=2)
    squares = scale.table.square()
    assert squares[3, 0] == pytest.approx(5.0)  # mean of 1 and 9
    assert (squares[3, 6], squares[9, 6]) == (pytest.approx(4.0), pytest.approx(25.0))
    assert squares[0, 6] == pytest.approx(14.5)  # an empty cell: its column's mean
    assert squares[0, 9] == pytest.approx(39 / 4)  # an empty column: the mean of all
    assert torch.isfinite(scale.table).all()


def test_calibration_and_measure_draw_other_pairs_than_training(dash):
    keys = []
    source = source_of(dash)
    source.draw_chains = lambda rng: (keys.append(rng.initial_seed()), ChainSource.draw_chains(source, rng))[1]
    calibrate_scale(ResidualScale(1000), source, seed=0, draws=2)
    explained(zero(), source, draws=2)
    loss = dot_loss(zero(), source, 0)
    for step in range(3):
        loss(step, generator(0))
    assert len(set(keys)) == 7


def test_training_lowers_the_loss(dash):
    torch.manual_seed(0)
    source, dot = source_of(dash), Dot(dash.network, (8, 8), dash.schedule)
    attach_lora(dot, 4)
    calibrate_scale(dot.scale, source, seed=0, draws=12)
    before = {name: value.clone() for name, value in dash.network.state_dict().items()}
    settings = TrainSettings(steps=40, learning_rate=5e-3, warmup=5, ema_decay=0.8, precision="float32")
    train(dot, dot_loss(dot, source, 0), settings)
    value = explained(dot, source, draws=8)[1]
    assert value > 0.1
    assert all(torch.equal(value, before[name]) for name, value in dash.network.state_dict().items())


def test_bfloat16_gives_about_the_same_loss(dash):
    torch.manual_seed(0)
    source, dot = source_of(dash), Dot(dash.network, (4, 8), dash.schedule)
    attach_lora(dot, 2)
    with torch.no_grad():
        dot.conv_out.weight.normal_(generator=generator(0))
    loss = dot_loss(dot, source, 0)
    exact = loss(0, generator(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert dot_loss(dot, source, 0)(0, generator(0)).item() == pytest.approx(exact.item(), rel=0.05)


def test_dash_computes_in_its_own_precision_under_autocast(dash):
    source = source_of(dash)
    exact = source.draw(generator(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(source.draw(generator(0)).eps_t, exact.eps_t)


def shares(dash, world, **settings):
    """The sources of several processes, with the settings of :func:`source_of`."""
    settings = ChainSettings(**{"chains": 5, "points": 4} | settings)
    labels = np.arange(8) % 3
    return [ChainSource(dash, tiny_images(), settings, "cpu", labels, rank, world) for rank in range(world)]


@pytest.mark.parametrize("world", [2, 3, 5])
@pytest.mark.parametrize("unet", [{}, {"classes": 3, "learned_variance": True}], ids=["plain", "classes-variance"])
def test_processes_share_the_chains_of_one_draw(world, unet):
    dash = tiny_dash(family="adm", **unet)
    whole = shares(dash, 1)[0].draw_chains(generator(7))
    for rank, source in enumerate(shares(dash, world)):
        own, rng = source.draw_chains(generator(7)), generator(7)
        source.draw_chains(rng)
        after, alone = torch.rand(3, generator=rng), generator(7)
        shares(dash, 1)[0].draw_chains(alone)
        assert torch.equal(after, torch.rand(3, generator=alone))  # all have drawn as much
        assert torch.equal(own.times.t, whole.times.t[:, rank::world])
        torch.testing.assert_close(own.x, whole.x[:, rank::world], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(own.eps, whole.eps[:, rank::world], rtol=1e-3, atol=1e-3)
        assert own.cond == () if not unet else torch.equal(own.cond[0], whole.cond[0][rank::world])


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_each_pair_of_a_step_is_one_process_s(dash, world):
    whole = shares(dash, 1)[0].draw_chains(generator(7))
    index = torch.randperm(30, generator=generator(1))[:11]
    expected = sorted(zip(whole.pairs(index).s.tolist(), whole.pairs(index).t.tolist(), strict=True))
    found = []
    for source in shares(dash, world):
        pairs = source.draw_chains(generator(7)).pairs(source.own(index))
        found += zip(pairs.s.tolist(), pairs.t.tolist(), strict=True)
    assert sorted(found) == expected


def test_losses_of_all_processes_add_up_to_the_loss_of_one(dash):
    """Also where a process has no pair of a step."""
    alone = dot_loss(zero(), shares(dash, 1, steps=15)[0], 0)
    shared = [dot_loss(zero(), source, 0) for source in shares(dash, 3, steps=15)]
    none = 0
    for step in range(15):
        parts = [loss(step, generator(0)) for loss in shared]
        values = [part if isinstance(part, torch.Tensor) else sum(part) for part in parts]
        none += sum(not isinstance(part, torch.Tensor) for part in parts)
        torch.testing.assert_close(sum(values), alone(step, generator(0)), rtol=1e-4, atol=1e-6)
    assert none > 0


def test_a_process_without_a_chain_is_refused(dash):
    with pytest.raises(ValueError, match="5 chains are too few for 6 processes; give each one or more"):
        shares(dash, 6)


def test_dash_may_be_called_in_parts(dash):
    seen, settings = [], ChainSettings(chains=5, points=3)
    whole = ChainSource(dash, tiny_images(), settings)
    counted = type(dash)(dash.network, lambda x, t: (seen.append(len(x)), dash(x, t))[1], dash.schedule, dash.shape)
    parted = ChainSource(counted, tiny_images(), settings, parts=2)
    expected, found = whole.draw(generator(0)), parted.draw(generator(0))
    assert sorted(set(seen)) == [2, 3]
    torch.testing.assert_close(found.eps_t, expected.eps_t, rtol=1e-3, atol=1e-3)
    assert torch.equal(found.s, expected.s)


def test_pairs_of_some_numbers_are_those_of_all(dash):
    chains = source_of(dash).draw_chains(generator(0))
    index = torch.tensor([17, 3, 3, 0])
    assert torch.equal(chains.pairs(index).x_t, chains.pairs().x_t[index])
    assert torch.equal(chains.pairs(index).eps_s, chains.pairs().eps_s[index])


GRID = {"points": 6, "min_calls": 6.0, "max_calls": 30.0, "grids": ("uniform", "log-snr")}


def test_a_stretch_of_a_run_has_its_timesteps():
    settings = ChainSettings(chains=400, **GRID)
    drawn = draw_chain_times(settings, linear(), generator(0))
    times, starts = drawn.t, drawn.starts
    known = {grid: [GRIDS[grid](linear(), calls) for calls in range(6, 31)] for grid in settings.grids}
    used = dict.fromkeys(known, 0)
    for column, start in zip(times.T.tolist(), starts.tolist(), strict=True):
        matches = [
            (grid, place)
            for grid, runs in known.items()
            for run in runs
            for place in range(len(run) - 5)
            if torch.allclose(torch.tensor(run[place : place + 6]), torch.tensor(column))
        ]
        assert matches and any((place == 0) == start for _, place in matches)
        used[matches[0][0]] += 1
    assert min(used.values()) > 150
    assert torch.equal(times, draw_chain_times(settings, linear(), generator(0)).t)


def test_each_call_of_a_run_is_as_likely_in_a_stretch():
    """But for those near its start and end, which stretches are moved to."""
    settings = ChainSettings(chains=20_000, points=4, min_calls=20.0, max_calls=20.0, grids=("uniform",))
    drawn = draw_chain_times(settings, linear(), generator(0))
    times, starts = drawn.t, drawn.starts
    counts = (times[0] / 50).long().bincount()
    assert counts.sum() == 20_000 and (counts[4:19] / 20_000 == pytest.approx(1 / 23, rel=0.2))
    assert starts.float().mean() == pytest.approx(4 / 23, rel=0.05)  # the run's start, and three places before it


def test_triples_are_those_of_plans():
    """Of each plan, Dash's call before the last one, its last one, and Dot's, of up to 20 LSD."""
    settings = ChainSettings(points=8, min_calls=8.0, grids=("uniform",), memory=1)
    steps = {(i - k, j - i) for k, i, j in settings.triples() if k < i}
    first = {j for k, i, j in settings.triples() if k == i}
    assert all(k <= i < j for k, i, j in settings.triples())
    assert first == {1, 2, 3, 4}
    for budget in (3, 5, 8, 12, 20):
        for plan in (paper_plan(budget, 5.0, 0.25), endpoint_plan(budget, 5.0, 0.25, 0.8)):
            calls = [index for index, letter in enumerate(plan.letters) if letter == "D"]
            for index, letter in enumerate(plan.letters):
                *earlier, last = [call for call in calls if call <= index]
                if letter == "." and earlier:
                    assert (last - earlier[-1], index - last) in steps, plan.letters
    middle = settings.triples(at_start=False)
    assert len(middle) == len(settings.triples()) and all(k < i for k, i, _ in middle)
    assert not ChainSettings(points=8, min_calls=8.0, grids=("uniform",)).triples()[0][0]


def test_samples_with_memory_know_dash_s_estimate_before(dash):
    source = source_of(dash, chains=4, memory=1, **GRID)
    chains = source.draw_chains(generator(3))
    pairs = chains.pairs()
    eps_before, before = pairs.past
    assert ((before > pairs.s) | ((before == pairs.s) & (eps_before == pairs.eps_s).flatten(1).all(1))).all()
    flat = before == pairs.s
    assert flat.sum() == 4 * chains.times.starts.sum() and 0 < chains.times.starts.sum() < 4
    points = {time: eps for time, eps in zip(chains.times.t[:, 0].tolist(), chains.eps[:, 0], strict=True)}
    own = torch.arange(len(before)) % 4 == 0
    for time, eps in zip(before[own].tolist(), eps_before[own], strict=True):
        assert torch.equal(points[time], eps)
    part = pairs[5:9]
    assert torch.equal(part.past[0], eps_before[5:9]) and part.of_dot[5:7] == part.past


def test_an_estimate_on_a_line_is_explained_by_the_line_alone(dash):
    """A Dash whose estimate is linear in the timestep, and a Dot that is not trained."""
    slope = torch.randn(1, 16, 16, generator=generator(1))
    linear_dash = replace(dash, estimate=lambda x, t: t[:, None, None, None] / 500.0 * slope + 0.3)
    source = source_of(linear_dash, chains=6, memory=1, **GRID)
    dot = Dot(dash.network, (4, 8), dash.schedule, memory=1)
    pairs = source.draw(generator(2))
    known = pairs.past[1] > pairs.s
    with torch.no_grad():
        found = dot(*pairs.of_dot)
    torch.testing.assert_close(found[known], (pairs.eps_t - pairs.eps_s)[known], rtol=1e-4, atol=1e-5)
    assert (found[~known] == 0).all() and (~known).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 9, "min_calls": 8.0, "grids": ("uniform",)}, "a chain of 9 points on a grid needs min_calls of 9"),
        ({"memory": 1}, "a Dot with memory needs chains of 4 points or more, on grids"),
    ],
)
def test_chains_that_cannot_be_are_one_line(settings, message):
    with pytest.raises(ValueError, match=message):
        ChainSettings(**settings)


def test_a_dot_with_memory_is_trained_and_explained(dash):
    source = source_of(dash, chains=4, steps=2, memory=1, **GRID)
    dot = Dot(dash.network, (4, 8), dash.schedule, memory=1)
    attach_lora(dot, 2)
    calibrate_scale(dot.scale, source, 0, draws=3)
    before = explained(dot, source, 4)[1]
    train(dot, dot_loss(dot, source, 0), TrainSettings(steps=60, learning_rate=1e-2, warmup=5, precision="float32"))
    assert explained(dot, source, 4)[1] > before + 0.02
    chain = {"chains": 4, "steps": 2, **{**GRID, "grids": ["uniform", "log-snr"]}}
    cells, overall, *_, line, line_overall = explain(dash, dot, tiny_images(), chain, draws=2)
    assert cells.shape == line.shape and line_overall < overall


def test_the_effect_of_an_error_is_that_on_gaussian_data():
    """An error at one call of a run, and the exact flow from the next call on, for pixels of that
    variance."""
    schedule, t, following, error = linear(), 500.0, 420.0, 1e-3
    gaussian = GaussianDash(schedule, torch.zeros(1, 1, 1), torch.full((1, 1, 1), VARIANCE))
    x = torch.randn(1, 1, 1, 1, generator=generator(0), dtype=torch.float64)
    eps = gaussian(x, torch.tensor([t]))
    right, wrong = (
        gaussian.flow(ddim_step(schedule, x, eps + by, t, following), following, CLEAN) for by in (0.0, error)
    )
    assert abs((wrong - right).item()) == pytest.approx(error * effect(schedule, t, following), rel=1e-6)
    assert effect(schedule, 0.0, CLEAN) == pytest.approx(schedule.sigma(0.0) / schedule.alpha(0.0))


def test_important_samples_count_more(dash):
    settings = ChainSettings(chains=4, importance=0.5, memory=1, **GRID)
    chains = ChainSource(dash, tiny_images(), settings).draw_chains(generator(3))
    scale = ResidualScale(1000)
    scale.table.copy_(torch.rand(scale.CELLS, generator=generator(4)) + 0.5)
    weights, pairs = importance(scale, chains.times, settings), chains.pairs()
    size = scale(pairs.s, pairs.t)
    for column in range(4):
        times, calls = chains.times.t[:, column].tolist(), None
        for index in range(column, len(pairs.s), 4):
            place = times.index(pairs.t[index].item())
            if place + 1 < len(times):
                plain = effect(dash.schedule, times[place], times[place + 1])
                now = (weights[index] / size[index] / plain).item() ** 0.5
                calls = now if calls is None else calls
                assert now == pytest.approx(calls, rel=1e-3) and 6 <= calls < 31  # of the run, for all its samples
    part = torch.tensor([3, 11, 6])
    assert torch.equal(importance(scale, chains.times, settings, part), weights[part])
    without = replace(settings, importance=0.0)
    assert (importance(scale, chains.times, without) == 1).all()


def test_the_loss_weighs_by_importance(dash):
    """Of all samples, and of one step's; the mean weight is one, so that losses compare."""
    settings = ChainSettings(chains=4, steps=1, importance=1.0, memory=1, **GRID)
    source = ChainSource(dash, tiny_images(), settings)
    chains = source.draw_chains(generator(5, 0, 3))
    weights, pairs = importance(ResidualScale(1000), chains.times, settings), chains.pairs()
    errors = (pairs.eps_t - pairs.eps_s).square().mean((1, 2, 3))
    dot = StubDot(lambda x_s, x_t, eps_s, *_: torch.zeros_like(eps_s))
    found = dot_loss(dot, source, 5)(0, generator(0))
    torch.testing.assert_close(found, (errors * weights).sum() / weights.sum())


def test_importance_needs_a_next_call():
    with pytest.raises(ValueError, match="importance needs grids: without a next call it is not known"):
        ChainSettings(importance=0.5)


def test_on_policy_a_run_s_calls_are_answered_by_dash_and_dot():
    settings = ChainSettings(chains=500, points=8, min_calls=8.0, grids=("uniform",), memory=1, on_policy=True)
    starts = torch.arange(500) < 100
    last, before, of_dot = draw_answers(settings, starts, generator(0))
    points = torch.arange(8)[:, None]
    assert (last <= points).all() and (before <= last).all() and (last[0] == 0).all()
    gaps = (last - before)[last > before]
    assert gaps.unique().tolist() == [2, 3, 4, 5]
    assert not of_dot[last == points].any() and not of_dot[:, 100:][(last == before)[:, 100:]].any()
    assert (of_dot == ((last != points) & ((last > before) | starts))).all()
    plain = draw_answers(replace(settings, memory=0), starts, generator(0))
    assert (plain.of_dot == (last != points)).all()


@pytest.mark.parametrize("memory", [0, 1])
def test_on_policy_steps_are_those_of_a_run_of_morse(dash, memory):
    """The same samples as Morse makes by that plan, from the same noisy images."""
    settings = ChainSettings(chains=10, memory=memory, on_policy=True, **GRID)
    rest = (lambda past: past[0] - past[1].view(-1, 1, 1, 1) / 900.0) if memory else (lambda past: 0.0)

    def dot(x_s, x_t, eps_s, s, t, *past):
        return 0.3 * (x_t - x_s) + 0.1 * rest(past)

    dot.takes = Takes(memory=memory)
    source = ChainSource(dash, tiny_images(), settings, dot=dot)
    chains = source.draw_chains(generator(6))
    rng = generator(6)
    draw_batch(tiny_images(), 10, rng, flip=True)
    times = draw_chain_times(settings, linear(), rng)
    torch.randn((10, 1, 16, 16), generator=rng)
    answers = draw_answers(settings, times.starts, rng)
    asked = 0
    for chain in range(10):
        letters = "".join("." if by_dot else "D" for by_dot in answers.of_dot[:, chain])
        if memory and not times.starts[chain]:
            continue  # where Dash answers because the call before is not known, it is not remembered
        morse = Morse(dash, dot, with_ratio(letters, 5.0))
        sampler = DDIM(dash.schedule, 6, times=times.t[:, chain].tolist())
        x = chains.x[0, chain : chain + 1]
        for index, t in enumerate(times.t[:, chain].tolist()):
            torch.testing.assert_close(x, chains.x[index, chain : chain + 1], rtol=1e-3, atol=1e-3)
            x, _ = sampler.step(index, x, morse(x, t), None, None)
        asked += letters.count(".")
    assert asked > 0
    torch.testing.assert_close(chains.eps[3], dash(chains.x[3], chains.times.t[3]), rtol=1e-3, atol=1e-3)


def test_on_policy_training_sees_dot_as_it_is(dash):
    settings = ChainSettings(chains=4, steps=2, memory=1, on_policy=True, **GRID)
    dot = Dot(dash.network, (4, 8), dash.schedule, memory=1)
    attach_lora(dot, 2)
    source = ChainSource(dash, tiny_images(), settings, dot=dot)
    calibrate_scale(dot.scale, source, 0, draws=2)
    before = source.draw_chains(generator(0)).x
    train(dot, dot_loss(dot, source, 0), TrainSettings(steps=20, learning_rate=5e-3, warmup=2, precision="float32"))
    after = source.draw_chains(generator(0)).x
    assert torch.equal(before[:2], after[:2]) and not torch.equal(before, after)
    # Without it, no Dot takes a step.
    off = ChainSource(dash, tiny_images(), replace(settings, on_policy=False), dot=dot).draw_chains(generator(0)).x
    plain = ChainSource(dash, tiny_images(), replace(settings, on_policy=False)).draw_chains(generator(0)).x
    assert torch.equal(off, plain) and not torch.equal(off, after)
