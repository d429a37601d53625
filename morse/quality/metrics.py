"""The registry of metrics of a run's features: their functions, and their columns in the tables.

The Fréchet distance of a task's first extractor is the quality that speedups are read off. Beside
it are its distances by further extractors, and the metrics that the configuration names. A new
metric is an entry in :data:`METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from morse.quality.clip_score import clip_score
from morse.quality.estimates import Estimate, Jackknife
from morse.quality.features import Features, of_one_reference
from morse.quality.frechet import frechet_infinity, frechet_with_error, images_for_infinity
from morse.quality.kid import kid
from morse.quality.precision_recall import density_coverage, precision_recall
from morse.quality.prompt_features import PromptFeatures
from morse.quality.statistics import Statistics
from morse.registry import require_known

SPLITS_SEED = 0
"""Seed of the parts that FID-infinity splits images into.

It is the same for all runs, so that runs from the same noise stay paired.
"""

Values = Mapping[str, Estimate | float]
"""Column of the tables -> the value with its standard error, or alone if one run gives no error."""
Described = dict[str, dict[str, Any]]
"""Column of the tables -> what a record says of its value (:func:`measure`)."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        caption: the name of its distance; ``{extractor}`` becomes the caption of the extractor's
            card.
        columns: of the tables, without those of standard errors.
        errors: the columns that have a standard error.
        function: (generated features, reference features, reference statistics, groups of the
            jackknife) -> values. If it needs prompts, their features come in the place of the
            reference features.
        distance: whether it is a distance, in a single column, so that speedups can be read off it.
        least_images: (dimension of the features, groups) -> the fewest images that it needs.
        needs_prompts: whether it compares images with their prompts. Then only extractors that read
            text compute it, of tasks with prompts.
    """

    caption: str
    columns: tuple[str, ...]
    errors: tuple[str, ...]
    function: Callable[[Features, Any, Statistics, int], Values]
    distance: bool = False
    least_images: Callable[[int, int], int] = lambda dim, groups: groups
    needs_prompts: bool = False


def frechet_of(generated: Features, sums: Statistics, groups: int) -> Jackknife:
    """The Fréchet distance of a run's features to a reference, with the error of a jackknife.

    Args:
        sums: the statistics of the reference.
        groups: of the jackknife.

    Raises:
        ValueError: if the two have different extractors.
    """
    statistics = Statistics.empty(
        generated.extractor, generated.data, sums.image_shape, generated.values.shape[1], groups
    )
    statistics.add(generated.values, 0)
    return frechet_with_error(statistics, sums)


FRECHET = "frechet"
"""The metric that is always computed."""

METRICS: dict[str, Metric] = {
    FRECHET: Metric(
        caption="{extractor}",
        columns=(FRECHET,),
        errors=(FRECHET,),
        function=lambda x, y, sums, groups: {FRECHET: frechet_of(x, sums, groups)},
        distance=True,
        least_images=lambda dim, groups: 2 * groups,
    ),
    "kid": Metric(
        caption="KID",
        columns=("kid",),
        errors=("kid",),
        function=lambda x, y, sums, groups: {"kid": kid(x.values, y.values, groups)},
        distance=True,
    ),
    "frechet_infinity": Metric(
        caption="{extractor}, infinitely many images",
        columns=("frechet_infinity",),
        errors=("frechet_infinity",),
        function=lambda x, y, sums, groups: {
            "frechet_infinity": frechet_infinity(x.values, sums.mean, sums.covariance, SPLITS_SEED, groups)
        },
        distance=True,
        least_images=images_for_infinity,
    ),
    "precision_recall": Metric(
        caption="precision and recall",
        columns=("precision", "recall"),
        errors=("precision",),
        function=lambda x, y, sums, groups: precision_recall(x.values, y.values)._asdict(),
        least_images=lambda dim, groups: max(groups, 4),
    ),
    "density_coverage": Metric(
        caption="density and coverage",
        columns=("density", "coverage"),
        errors=("density",),
        function=lambda x, y, sums, groups: density_coverage(x.values, y.values)._asdict(),
        least_images=lambda dim, groups: max(groups, 6),
    ),
    "clip_score": Metric(
        caption="CLIP score",
        columns=("clip_score",),
        errors=("clip_score",),
        function=lambda x, prompts, sums, groups: {"clip_score": clip_score(x.values, prompts.values, groups)},
        needs_prompts=True,
    ),
}
"""Name in the configuration -> the metric."""

COLUMNS = tuple(
    name
    for metric in METRICS.values()
    if metric is not METRICS[FRECHET]
    for column in metric.columns
    for name in ((column, f"{column}_se") if column in metric.errors else (column,))
)
"""Columns of the tables for all metrics but the Fréchet distance, by a task's first extractor."""


def named_metrics(
    names: Iterable[str], first: bool, images: int, dim: int, groups: int, of_prompts: bool = False
) -> list[str]:
    """Names of the metrics that one extractor computes of a run, beside the record's quality.

    By the task's first extractor they are the metrics that the configuration names. A further
    extractor adds its Fréchet distance. Of the metrics in the configuration it has those that the
    number of images allows.

    Args:
        names: those in the configuration.
        first: whether the extractor is the task's first.
        images: of a run.
        dim: of the extractor's features.
        of_prompts: whether the task has prompts and the extractor reads them. Metrics that need
            prompts are left out otherwise.
    """
    names = [name for name in names if of_prompts or not METRICS[name].needs_prompts]
    return names if first else [FRECHET, *(name for name in names if METRICS[name].least_images(dim, groups) <= images)]


def metrics_by_extractor(
    names: Iterable[str], dimensions: Mapping[str, int], images: int, groups: int, of_prompts: Collection[str] = ()
) -> dict[str, list[str]]:
    """Extractor -> the metrics that are computed by it; extractors without any are left out.

    Args:
        names, images, groups: as for :func:`named_metrics`.
        dimensions: of the features of a task's extractors, in their order.
        of_prompts: those of the extractors that read the task's prompts; none if it has none.
    """
    names, first = list(names), next(iter(dimensions))
    found = {
        one: named_metrics(names, one == first, images, dim, groups, one in of_prompts)
        for one, dim in dimensions.items()
    }
    return {one: metrics for one, metrics in found.items() if metrics}


def require_metrics(names: Iterable[str]) -> None:
    """Raises ValueError, one line, for an unknown metric or the one that is always computed.

    The line has the nearest name.
    """
    require_known("metric in quality: metrics", names, [name for name in METRICS if name != FRECHET])


def measure(
    names: Iterable[str],
    generated: Features,
    reference: Features,
    sums: Statistics,
    groups: int,
    prompts: PromptFeatures | None = None,
) -> Described:
    """The named metrics: column -> ``value``, ``standard_error`` and ``without_groups``.

    The last two are None if one run does not give them.

    Args:
        names: of :data:`METRICS`.
        generated, reference: features of a run and of the data set.
        sums: the statistics of the same data set, or published ones.
        groups: of the jackknife.
        prompts: features of the prompts of the run's task, for metrics that need them.

    Raises:
        ValueError: if they differ in extractor, or the reference's two in data set; for a metric
            that needs prompts if there are none.
    """
    identities = {generated.extractor, reference.extractor, sums.extractor}
    if len(identities) > 1 or not of_one_reference(reference.data, sums.data):
        raise ValueError(
            f"features of {generated.data}, {reference.data} and statistics of {sums.data} do not go together; "
            "make them again"
        )
    values: dict[str, Estimate | float] = {}
    for name in names:
        metric = METRICS[name]
        if metric.needs_prompts:
            _require_prompts(name, generated, prompts)
        values |= metric.function(generated, prompts if metric.needs_prompts else reference, sums, groups)
    return {column: _described(value) for column, value in values.items()}


def _require_prompts(name: str, generated: Features, prompts: PromptFeatures | None) -> None:
    if prompts is None:
        raise ValueError(f"metric {name} of {generated.data} needs features of its prompts; name a task with prompts")
    if prompts.extractor != generated.extractor:
        raise ValueError(
            f"features of {generated.data} by {generated.extractor} and of prompts by {prompts.extractor} "
            "do not go together; make them again"
        )


def _described(value: Estimate | float) -> dict[str, Any]:
    if not isinstance(value, Estimate):
        return {"value": value, "standard_error": None, "without_groups": None}
    without = list(value.without_groups) if isinstance(value, Jackknife) else None
    return {"value": value.value, "standard_error": value.standard_error, "without_groups": without}
