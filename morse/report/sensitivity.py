"""The figure of how much an error at each call of a run changes the final image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib import colormaps
from matplotlib.figure import Figure

from morse.experiments.axes import named
from morse.methods import METHODS
from morse.report.style import STYLE, plain_log_ticks

COLOURS = colormaps["viridis"]
PANELS = {
    "error of the estimate": lambda call: call["error"],
    "change of the image": lambda call: call["change"],
    "change over error": lambda call: call["change"] / call["error"] if call["error"] > 0 else float("nan"),
}
"""Label of a panel -> what it shows of a call."""


def sensitivity_figure(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Error, its effect on the image, and their ratio, at each call that Dash does not answer.

    All are root mean squares over pixels; the image is in [-1, 1]. A line is of one run. Its colour
    is the budget. Time runs from right to left, as in all figures over timesteps.

    Args:
        records: of :func:`morse.results.dot_records.read_sensitivity`, of one model, task and
            sampler.
    """
    budgets = sorted({record["budget"] for record in records})
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.0, 3.8), layout="constrained")
        for axes, (label, value) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
            axes.set_yscale("log")
            for record in sorted(records, key=lambda record: (record["method"], record["budget"])):
                look, place = METHODS[record["method"]], budgets.index(record["budget"]) / max(1, len(budgets) - 1)
                axes.plot(
                    [call["t"] for call in record["calls"]],
                    [value(call) for call in record["calls"]],
                    color=COLOURS(0.85 * place),
                    marker=look.marker,
                    linestyle=look.line,
                    markersize=4,
                    label=f"{look.caption}, {record['budget']} LSD" if axes is figure.axes[0] else None,
                )
            axes.set_xlabel("timestep of the call")
            axes.set_ylabel(label)
            plain_log_ticks(axes, "y")
        first = records[0]
        figure.suptitle(named(first[axis] for axis in ("model", "task", "sampler", "guidance")), fontsize=9)
        figure.legend(loc="outside lower center", ncols=3)
    return figure
