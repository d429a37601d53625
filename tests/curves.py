"""Records of synthetic curves whose speedup is known."""

from dataclasses import replace

import numpy as np

from morse.methods import METHODS
from morse.results.records import latency_record
from morse.results.runs import runs_table
from morse.results.timing import timing_record
from morse.runtime.latency import CallLatencies

RATIO = 8.0
COSTS = {"D": 1.0, ".": 1.0 / RATIO}
LATENCIES = {"twin": {"model": "twin", "costs": COSTS}}
BUDGETS = (4, 8, 16, 32, 64)
SECONDS = {"D": 0.8, ".": 0.1}
"""Of a call on a batch, by letter."""


def record(method="baseline", budget=10, seed=0, dash=None, dot=0, quality=1.0, se=0.01, seconds=None, **changes):
    """One run's record; ``changes`` replace entries of its parts by name."""
    dash = budget if dash is None else dash
    networks = ("dash",) if method == "baseline" else ("dash", "dot")
    result = {
        "run": {
            "model": "twin",
            "task": "shapes",
            "sampler": "ddim",
            "guidance": "none",
            "method": method,
            "budget": budget,
            "seed": seed,
        },
        "scale": "mini",
        "images": 100,
        "plan": "D" * dash + "." * dot,
        "costs": {"D": 1.0} if method == "baseline" else dict(COSTS),
        "seconds": 0.5 * (dash + dot / RATIO) if seconds is None else seconds,
        "decoding_seconds": 0.01,
        "memory": 7_000_000,
        "provenance": {
            "commit": "c0ffee",
            "dirty": False,
            "device": "cpu",
            "code": "v1",
            "execution": dict.fromkeys(networks, "eager"),
        },
        "quality": {
            "name": "frechet",
            "label": "Fréchet distance",
            "extractor_name": "small",
            "extractor": "small",
            "reference": "aa",
            "value": quality,
            "standard_error": se,
        },
    }
    for part in (result, *(value for value in result.values() if isinstance(value, dict))):
        part.update({key: value for key, value in changes.items() if key in part})
    return result


def measured(metrics, name="small", label="Fréchet distance", extractor="small", reference="aa"):
    """What the extractor of this name measured of a run, an entry of a record's ``metrics``."""
    identity = {"extractor_name": name, "label": label, "extractor": extractor, "reference": reference}
    return {name: {**identity, "metrics": metrics}}


def power_law(cost):
    return 40.0 * np.asarray(cost) ** -0.9


def curve(method, speed, se=0.0):
    """One method's records: it reaches what the power law does at ``speed`` times its cost."""
    records = []
    for budget in BUDGETS:
        calls = (budget, 0) if method == "baseline" else (budget // 2, int(RATIO) * budget // 2)
        quality = power_law(speed * budget)
        records.append(record(method, budget, 0, *calls, quality, se * quality))
    return records


def curves(speed, se=0.0):
    """The baseline, which is the power law, and a Morse that is ``speed`` times faster."""
    pairs = zip(curve("baseline", 1.0, se), curve("morse", speed, se), strict=True)
    return [item for pair in pairs for item in pair]


def call_latencies(seconds=SECONDS, batch_size=100, dash="eager", dot="compiled"):
    """A measurement's record: costs are ratios of the seconds, intervals 2 % down and 10 % up."""
    costs = {letter: value / seconds["D"] for letter, value in seconds.items()}
    return CallLatencies(
        seconds=seconds,
        costs=costs,
        intervals={letter: (0.98 * cost, 1.1 * cost) for letter, cost in costs.items()},
        batch_size=batch_size,
        executions={"dash": dash, "dot": dot} if "." in seconds else {"dash": dash},
        warm_up_seconds=3.5,
        repetitions=15,
        device="a processor",
        threads=2,
        dtype="float32",
        tf32=False,
    ).record()


def latency(*measurements, model="twin"):
    """A model's latency record, of one measurement or several."""
    return latency_record(
        model,
        "mini",
        measurements or [call_latencies()],
        flops={"dash": 14_000_000, "dot": 2_000_000},
        parameters={"dash": 50, "dot": 55, "dot_own": 10},
        memory_format="channels_last",
        provenance={"device": "a processor", "code": "v1"},
    )


def timing(budget=10, ratios=None, drift=(1.0, 1.0, 1.0), decoding=0.0, plans=None, model="twin", **changes):
    """A cell's timing record: a call of Dash takes ``drift`` seconds in each round.

    A method takes ``ratios`` times as long as the baseline, with all its decoding.
    """
    ratios = {"baseline": 1.0, "morse": 1.1} if ratios is None else ratios
    plans = plans or {}
    methods = {
        name: {
            "plan": plans.get(name, "D" * budget),
            "seconds": [ratio * (budget + decoding) * factor for factor in drift],
            "decoding": [decoding * factor for factor in drift],
            "ratio": ratio if "baseline" in ratios else None,
            "ratio_low": 0.9 * ratio if "baseline" in ratios else None,
            "ratio_high": 1.1 * ratio if "baseline" in ratios else None,
        }
        for name, ratio in ratios.items()
    }
    cell = {"model": model, "task": "shapes", "sampler": "ddim", "guidance": "none", "budget": budget}
    execution = {"dash": "eager", "dot": "eager"} if len(ratios) > 1 else {"dash": "eager"}
    timed = {"images": 10, "execution": execution, "methods": methods}
    record = timing_record(cell, timed, {"device": "cpu", "code": "v1"}) | changes
    return record | {"path": f"timing/{budget}.json"}


def timings(records, drift=lambda budget: 1.0, **changes):
    """The timing records of the cells of some runs, which all take their nominal LSD times 1.1.

    Args:
        drift: budget -> seconds of a call of Dash while its cell was timed.
    """
    cells = {}
    for item in records:
        run = item["run"]
        cells.setdefault((run["model"], run["task"], run["sampler"], run["guidance"], run["budget"]), []).append(item)
    return [
        timing(
            cell[-1],
            {item["run"]["method"]: 1.0 if item["run"]["method"] == "baseline" else 1.1 for item in items},
            (drift(cell[-1]),) * 3,
            plans={item["run"]["method"]: item["plan"] for item in items},
            **dict(zip(("model", "task", "sampler", "guidance"), cell, strict=False)) | changes,
        )
        for cell, items in cells.items()
    ]


def add_method(monkeypatch, name="other", caption="Other", **changes):
    """Registers one more method, which is Morse but for its caption and ``changes``."""
    monkeypatch.setitem(METHODS, name, replace(METHODS["morse"], caption=caption, **changes))


def table(records):
    return runs_table(records, LATENCIES)


def at_scales(records, scales=("2", "7.5"), sampler="guided"):
    """The same records of another sampler, at each of some guidance scales."""
    return [
        {**item, "run": item["run"] | {"sampler": sampler, "guidance": scale}, "quality": dict(item["quality"])}
        for scale in scales
        for item in records
    ]
