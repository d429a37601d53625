"""The jackknife of whole curves, with real statistics: its errors are those of the records, and pairing is worth what it says."""

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


def records(luck, seeds=(0, 1), n=400):
    """A baseline and Morse whose images differ a little from each other and more from the reference."""
    made = []
    for seed in seeds:
        noise = np.random.default_rng([luck, seed]).standard_normal((n, DIM))
        for method, scale in (("baseline", 1.5), ("morse", 1.45)):
            estimate = frechet_with_error(statistics(scale * noise), REFERENCE)
            one = record(
                method, 10, seed, *((None, 0) if method == "baseline" else (5, 40)), quality=estimate.value, se=estimate.standard_error
            )
            one["quality"]["without_groups"] = list(estimate.without_groups)
            made.append(one)
    return made


def test_there_is_a_row_for_each_node_and_group():
    found = jackknife_table(records(0))
    assert list(found.columns) == COLUMNS and len(found) == 4 * GROUPS


def test_the_factor_has_the_records_errors_of_means_over_seeds():
    made = records(0)
    runs = table(made)
    errors = np.linalg.norm(error_factor(runs, jackknife_table(made)), axis=1)
    alone = np.linalg.norm(error_factor(runs), axis=1)
    expected = runs.groupby(["method", "budget"])["quality_se"].apply(lambda se: np.sqrt(np.square(se).sum()) / 2)
    np.testing.assert_allclose(errors, expected)
    np.testing.assert_allclose(alone, expected)


def test_the_error_of_a_difference_is_its_spread_over_seeds():
    differences, claimed = [], []
    for luck in range(200):
        made = records(luck, seeds=(0,))
        baseline, morse = (item["quality"]["value"] for item in made)
        differences.append(morse - baseline)
        factor = error_factor(table(made), jackknife_table(made))
        claimed.append(np.linalg.norm(factor.loc[("morse", 10)] - factor.loc[("baseline", 10)]))
    assert np.sqrt(np.mean(np.square(claimed))) == pytest.approx(np.std(differences, ddof=1), rel=0.15)
    unpaired = np.hypot(*(item["quality"]["standard_error"] for item in made))
    assert np.mean(claimed) < 0.5 * unpaired


def test_a_point_without_a_seed_counts_with_those_it_has():
    made = records(0)[:3]  # Morse lacks seed 1
    factor = error_factor(table(made), jackknife_table(made))
    assert (factor.loc[("morse", 10), 1] == 0.0).all() and (factor.loc[("baseline", 10), 1] != 0.0).any()
    assert np.linalg.norm(factor.loc[("morse", 10)]) == pytest.approx(made[1]["quality"]["standard_error"])


def test_degrees_of_freedom_are_those_of_the_point_with_the_fewest_seeds():
    def degrees(made):
        return degrees_of_freedom(error_factor(table(made), jackknife_table(made)))

    one, three = records(0, (0,)), records(0, (0, 1, 2))
    fewest = [item for item in three if item["node"]["method"] == "baseline" or item["node"]["seed"] == 0]
    assert degrees(three) == 3 * degrees(one) and degrees(fewest) == degrees(one) == GROUPS - 1
    assert degrees_of_freedom(error_factor(table(three))) == np.inf


def test_a_run_that_the_jackknife_lacks_is_one_line():
    made = records(0)
    with pytest.raises(ValueError, match="the jackknife lacks the run twin shapes ddim morse 10 1; make its record anew"):
        error_factor(table(made), jackknife_table(made).query("not (method == 'morse' and seed == 1)"))


def test_rows_read_back_from_csv_are_the_same(tmp_path):
    made = records(0)
    jackknife_table(made).to_csv(tmp_path / "jackknife.csv", index=False)
    pd.testing.assert_frame_equal(
        error_factor(table(made), pd.read_csv(tmp_path / "jackknife.csv")), error_factor(table(made), jackknife_table(made))
    )
