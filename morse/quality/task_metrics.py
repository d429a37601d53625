"""What the configuration's metrics come to for one task: by which extractors, which prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from morse.experiments.cards import Card, Cards, only, resource
from morse.experiments.shapes import images_of_run
from morse.quality.extractors import TEXT_EXTRACTORS
from morse.quality.metrics import METRICS, metrics_by_extractor


def text_extractors(cards: Cards, task: str) -> list[str]:
    """The extractors that read the prompts of a task; none if it has no prompts."""
    card = cards["task"][task]
    reads = [name for name in card["extractors"] if cards["extractor"][name]["kind"] in TEXT_EXTRACTORS]
    return reads if "prompts" in card else []


def metrics_of_task(config: Mapping[str, Any], cards: Cards, task: str) -> dict[str, list[str]]:
    """Extractor -> the metrics that are computed by it; extractors without any are left out."""
    dimensions = {name: cards["extractor"][name]["dimension"] for name in cards["task"][task]["extractors"]}
    wanted, groups = config["quality"]["metrics"], config["quality"]["groups"]
    return metrics_by_extractor(
        wanted, dimensions, images_of_run(config, cards["task"][task]), groups, text_extractors(cards, task)
    )


def needs_prompts(names: Iterable[str]) -> bool:
    """Whether any of these metrics compares images with their prompts."""
    return any(METRICS[name].needs_prompts for name in names)


def require_prompts(config: Mapping[str, Any], cards: Cards, tasks: Iterable[str]) -> None:
    """Metrics that need prompts are left out of tasks without any. But some task must have them.

    Raises:
        ValueError: one line, if such a metric is wanted and no task has prompts, or one with
            prompts has no extractor that reads them.
    """
    with_prompts = [task for task in tasks if "prompts" in cards["task"][task]]
    for name in (name for name in config["quality"]["metrics"] if METRICS[name].needs_prompts):
        if not with_prompts:
            raise ValueError(f"configuration: quality: metrics: {name} needs a task with prompts; leave it out")
        for task in with_prompts:
            if not text_extractors(cards, task):
                known = [one for one, card in cards["extractor"].items() if card["kind"] in TEXT_EXTRACTORS]
                raise ValueError(
                    f"configuration: quality: metrics: {name} needs an extractor that reads text; "
                    f"add one to the extractors of task {task}, such as {known[0]}"
                )


def prompts_view(card: Card) -> dict[str, Any]:
    """The part of a task's card that says what its prompts are; empty if it has none."""
    return only(card, ("data", "prompts")) if "prompts" in card else {}


def prompts_file(card: Card) -> str:
    """The file that a task's prompts are read from: a user's own list, or the prepared data."""
    return str(resource(card["prompts"].get("file") or card["data"]["file"]))
