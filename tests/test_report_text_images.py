"""Grids of text runs have a row for each run that belongs there, and the table counts its calls."""

import numpy as np
import pytest

from morse.report.images import image_grid
from morse.report.text_images import budget_grid, call_table, guidance_grid
from morse.sampling.shards import Shard

PROMPTS = ["a cat", "a dog"]


def shard(shade, letters, seconds=3.0):
    return Shard(np.full((2, 3, 8, 8), shade, np.uint8), 0, seconds, letters)


RUNS = {
    ("baseline", 2, 1.0): shard(10, "DD"),
    ("morse", 2, 1.0): shard(20, "D....."),
    ("baseline", 2, 7.5): shard(30, "DD"),
    ("morse", 2, 7.5): shard(40, "D....."),
    ("baseline", 5, 7.5): shard(50, "DDDDD"),
}


def shown(figure):
    """A figure's texts, and the shade of each image, row by row."""
    shades = [int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes]
    return [text.get_text() for text in figure.texts], shades


def test_rows_by_budget_are_of_one_guidance_scale():
    texts, shades = shown(budget_grid(RUNS, PROMPTS, 7.5))
    assert texts[:3] == ["Guidance scale 7.5", *PROMPTS]
    assert texts[3:] == ["baseline (Dash only)\n2 LSD", "Morse (Dash + Dot)\n2 LSD", "baseline (Dash only)\n5 LSD"]
    assert shades == [30, 30, 40, 40, 50, 50]


def test_rows_by_guidance_are_of_one_budget():
    texts, shades = shown(guidance_grid(RUNS, PROMPTS, 2))
    assert texts[0] == "Budget 2 LSD" and [text.split("\n")[1] for text in texts[3:]] == [
        "guidance 1",
        "guidance 1",
        "guidance 7.5",
        "guidance 7.5",
    ]
    assert shades == [10, 10, 20, 20, 30, 30, 40, 40]


def test_a_grid_of_no_run_is_one_line():
    with pytest.raises(ValueError, match=r"^Guidance scale 3: no run has it; sample one$"):
        budget_grid(RUNS, PROMPTS, 3.0)
    with pytest.raises(ValueError, match=r"^Budget 9 LSD: no run has it; sample one$"):
        guidance_grid(RUNS, PROMPTS, 9)


def test_the_table_has_calls_and_seconds_for_an_image():
    table = call_table(RUNS)
    assert [*table["dash_calls"]] == [2, 1, 2, 1, 5] and [*table["dot_calls"]] == [0, 5, 0, 5, 0]
    assert [*table["seconds_per_image"]] == [1.5] * 5


@pytest.mark.parametrize("title", ["a title", None])
def test_headings_of_columns_are_between_the_title_and_their_images(title):
    words = "many words of a prompt that takes three lines and is cut"
    figure = image_grid([("row", RUNS["morse", 2, 1.0].images)], title, [words, "a cat"], 1.5)
    figure.draw_without_rendering()
    *above, first, second, _ = [text.get_window_extent() for text in figure.texts]
    for box, axes in zip((first, second), figure.axes, strict=True):
        image = axes.get_window_extent()
        assert image.y1 <= box.y0 and box.y1 <= (above[0].y0 if title else figure.bbox.height)
        assert image.x0 <= box.x0 and box.x1 <= image.x1
        assert image.width == pytest.approx(1.5 * figure.dpi)


def test_each_column_has_one_heading():
    with pytest.raises(ValueError, match=r"^2 columns of images have 1 headings; give one for each$"):
        image_grid([("row", RUNS["morse", 2, 1.0].images)], None, ["a cat"])
