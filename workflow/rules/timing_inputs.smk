# What the jobs that time runs take: all methods of a cell, which are the runs that differ in method and seed alone.
from morse.experiments.axes import CELL, methods_by_cell

CELL_PATH = path_pattern(CELL)
METHODS_BY_CELL = methods_by_cell(RUNS)
# The wall-clock of the other cells is that of their runs.
TIMED_CELLS = list(METHODS_BY_CELL) if config["timing"]["rounds"] else []


def timed_methods(wildcards):
    return METHODS_BY_CELL[CELL_PATH.format(**wildcards)]


def timed_settings(wildcards):
    return {name: cards.method_view(config, name) for name in timed_methods(wildcards)}


def searching_methods(wildcards):
    return [name for name in timed_methods(wildcards) if cards.searches(config, name)]


def timed_plans(wildcards):
    """The files of plans that are searched for, in the order of their methods."""
    return [
        f"{PLANS}/budget={{budget}}.json".format(method=name, **wildcards)
        for name in searching_methods(wildcards)
    ]
