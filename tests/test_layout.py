"""The house keeps its order: which module may import which, what stays free of torch, where things live (docs/layout.md)."""

import ast
import fnmatch
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "morse").rglob("*.py"))

ORDER = [
    "registry",
    "seeds",
    "provenance",
    "files",
    "checkpoints",
    "published",
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
    "preflight",
    "pipeline",
    "cli",
]
"""A module or sub-package imports only what stands before it."""

TORCH_FREE = (
    "registry", "provenance", "files", "published", "experiments.*", "schedules.noise", "schedules.grids", "samplers.*", "data.archive",
    "data.parts", "methods", "methods.plans", "sampling.shards", "quality.[!e]*", "quality.estimates", "quality.extractors", "results.*",
    "report.*", "preflight", "runtime.light_import",
)  # fmt: skip
"""Patterns of modules that a job of tables or figures, and the reading of a configuration, may load without paying for torch."""


def module_of(path):
    """morse/a/b.py -> a.b; morse/a/__init__.py -> a."""
    parts = path.relative_to(ROOT / "morse").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in LIBRARY}


def imported(path):
    """The modules of morse that a file imports, also inside functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
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


@pytest.mark.parametrize("module", [name for name in MODULES if any(fnmatch.fnmatch(name, pattern) for pattern in TORCH_FREE)])
def test_the_torch_free_wall(module):
    code = f"import sys, morse.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
