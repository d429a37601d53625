"""Tables as text: digits, bounds, escapes, and that what was written can be read back."""

import re
import subprocess
import sys
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from curves import add_method, at_scales, call_latencies, curves, latency, measured, timings

from morse.methods import METHODS
from morse.report.text_tables import (
    TEXTS,
    call_costs_text,
    claims_text,
    headline_text,
    latency_text,
    runs_text,
    speedup_text,
    summary_text,
    timing_text,
    write_text_tables,
)
from morse.report.writers import html, latex, latex_escape, markdown
from morse.results.claims import CLAIM_COLUMNS
from morse.results.headline import HEADLINE_COLUMNS
from morse.results.latency import call_cost_table, latency_table
from morse.results.runs import RUN_COLUMNS
from morse.results.speedup import SPEEDUP_COLUMNS
from morse.results.tables import TABLES, make_tables, write_tables
from morse.results.timing import TIMING_COLUMNS

ROOT = Path(__file__).parents[1]
NAN = float("nan")


def read_markdown(text):
    """Headings and cells of a Markdown table, its escapes undone."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines()]
    head, _, *rows = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells] for cells in lines]
    return head, rows


def test_html_has_every_cell_and_escapes():
    table = pd.DataFrame({"model": ["a<b", "c&d"], "speedup": [">= 1.3", "1.5 [1.2, 1.9]"]})
    text = html(table, "less < more")
    cells = re.findall("<td>(.*?)</td>", text)
    assert cells == ["a&lt;b", "&gt;= 1.3", "c&amp;d", "1.5 [1.2, 1.9]"] and "less &lt; more" in text
    assert "No rows" in html(table[:0], "none")


def test_latex_escapes_every_special_character():
    assert latex_escape(r"a_b & 5 % of $x #1 {y} ~ ^ \z") == (
        r"a\_b \& 5 \% of \$x \#1 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )
    assert latex_escape(">= 2") == r"$\geq$ 2"
    assert latex_escape("<= 2 < 3 > 1") == r"$\leq$ 2 \textless{} 3 \textgreater{} 1"
    assert latex_escape("1 ± 2|3") == r"1 $\pm$ 2\textbar{}3"
    assert latex_escape("[1, 2]").startswith("{[}")  # after \\ a bare [ starts an optional argument
    assert latex_escape("two\nlines") == "two lines"


def test_latex_is_booktabs_with_as_many_columns_as_the_table():
    table = pd.DataFrame({"a_b": ["x & y", "z"], "value": ["1.5", ">= 2"], "text": ["w" * 80, "short"]})
    lines = latex(table, "50 % more", "tab:x").splitlines()
    assert r"\usepackage{booktabs, longtable}" in lines[0]
    assert lines[1] == r"\begin{longtable}{lrp{0.70\linewidth}}"
    assert lines[2] == r"\caption{50 \% more} \label{tab:x} \\"
    assert {r"\toprule", r"\midrule", r"\bottomrule"} <= set(lines)
    body = lines[lines.index(r"\endlastfoot") + 1 : -1]
    assert body[0].startswith(r"x \& y & 1.5 & www") and body[1] == r"z & $\geq$ 2 & short \\"


def test_markdown_keeps_pipes_inside_their_cell():
    table = pd.DataFrame({"a|b": ["x|y", r"back\slash"], "c": ["*bold* _it_ `code`", "two\nlines"]})
    head, rows = read_markdown(markdown(table))
    assert head == ["a|b", "c"] and rows == [["x|y", "*bold* _it_ `code`"], [r"back\slash", "two lines"]]


def test_markdown_leaves_digits_alone_and_puts_numbers_to_the_right():
    columns = {"n": ["1.50", "", ">= 20"], "t": ["a", "b", "1c"], "z": ["1.50", "2.0", "30"]}
    table = pd.DataFrame(columns | {"e": ["-1.0 ± 2.0", "1.28 [1.12, 1.52]", "1e-08"]})
    text = markdown(table)
    assert read_markdown(text)[1] == table.to_numpy().tolist()
    rules = text.splitlines()[1].strip("|").split("|")
    assert [rule.endswith(":") for rule in rules] == [name != "t" for name in table]


def test_an_empty_table_is_said_in_words():
    assert markdown(pd.DataFrame()) == "No rows.\n"
    assert latex(pd.DataFrame(columns=["a"]), "c", "l") == "% No rows.\n"


def speedups():
    row = {
        "model": "twin",
        "task": "shapes",
        "sampler": "ddim",
        "guidance": "none",
        "method": "morse",
        "scale": "mini",
        "metric": "FID",
    }
    row |= {"saturated": False, "lsd": 6.08}
    row |= {"quality": 5.637, "baseline_quality": 9.587, "difference": -3.95, "difference_se": 0.264, "ceiling": 1.8}
    row |= {"speedup": 1.5016, "speedup_low": 0.9485, "speedup_high": 4.7514}
    wall = {"speedup_wall": 1.593, "speedup_wall_low": 1.09, "speedup_wall_high": 5.18}
    lossless = [
        {"lossless_budget": 8.0, "lossless_speedup": 1.316, "lossless_speedup_wall": 0.91},
        {"lossless_budget": 6.0, "lossless_speedup": 0.987, "lossless_speedup_wall": 1.1},
    ]
    points = [row | wall | {"budget": 6, "censored": "", "censored_wall": "below"}]
    points += [row | {"budget": 12, "censored": "above"}]
    points = [point | shown for point, shown in zip(points, lossless, strict=True)]
    return pd.DataFrame(points, columns=[*SPEEDUP_COLUMNS, *lossless[0]])


def test_speedups_are_marked_where_they_are_bounds_whether_from_memory_or_csv(tmp_path):
    speedups().to_csv(tmp_path / "speedup.csv", index=False)
    for table in (speedups(), pd.read_csv(tmp_path / "speedup.csv")):
        text = speedup_text(table)
        assert text["speedup"].tolist() == ["1.50 [0.949, 4.75]", ">= 1.50"]
        assert text["speedup wall-clock"].tolist() == ["<= 1.59", ""]  # blank without wall-clock
        assert text["method"].tolist() == ["morse", "morse"]
        assert text["difference"].tolist() == ["-3.95 ± 0.26"] * 2
        assert text["saturated"].tolist() == ["no", "no"] and text["scale"].tolist() == ["mini", "mini"]
        assert text["no worse than (LSD)"].tolist() == ["8", "6"]
        assert text["lossless speedup"].tolist() == ["1.32", ""]  # no acceleration is lossless that is none
        assert text["lossless speedup wall-clock"].tolist() == ["0.910", ""]


def test_runs_and_summary_say_scale_and_metric():
    runs = pd.DataFrame(
        {"model": "twin", "method": ["baseline", "morse"], "budget": 6, "images": 200, "scale": "mini", "metric": "FID",
         "quality": 14.2655, "quality_se": 0.873, "ratio_measured": [NAN, 4.65], "lsd": 6.0759, "nfe": [6, 18]},
        columns=RUN_COLUMNS,
    )  # fmt: skip
    text = runs_text(runs)
    assert text["quality"].tolist() == ["14.27 ± 0.87"] * 2 and text["ratio measured"].tolist() == ["", "4.65"]
    assert text["lsd"].tolist() == ["6.08", "6.08"] and text["nfe"].tolist() == ["6", "18"]
    assert {"scale", "metric"} <= set(text.columns)
    means = {f"{name}{clock}": 1.234 for name in ("geometric_mean", "arithmetic_mean") for clock in ("", "_wall")}
    for clock in ("", "_wall"):
        means |= {f"geometric_mean_low{clock}": 1.1, f"geometric_mean_high{clock}": 1.4}
    counts = {f"{name}{clock}": 3 for name in ("points", "excluded") for clock in ("", "_wall")}
    key = {
        "model": "twin",
        "task": "shapes",
        "sampler": "ddim",
        "guidance": "none",
        "method": "morse",
        "scale": "mini",
        "metric": "FID",
    }
    bounds = {"band": "quality <= 5", "lower_bound": True, "lower_bound_wall": False}
    summary = summary_text(pd.DataFrame([key | means | counts | bounds]))
    assert summary.loc[0, ["geometric mean", "geometric mean wall-clock"]].tolist() == [">= 1.23", "1.23 [1.10, 1.40]"]
    assert summary.loc[0, "arithmetic mean wall-clock"] == "1.23"
    assert summary.loc[0, ["method", "scale"]].tolist() == ["morse", "mini"]
    assert "quality $\\leq$ 5" in latex(summary, "c", "l")


def test_claims_say_each_statement_once_and_never_a_twin_s_number_as_ours():
    row = dict.fromkeys(CLAIM_COLUMNS, "") | {"id": "a", "claim": "fast", "marks": "P", "unit": "x"}
    row |= {"reading": "ours is uniform"}
    row |= {"expected_low": 2.01, "expected_high": 2.94, "tolerance": 0.1, "ours": NAN, "deviation": NAN, "twin": NAN}
    judged = pd.DataFrame(
        [row | {"verdict": "only in miniature", "twin": 1.217, "twin_bound": ">="},
         row | {"verdict": "reproduced", "ours": 2.5},
         row | {"id": "b", "expected_high": NAN, "reading": ""},
         row | {"id": "c", "expected_low": NAN, "expected_high": NAN, "unit": ""}],
    )  # fmt: skip
    text = claims_text(judged)
    first = "fast (our reading: ours is uniform)"
    assert text["claim"].tolist() == [first, "", "fast", first]
    assert text["claimed"].tolist() == ["2.01 to 2.94 x", "2.01 to 2.94 x", "above 2.01 x", ""]
    assert text["ours"].tolist() == ["", "2.50", "", ""]
    assert text["twin (never the paper's)"].tolist() == [">= 1.22", "", "", ""]


@pytest.mark.parametrize(("name", "write"), [("runs", runs_text), ("summary", summary_text)])
def test_the_last_full_run_reads_back_from_its_markdown(name, write):
    table = pd.read_csv(ROOT / "results" / "reference" / f"{name}.csv")
    head, rows = read_markdown(markdown(write(table)))
    back = pd.DataFrame(rows, columns=head)
    column = {"runs": "quality", "summary": "geometric mean"}[name]
    numbers = back[column].str.removeprefix(">= ").str.split(" ").str[0].astype(float)
    np.testing.assert_allclose(numbers, table[column.replace(" ", "_")], rtol=0.05)
    assert back["model"].tolist() == table["model"].tolist()


def test_costs_of_calls_say_what_answers_and_which_count(monkeypatch):
    add_method(monkeypatch, calls={**METHODS["morse"].calls, "~": "extrapolation"})
    seconds = {"D": 0.5, ".": 0.125, "~": 0.02}
    latencies = [latency(call_latencies(seconds, dash="compiled"), call_latencies(seconds, batch_size=20))]
    text = call_costs_text(call_cost_table(latencies))
    assert text["caption"].tolist() == 2 * ["Dot", "Dash", "extrapolation"]
    assert text["in plans"].tolist() == 2 * [".", "D", "~"]
    assert text["call (ms)"].tolist() == 2 * ["125", "500", "20"]
    assert text["LSD"].tolist() == 2 * ["0.250 [0.245, 0.275]", "1 [0.980, 1.10]", "0.0400 [0.0392, 0.0440]"]
    assert text["counts"].tolist() == 3 * ["yes"] + 3 * [""]
    assert text["dash execution"].tolist() == 3 * ["compiled"] + 3 * ["eager"]
    assert latency_text(latency_table(latencies))["N"].tolist() == 2 * ["4 [3.64, 4.08]"]


def test_headline_and_timing_have_their_intervals_beside_the_numbers():
    mean = ["twin", "shapes", "best", "morse", "small", "best", 1.234, 1.101, 1.399, 1.2, "3 5", -0.5]
    (row,) = headline_text(pd.DataFrame([mean], columns=HEADLINE_COLUMNS)).to_dict("records")
    assert [*row.values()][6:] == ["1.23 [1.10, 1.40]", "1.20", "3 5", "-0.500"]
    timed = ["twin", "shapes", "ddim", "none", "morse", 5, 100, 7, 2.5, 1.05, 1.04, 1.071, 5.25, "cpu"]
    (row,) = timing_text(pd.DataFrame([timed], columns=TIMING_COLUMNS)).to_dict("records")
    assert [*row.values()][-4:] == ["7", "2.50", "1.05 [1.04, 1.07]", "5.25"]


def text_rows(table, name):
    """Rows of a table's text: copies of the best runs are left out."""
    return (table["guidance"] != "best").sum() if name == "runs" else len(table)


def test_every_table_with_a_text_is_written_in_three_formats(tmp_path):
    """From the CSV files, as the workflow reads them."""
    records = [*curves(1.5, se=0.02), *at_scales(curves(1.5, se=0.02))]
    for item in records:
        item["quality"]["without_groups"] = [0.9 * item["quality"]["value"], 1.1 * item["quality"]["value"]]
        item["metrics"] = measured({})
    trainings = {"twin": {"seconds": 1000.0, "hardware": "a GPU"}}
    quality = {"margin": 0.02, "saturation": 0.05, "max_quality": None}
    tables = make_tables(records, [latency()], trainings, quality, timings(records))
    write_tables(tables, {name: tmp_path / f"{name}.csv" for name in TABLES})
    for name, (make, caption) in TEXTS.items():
        shipped = {"claims": "claims.csv", "paper_speedups": "figure4/paper_speedups.csv"}
        path = ROOT / "results" / "reference" / shipped[name] if name in shipped else tmp_path / f"{name}.csv"
        table = pd.read_csv(path)
        paths = [tmp_path / name / f"{name}.{suffix}" for suffix in ("md", "tex", "html")]
        write_text_tables(table, name, *paths)
        md, tex, page = (path.read_text(encoding="utf-8") for path in paths)
        head, rows = read_markdown(md)
        assert head == list(make(table).columns) and len(rows) == text_rows(table, name) > 0, name
        assert latex_escape(caption) in tex and rf"\label{{tab:{name}}}" in tex and r"\begin{longtable}" in tex
        assert escape(caption, quote=False) in page and page.count("<tr>") == text_rows(table, name), name


def test_tables_do_not_load_torch():
    code = "import sys, morse.report.text_tables; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "False"
