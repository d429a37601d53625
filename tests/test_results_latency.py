"""Measured latencies -> the tables of N and of the cost of each kind of call."""

import numpy as np
import pandas as pd
import pytest
from curves import add_method, call_latencies, latency

from morse.methods import METHODS
from morse.results.latency import CALL_COLUMNS, LATENCY_COLUMNS, call_cost_table, latency_table


def test_latency_has_a_row_for_each_measurement():
    table = latency_table([latency(call_latencies(), call_latencies(batch_size=20))])
    assert list(table.columns) == LATENCY_COLUMNS and table["batch_size"].tolist() == [20, 100]
    row = table.iloc[0]
    assert (row["model"], row["scale"], row["batch_size"]) == ("twin", "mini", 20)
    assert (row["dash_seconds"], row["dot_seconds"]) == (0.8, 0.1)
    expected = (8.0, 8.0 / 1.1, 8.0 / 0.98, 7.0)
    assert (row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_flops"]) == pytest.approx(expected)
    assert (row["dash_gflops"], row["dot_gflops"]) == (0.014, 0.002)
    assert (row["dash_parameters"], row["dot_parameters"], row["dot_own_parameters"]) == (50, 55, 10)
    assert (row["dash_execution"], row["dot_execution"], row["threads"]) == ("eager", "compiled", 2)
    assert (row["device"], row["dtype"], row["tf32"]) == ("a processor", "float32", False)
    assert (row["memory_format"], row["warm_up_seconds"]) == ("channels_last", 3.5)


def test_the_first_measurement_is_the_one_that_counts_wherever_it_is_sorted():
    latencies = [latency(call_latencies(), call_latencies(batch_size=20))]
    for make in (latency_table, call_cost_table):
        table = make(latencies)
        assert (table["counts"] == (table["batch_size"] == 100)).all()


def test_every_kind_of_call_has_its_letter_and_its_cost(monkeypatch):
    """A method that has a third kind of call beside Dash and Dot."""
    add_method(monkeypatch, calls={**METHODS["morse"].calls, "~": "extrapolation"})
    latencies = [latency(call_latencies({"D": 0.5, ".": 0.125, "~": 0.02}))]
    table = call_cost_table(latencies)
    assert list(table.columns) == CALL_COLUMNS and len(table) == 3
    of_call = table.set_index("call")
    assert of_call["caption"].to_dict() == {"D": "Dash", ".": "Dot", "~": "extrapolation"}
    assert of_call["seconds"].to_dict() == {"D": 0.5, ".": 0.125, "~": 0.02}
    assert of_call["lsd"].to_dict() == pytest.approx({"D": 1.0, ".": 0.25, "~": 0.04})
    assert of_call["lsd_low"].to_dict() == pytest.approx({"D": 0.98, ".": 0.245, "~": 0.0392})
    assert of_call["lsd_high"].to_dict() == pytest.approx({"D": 1.1, ".": 0.275, "~": 0.044})
    assert table["counts"].all() and set(table["model"]) == {"twin"} and set(table["scale"]) == {"mini"}
    assert set(table["dash_execution"]) == {"eager"} and set(table["dot_execution"]) == {"compiled"}
    np.testing.assert_allclose(latency_table(latencies)["ratio"], 4.0)  # N is of Dash and Dot alone


def test_calls_are_sorted_by_model_execution_and_batch_size():
    first = latency(call_latencies(), call_latencies(batch_size=20), call_latencies(dash="compiled"))
    table = call_cost_table([first, latency(model="another")])
    keys = ["model", "dash_execution", "batch_size", "call"]
    expected = [("another", "eager", 100), ("twin", "compiled", 100), ("twin", "eager", 20), ("twin", "eager", 100)]
    assert list(table[keys].itertuples(index=False, name=None)) == [(*key, call) for key in expected for call in ".D"]


def test_a_model_without_dot_has_the_cost_of_its_calls_and_no_ratio():
    alone = latency(call_latencies({"D": 0.6}), model="alone") | {"flops": {"dash": 1}, "parameters": {"dash": 50}}
    table = latency_table([alone, latency()])
    assert table["model"].tolist() == ["twin"]
    costs = call_cost_table([alone, latency()])
    assert costs["model"].tolist() == ["alone", "twin", "twin"] and pd.isna(costs["dot_execution"][0])
    assert costs["lsd"].tolist() == pytest.approx([1.0, 0.125, 1.0])


def test_without_records_the_tables_have_their_columns():
    assert list(latency_table([]).columns) == LATENCY_COLUMNS
    assert list(call_cost_table([]).columns) == CALL_COLUMNS
