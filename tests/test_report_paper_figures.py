"""The paper's figures: what each panel shows and says, and that empty ones say why."""

import copy

import numpy as np
import pandas as pd
import pytest
from curves import BUDGETS, COSTS, add_method, curve, curves, table
from matplotlib.image import imread

from morse.experiments.cards import resource, schema
from morse.report.paper_figures import paper_figure
from morse.report.style import formats, save
from morse.results.claims import read_claims
from morse.results.columns import read_table
from morse.results.paper_layout import read_layout
from morse.results.runs import RUN_COLUMNS, runs_table
from morse.results.speedup import SPEEDUP_COLUMNS, speedup_table

REFERENCE = resource("results/reference/figure4")
SHIPPED = read_layout(resource("config/paper_figures.yaml"), schema("paper_figures"))
CLAIMS = read_claims(resource("config/claims.yaml"), schema("claims"))
CELL = {"model": "big", "task": "birds", "sampler": "ddim", "guidance": "none"}
TWIN = {"model": "twin", "task": "shapes", "sampler": "ddim", "guidance": "none"}
LAYOUT = {
    "budgets": {"first": 3, "last": 100},
    "figures": {"one": {"title": "One", "panels": [
        {"title": "Absent", "paper": CELL | {"sampler": "unipc"}},
        {"title": "DDIM", "paper": CELL, "mini": TWIN},
    ]}},
}  # fmt: skip
CLAIM = {
    "id": "mean", "method": "morse", "marks": ["N"], "expected": {"value": 2.94}, "cells": [CELL],
    "check": {"measure": "mean_speedup", "metric": "FID", "images": 50000},
}  # fmt: skip


def drawn(records, scale="mini", claims=(CLAIM,), layout=LAYOUT):
    runs = runs_table(records, {name: {"model": name, "costs": COSTS} for name in ("big", "twin")})
    return paper_figure(layout, "one", scale, runs, speedup_table(runs), claims)


def at_scale(records):
    """The records as those of the paper's cell."""
    for item in records:
        item["run"] |= CELL
        item |= {"scale": "paper", "images": 50000}
        item["quality"]["label"] = "FID"
    return records


def said(axes):
    (text,) = axes.texts
    return text.get_text().splitlines()


def legend(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_a_panel_has_a_curve_of_each_method_and_our_means_beside_the_paper_s(tmp_path):
    figure = drawn(curves(1.5, se=0.02))
    _, panel = figure.axes
    assert panel.get_title() == "DDIM\ntwin on shapes, 100 images"
    assert panel.get_ylabel() == "Fréchet distance" and panel.get_xlabel().startswith("time budget (LSD")
    assert panel.get_xscale() == panel.get_yscale() == "log"
    low, high = panel.get_xlim()
    assert low < 3 and high > 100 and {3, 100} <= {*panel.get_xticks()}
    for container, costs in zip(panel.containers, (1.0, 1.5), strict=True):
        x, y = container.lines[0].get_xydata().T
        np.testing.assert_allclose(x, BUDGETS)
        np.testing.assert_allclose(y, 40.0 * (costs * np.array(BUDGETS)) ** -0.9)
        assert container.has_yerr  # intervals
    arithmetic = (4 * 1.5 + 1) / 5
    assert said(panel) == [
        "speedup ≥ 1.38×", "(geometric mean, 5 points)",
        f"arithmetic mean ≥ {arithmetic:.2f}×", "paper, big [N]: 2.94×",
    ]  # fmt: skip
    assert legend(figure) == ["baseline (Dash only)", "Morse (Dash + Dot)"]
    assert figure.get_suptitle().startswith("One, in miniature (mini scale")
    save(figure, formats(tmp_path / "figure.png"))
    assert imread(tmp_path / "figure.png").shape[1] > 150 * 8


def test_a_panel_that_was_not_run_is_an_empty_frame_that_says_so():
    for scale, state, title in (("mini", "no twin", "Absent"), ("paper", "not run", "Absent\nbig on birds")):
        axes = drawn(curves(1.5), scale).axes[0]
        assert said(axes) == [state] and axes.get_title() == title
        assert not axes.lines and not axes.containers and not len(axes.get_xticks()) + len(axes.get_yticks())


def test_a_figure_never_mixes_scales():
    """Runs of both scales: each figure has its own only, and names it."""
    records = at_scale(curves(1.2)) + curves(1.5)
    words = {"paper": "at the paper's scale", "mini": "in miniature"}
    for scale, speed, title in (
        ("paper", 1.2, "big on birds, 50,000 images"),
        ("mini", 1.5, "twin on shapes, 100 images"),
    ):
        figure = drawn(copy.deepcopy(records), scale)
        panel = figure.axes[1]
        assert f"One, {words[scale]}" in figure.get_suptitle() and panel.get_title() == f"DDIM\n{title}"
        assert len(panel.containers) == 2 and said(panel)[0] == f"speedup ≥ {speed**0.8:.2f}×"
    assert said(drawn(records, "paper").axes[1])[-1] == "paper [N]: 2.94×"
    assert drawn(records, "paper").axes[1].get_ylabel() == "FID"
    assert said(drawn(curves(1.5), "paper").axes[1]) == ["not run"]


@pytest.mark.parametrize("scale", ["paper", "mini"])
@pytest.mark.parametrize("name", list(SHIPPED["figures"]))
def test_empty_tables_make_figures_of_empty_frames(name, scale, tmp_path):
    figure = paper_figure(SHIPPED, name, scale, pd.DataFrame(columns=RUN_COLUMNS),
                          pd.DataFrame(columns=SPEEDUP_COLUMNS), CLAIMS)  # fmt: skip
    state = "no twin" if (name, scale) == ("other-tasks", "mini") else "not run"
    assert {line for axes in figure.axes for line in said(axes)} == {state} and not figure.legends
    save(figure, [tmp_path / "figure.png"])


@pytest.mark.parametrize("method", ["baseline", "morse"])
def test_one_method_alone_has_a_curve_and_no_speedup(method):
    figure = drawn(curve(method, 1.0))
    assert len(figure.axes[1].containers) == 1 and not figure.axes[1].texts and len(legend(figure)) == 1


def test_several_methods_are_named(monkeypatch):
    add_method(monkeypatch)
    panel = drawn(curves(1.5) + curve("other", 1.2)).axes[1]
    named = [line for line in said(panel) if ": " in line]
    assert named == [
        "Morse (Dash + Dot): speedup ≥ 1.38×", "Other: speedup ≥ 1.16×",
        "Morse (Dash + Dot): arithmetic mean ≥ 1.40×", "paper, big [N]: 2.94×",
    ]  # fmt: skip
    assert len(panel.containers) == 3


def test_bounds_below_are_left_out_and_a_panel_without_any_speedup_says_so():
    worse = curves(0.001)
    assert said(drawn(worse).axes[1]) == ["no speedup: the curves do not overlap"]
    assert "1 excluded" in said(drawn(curves(0.9)).axes[1])[1]


@pytest.mark.parametrize(
    ("claim", "line"),
    [({"expected": {"low": 2.0, "high": 2.9}, "cells": [CELL, TWIN], "marks": ["P"]},
      "paper, big [P]: 2 to 2.9× (2 cells)"),
     ({"cells": [CELL, TWIN], "expected": {"value": 2}}, "paper, big [N]: about 2× (2 cells)"),
     ({"expected": {"low": 4.0}}, "paper, big [N]: above 4×")],
)  # fmt: skip
def test_what_the_paper_says_of_several_cells_is_said_so(claim, line):
    assert said(drawn(curves(1.5), claims=[CLAIM | claim]).axes[1])[-1] == line


def test_a_panel_of_which_the_paper_says_nothing_has_our_means_alone():
    for claims in ([], [CLAIM | {"method": "other"}]):
        assert said(drawn(curves(1.5), claims=claims).axes[1]) == ["speedup ≥ 1.38×", "(geometric mean, 5 points)"]


def test_points_outside_of_the_layout_s_budgets_are_not_shown():
    panel = drawn(curves(1.5), layout=LAYOUT | {"budgets": {"first": 8, "last": 32}}).axes[1]
    assert [container.lines[0].get_xdata().tolist() for container in panel.containers] == [[8, 16, 32]] * 2
    assert "3 points" in said(panel)[1]


@pytest.mark.parametrize(
    ("name", "scale", "message"), [("on", "mini", "unknown figure 'on'"), ("one", "small", "unknown scale 'small'")]
)
def test_unknown_names_are_one_line(name, scale, message):
    runs = table(curves(1.5))
    with pytest.raises(ValueError, match=message) as error:
        paper_figure(LAYOUT, name, scale, runs, speedup_table(runs), [])
    assert "\n" not in str(error.value)


def test_the_shipped_tables_fill_the_five_samplers_in_miniature():
    runs, speedups = (read_table(REFERENCE / f"{name}.csv") for name in ("runs", "speedup"))
    figure = paper_figure(SHIPPED, "cifar10-samplers", "mini", runs, speedups, CLAIMS)
    assert [len(axes.containers) for axes in figure.axes] == [2] * 5
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert [said(axes)[-1] for axes in figure.axes] == [
        "paper, cifar10-ddpm [N]: 2.01×", "paper, cifar10-ddpm [N]: 2.94×",
        "paper, cifar10-ddpm [P]: 2.01 to 2.94× (5 cells)", "paper, cifar10-vp [P]: 2.01 to 2.94× (5 cells)",
        "paper, cifar10-vp [P]: 2.01 to 2.94× (5 cells)",
    ]  # fmt: skip
    # The arithmetic mean is over all budgets, as the paper's, although the baseline ends flat.
    assert said(figure.axes[1])[2:4] == ["1.36× (3 points) where the baseline still falls", "arithmetic mean ≥ 1.70×"]
    assert not any("FID" in axes.get_ylabel() for axes in figure.axes)
