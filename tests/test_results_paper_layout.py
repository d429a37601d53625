"""The layout of the paper's figures: the shipped one, wrong ones in one line, and whose rows are
whose."""

import copy

import pandas as pd
import pytest
import yaml

from morse.experiments.cards import resource, schema
from morse.experiments.yaml import read_yaml
from morse.results.paper_layout import in_budgets, in_cell, read_layout, scales_of, state_of

SHIPPED = resource("config/paper_figures.yaml")
CELL = {"model": "big", "task": "birds", "sampler": "ddim", "guidance": "none"}
TWIN = {"model": "big-mini", "task": "shapes", "sampler": "ddim", "guidance": "none"}
PANEL = {"title": "DDIM", "paper": CELL, "mini": TWIN}
RUNS = pd.DataFrame([
    {**CELL, "scale": "paper", "budget": 3}, {**CELL, "scale": "paper", "budget": 200},
    {**TWIN, "scale": "mini", "budget": 100}, {**TWIN, "sampler": "ddpm", "scale": "mini", "budget": 2},
])  # fmt: skip


def test_the_shipped_layout_has_the_paper_s_cells():
    layout = read_layout(SHIPPED, schema("paper_figures"))
    assert layout["budgets"] == {"first": 3, "last": 100}
    panels = {name: figure["panels"] for name, figure in layout["figures"].items()}
    assert {name: len(found) for name, found in panels.items()} == {"cifar10-samplers": 5, "other-tasks": 7}
    assert {panel["paper"]["task"] for panel in panels["cifar10-samplers"]} == {"cifar10"}
    assert {panel["paper"]["sampler"] for panel in panels["other-tasks"]} == {"ddim", "ddim-sd"}
    assert all("mini" in panel for panel in panels["cifar10-samplers"])


def test_its_cells_are_those_of_the_claim_about_all_baselines():
    layout, (overall, *_) = read_yaml(SHIPPED), read_yaml(resource("config/claims.yaml"))["claims"]
    cells = [panel["paper"] for figure in layout["figures"].values() for panel in figure["panels"]]
    assert cells == [{key: value for key, value in cell.items() if key in CELL} for cell in overall["cells"]]


def misspelt(layout):
    panel = layout["figures"]["cifar10-samplers"]["panels"][1]
    panel["papre"] = panel.pop("mini")


def misspelt_axis(layout):
    cell = layout["figures"]["other-tasks"]["panels"][0]["paper"]
    cell["modle"] = cell.pop("model")


def odd_figure(layout):
    layout["figures"]["Other tasks"] = layout["figures"].pop("other-tasks")


def odd_model(layout):
    layout["figures"]["other-tasks"]["panels"][0]["paper"]["model"] = "a/b"


def twice(layout):
    layout["figures"]["other-tasks"]["panels"][0]["mini"] = layout["figures"]["cifar10-samplers"]["panels"][0]["mini"]


def no_panels(layout):
    layout["figures"]["other-tasks"]["panels"] = []


def turned(layout):
    layout["budgets"] = {"first": 100, "last": 3}


def fraction(layout):
    layout["budgets"]["first"] = 3.0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (misspelt, "unknown key 'papre'; did you mean 'paper'"),
        (misspelt_axis, "unknown key 'modle'; did you mean 'model'"),
        (odd_figure, "'Other tasks' does not match"),
        (odd_model, "'a/b' does not match"),
        (twice, r"figures\.other-tasks\.panels\[0\]\.mini: cifar10-ddpm-mini fashion-mnist ddpm is also "
                r"figures\.cifar10-samplers\.panels\[0\]\.mini; keep one"),
        (no_panels, "panels"),
        (turned, "budgets.first: 100 is not below last 3"),
        (fraction, "write 3"),
    ],
)  # fmt: skip
def test_a_wrong_layout_is_one_line(damage, message, tmp_path):
    layout = copy.deepcopy(read_yaml(SHIPPED))
    damage(layout)
    (path := tmp_path / "paper_figures.yaml").write_text(yaml.safe_dump(layout), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        read_layout(path, schema("paper_figures"))
    assert "\n" not in str(error.value) and "paper_figures.yaml: " in str(error.value)


def test_states_are_of_the_cell_and_the_scale():
    assert [state_of(PANEL, scale, RUNS) for scale in ("paper", "mini")] == ["run", "run"]
    assert state_of({"title": "DDIM", "paper": CELL}, "mini", RUNS) == "no twin"
    assert state_of(PANEL, "mini", RUNS.iloc[:0]) == "not run"
    assert state_of(PANEL, "paper", RUNS.assign(scale="mini")) == "not run"  # a run that says it is of a twin


def test_rows_are_chosen_by_cell_and_by_budget_with_both_ends():
    assert in_cell(RUNS, PANEL, "paper").index.tolist() == [0, 1]
    assert in_cell(RUNS, PANEL, "mini").index.tolist() == [2]
    assert in_cell(RUNS, {"title": "DDIM", "paper": CELL}, "mini").empty
    assert in_budgets(RUNS, {"budgets": {"first": 3, "last": 100}}).tolist() == [True, False, True, False]


def test_scales_are_those_of_the_runs_in_the_order_of_the_layout():
    assert scales_of(RUNS) == ["paper", "mini"] and scales_of(RUNS[2:]) == ["mini"] and scales_of(RUNS[:0]) == []
    assert scales_of(RUNS.assign(scale="other")) == []
