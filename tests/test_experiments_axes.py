"""Experiments -> runs, and runs by their axes."""

import pytest

from morse.experiments.axes import AXES, CELL, cell_of, first_seed_of, methods_by_cell, path_pattern, run_of, runs_of


def experiment(**changes):
    lists = {"models": ["twin"], "tasks": ["shapes"], "samplers": ["ddim"], "methods": ["baseline", "morse"]}
    return lists | {"budgets": [5, 10], "seeds": [0]} | changes


def run(**changes):
    return dict(zip(AXES, ("twin", "shapes", "ddim", "none", "morse", 5, 0), strict=True)) | changes


def test_runs_are_the_product_of_the_lists():
    runs = runs_of([experiment(seeds=[0, 1, 2], samplers=["ddim", "ddpm"])])
    assert len(runs) == 2 * 2 * 2 * 3
    assert runs[0] == run(method="baseline") and list(runs[0]) == list(AXES)
    assert len({tuple(item.values()) for item in runs}) == len(runs)


def test_experiments_add_up_and_a_run_appears_once():
    both = runs_of([experiment(), experiment(budgets=[10, 20])])
    assert [item["budget"] for item in both if item["method"] == "morse"] == [5, 10, 20]
    assert runs_of([experiment(), experiment()]) == runs_of([experiment()]) == runs_of([experiment(seeds=[0, 0])])
    assert runs_of([]) == []


def test_a_run_s_folders_have_a_wildcard_for_each_axis():
    pattern = path_pattern()
    assert (
        pattern
        == "model={model}/task={task}/sampler={sampler}/guidance={guidance}/method={method}/budget={budget}/seed={seed}"
    )
    assert pattern.format(**run()) == "model=twin/task=shapes/sampler=ddim/guidance=none/method=morse/budget=5/seed=0"


def test_runs_of_a_cell_differ_in_method_and_seed_alone():
    assert CELL == ("model", "task", "sampler", "guidance", "budget")
    runs = runs_of([experiment(seeds=[0, 1]), experiment(methods=["baseline"], budgets=[20])])
    both, first = ["baseline", "morse"], "model=twin/task=shapes/sampler=ddim/guidance=none"
    assert methods_by_cell(runs) == {
        f"{first}/budget=5": both, f"{first}/budget=10": both, f"{first}/budget=20": ["baseline"],
    }  # fmt: skip
    wildcards = dict(zip(CELL, ("twin", "shapes", "ddim", "none", "5"), strict=True))
    assert cell_of(wildcards) == {axis: run()[axis] for axis in CELL}
    assert path_pattern(CELL).format(**wildcards) in methods_by_cell(runs)


def test_a_path_s_wildcards_are_its_run():
    wildcards = {axis: str(value) for axis, value in run().items()} | {"shard": "3"}
    assert run_of(wildcards) == run() and list(run_of(wildcards)) == list(AXES)


def test_a_curve_has_the_runs_of_its_smallest_seed_by_budget_and_method():
    runs = [
        *runs_of([experiment(budgets=[10, 5], seeds=[7, 3], methods=["morse", "baseline"])]),
        run(seed=1, sampler="ddpm"),
        run(seed=1, model="other"),
        run(seed=1, task="faces"),
        run(seed=3, budget=7, method="baseline"),
    ]
    curve = first_seed_of(runs, "twin", "shapes", "ddim")
    assert {one["seed"] for one in curve} == {3}
    assert [(one["budget"], one["method"]) for one in curve] == [
        (5, "baseline"),
        (5, "morse"),
        (7, "baseline"),
        (10, "baseline"),
        (10, "morse"),
    ]
    assert first_seed_of(runs, "other", "shapes", "ddim") == [run(seed=1, model="other")]


@pytest.mark.parametrize("axis", ["budget", "seed"])
def test_a_wildcard_that_is_no_number_is_refused(axis):
    with pytest.raises(ValueError):
        run_of({name: str(value) for name, value in run().items()} | {axis: "many"})
