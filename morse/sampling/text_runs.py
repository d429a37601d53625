"""Runs of a text model side by side: budgets, guidance scales and methods, from the same noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from morse.dash.base import Dash
from morse.dot.network import Dot
from morse.experiments.cards import default_settings, read_card, sampler_view
from morse.methods import BASELINE, METHODS, MORSE
from morse.sampling.prompts import encode_prompts
from morse.sampling.run import networks_of, plan_of, run_part
from morse.sampling.shards import Shard


def text_runs(
    dash: Dash,
    dot: Dot | None,
    sampler: str,
    prompts: Sequence[str],
    settings: Iterable[tuple[int, float]],
    seed: int = 0,
    batch_size: int = 100,
) -> dict[tuple[str, int, float], Shard]:
    """An image of each prompt by each setting, by the baseline and by Morse.

    Image i has the same noise in all runs. Prompts are encoded once. They count in no run's time.

    Args:
        dash: of :func:`morse.dash.loading.load_dash`, with its text encoders.
        dot: None: the baseline alone.
        sampler: the name of a card.
        settings: (budget in LSD, guidance scale). Equal ones run once.

    Returns:
        (method, budget, guidance scale) -> images and their cost, from small to large budgets and
        scales. A method is left out at budgets below its least one.

    Raises:
        ValueError: one line, for no prompts, a model that takes none, an unknown sampler, or a
            budget that is too small for all methods.
    """
    encoded = encode_prompts(dash, prompts)
    card = sampler_view(read_card("sampler", sampler))
    device, ratio = next(dash.network.parameters()).device, 1.0 if dot is None else dot.ratio
    made = {}
    for budget, guidance in sorted(set(settings)):
        for method in (BASELINE,) if dot is None else (BASELINE, MORSE):
            if method != BASELINE and budget < METHODS[method].least_budget:
                continue
            plan = plan_of(method, budget, ratio, default_settings(method))
            networks = networks_of(dash, dot if "dot" in METHODS[method].networks else None)
            what = method, plan, card, seed, 0, len(prompts), batch_size, device
            caption = f"{method}, {budget} LSD, guidance {guidance:g}"
            made[method, budget, guidance] = run_part(
                networks, *what, caption=caption, prompts=encoded, guidance=guidance
            )
    return made
