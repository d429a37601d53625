"""The jackknife of whole curves: its errors are the records', and pairing is worth what it says."""

import numpy as np
import pandas as pd
import pytest
from curves import record, table

from morse.quality.frechet import frechet_with_error
from morse.quality.statistics import Statistics
from morse.results.jackknife import COLUMNS, degrees_of_freedom, error_factor, jackknife_table

GROUPS, DIM = 10, 6


def statistics(x, data="run", groups=GROUPS):
    found = Statistics.empty("some", data, (1, 4, 4), DIM, groups)
    found.add(x, 0)
    return found


REFERENCE = statistics(np.random.default_rng(0).standard_normal((2000, DIM)), "shapes/test", 1)


def records_of(luck, seeds=(0, 1), n=400):
    """A baseline and Morse whose images differ a little, and more from the reference."""
    records = []
    for seed in seeds:
        noise = np.random.default_rng([luck, seed]).standard_normal((n, DIM))
        for method, scale in (("baseline", 1.5), ("morse", 1.45)):
            estimate = frechet_with_error(statistics(scale * noise), REFERENCE)
            calls = (10, 0) if method == "baseline" else (5, 40)
            one = record(method, 10, seed, *calls, estimate.value, estimate.standard_error)
            one["quality"]["without_groups"] = list(estimate.without_groups)
            records.append(one)
    return records


def test_there_is_a_row_for_each_run_and_group():
    rows = jackknife_table(records_of(0))
    assert list(rows.columns) == COLUMNS and len(rows) == 4 * GROUPS


def test_the_factor_has_the_records_errors_of_means_over_seeds():
    records = records_of(0)
    runs = table(records)
    errors = np.linalg.norm(error_factor(runs, jackknife_table(records)), axis=1)
    alone = np.linalg.norm(error_factor(runs), axis=1)
    expected = runs.groupby(["method", "budget"])["quality_se"].apply(lambda se: np.sqrt(np.square(se).sum()) / 2)
    np.testing.assert_allclose(errors, expected)
    np.testing.assert_allclose(alone, expected)


def test_the_error_of_a_difference_is_its_spread_over_seeds():
    differences, claimed = [], []
    for luck in range(200):
        records = records_of(luck, seeds=(0,))
        baseline, morse = (item["quality"]["value"] for item in records)
        differences.append(morse - baseline)
        factor = error_factor(table(records), jackknife_table(records))
        claimed.append(np.linalg.norm(factor.loc[("morse", 10)] - factor.loc[("baseline", 10)]))
    assert np.sqrt(np.mean(np.square(claimed))) == pytest.approx(np.std(differences, ddof=1), rel=0.15)
    unpaired = np.hypot(*(item["quality"]["standard_error"] for item in records))
    assert np.mean(claimed) < 0.5 * unpaired


def test_a_point_without_a_seed_counts_with_those_it_has():
    records = records_of(0)[:3]  # Morse lacks seed 1
    factor = error_factor(table(records), jackknife_table(records))
    assert (factor.loc[("morse", 10), 1] == 0.0).all() and (factor.loc[("baseline", 10), 1] != 0.0).any()
    assert np.linalg.norm(factor.loc[("morse", 10)]) == pytest.approx(records[1]["quality"]["standard_error"])


def test_degrees_of_freedom_are_those_of_the_point_with_the_fewest_seeds():
    def degrees(records):
        return degrees_of_freedom(error_factor(table(records), jackknife_table(records)))

    one, three = records_of(0, (0,)), records_of(0, (0, 1, 2))
    fewest = [item for item in three if item["run"]["method"] == "baseline" or item["run"]["seed"] == 0]
    assert degrees(three) == 3 * degrees(one) and degrees(fewest) == degrees(one) == GROUPS - 1
    assert degrees_of_freedom(error_factor(table(three))) == np.inf


def test_a_run_that_the_jackknife_lacks_is_one_line():
    records = records_of(0)
    rows = jackknife_table(records).query("not (method == 'morse' and seed == 1)")
    with pytest.raises(ValueError, match="lacks the run twin shapes ddim morse 10 1; make its record again"):
        error_factor(table(records), rows)


def test_rows_read_back_from_csv_are_the_same(tmp_path):
    records = records_of(0)
    jackknife_table(records).to_csv(tmp_path / "jackknife.csv", index=False)
    read = error_factor(table(records), pd.read_csv(tmp_path / "jackknife.csv"))
    pd.testing.assert_frame_equal(read, error_factor(table(records), jackknife_table(records)))
