"""Tables as CSV files: text stays as it is, whatever it looks like; numbers keep every digit."""

import math

import numpy as np
import pandas as pd
import pytest
from curves import curves, latency, measured, timings
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from morse.files import DamagedFile
from morse.report.curves import quality_curves, speedup_against_budget
from morse.report.text_tables import TEXTS
from morse.results.claims import judge
from morse.results.columns import FLAGS, TEXT, WHOLE, kind_of, read_table, write_table
from morse.results.speedup import speedup_table
from morse.results.summary import speedup_summary
from morse.results.tables import TABLES, make_tables, write_tables

HOSTILE = [
    "NA", "null", "none", "None", "nan", "NaN", "N/A", "<NA>", "", "123", "-1", "1e5", "12e4567", "007", "0x1A",
    "1_000", "True", "inf", "2020-01-01", " a ", "a,b", 'a"b', "'a", "a\nb", "#a", "=1+1", "Fréchet", "\ufeffa",
    "\u2028", "$a$b",
]  # fmt: skip


@pytest.mark.parametrize("column", sorted(TEXT))
def test_hostile_text_comes_back_as_it_was(tmp_path, column):
    write_table(pd.DataFrame({column: HOSTILE, "quality": 1.0}), tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv")[column].tolist() == HOSTILE
    write_table(pd.DataFrame({column: ["", None, math.nan]}), tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv")[column].tolist() == ["", "", ""]


CELLS = {
    "model": st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6),
    "counts": st.booleans(),
    "budget": st.integers(-(2**63), 2**63 - 1),
    "quality": st.floats(),
    "kid_wide": st.floats(allow_nan=False, width=32),
}


@given(st.lists(st.fixed_dictionaries(CELLS), max_size=5))
def test_every_table_comes_back_equal(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("any") / "t.csv"
    table = pd.DataFrame(rows, columns=list(CELLS)).astype({name: kind_of(name) for name in CELLS})
    write_table(table, path)
    pd.testing.assert_frame_equal(read_table(path), table, check_exact=True)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("model", 3, "column model holds 3, and needs text"), ("commit", 1e5, "column commit holds 100000.0"),
     ("model", "a\0", r"column model holds 'a\x00'"), ("model", "a\rb", r"holds 'a\rb', and needs text without"),
     ("budget", 1.5, "column budget holds 1.5, and needs whole numbers"), ("seed", math.nan, "column seed holds nan"),
     ("budget", True, "column budget holds True"), ("counts", 1, "column counts holds 1, and needs True or False"),
     ("counts", None, "holds None"), ("quality", "1.5", "column quality holds '1.5', and needs numbers"),
     ("quality", True, "column quality holds True"), ("quality", 1j, "holds 1j"), ("kid_x", [1], "holds [1]")],
)  # fmt: skip
def test_what_a_column_cannot_hold_is_refused_in_one_line(tmp_path, column, value, message):
    with pytest.raises(ValueError) as error:
        write_table(pd.DataFrame({column: pd.Series([value], dtype=object)}), tmp_path / "t.csv")
    assert str(error.value).startswith(f"{tmp_path / 't.csv'}: column ") and message in str(error.value)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("columns", [["a", "a"], ["", "a"], [1, "a"]])
def test_columns_without_names_of_their_own_are_refused(tmp_path, columns):
    with pytest.raises(ValueError, match="the table's columns must have names of their own"):
        write_table(pd.DataFrame([[1.0, 2.0]], columns=columns), tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "No columns"), (b'model\n"a', "EOF inside string"), (b"budget\n1.5\n", "column budget has '1.5', and needs"),
     (b"model,seed\na,\n", "column seed has ''"), (b"counts\n1\n", "column counts has '1', and needs True or False"),
     (b"quality\nlow\n", "column quality has 'low', and needs numbers"), (b"model\n\xff\n", "can't decode byte 0xff")],
)  # fmt: skip
def test_what_is_no_table_is_called_damaged(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"t\.csv is damaged .*; delete it and run again$") as error:
        read_table(tmp_path / "t.csv")
    assert message in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(DamagedFile, match="is missing"):
        read_table(tmp_path / "none.csv")


def hostile_tables(name):
    """All tables of runs in which every word but the methods' is ``name``."""
    records = curves(1.5, se=0.02)
    for item in records:
        value = item["quality"]["value"]
        item["run"] |= dict.fromkeys(("model", "task", "sampler"), name)
        item["quality"] |= {"without_groups": [0.97 * value, value, 1.03 * value], "label": name}
        item["provenance"] |= dict.fromkeys(("code", "device", "commit"), name)
        kid = {"value": 0.1 * value, "standard_error": 0.01, "without_groups": [0.1 * value] * 3}
        item["metrics"] = measured({"kid": kid}, label=name)
    quality = {"margin": 0.02, "saturation": 0.05, "max_quality": None}
    latencies = [latency(model=name) | {"scale": name, "memory_format": name, "provenance": {"device": name}}]
    trainings = {name: {"seconds": 9.0, "hardware": name}}
    timed = timings(records, provenance={"device": name, "code": name})
    return make_tables(records, latencies, trainings, quality, timed)


def same(read, table):
    for column in table:
        missing = table[column].isna() if kind_of(column) is str else False
        expected = table[column].astype(object).where(~missing, "") if missing is not False else table[column]
        assert [*map(repr, read[column].tolist())] == [*map(repr, expected.astype(kind_of(column)).tolist())], column


@pytest.mark.parametrize("name", ["null", "12e4567", "", "$\\x$"])
def test_hostile_names_reach_every_table_figure_and_text(tmp_path, name):
    tables = hostile_tables(name)
    paths = {table: tmp_path / f"{table}.csv" for table in TABLES}
    write_tables(tables, paths)
    read = {table: read_table(path) for table, path in paths.items()}
    for table in TABLES:
        assert not tables[table].empty or table == "best_guidance"  # its runs take no guidance
        same(read[table], tables[table])
    assert set(read["runs"]["commit"]) == {name or "unknown"} and set(read["costs"]["trained_on"]) == {name}
    again = speedup_table(read["runs"], read["jackknife"])
    pd.testing.assert_frame_equal(again, read["speedup"][list(again)])
    assert set(speedup_summary(again)["model"]) == {name}
    for figure in (quality_curves(read["runs"], read["speedup"]), speedup_against_budget(read["speedup"])):
        (panel,) = figure.axes
        FigureCanvasAgg(figure).draw()
        assert panel.get_title() == f"{name}\n{name} on {name}, mini scale"
    for table in (set(TEXTS) & {*TABLES}) - {"best_guidance"}:
        text, expected = TEXTS[table][0](read[table]), TEXTS[table][0](tables[table])
        pd.testing.assert_frame_equal(text, expected, check_dtype=False)
        assert set(text["model"]) == {name}


def test_hostile_names_reach_verdicts(tmp_path):
    tables = hostile_tables("null")
    tables["runs"] = tables["runs"].assign(scale="paper")
    tables["speedup"] = tables["speedup"].assign(scale="paper")
    write_tables(tables, {table: tmp_path / f"{table}.csv" for table in TABLES})
    check = {"measure": "training_hours", "hardware": "null", "tolerance": 0.1}
    claim = {"id": "010", "claim": "NA", "marks": ["P"], "source": "none", "unit": "h", "method": "morse",
             "expected": {"value": 0.0025}, "cells": [{"model": "null", "task": "null"}], "check": check}  # fmt: skip
    judged = judge(
        [claim], *(read_table(tmp_path / f"{table}.csv") for table in ("runs", "speedup", "latency", "costs"))
    )
    assert judged["verdict"].tolist() == ["reproduced"]
    write_table(judged, tmp_path / "claims.csv")
    back = read_table(tmp_path / "claims.csv")
    same(back, judged)
    assert back.loc[0, ["id", "claim", "source", "model"]].tolist() == ["010", "NA", "none", "null"]
    assert TEXTS["claims"][0](back)["model"].tolist() == ["null"]


def test_a_model_of_which_a_method_needs_no_training_keeps_the_training_of_another(tmp_path):
    """In a file the missing words of the first row are empty, and not its training."""
    tables = hostile_tables("twin")
    blank = tables["costs"].assign(trained_on=np.nan, training_seconds=np.nan)
    write_table(pd.concat([blank, tables["costs"]]), tmp_path / "costs.csv")
    check = {"measure": "training_hours", "hardware": "twin", "tolerance": 0.1}
    claim = {"id": "a", "claim": "b", "marks": ["P"], "source": "c", "unit": "h", "method": "morse",
             "expected": {"value": 0.0025}, "cells": [{"model": "twin", "task": "twin"}], "check": check}  # fmt: skip
    runs = tables["runs"].assign(scale="paper")
    judged = judge([claim], runs, tables["speedup"], tables["latency"], read_table(tmp_path / "costs.csv"))
    assert judged["ours"].tolist() == [9.0 / 3600.0]


def test_columns_of_each_table_have_the_type_that_is_stated():
    assert TEXT.isdisjoint(FLAGS) and WHOLE.isdisjoint(TEXT | FLAGS)
    for name, table in hostile_tables("twin").items():
        for column in table:
            words = pd.api.types.is_string_dtype(table[column]) or table[column].dtype == object
            assert words == (column in TEXT), f"{name}: state the type of {column} in morse/results/columns.py"
