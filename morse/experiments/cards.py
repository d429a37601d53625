"""Cards: YAML files under config/ that describe what there is to experiment with.

Each job depends on a part of a card, which the functions ``..._view`` return.
A model's card is short. Its content comes, key by key, from three places:

1. ``config/families/FAMILY.yaml``: the family's noise schedule, and the network that the card names
   as its ``variant``;
2. ``config/recipes/SCALE.yaml``: how Dash and Dot are trained, and Dot's form;
3. the card itself, which overrides both.

Trainings use the data of the card's first task, unless they name another one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from morse.experiments.schema import partial, validate
from morse.experiments.yaml import read_yaml
from morse.published import published_place
from morse.registry import unknown

ROOT = Path(__file__).parents[2]
"""The folder of the clone, so that its files are found from any working directory."""
KINDS = ("model", "task", "sampler", "extractor")
"""Kinds of card; the files of a kind are in ``config/KINDs``."""

REQUIRED_OF_A_FILE = ("family", "scale", "tasks", "dash")
"""Keys that a model's own file must have. Its family and recipe may give the others."""

SEARCH = "auto"
"""The policy that searches for a plan."""

OWN = "none"
"""The data of Dot's training where there is none: images that Dash itself makes."""

MEANS = ("processes", "accumulate", "gradient_checkpointing")
"""Keys of a recipe that say by which means it is followed. They change results by rounding only."""

Card = Mapping[str, Any]
Cards = Mapping[str, Mapping[str, Card]]
"""Kind -> name -> card."""


def resource(path: str | Path) -> Path:
    """The path of a file that a card names: absolute, of what others publish
    (:func:`morse.published.published_place`), or of the repository."""
    return published_place(path) or ROOT / path


def merged(content: Card, changes: Card) -> dict[str, Any]:
    """A copy of ``content`` with nested changes: mappings are merged, all else is replaced."""
    result = copy.deepcopy(dict(content))
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


@cache
def schema(name: str) -> Card:
    """The JSON schema of a kind of card, or of "config" or "claims"."""
    return read_yaml(ROOT / "workflow" / "schemas" / f"{name}.schema.yaml")


def names(kind: str) -> list[str]:
    """The names of all cards of a kind."""
    return _stems(f"{kind}s")


def _stems(folder: str) -> list[str]:
    """The names of the YAML files in a folder of config/, without hidden ones, such as editors'."""
    paths = (ROOT / "config" / folder).glob("*.yaml")
    return sorted(path.stem for path in paths if not path.name.startswith("."))


def _path(kind: str, name: str) -> Path:
    return ROOT / "config" / f"{kind}s" / f"{name}.yaml"


def summary(kind: str, name: str) -> str:
    """A card's first comment: what it is, in a line."""
    lines = _path(kind, name).read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.removeprefix("#").strip() for line in lines if line.startswith("#")), "")


def read_cards(overrides: Mapping[str, Mapping[str, Card]] | None = None) -> dict[str, dict[str, Card]]:
    """All cards, complete and valid.

    Args:
        overrides: kind in the plural ("models") -> name -> changes, as the configuration has them.

    Raises:
        ValueError: one line that names the file or override, the key, and the nearest known one.
    """
    overrides, cards = overrides or {}, {}
    for kind in KINDS:
        changes, known = overrides.get(f"{kind}s", {}), names(kind)
        for name in changes:
            if name not in known:
                raise ValueError(f"configuration: overrides: {unknown(kind, name, known)}")
        cards[kind] = {name: read_card(kind, name, changes.get(name)) for name in known}
    return cards


def read_card(kind: str, name: str, changes: Card | None = None) -> dict[str, Any]:
    """One card, complete and valid, with ``changes`` that override it: of a name in config/, or the
    path of a .yaml file.

    Raises:
        ValueError: one line, for an unknown name, key, family, variant or recipe, or a wrong value.
    """
    own = name.endswith(".yaml") and Path(name).is_file()
    if not own and name not in names(kind):
        raise ValueError(unknown(kind, name, names(kind)))
    path = Path(name) if own else _path(kind, name)
    if not isinstance(changes or {}, Mapping):
        raise ValueError(f"configuration: overrides: {name}: {changes!r} is not a mapping of keys to values")
    card = _with_schedule(_mapping(path), changes or {})
    if kind == "model":
        validate(card, partial(schema("model")) | {"required": list(REQUIRED_OF_A_FILE)}, str(path))
        card = complete_model(card, str(path))
    validate(card, schema(kind), str(path))
    return card


def complete_model(card: Card, source: str) -> dict[str, Any]:
    """A model's card, completed by its family and recipe, and by defaults of data and source.

    Args:
        source: what error messages call the card.

    Raises:
        ValueError: one line, for an unknown family, variant or scale.
    """
    family = _mapping(_named(source, "family", card["family"], "families"))
    recipe = _mapping(_named(source, "scale", card["scale"], "recipes"))
    variants, base = family.get("variants", {}), dict(recipe)
    if "variant" in card:
        if card["variant"] not in variants:
            raise ValueError(f"{source}: {unknown('variant of ' + card['family'], card['variant'], variants)}")
        variant = variants[card["variant"]]
        base = merged(base | {"unet": variant["unet"]}, only(variant, ("autoencoder", "text", "dot", "precision")))
    result = _with_schedule(base | {"schedule": family["schedule"]}, card)
    if "dot" in result:
        result["dot"].setdefault("source", "shipped" if "file" in result["dot"] else "train")
    for part in (result, result.get("dot", {})):
        if "training" in part:
            part["training"].setdefault("data", result["tasks"][0])
    if (recipe := result.get("dot", {}).get("training", {})).get("data") != OWN:
        recipe.pop("own", None)
    return result


def _with_schedule(content: Card, changes: Card) -> dict[str, Any]:
    """As :func:`merged`, but a schedule that is named is replaced whole: settings of one schedule
    mean nothing to another."""
    result, schedule = merged(content, changes), changes.get("schedule")
    return result | {"schedule": dict(schedule)} if isinstance(schedule, Mapping) and "name" in schedule else result


def _named(source: str, key: str, name: str, folder: str) -> Path:
    if name not in (known := _stems(folder)):
        raise ValueError(f"{source}: {unknown(key, name, known)}")
    return ROOT / "config" / folder / f"{name}.yaml"


def _mapping(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: is not a mapping of keys to values")
    return dict(content)


def only(card: Card, keys: Iterable[str]) -> dict[str, Any]:
    """The card's entries of these keys, where it has them."""
    return {key: card[key] for key in keys if key in card}


def without(card: Card, keys: Iterable[str]) -> dict[str, Any]:
    """The card's entries of all other keys."""
    return {key: value for key, value in card.items() if key not in keys}


def network_view(card: Card, networks: Iterable[str]) -> dict[str, Any]:
    """The part of a model's card that runs of these networks depend on.

    So a change of the recipe runs nothing again. Runs of Dash alone do not depend on Dot either.
    """
    view = only(card, ("family", "scale", "unet", "autoencoder", "text", "schedule", "precision", "dash"))
    view["dash"] = without(view["dash"], ("source", "layout"))
    return view | ({"dot": without(card["dot"], ("training", "trained"))} if "dot" in networks else {})


def dash_training_view(card: Card) -> dict[str, Any]:
    """The part of a model's card that Dash's training depends on."""
    return only(card, ("family", "unet", "autoencoder", "schedule", "training"))


def dot_training_view(card: Card) -> dict[str, Any]:
    """The part of a model's card that Dot's training depends on.

    That is Dot's form and recipe, not what plans and loading need.
    """
    apart = ("source", "file", "sha256", "ratio", "trained", "training")
    recipe = {"training": without(card["dot"]["training"], MEANS)}
    return network_view(card, ["dash"]) | {"dot": without(card["dot"], apart) | recipe}


def sampler_view(card: Card) -> dict[str, Any]:
    """The part of a sampler's card that makes the sampler, without what only checks need."""
    return only(card, ("kind", "options"))


def extractor_view(card: Card) -> dict[str, Any]:
    """The part of an extractor's card that loads it, without how it was trained and what only
    checks need."""
    return without(card, ("training", "shape", "gflops"))


def method_view(config: Mapping[str, Any], method: str) -> dict[str, Any]:
    """The settings of a method that its runs depend on.

    Of several policies it has only the one that is in use.
    """
    settings = config.get(method, {})
    if searches(config, method):
        return {"policy": SEARCH}
    return only(settings, ("policy", settings["policy"])) if "policy" in settings else dict(settings)


def searches(config: Mapping[str, Any], method: str) -> bool:
    """Whether a method's plans are found by a search (:mod:`morse.sampling.plan_search`)."""
    return config.get(method, {}).get("policy") == SEARCH


@cache
def default_settings(method: str) -> Card:
    """The settings of a method in config/config.yaml (:func:`method_view`)."""
    return method_view(_mapping(ROOT / "config" / "config.yaml"), method)


def trained_elsewhere(cards: Mapping[str, Card]) -> dict[str, Card]:
    """Model -> what the training of its shipped Dot took, if its card says so."""
    shipped = {name: card["dot"] for name, card in cards.items() if card["dot"]["source"] == "shipped"}
    return {name: dot["trained"] for name, dot in shipped.items() if "trained" in dot}
