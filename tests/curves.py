"""Records of synthetic curves whose speedup is known."""

import numpy as np

from morse.results.runs import runs_table

RATIO = 8.0
LATENCIES = {"twin": {"model": "twin", "ratio": RATIO}}


def record(method="baseline", budget=10, seed=0, dash=None, dot=0, quality=1.0, se=0.01, seconds=None, **changes):
    """One node's record; ``changes`` replace entries of its parts by name."""
    node = {"model": "twin", "task": "shapes", "sampler": "ddim", "method": method, "budget": budget, "seed": seed}
    dash = budget if dash is None else dash
    made = {
        "node": node,
        "scale": "mini",
        "images": 100,
        "calls": {"dash": dash, "dot": dot},
        "ratio": None if method == "baseline" else RATIO,
        "seconds": 0.5 * (dash + dot / RATIO) if seconds is None else seconds,
        "memory": 7_000_000,
        "quality": {"name": "frechet", "label": "Fréchet distance", "extractor": "small", "value": quality, "standard_error": se,
                    "reference": "aa"},
        "provenance": {"commit": "c0ffee", "dirty": False, "device": "cpu", "code": "v1",
                       "execution": {"dash": "eager"} if method == "baseline" else {"dash": "eager", "dot": "eager"}},
    }  # fmt: skip
    for part in (made, *(value for value in made.values() if isinstance(value, dict))):
        part.update({key: value for key, value in changes.items() if key in part})
    return made


def power_law(cost):
    return 40.0 * np.asarray(cost) ** -0.9


def curves(speed, se=0.0):
    """Baseline on the power law; Morse reaches at each cost what the baseline does at ``speed`` times that cost."""
    records = []
    for budget in (4, 8, 16, 32, 64):
        records.append(record("baseline", budget, quality=power_law(budget), se=se * power_law(budget)))
        quality = power_law(speed * budget)
        records.append(record("morse", budget, 0, budget // 2, int(RATIO) * budget // 2, quality, se * quality))
    return records


def table(records):
    return runs_table(records, LATENCIES)
