"""The work of a configuration as text: a line for each model, all of them, the cheapest curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from morse.experiments.axes import Run, runs_of
from morse.experiments.cards import Card, Cards, read_cards
from morse.experiments.configuration import read_configuration
from morse.forecast.throughput import UTILISATION, gpu_named, measured_throughput
from morse.forecast.work import Work, work_of
from morse.methods.plans import DASH, DOT

HOUR = 3600.0
GIB, GB = 2**30, 1e9
PARTS = ("sampling", "training", "features")


def forecast(
    files: Iterable[Path],
    gpu: str,
    flops: float | None = None,
    measure: bool = False,
    budgets: str | None = None,
    images: int | None = None,
) -> str:
    """What `morse cost` prints.

    Args:
        files: of the configuration, later ones win.
        gpu: a name of :data:`morse.forecast.throughput.GPUS`.
        flops: FLOPs a second instead.
        measure: time each model's Dash on this machine instead.
        budgets: whole numbers with commas between; None: all of the configuration.
        images: of each run; None: the configuration's.

    Raises:
        ValueError: one line, for a wrong configuration, GPU or budget.
    """
    config = read_configuration(files)
    cards, runs = read_cards(config["overrides"]), runs_of(config["experiments"])
    runs = _of_budgets(runs, budgets)
    works = work_of(config, cards, runs, images)
    throughput, source = _throughput(works, cards, config["batch_size"], gpu, flops, measure)
    curve, cheapest = _cheapest_curve(config, cards, runs, images, throughput)
    heading = f"{len(runs)} runs of {images or config['images']:,} images, at {source}"
    hours = cheapest.flops / throughput[cheapest.model] / HOUR
    end = f"The cheapest curve is {', '.join(curve)}: {cheapest.runs} runs, {hours:.3g} GPU hours."
    prepared = {task: data_bytes(cards["task"][task]["data"]) / GB for task in {run["task"]: None for run in runs}}
    data = ", ".join(f"{task} {size:.3g}" for task, size in prepared.items() if size)
    end += f"\nPrepared data take {sum(prepared.values()):.3g} GB more ({data})." if data else ""
    return f"{heading}\n\n{forecast_table(works, throughput)}\n\n{end}"


def data_bytes(data: Card) -> float:
    """Bytes of a task's prepared data; 0 for data that ship. Originals come on top."""
    images = data.get("images", {})
    return images.get("all", sum(images.values())) * data.get("channels", 3) * data["size"] ** 2


def _of_budgets(runs: Sequence[Run], budgets: str | None) -> list[Run]:
    if budgets is None:
        return list(runs)
    known = sorted({run["budget"] for run in runs})
    wanted = budgets.replace(" ", "").split(",")
    if odd := [one for one in wanted if not one.isdecimal() or int(one) not in known]:
        raise ValueError(
            f"--budgets: {odd[0]!r} is no budget of the configuration; it has {', '.join(map(str, known))}"
        )
    return [run for run in runs if str(run["budget"]) in wanted]


def _throughput(
    works: Sequence[Work], cards: Cards, batch_size: int, gpu: str, flops: float | None, measure: bool
) -> tuple[dict[str, float], str]:
    """Model -> FLOPs a second, and where they are from, in words."""
    models = [work.model for work in works]
    if measure:
        from morse.provenance import usable_cores
        from morse.runtime.device import device_name, device_of

        device = device_of("auto", usable_cores())
        sizes = {name: cards["model"][name].get("batch_size", batch_size) for name in models}
        found = {name: measured_throughput(cards["model"][name], sizes[name], device) for name in models}
        return found, f"{', '.join(f'{rate / 1e12:.3g}' for rate in found.values())} TFLOPs/s on {device_name(device)}"
    if flops is not None:
        if not flops > 0:
            raise ValueError(f"--flops: {flops:g} is not above zero; give FLOPs a second, such as 4e13")
        return dict.fromkeys(models, flops), f"{flops / 1e12:.3g} TFLOPs/s"
    peak = gpu_named(gpu).peak
    words = f"{gpu}, {peak / 1e12:g} TFLOPs/s peak of which {UTILISATION:.0%} is assumed (measure with --measure)"
    return dict.fromkeys(models, peak * UTILISATION), words


def _cheapest_curve(
    config: Mapping, cards: Cards, runs: Sequence[Run], images: int | None, throughput: Mapping[str, float]
) -> tuple[tuple[str, ...], Work]:
    """The (model, task, sampler) whose runs take the least time, Dot's training included."""
    curves: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        curves.setdefault((run["model"], run["task"], run["sampler"]), []).append(run)
    works = {curve: work_of(config, cards, own, images)[0] for curve, own in curves.items()}
    curve = min(works, key=lambda curve: works[curve].flops / throughput[curve[0]])
    return curve, works[curve]


def forecast_table(works: Sequence[Work], throughput: Mapping[str, float]) -> str:
    """A table as text, a line for each model and one for all.

    Args:
        throughput: model -> FLOPs a second.
    """
    rows = [_row(work.model, [work], throughput) for work in works]
    return pd.DataFrame([*rows, _row("all", works, throughput)]).to_string(index=False)


def _row(name: str, works: Sequence[Work], throughput: Mapping[str, float]) -> dict[str, object]:
    hours = {part: sum(getattr(work, part) / throughput[work.model] / HOUR for work in works) for part in PARTS}
    return {
        "model": name,
        "runs": sum(work.runs for work in works),
        "Dash calls, M": f"{sum(work.calls.get(DASH, 0) for work in works) / 1e6:.4g}",
        "Dot calls, M": f"{sum(work.calls.get(DOT, 0) for work in works) / 1e6:.4g}",
        **{f"{part}, h": f"{value:.3g}" for part, value in hours.items()},
        "GPU hours": f"{sum(hours.values()):.4g}",
        "disk, GB": f"{disk(works) / GB:.3g}",
        "memory, GiB": f"{max(work.memory for work in works) / GIB:.3g}",
    }


def disk(works: Sequence[Work]) -> float:
    """Bytes on disk at peak: what stays, and the images of two runs, which go when measured."""
    passing = sorted((work.passing for work in works for _ in range(work.runs)), reverse=True)
    return sum(work.kept for work in works) + sum(passing[:2])
