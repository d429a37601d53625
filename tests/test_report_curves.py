"""Figures: what stands in them, their size, and that they are the same bytes each time."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from morse.report.curves import quality_curves, speedup_against_budget
from morse.report.explained import residual_heatmap
from morse.report.images import image_grid
from morse.report.style import plain_log_ticks, save
from morse.results.runs import runs_table
from morse.results.speedup import speedup_table


def record(sampler, method, budget, seed, quality, ratio=8):
    """One node's record; Morse spends half of its budget on Dot."""
    dot = ratio * budget // 2 if method == "morse" else 0
    return {
        "node": {"model": "twin", "task": "shapes", "sampler": sampler, "method": method, "budget": budget, "seed": seed},
        "scale": "mini",
        "images": 100,
        "calls": {"dash": budget - dot // ratio, "dot": dot},
        "ratio": ratio if dot else None,
        "seconds": 0.5 * budget,
        "memory": None,
        "quality": {"label": "Fréchet distance", "extractor": "small", "value": quality, "standard_error": 0.01, "reference": "aa"},
        "provenance": {
            "commit": "c0ffee",
            "dirty": False,
            "device": "cpu",
            "code": "v1",
            "execution": {"dash": "eager"} if method == "baseline" else {"dash": "eager", "dot": "eager"},
        },
    }


def runs(samplers=("ddim",), speed=1.5):
    """Two seeds of curves on which Morse is ``speed`` times faster, up to noise."""
    rng = np.random.default_rng(7)
    records = [
        record(sampler, method, budget, seed, 40 * (budget * factor) ** -0.9 * np.exp(0.02 * rng.standard_normal()))
        for sampler in samplers
        for method, factor in (("baseline", 1.0), ("morse", speed))
        for budget in (4, 8, 16, 32, 64)
        for seed in (0, 1)
    ]
    return runs_table(records, {"twin": {"ratio": 8.0}})


def curves(table, *arguments, **options):
    return quality_curves(table, speedup_table(table), *arguments, **options)


def pixels(figure, tmp_path):
    save(figure, [tmp_path / "figure.png"])
    return imread(tmp_path / "figure.png")  # (H, W, 4)


@pytest.mark.parametrize("samplers", [("ddim",), ("ddim", "ddpm", "dpm_solver"), tuple("abcd")])
@pytest.mark.parametrize("clock", ["lsd", "seconds_per_image"])
def test_curves_have_a_panel_for_each_sampler(samplers, clock, tmp_path):
    figure = curves(runs(samplers), clock, title="curves")
    assert [axes.get_title() for axes in figure.axes] == [f"{sampler}\ntwin on shapes, mini scale" for sampler in samplers]
    label = {"lsd": "time budget (LSD: latencies of a Dash step)", "seconds_per_image": "wall-clock per image (s)"}[clock]
    for axes in figure.axes:
        assert axes.get_xlabel() == label
        assert axes.get_ylabel() == "Fréchet distance"
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert len(axes.containers) == 2  # baseline and Morse, with error bars
    assert figure.get_suptitle() == "curves"
    height, width = pixels(figure, tmp_path).shape[:2]
    assert (width, height) == tuple(int(150 * inches) for inches in figure.get_size_inches())
    assert width > 150 * 4 * min(len(samplers), 3)


def test_curves_state_the_speedup_and_its_bound():
    (text,) = curves(runs(speed=1.5)).axes[0].texts
    # Four points of 1.5 and the last, a bound of 1: 1.5^(4/5) = 1.38, give or take the noise.
    relation, value = text.get_text().split()[1:3]
    assert relation == "≥"
    assert float(value.rstrip("×")) == pytest.approx(1.5**0.8, rel=0.05)
    assert "geometric mean, 5 points" in text.get_text()


def test_curves_without_morse_have_no_speedup(tmp_path):
    table = runs()
    figure = curves(table[table["method"] == "baseline"])
    assert not figure.axes[0].texts
    pixels(figure, tmp_path)


@pytest.mark.parametrize(("low", "high", "expected"), [
    (2.5, 120, [3, 5, 10, 20, 30, 50, 100]), (1, 2, [1, 1.5, 2]), (20.2, 21.3, [20.25, 20.5, 20.75, 21, 21.25]),
    (0.5, 2e5, [1, 10, 100, 1000, 10000, 100000]), (0.0004, 0.009, [0.0005, 0.001, 0.002, 0.003, 0.005]),
])  # fmt: skip
def test_ticks_are_few_and_plain(low, high, expected):
    axes = Figure().add_subplot(xscale="log", xlim=(low, high))
    plain_log_ticks(axes, "x")
    np.testing.assert_allclose(axes.get_xticks(), expected)
    labels = [axes.xaxis.get_major_formatter()(tick) for tick in axes.get_xticks()]
    assert [float(label) for label in labels] == expected
    assert not any(letter in "".join(labels) for letter in "e^$")


@pytest.mark.parametrize("samplers", [("ddim",), ("ddim", "ddpm", "dpm_solver")])
def test_speedup_figure_marks_bounds_with_triangles(samplers, tmp_path):
    speedups = speedup_table(runs(samplers))
    figure = speedup_against_budget(speedups, "speedup")
    assert len(figure.axes) == len(samplers)
    for axes in figure.axes:
        drawn = {marker: sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == marker) for marker in "o^v"}
        assert drawn == {"o": 8, "^": 2, "v": 0}  # both clocks
        levels = [line.get_ydata()[0] for line in axes.lines[:2]]
        assert levels == [1.0, 1.5]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"LSD", "wall-clock", "perfect Dot", "at least", "at most"}
    pixels(figure, tmp_path)


def test_speedup_figure_of_devices_that_differ_has_one_clock(tmp_path):
    speedups = speedup_table(runs().assign(device=lambda table: table["method"]))
    pixels(speedup_against_budget(speedups), tmp_path)


def test_no_points_is_an_error():
    with pytest.raises(ValueError, match="no points"):
        speedup_against_budget(speedup_table(runs()).iloc[:0])


@pytest.mark.parametrize("channels", [1, 3])
def test_image_grid_shows_the_images_in_order(channels, tmp_path):
    shades = np.arange(0, 240, 40, dtype=np.uint8).reshape(2, 3)  # a shade for each image
    rows = [(f"row {row}", np.tile(shades[row][:, None, None, None], (1, channels, 8, 8))) for row in range(2)]
    figure = image_grid(rows, "grid")
    assert [text.get_text() for text in figure.texts] == ["grid", "row 0", "row 1"]
    image = pixels(figure, tmp_path)
    for axes, shade in zip(figure.axes, shades.ravel(), strict=True):
        box = axes.get_position()
        assert box.width * image.shape[1] == pytest.approx(box.height * image.shape[0], rel=0.02)  # square
        x, y = int((box.x0 + box.width / 2) * image.shape[1]), int((1 - box.y0 - box.height / 2) * image.shape[0])
        np.testing.assert_allclose(image[y, x, :3], shade / 255, atol=0.003)


def test_captions_do_not_leave_the_page():
    figure = image_grid([("Morse, 4.8 LSD (3 Dash + 9 Dot), WWWWW", np.zeros((2, 3, 8, 8), np.uint8))])
    figure.draw_without_rendering()
    box = figure.texts[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.axes[0].get_window_extent().x0


@pytest.mark.parametrize("images", [np.zeros((2, 3, 8, 8)), np.zeros((2, 8, 8, 3), np.uint8), np.zeros((3, 8, 8), np.uint8)])
def test_image_grid_refuses_other_arrays(images):
    with pytest.raises(ValueError, match="uint8"):
        image_grid([("row", images)])


def test_heatmap_writes_values_and_leaves_gaps_blank(tmp_path):
    explained = np.array([[0.5, -3.25, np.nan], [1.0, 0.0, 0.25]])
    figure = residual_heatmap(explained, [0, 500, 1000], [1, 10, 50, 200], "Dot")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.50", "−3.25", "1.00", "0.00", "0.25"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "50", "200"]
    mesh = axes.collections[0]
    assert mesh.get_clim() == (-1, 1)
    assert mesh.get_array().mask.sum() == 1
    pixels(figure, tmp_path)
    with pytest.raises(ValueError, match="need 3 and 4 edges, not 2 and 4"):
        residual_heatmap(explained, [0, 1000], [1, 10, 50, 200])


def test_saved_files_are_the_same_bytes_each_time(tmp_path):
    names = ["figure.png", "figure.svg", "figure.pdf"]
    for folder in ("first", "second"):
        save(curves(runs()), [tmp_path / folder / name for name in names])
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert b"<dc:date>" not in (tmp_path / "first" / "figure.svg").read_bytes()
    assert b"CreationDate" not in (tmp_path / "first" / "figure.pdf").read_bytes()
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == sorted(names)  # nothing partial is left


def test_save_refuses_other_formats(tmp_path):
    with pytest.raises(ValueError, match=r"saved as .png, .svg, .pdf"):
        save(Figure(), [tmp_path / "figure.jpg"])
