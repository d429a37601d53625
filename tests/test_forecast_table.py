"""What `morse cost` prints, and its options."""

import pytest
from networks import tiny_card
from typer.testing import CliRunner

from morse.cli import app
from morse.experiments.cards import resource
from morse.forecast.table import data_bytes, forecast
from morse.forecast.throughput import GPUS, UTILISATION, measured_throughput

FILES = [resource("config/config.yaml")]


def hours(text, column=-3):
    """Of the line for all models, counted from the end: memory, disk, GPU hours."""
    return float(next(line for line in text.splitlines() if line.split()[:1] == ["all"]).split()[column])


def test_a_gpu_twice_as_fast_takes_half_the_hours():
    slow, fast = (forecast(FILES, "a100", flops=rate) for rate in (1e9, 2e9))
    assert hours(slow) == pytest.approx(2 * hours(fast), rel=1e-3)
    assert "30 runs of 400 images" in slow and "0.001 TFLOPs/s" in slow


def test_a_named_gpu_reaches_a_stated_part_of_its_peak():
    named = forecast(FILES, "v100")
    assert f"{UTILISATION:.0%}" in named and "v100" in named
    stated = forecast(FILES, "v100", flops=GPUS["v100"].peak * UTILISATION)
    assert hours(named) == hours(stated)


def test_fewer_budgets_and_images_cost_less():
    everything, part = forecast(FILES, "t4", flops=1e9), forecast(FILES, "t4", flops=1e9, budgets="3,12", images=40)
    assert hours(part) < hours(everything) / 10
    assert "of 40 images" in part


def test_the_cheapest_curve_is_named():
    assert "The cheapest curve is cifar10-ddpm-mini, fashion-mnist, ddpm: 6 runs" in forecast(FILES, "t4", flops=1e9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gpu", "a10"], "a100"),
        (["--flops", "0"], "not above zero"),
        (["--budgets", "3,4"], "'4' is no budget of the configuration; it has 3, 5"),
        (["--budgets", "three"], "'three' is no budget"),
        (["--configfile", "nothing.yaml"], "nothing.yaml"),
    ],
)
def test_bad_options_end_in_one_line(options, message):
    files = [] if "--configfile" in options else ["--configfile", str(FILES[0])]
    result = CliRunner().invoke(app, ["cost", *files, *options])
    assert result.exit_code != 0
    assert message in str(result.exception) and "\n" not in str(result.exception)


def test_throughput_is_measured_on_this_machine():
    rate = measured_throughput(tiny_card(), 2, "cpu")
    assert 1e6 < rate < 1e15


def test_a_table_has_a_line_for_each_model():
    lines = forecast(FILES, "t4").splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["model", "cifar10-ddpm-mini", "cifar10-vp-mini", "all"]


def test_prepared_data_are_counted_once_though_splits_may_be_parts():
    assert data_bytes({"size": 32, "images": {"train": 50000, "test": 10000}}) == 60000 * 3 * 32 * 32
    assert data_bytes({"size": 256, "images": {"all": 30000, "train": 29000, "test": 1000}}) == 30000 * 3 * 256 * 256
    assert data_bytes({"size": 32, "file": "shipped.npz"}) == 0
