"""The figure of what an error at each call does to the image."""

import pytest

from morse.files import DamagedFile, write_json
from morse.report.sensitivity import PANELS, sensitivity_figure
from morse.results.dot_records import read_sensitivity, sensitivity_record

RUN = {"model": "twin", "task": "shapes", "sampler": "ddim", "guidance": "none", "method": "morse", "budget": "3"}
CALLS = [{"index": 1, "t": 700.0, "error": 0.1, "change": 0.02}, {"index": 2, "t": 0.0, "error": 0.4, "change": 0.004}]


def record(**changes):
    return sensitivity_record(RUN | changes, "D..", CALLS, 8, {"device": "cpu"})


def test_a_record_is_read_as_it_was_written(tmp_path):
    write_json(record(), tmp_path / "point.json")
    read = read_sensitivity(tmp_path / "point.json")
    assert read == record() and (read["budget"], read["calls"]) == (3, CALLS)


@pytest.mark.parametrize("broken", [{"calls": 3}, {"calls": [{"index": 1, "t": 2.0}]}, {"plan": None}])
def test_another_file_is_one_line(tmp_path, broken):
    write_json(record() | broken, tmp_path / "point.json")
    with pytest.raises(DamagedFile) as error:
        read_sensitivity(tmp_path / "point.json")
    assert "point.json" in str(error.value) and "\n" not in str(error.value)


def test_each_run_is_a_line_in_each_panel():
    figure = sensitivity_figure([record(), record(budget="12"), record(method="forecast")])
    assert len(figure.axes) == len(PANELS) == 3
    values = [[0.1, 0.4], [0.02, 0.004], [0.2, 0.01]]
    for axes, expected in zip(figure.axes, values, strict=True):
        assert len(axes.lines) == 3
        assert axes.lines[0].get_xdata().tolist() == [700.0, 0.0]
        assert axes.lines[0].get_ydata().tolist() == pytest.approx(expected)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[1:] == ["Morse (Dash + Dot), 3 LSD", "Morse (Dash + Dot), 12 LSD"]


def test_a_call_without_error_has_no_ratio():
    perfect = {**record(), "calls": [CALLS[0], {**CALLS[1], "error": 0.0, "change": 0.0}]}
    ratios = sensitivity_figure([perfect]).axes[2].lines[0].get_ydata()
    assert ratios[0] == pytest.approx(0.2) and ratios[1] != ratios[1]
