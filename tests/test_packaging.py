"""The package's metadata agree with each other, and imports inside morse/ point the way its layers say."""

import ast
import graphlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch"}

LAYERS = {
    "registry": 0, "files": 0, "seeds": 0, "provenance": 0, "validation": 0, "weights": 0,
    "execution": 1, "schedules": 1, "grids": 1, "budget": 1, "matrix": 1, "shards": 1,
    "samplers": 2, "dash": 2, "data": 2, "features": 2, "inception": 2, "efficientnet": 2, "statistics": 2, "feature_files": 2,
    "dot": 3, "predictors": 3, "metrics": 3, "feature_metrics": 3,
    "training": 4, "objectives": 4, "dot_training": 4, "sampling": 4, "latency": 4, "records": 4, "secondary_metrics": 4,
    "zoo": 5, "results": 5, "jackknife": 5, "speedup": 5, "costs": 5, "lossless": 5, "by_metric": 5, "preflight": 5, "planning": 5,
    "plots": 6, "claims": 6, "tables": 6,
}  # fmt: skip
"""Module or sub-package of morse -> layer. Imports point to the same layer or to lower ones."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def ranges(requirements):
    parsed = [Requirement(text) for text in requirements]
    return {canonicalize_name(r.name): r.specifier for r in parsed}


def project_ranges():
    return ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])


def test_conda_environment_has_the_projects_ranges():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    entries = environment["dependencies"]
    conda = ranges(entry for entry in entries if isinstance(entry, str))
    from_pip = ranges(entry for group in entries if isinstance(group, dict) for entry in group["pip"])
    assert environment["name"] == PROJECT["name"]
    assert conda.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert conda.pop("pip") == SpecifierSet()
    assert {CONDA_NAMES.get(name, name): specifier for name, specifier in conda.items()} | from_pip == project_ranges()


def test_lock_pins_a_release_in_each_range():
    pins = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        (pin,) = Requirement(line).specifier
        assert line == f"{Requirement(line).name}=={pin.version}", f"not a plain pin: {line}"  # no URL, no host, no marker
        pins[canonicalize_name(Requirement(line).name)] = pin.version
    for name, specifier in project_ranges().items():
        assert name in pins, f"requirements.lock lacks {name}"
        assert pins[name] in specifier, f"requirements.lock has {name} {pins[name]}, outside {specifier}"


def layer(module):
    assert module in LAYERS, f"morse.{module} has no layer: give it one in LAYERS of {Path(__file__).name}"
    return LAYERS[module]


def imported(path):
    """The modules or sub-packages of morse that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("morse."))


def test_imports_point_to_the_same_or_lower_layers():
    graph = {}
    for path in sorted((ROOT / "morse").rglob("*.py")):
        module = path.relative_to(ROOT / "morse").with_suffix("").parts[0]
        if module == "__init__":
            assert not set(imported(path)), "morse/__init__.py imports modules: each process would pay for them"
            continue
        targets = set(imported(path)) - {module}
        upward = [target for target in targets if layer(target) > layer(module)]
        assert not upward, f"{path.relative_to(ROOT)} (layer {layer(module)}) imports from above: {', '.join(upward)}"
        graph.setdefault(module, set()).update(targets)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


SAMPLERS = sorted(f"samplers.{path.stem}" for path in (ROOT / "morse" / "samplers").glob("[!_]*.py"))


@pytest.mark.parametrize(
    "module", ["matrix", "preflight", "results", "speedup", "costs", "lossless", "by_metric", "plots", "claims", "tables", *SAMPLERS]
)
def test_planning_tables_figures_and_what_a_configuration_is_checked_with_do_not_load_torch(module):
    code = f"import sys, morse.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
