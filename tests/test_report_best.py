"""The figure of best against best: two curves a panel, and a sampler's name at each point."""

import pytest
from curves import BUDGETS, add_method, curve, table
from matplotlib.image import imread

from morse.report.best import best_curves
from morse.report.style import save


def of(sampler, *curves, model="twin"):
    return [item | {"run": item["run"] | {"sampler": sampler, "model": model}} for one in curves for item in one]


def names(axes):
    """Budget -> the names at its points, the baseline's first."""
    found = {budget: [] for budget in BUDGETS}
    for text in axes.texts:
        found[round(text.xy[0])].append(text.get_text())
    return found


def test_each_point_has_the_name_of_its_sampler(tmp_path):
    """From 16 LSD on the better baseline is A's. Morse is better with B."""
    slow = curve("baseline", 1.0)
    mixed = curve("baseline", 1.1)[:2] + curve("baseline", 0.9)[2:]
    records = of("a", slow, curve("morse", 1.5)) + of("b", mixed, curve("morse", 2.0))
    figure = best_curves(table(records), "title")
    (axes,) = figure.axes
    expected = {4: ["b", "b"], 8: ["b", "b"], 16: ["a", "b"], 32: ["a", "b"], 64: ["a", "b"]}
    assert names(axes) == expected and axes.get_title() == "twin on shapes, mini scale"
    assert len(axes.containers) == 2 and figure.get_suptitle() == "title"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["baseline (Dash only)", "Morse (Dash + Dot)"]
    qualities = axes.containers[0].lines[0].get_ydata()
    assert list(qualities) == pytest.approx([item["quality"]["value"] for item in [*mixed[:2], *slow[2:]]])
    save(figure, [tmp_path / "best.png"])
    assert imread(tmp_path / "best.png").shape[2] == 4


def test_a_rival_is_named_too_and_tasks_have_panels_of_their_own(monkeypatch):
    add_method(monkeypatch)
    records = of("a", curve("baseline", 1.0), curve("other", 1.3), curve("morse", 1.5))
    other = [item | {"run": item["run"] | {"task": "lines"}} for item in of("b", curve("baseline", 1.0))]
    first, second = best_curves(table(records + other)).axes
    assert first.get_title() == "twin on lines, mini scale" and set(map(tuple, names(first).values())) == {("b",)}
    assert set(map(tuple, names(second).values())) == {("a, Other", "a")}
