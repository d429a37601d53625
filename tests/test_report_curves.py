"""Figures: what is in them, their size, and that they are the same bytes each time."""

import numpy as np
import pytest
from curves import BUDGETS, add_method, power_law, record, table
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

from morse.files import DamagedFile, write_npz
from morse.report.curves import quality_curves, speedup_against_budget
from morse.report.explained import residual_heatmap
from morse.report.images import image_grid, read_rows
from morse.report.style import plain_log_ticks, save
from morse.results.speedup import speedup_table

SPEEDS = {"baseline": 1.0, "morse": 1.5}


def runs(samplers=("ddim",), speeds=SPEEDS):
    """Two seeds of curves on which a method is so many times faster, up to noise."""
    rng = np.random.default_rng(7)
    records = []
    for sampler in samplers:
        for method, speed in speeds.items():
            for budget in BUDGETS:
                calls = (budget, 0) if method == "baseline" else (budget // 2, 4 * budget)
                for seed in (0, 1):
                    quality = power_law(budget * speed) * np.exp(0.02 * rng.standard_normal())
                    records.append(record(method, budget, seed, *calls, quality, sampler=sampler, memory=None))
    return table(records)


def drawn(runs, *arguments, **options):
    return quality_curves(runs, speedup_table(runs), *arguments, **options)


def look(line):
    return to_hex(line.get_color()), line.get_marker(), line.get_linestyle()


def points_drawn(axes, marker):
    return sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == marker)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def pixels(figure, tmp_path):
    save(figure, [tmp_path / "figure.png"])
    return imread(tmp_path / "figure.png")  # (H, W, 4)


@pytest.mark.parametrize("samplers", [("ddim",), ("ddim", "ddpm", "dpm_solver"), tuple("abcd")])
@pytest.mark.parametrize("clock", ["lsd", "seconds_per_image"])
def test_curves_have_a_panel_for_each_sampler(samplers, clock, tmp_path):
    figure = drawn(runs(samplers), clock, title="curves")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{sampler}\ntwin on shapes, mini scale" for sampler in samplers]
    lsd = "time budget (LSD: latencies of a Dash step)"
    label = {"lsd": lsd, "seconds_per_image": "wall-clock per image (s)"}[clock]
    for axes in figure.axes:
        assert axes.get_xlabel() == label
        assert axes.get_ylabel() == "Fréchet distance"
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert len(axes.containers) == 2  # baseline and Morse, with error bars
    assert figure.get_suptitle() == "curves"
    assert legend(figure) == ["baseline (Dash only)", "Morse (Dash + Dot)"]
    height, width = pixels(figure, tmp_path).shape[:2]
    assert (width, height) == tuple(int(150 * inches) for inches in figure.get_size_inches())
    assert width > 150 * 4 * min(len(samplers), 3)


def test_curves_state_the_speedup_and_its_bound():
    (text,) = drawn(runs()).axes[0].texts
    # Four points of 1.5 and the last, a bound of 1: 1.5^(4/5) = 1.38, give or take the noise.
    relation, value = text.get_text().split()[1:3]
    assert relation == "≥"
    assert float(value.rstrip("×")) == pytest.approx(1.5**0.8, rel=0.05)
    assert "geometric mean, 5 points" in text.get_text()


def test_curves_without_morse_have_no_speedup(tmp_path):
    figure = drawn(runs(speeds={"baseline": 1.0}))
    assert not figure.axes[0].texts and legend(figure) == ["baseline (Dash only)"]
    pixels(figure, tmp_path)


def test_curves_show_every_method_with_its_caption_its_look_and_its_speedup(monkeypatch, tmp_path):
    add_method(monkeypatch, colour="#CC79A7", marker="D", line=":")
    figure = drawn(runs(("ddim", "ddpm"), {**SPEEDS, "other": 1.2}))
    assert legend(figure) == ["baseline (Dash only)", "Morse (Dash + Dot)", "Other"]
    for axes in figure.axes:
        handles, captions = axes.get_legend_handles_labels()
        lines = {caption: handle.lines[0] for caption, handle in zip(captions, handles, strict=True)}
        assert look(lines["Other"]) == ("#cc79a7", "D", ":")
        assert look(lines["Morse (Dash + Dot)"]) == ("#d55e00", "s", "-")
        for caption, speed in (("baseline (Dash only)", 1.0), ("Morse (Dash + Dot)", 1.5), ("Other", 1.2)):
            cost, quality = lines[caption].get_xydata().T
            np.testing.assert_allclose(cost, BUDGETS)
            np.testing.assert_allclose(quality, power_law(speed * np.array(BUDGETS)), rtol=0.06)
        (text,) = axes.texts
        named = [line for line in text.get_text().splitlines() if ": speedup" in line]
        assert [line.split(": ")[0] for line in named] == ["Morse (Dash + Dot)", "Other"]
        means = [float(line.split()[-1].rstrip("×")) for line in named]
        assert means == pytest.approx([1.5**0.8, 1.2**0.8], rel=0.05)
    pixels(figure, tmp_path)


def test_curves_of_two_methods_leave_those_of_one_as_they_are(monkeypatch):
    add_method(monkeypatch)
    both, alone = drawn(runs(speeds={**SPEEDS, "other": 1.2})).axes[0], drawn(runs()).axes[0]
    for one, other in zip(both.containers[:2], alone.containers, strict=True):
        np.testing.assert_allclose(one.lines[0].get_xydata(), other.lines[0].get_xydata())
    (of_both,), (of_morse,) = both.texts, alone.texts
    assert f"Morse (Dash + Dot): {of_morse.get_text()}" in of_both.get_text()


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
        assert [points_drawn(axes, marker) for marker in "o^v"] == [8, 2, 0]  # of both clocks
        levels = [line.get_ydata()[0] for line in axes.lines[:2]]
        assert levels == [1.0, 1.5]
    assert set(legend(figure)) == {"LSD", "wall-clock", "perfect estimates", "at least", "at most"}
    pixels(figure, tmp_path)


def test_speedup_figure_has_a_panel_for_each_method(monkeypatch, tmp_path):
    add_method(monkeypatch)
    speedups = speedup_table(runs(speeds={**SPEEDS, "other": 1.2}))
    figure = speedup_against_budget(speedups)
    where = "ddim\ntwin on shapes, mini scale"
    assert [axes.get_title() for axes in figure.axes] == [f"Morse (Dash + Dot)\n{where}", f"Other\n{where}"]
    for axes, method in zip(figure.axes, ("morse", "other"), strict=True):
        points = speedups[speedups["method"] == method]
        measured = points.loc[points["censored"] == "", "speedup"].astype(float)
        first_clock = next(line for line in axes.lines if line.get_marker() == "o")
        np.testing.assert_allclose(first_clock.get_ydata(), measured)
    pixels(figure, tmp_path)
    alone = speedup_against_budget(speedups[speedups["method"] == "morse"])
    assert [axes.get_title() for axes in alone.axes] == [where]  # one method alone needs no name


def test_speedup_figure_of_devices_that_differ_has_one_clock(tmp_path):
    speedups = speedup_table(runs().assign(device=lambda table: table["method"]))
    figure = speedup_against_budget(speedups)
    (axes,) = figure.axes
    assert sum(points_drawn(axes, marker) for marker in "o^v") == len(speedups)
    pixels(figure, tmp_path)


def test_a_figure_without_speedups_says_so(tmp_path):
    figure = speedup_against_budget(speedup_table(runs()).iloc[:0], "Speedup")
    assert not figure.axes and figure.texts[-1].get_text().startswith("no speedups: ")
    pixels(figure, tmp_path)


def test_curves_without_points_are_an_error():
    with pytest.raises(ValueError, match="no points"):
        quality_curves(runs().iloc[:0], speedup_table(runs()), "lsd")


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
        x = int((box.x0 + box.width / 2) * image.shape[1])
        y = int((1 - box.y0 - box.height / 2) * image.shape[0])
        np.testing.assert_allclose(image[y, x, :3], shade / 255, atol=0.003)


def test_captions_do_not_leave_the_page():
    figure = image_grid([("Morse, 4.8 LSD (3 Dash + 9 Dot), WWWWW", np.zeros((2, 3, 8, 8), np.uint8))])
    figure.draw_without_rendering()
    box = figure.texts[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.axes[0].get_window_extent().x0


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 3, 8, 8)), np.zeros((2, 8, 8, 3), np.uint8), np.zeros((3, 8, 8), np.uint8)],
)
def test_image_grid_refuses_other_arrays(images):
    with pytest.raises(ValueError, match="uint8"):
        image_grid([("row", images)])


def test_rows_of_images_are_read_with_their_captions(tmp_path):
    images = [np.full((2, 1, 8, 8), shade, np.uint8) for shade in (10, 200)]
    for number, part in enumerate(images):
        write_npz(tmp_path / f"{number}.npz", images=part)
    rows = read_rows(["first", "second"], [tmp_path / "0.npz", tmp_path / "1.npz"])
    assert [caption for caption, _ in rows] == ["first", "second"]
    np.testing.assert_array_equal([part for _, part in rows], images)
    with pytest.raises(ValueError):
        read_rows(["a caption too many"], [])
    (tmp_path / "1.npz").write_bytes(b"PK nothing")
    with pytest.raises(DamagedFile, match=r"file of images .*1\.npz is damaged") as error:
        read_rows(["second"], [tmp_path / "1.npz"])
    assert "\n" not in str(error.value)


def test_heatmap_writes_values_and_leaves_gaps_blank(tmp_path):
    explained = np.array([[0.5, -3.25, np.nan], [1.0, 0.0, 0.25]])
    figure = residual_heatmap({"line": explained - 1.0, "Dot": explained}, [0, 500, 1000], [1, 10, 50, 200], "twin")
    assert [axes.get_title() for axes in figure.axes[:2]] == ["line", "Dot"]
    axes = figure.axes[1]
    assert [text.get_text() for text in axes.texts] == ["0.50", "−3.25", "1.00", "0.00", "0.25"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "50", "200"]
    mesh = axes.collections[0]
    assert mesh.get_clim() == (-1, 1)
    assert mesh.get_array().mask.sum() == 1
    pixels(figure, tmp_path)
    with pytest.raises(ValueError, match="need 3 and 4 edges, not 2 and 4"):
        residual_heatmap({"Dot": explained}, [0, 1000], [1, 10, 50, 200])


def test_saved_files_are_the_same_bytes_each_time(tmp_path):
    names = ["figure.png", "figure.svg", "figure.pdf"]
    for folder in ("first", "second"):
        save(drawn(runs()), [tmp_path / folder / name for name in names])
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert b"<dc:date>" not in (tmp_path / "first" / "figure.svg").read_bytes()
    assert b"CreationDate" not in (tmp_path / "first" / "figure.pdf").read_bytes()
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == sorted(names)  # nothing partial is left


def test_save_refuses_other_formats(tmp_path):
    with pytest.raises(ValueError, match=r"saved as .png, .svg, .pdf"):
        save(Figure(), [tmp_path / "figure.jpg"])
