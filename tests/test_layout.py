"""The library keeps its order: which module may import which, what stays free of torch, where
things live (docs/layout.md)."""

import ast
import fnmatch
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "morse").rglob("*.py"))

ORDER = [
    "registry",
    "options",
    "seeds",
    "provenance",
    "formats",
    "files",
    "checkpoints",
    "published",
    "fetching",
    "experiments",
    "schedules",
    "runtime",
    "training",
    "data",
    "samplers",
    "dash",
    "dot",
    "methods",
    "sampling",
    "quality",
    "results",
    "report",
    "fit",
    "preflight",
    "forecast",
    "make_dot",
    "pipeline_schedulers",
    "pipeline",
    "pipeline",
    "cli_scale",
    "cli",
]
"""A module or sub-package imports only what stands before it."""

TORCH_FREE = (
    "registry", "options", "provenance", "formats", "files", "published", "fetching.*", "fit", "preflight",
    "experiments.*",
    "schedules.[!l]*", "samplers.*", "data", "data.archive", "data.prepared", "data.loading", "data.parts",
    "dot.chain_settings", "dash",
    "methods", "methods.plans", "methods.forecast_plans", "sampling.shards", "runtime.light_import",
    "quality.[!er]*", "quality.estimates", "quality.extractors", "results.*", "report.*", "forecast.throughput",
)  # fmt: skip
"""Patterns of modules that jobs of tables and figures, and the reading of a configuration, may load
without paying for torch."""


def module_of(path):
    """morse/a/b.py -> a.b; morse/a/__init__.py -> a."""
    parts = path.relative_to(ROOT / "morse").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in LIBRARY}


def imported(path):
    """The modules of morse that a file imports, also inside functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("morse."):
                name = name.removeprefix("morse.")
                yield name if name in MODULES else name.rpartition(".")[0]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_back_in_the_order(module):
    own, targets = module.split(".")[0], set(imported(MODULES[module]))
    if not module:
        assert not targets, "morse/__init__.py imports modules: each process would pay for them"
        return
    assert own in ORDER, f"morse.{own} has no place in ORDER"
    later = [name for name in targets if ORDER.index(name.split(".")[0]) > ORDER.index(own)]
    assert not later, f"morse.{module} imports {', '.join(later)}, which stand after {own} in ORDER"


def test_no_module_imports_itself_in_a_circle():
    graphlib.TopologicalSorter({module: set(imported(path)) - {module} for module, path in MODULES.items()}).prepare()


def test_the_order_names_what_there_is():
    assert {module.split(".")[0] for module in MODULES if module} <= set(ORDER)


@pytest.mark.parametrize(
    "module", [name for name in MODULES if any(fnmatch.fnmatch(name, pattern) for pattern in TORCH_FREE)]
)
def test_the_torch_free_wall(module):
    code = f"import sys, morse.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "False"


RULES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
SCRIPTS = [path for path in sorted((ROOT / "workflow" / "scripts").glob("*.py")) if path.stem != "adapter"]


def test_a_table_s_module_bears_its_name():
    from morse.results.tables import TABLES

    by_metric = {"summary_by_metric": "speedup_by_metric", "call_costs": "latency"}
    for table in (*TABLES, "claims", "paper_speedups"):
        path = ROOT / "morse" / "results" / f"{by_metric.get(table, table)}.py"
        assert path.is_file() and f"{table}.csv" in path.read_text(encoding="utf-8").splitlines()[0], (
            f"{path} does not begin with {table}.csv"
        )


def test_a_rule_s_script_bears_its_name():
    found = re.findall(r"^rule (\w+):(?:\n(?!rule |use rule ).*)*?\"\.\./scripts/(\w+)\.py\"", RULES, flags=re.M)
    assert {script for _, script in found} == {path.stem for path in SCRIPTS}
    assert [rule for rule, script in found if rule != script] == []


@pytest.mark.parametrize("registry", ["SAMPLERS", "FAMILIES", "EXTRACTORS"])
def test_a_registered_file_bears_the_name_or_its_beginning(registry):
    from morse.dash import FAMILIES
    from morse.quality.extractors import EXTRACTORS
    from morse.samplers import SAMPLERS

    entries = {"SAMPLERS": SAMPLERS, "FAMILIES": FAMILIES, "EXTRACTORS": EXTRACTORS}[registry]
    for name in entries:
        stem = entries.target(name).split(":")[0].rpartition(".")[2]
        assert name.replace("-", "_").startswith(stem), f"{name} is in {stem}.py"


def test_a_method_s_file_bears_its_name():
    from morse.methods import METHODS

    for name, method in METHODS.items():
        assert method.predictor.split(":")[0] == f"morse.methods.{name.replace('-', '_')}"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("test_*.py")), ids=lambda path: path.stem)
def test_a_test_file_names_the_module_it_tests(path):
    name = path.stem.removeprefix("test_")
    modules = {module.replace(".", "_") for module in MODULES}
    special = ("every_", "workflow_", "layout", "packaging", "readme")
    assert name in modules or name.startswith(special), f"{path.name} names no module of morse/"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_unpacks_calls_once_and_writes(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 20
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert not functions, f"{path.name} defines {functions[0].name}: it belongs into morse/"


@pytest.mark.parametrize("name", ["common", "inputs"])
def test_common_rules_are_short_and_take_no_card(name):
    text = (ROOT / "workflow" / "rules" / f"{name}.smk").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    assert not re.search(r"^def \w+\([^)]*\bcard", text, flags=re.M)


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_have_sensible_sizes(module):
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.lineno + 1 - len(docstring.splitlines())
            assert lines <= 50, f"{node.name} has {lines} lines without its docstring"


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] != "methods"])
def test_names_of_methods_and_extractors_come_from_registries(module):
    from morse.methods import METHODS

    constants = [
        node.value
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    ]
    hashsalt = {"report.style": {"morse"}}.get(module, set())  # which only keeps SVG files the same
    assert not {*METHODS} & {text for text in constants if isinstance(text, str)} - hashsalt


def test_rules_name_no_method_metric_or_extractor():
    from morse.experiments.cards import names
    from morse.methods import METHODS
    from morse.quality.metrics import METRICS

    assert not [name for name in (*METHODS, *METRICS, *names("extractor")) if f'"{name}"' in RULES]


@pytest.mark.parametrize(
    "path", [path for path in LIBRARY if path.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_a_folder_s_init_has_a_docstring_and_at_most_a_registry(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or path.parent == ROOT / "morse"
    assert len(tree.body) <= 1 or any(word in path.read_text(encoding="utf-8") for word in ("Registry(", "METHODS")), (
        f"{path} has more than a registry"
    )


@pytest.mark.parametrize("module", MODULES)
def test_public_things_have_a_docstring(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert not MODULES[module].read_text(encoding="utf-8") or ast.get_docstring(tree), "the module has none"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has none"


RUN = [*LIBRARY, *sorted((ROOT / "workflow" / "scripts").glob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def without_encoding(path):
    """Lines that open text, or run a program that gives text, in the locale's encoding."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or {"encoding", None} & {keyword.arg for keyword in node.keywords}:
            continue
        called = getattr(node.func, "id", "") or f".{getattr(node.func, 'attr', '')}"
        constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
        binary = any(isinstance(value, str) and re.fullmatch("[rwax]b", value) for value in constants)
        text = any(keyword.arg in ("text", "universal_newlines") for keyword in node.keywords)
        if called in (".read_text", ".write_text") or (called == "open" and not binary) or text:
            yield node.lineno


@pytest.mark.parametrize("path", [*RUN, *TESTS], ids=lambda path: path.stem)
def test_text_is_read_and_written_in_a_stated_encoding(path):
    assert list(without_encoding(path)) == []


def test_what_states_no_encoding_is_found(tmp_path):
    lines = ["open(p)", "open(p, 'w')", "p.read_text()", "p.write_text(x)", "run(c, text=True)", "open(p, 'rb')"]
    lines += ["open(p, encoding='utf-8')", "p.read_text(encoding='utf-8')", "write_text(x, p)", "run(c, encoding=e)"]
    (tmp_path / "a.py").write_text("\n".join(lines), encoding="utf-8")
    assert list(without_encoding(tmp_path / "a.py")) == [1, 2, 3, 4, 5]


def test_what_snakemake_reads_itself_is_ascii():
    """It reads these in the locale's encoding, for its report."""
    patterns = (
        "Snakefile",
        "config/*.yaml",
        "profiles/*/*",
        "workflow/rules/*",
        "workflow/scripts/*",
        "workflow/report/*",
    )
    paths = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file() and path.suffix != ".pyc"]
    assert len(paths) > 30
    assert [path.name for path in paths if not path.read_bytes().isascii()] == []


def test_tables_are_read_and_written_in_one_place():
    places = [*RUN, *(ROOT / "notebooks").glob("*.ipynb"), *ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
    found = {path.name for path in places if re.search(r"read_csv|to_csv", path.read_text(encoding="utf-8"))}
    assert found == {"columns.py"}, "use read_table and write_table of morse.results.columns"
