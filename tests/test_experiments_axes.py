"""Experiments -> nodes, and what is refused before anything runs."""

import pytest

from morse.experiments.axes import AXES, nodes
from morse.preflight import check, time_of
from morse.schedules.noise import SCHEDULES, DiscreteSchedule

CARDS = {
    "model": {
        "twin": {"tasks": ["shapes", "faces"], "unet": {"sample_size": 16}, "schedule": {"name": "linear"}},
        "odd": {"tasks": ["shapes"], "unet": {"sample_size": 16}, "schedule": {"name": "linaer"}},
        "bad": {"tasks": ["shapes"], "unet": {"sample_size": 16}, "schedule": {"name": "linear", "beta_start": "1e-4"}},
        "more": {"tasks": ["shapes"], "unet": {"sample_size": 16}, "schedule": {"name": "linear", "beta_strat": 1e-4}},
        "other": {"tasks": ["shapes"], "unet": {"sample_size": 16}, "schedule": {"name": "vp-sde"}},
    },
    "task": {"shapes": {"data": {"size": 16}}, "faces": {"data": {"size": 32}}},
    "sampler": {"ddim": {}, "ddpm": {"time": "discrete"}, "sde": {"time": "continuous"}},
}


def experiment(**changes):
    lists = {"models": ["twin"], "tasks": ["shapes"], "samplers": ["ddim"], "methods": ["baseline", "morse"]}
    return lists | {"budgets": [5, 10], "seeds": [0]} | changes


def node(**changes):
    return dict(zip(AXES, ("twin", "shapes", "ddim", "morse", 5, 0), strict=True)) | changes


def test_nodes_are_the_product_of_the_lists():
    found = nodes([experiment(seeds=[0, 1, 2], samplers=["ddim", "ddpm"])])
    assert len(found) == 2 * 2 * 2 * 3
    assert found[0] == node(method="baseline") and list(found[0]) == list(AXES)
    assert len({tuple(item.values()) for item in found}) == len(found)


def test_experiments_add_up_and_a_node_stands_once():
    both = nodes([experiment(), experiment(budgets=[10, 20])])
    assert [item["budget"] for item in both if item["method"] == "morse"] == [5, 10, 20]
    assert nodes([experiment(), experiment()]) == nodes([experiment()]) == nodes([experiment(seeds=[0, 0])])
    assert nodes([]) == []


def test_nodes_that_fit_pass():
    check([*nodes([experiment()]), node(method="baseline", budget=1), node(budget=2)], CARDS)


def test_the_time_of_a_model_is_its_schedule_s():
    """The names in morse.experiments.axes are those of the schedules without training steps."""
    for name in SCHEDULES:
        discrete = isinstance(SCHEDULES[name](), DiscreteSchedule)
        assert time_of({"schedule": {"name": name}}) == ("discrete" if discrete else "continuous")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "twim"}, "unknown model 'twim'; did you mean 'twin'?"),
        ({"task": "shape"}, "unknown task 'shape'; did you mean 'shapes'?"),
        ({"sampler": "euler"}, "unknown sampler 'euler'; known: ddim, ddpm, sde"),
        ({"method": "morce"}, "unknown method 'morce'; did you mean 'morse'?"),
        ({"model": "other", "task": "faces"}, "model 'other' is not for task 'faces'; its tasks: shapes"),
        ({"task": "faces"}, "model 'twin' makes images of 16, task 'faces' has 32"),
        ({"sampler": "sde"}, "sampler 'sde' is for continuous time, model 'twin' has discrete time; use another sampler"),
        (
            {"model": "other", "sampler": "ddpm"},
            "sampler 'ddpm' is for discrete time, model 'other' has continuous time; use another sampler",
        ),
        ({"model": "odd"}, "model 'odd': schedule: unknown noise schedule 'linaer'; did you mean 'linear'?"),
        (
            {"model": "more"},
            "model 'more': schedule: unknown setting of schedule linear 'beta_strat'; did you mean 'beta_start'?",
        ),
        ({"budget": 1}, "budget 1 is too small for Morse; use 2 LSD or more"),
    ],
)
def test_what_does_not_fit_is_one_line(changes, message):
    with pytest.raises(ValueError) as error:
        check([node(), node(**changes)], CARDS)
    assert str(error.value) == f"configuration: {message}"
