"""Cards: how they are completed and overridden, what is refused, and what jobs need of them."""

import copy
import json

import pytest
import yaml
from networks import tiny_card

from morse.experiments import cards as module
from morse.experiments.cards import (
    complete_model,
    dash_training_view,
    default_settings,
    dot_training_view,
    extractor_view,
    merged,
    method_view,
    names,
    network_view,
    read_card,
    read_cards,
    resource,
    sampler_view,
    schema,
    searches,
    summary,
    trained_elsewhere,
)
from morse.experiments.schema import validate
from morse.experiments.yaml import read_yaml

UNET = {"sample_size": 16, "channels": 1, "block_out_channels": [8, 16], "layers_per_block": 1, "attention_levels": [1]}
HASH = "0" * 64
FILES = {
    "families/pixels": {
        "schedule": {"name": "linear", "num_train_timesteps": 1000, "beta_start": 0.0001},
        "variants": {
            "small": {"parameters": 1, "unet": UNET},
            "large": {"parameters": 2, "unet": UNET | {"block_out_channels": [64, 128], "dropout": 0.1}},
        },
    },
    "families/waves": {"schedule": {"name": "vp-sde", "end": 0.001}},
    "recipes/mini": {
        "training": {"split": "train", "batch_size": 32, "flip": True, "train": {"steps": 100, "seed": 0}},
        "dot": {
            "channels": [4, 8],
            "rank": 2,
            "preconditioned": True,
            "memory": 0,
            "ratio": 5.0,
            "training": {"split": "train", "chain": {"chains": 2, "points": 3}, "train": {"steps": 50, "seed": 0}},
        },
    },
    "recipes/bare": {"training": {"split": "train", "batch_size": 32, "flip": True, "train": {"steps": 100}}},
    "models/twin": {
        "family": "pixels",
        "scale": "mini",
        "tasks": ["faces", "shapes"],
        "variant": "small",
        "dash": {"file": "dash.safetensors", "sha256": HASH},
    },
    "models/plain": {
        "family": "waves",
        "scale": "mini",
        "tasks": ["shapes"],
        "unet": UNET,
        "dash": {"file": "plain.safetensors", "sha256": HASH},
        "dot": {"file": "dot.safetensors", "sha256": HASH, "trained": {"seconds": 60.0, "hardware": "some cores"}},
    },
    "tasks/faces": {
        "data": {"file": "faces.npz", "sha256": HASH, "size": 16},
        "reference": {"split": "test"},
        "extractors": ["small"],
    },
    "tasks/shapes": {
        "data": {"file": "shapes.npz", "sha256": HASH, "size": 16},
        "reference": {"split": "test"},
        "extractors": ["small"],
    },
    "samplers/ddim": {"kind": "ddim", "options": {"eta": 0.5}, "time": "discrete"},
    "extractors/small": {"kind": "small", "caption": "a distance", "dimension": 3},
    "config": {"morse": {"policy": "paper", "paper": {"dot_share": 0.25}, "fixed": {"dots": 3}}},
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The folder of a configuration of its own, in the place of the repository's."""
    for path, content in FILES.items():
        file = tmp_path / "config" / f"{path}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    (tmp_path / "workflow").symlink_to(module.ROOT / "workflow")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path / "config"


def change(config, path, **changes):
    """Changes a file of the configuration; None takes an entry out."""
    content = {key: value for key, value in (FILES[path] | changes).items() if value is not None}
    (config / f"{path}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def test_a_card_has_what_its_family_and_recipe_say(config):
    card = read_card("model", "twin")
    assert card["unet"] == UNET
    assert card["schedule"] == FILES["families/pixels"]["schedule"]
    assert card["training"]["train"] == {"steps": 100, "seed": 0}
    assert (card["dot"]["ratio"], card["dot"]["training"]["train"]["steps"]) == (5.0, 50)
    assert list(card["tasks"]) == ["faces", "shapes"] and card["dash"]["file"] == "dash.safetensors"


def test_a_card_overrides_its_family_and_recipe_key_by_key(config):
    change(
        config,
        "models/twin",
        unet={"block_out_channels": [4, 4]},
        training={"train": {"steps": 7}},
        dot={"ratio": 9.0, "training": {"chain": {"points": 5}}},
    )
    card = read_card("model", "twin")
    assert card["unet"] == UNET | {"block_out_channels": [4, 4]}  # a list is replaced
    assert card["training"]["train"] == {"steps": 7, "seed": 0} and card["training"]["batch_size"] == 32
    assert (card["dot"]["ratio"], card["dot"]["rank"]) == (9.0, 2)
    assert card["dot"]["training"]["chain"] == {"chains": 2, "points": 5}


def test_overrides_change_all_three(config):
    change(config, "models/twin", training={"train": {"steps": 7, "warmup": 1}})
    changes = {"variant": "large", "unet": {"dropout": 0.3}, "training": {"train": {"steps": 2}}, "dot": {"rank": 3}}
    card = read_card("model", "twin", changes)
    assert card["unet"] == UNET | {"block_out_channels": [64, 128], "dropout": 0.3}
    assert card["training"]["train"] == {"steps": 2, "seed": 0, "warmup": 1}
    assert (card["dot"]["rank"], card["dot"]["channels"]) == (3, [4, 8])


def test_a_schedule_is_replaced_whole(config):
    """Settings of one schedule mean nothing to another."""
    change(config, "models/twin", schedule={"name": "vp-sde", "end": 0.01})
    assert read_card("model", "twin")["schedule"] == {"name": "vp-sde", "end": 0.01}
    assert read_card("model", "plain", {"schedule": {"name": "cosine"}})["schedule"] == {"name": "cosine"}


@pytest.mark.parametrize(("model", "task"), [("twin", "faces"), ("plain", "shapes")])
def test_trainings_use_the_first_task_s_data(config, model, task):
    card = read_card("model", model)
    assert card["training"]["data"] == card["dot"]["training"]["data"] == task


def test_trainings_may_name_other_data(config):
    card = read_card("model", "twin", {"training": {"data": "shapes"}})
    assert (card["training"]["data"], card["dot"]["training"]["data"]) == ("shapes", "faces")
    card = read_card("model", "twin", {"dot": {"training": {"data": "shapes"}}})
    assert (card["training"]["data"], card["dot"]["training"]["data"]) == ("faces", "shapes")


def test_a_dot_with_a_file_is_shipped_and_one_without_is_trained(config):
    assert (read_card("model", "plain")["dot"]["source"], read_card("model", "twin")["dot"]["source"]) == (
        "shipped",
        "train",
    )
    assert read_card("model", "plain", {"dot": {"source": "train"}})["dot"]["source"] == "train"
    file = {"file": "dot.safetensors", "sha256": HASH}
    assert read_card("model", "twin", {"dot": file})["dot"]["source"] == "shipped"


def test_completion_leaves_what_it_is_given(config):
    changes = {"training": {"train": {"steps": 2}}}
    before = copy.deepcopy(changes)
    card = read_card("model", "twin", changes)
    card["training"]["train"]["steps"] = card["unet"]["channels"] = 99
    assert changes == before
    assert read_card("model", "twin", changes)["training"]["train"]["steps"] == 2
    assert read_card("model", "twin")["unet"]["channels"] == 1
    given = copy.deepcopy(FILES["models/plain"])
    complete_model(given, "a card")
    assert given == FILES["models/plain"]


def test_all_cards_are_read_and_overrides_change_only_theirs(config):
    found = read_cards({"models": {"twin": {"dot": {"rank": 3}}}, "samplers": {"ddim": {"options": {"eta": 1.0}}}})
    assert {kind: list(of_kind) for kind, of_kind in found.items()} == {
        "model": ["plain", "twin"],
        "task": ["faces", "shapes"],
        "sampler": ["ddim"],
        "extractor": ["small"],
    }
    usual = read_cards()
    assert found["model"]["twin"]["dot"]["rank"] == 3 and found["sampler"]["ddim"]["options"] == {"eta": 1.0}
    assert found["model"]["plain"] == usual["model"]["plain"] and found["task"] == usual["task"]
    assert usual["model"]["twin"] == read_card("model", "twin") and read_cards({}) == usual


def one_line(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("model", "twim", "unknown model 'twim'; did you mean 'twin'?"),
        ("task", "face", "unknown task 'face'; did you mean 'faces'?"),
        ("sampler", "ddin", "unknown sampler 'ddin'; did you mean 'ddim'?"),
        ("extractor", "smal", "unknown extractor 'smal'; did you mean 'small'?"),
        ("sampler", "x", "unknown sampler 'x'; known: ddim"),
    ],
)
def test_an_unknown_card_is_one_line_with_the_nearest(config, kind, name, message):
    one_line(lambda: read_card(kind, name), message)
    one_line(lambda: read_cards({f"{kind}s": {name: {}}}), f"configuration: overrides: {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "pixel"}, "models/twin.yaml: unknown family 'pixel'; did you mean 'pixels'?"),
        ({"scale": "minni"}, "models/twin.yaml: unknown scale 'minni'; did you mean 'mini'?"),
        ({"variant": "smal"}, "models/twin.yaml: unknown variant of pixels 'smal'; did you mean 'small'?"),
        ({"familly": "pixels"}, "models/twin.yaml: top level: unknown key 'familly'; did you mean 'family'?"),
        ({"unet": {"dropot": 0.1}}, "models/twin.yaml: unet: unknown key 'dropot'; did you mean 'dropout'?"),
        ({"training": {"train": {"step": 1}}}, "twin.yaml: training.train: unknown key 'step'; did you mean 'steps'?"),
        ({"dot": {"ratio": 1.0}}, "models/twin.yaml: dot.ratio: 1.0 is less than or equal to the minimum of 1"),
        ({"dot": {"source": "sent"}}, "models/twin.yaml: dot.source: 'sent' is not one of ['shipped', 'train']"),
        ({"tasks": []}, "models/twin.yaml: tasks: "),
        (
            {"training": {"train": {"steps": "many"}}},
            "twin.yaml: training.train.steps: 'many' is not of type 'integer'",
        ),
    ],
)
def test_a_wrong_entry_is_one_line_in_the_file_and_as_an_override(config, changes, message):
    one_line(lambda: read_card("model", "twin", changes), message)
    one_line(lambda: read_cards({"models": {"twin": changes}}), message)
    change(config, "models/twin", **changes)
    one_line(lambda: read_card("model", "twin"), message)


def test_a_family_without_variants_has_none(config):
    message = "models/plain.yaml: unknown variant of waves 'small'; known: none"
    one_line(lambda: read_card("model", "plain", {"variant": "small"}), message)


@pytest.mark.parametrize("key", ["family", "scale", "tasks", "dash"])
def test_what_only_the_card_can_say_must_be_there(config, key):
    change(config, "models/twin", **{key: None})
    one_line(lambda: read_card("model", "twin"), f"twin.yaml: top level: {key!r} is a required property")


def test_what_neither_family_nor_recipe_nor_card_says_is_named(config):
    change(config, "models/twin", variant=None)
    one_line(lambda: read_card("model", "twin"), "twin.yaml: top level: 'unet' is a required property")
    change(config, "models/twin", scale="bare")
    one_line(lambda: read_card("model", "twin"), "twin.yaml: top level: 'dot' is a required property")


@pytest.mark.parametrize(
    ("path", "changes", "message"),
    [
        (
            "samplers/ddim",
            {"tim": "discrete"},
            "samplers/ddim.yaml: top level: unknown key 'tim'; did you mean 'time'?",
        ),
        ("samplers/ddim", {"kind": None}, "samplers/ddim.yaml: top level: 'kind' is a required property"),
        ("tasks/faces", {"extractors": []}, "tasks/faces.yaml: extractors: "),
        ("extractors/small", {"dimension": 0}, "small.yaml: dimension: 0 is less than the minimum of 1"),
    ],
)
def test_other_cards_are_held_against_their_schema(config, path, changes, message):
    change(config, path, **changes)
    kind, name = path.split("/")
    one_line(lambda: read_card(kind.removesuffix("s"), name), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: [", "twin.yaml: not YAML: "),
        ("- a list", "twin.yaml: is not a mapping"),
        ("", "twin.yaml: is not a mapping"),
    ],
)
def test_a_file_that_is_no_card_is_one_line(config, text, message):
    (config / "models" / "twin.yaml").write_text(text, encoding="utf-8")
    one_line(lambda: read_card("model", "twin"), message)


def test_names_are_those_of_the_files(config):
    assert names("model") == ["plain", "twin"]
    (config / "models" / "notes.md").write_text("no card", encoding="utf-8")
    change(config, "models/plain")
    assert names("model") == ["plain", "twin"]


def test_resources_are_the_repository_s_and_absolute_paths_stay(config, tmp_path):
    assert resource("resources/a.npz") == tmp_path / "resources" / "a.npz"
    assert resource(tmp_path / "b.npz") == tmp_path / "b.npz"


def test_mappings_are_merged_and_all_else_is_replaced():
    content, changes = {"a": {"b": 1, "c": [1, 2]}, "d": 3, "e": {"f": 1}}, {"a": {"c": [3]}, "d": {"g": 4}, "e": None}
    before = copy.deepcopy((content, changes))
    result = merged(content, changes)
    assert result == {"a": {"b": 1, "c": [3]}, "d": {"g": 4}, "e": None}
    result["a"]["c"].append(9)
    result["d"]["g"] = 9
    assert (content, changes) == before


def test_the_tests_own_card_has_the_form_of_a_complete_one():
    validate(tiny_card(), schema("model"), "tiny")


def card_with(part, **changes):
    """The tiny card with changes in one of its parts."""
    return merged(tiny_card(), {part: changes} if part else changes)


RECIPE_OF_DASH = card_with("training", train={"steps": 999})
RECIPE_OF_DOT = card_with("dot", training={"train": {"steps": 999}})
PLANS = card_with("dot", ratio=7.0)
FORM_OF_DOT = card_with("dot", rank=3)
FILE_OF_DOT = card_with(
    "dot", file="other", sha256=HASH, source="shipped", trained={"seconds": 1.0, "hardware": "some"}
)
NETWORK = card_with("unet", dropout=0.1)
SCHEDULE = card_with("schedule", beta_end=0.03)
WEIGHTS = card_with("dash", sha256="1" * 64)
TASKS = card_with(None, tasks=["shapes", "faces"])


@pytest.mark.parametrize(
    ("view", "same", "other"),
    [
        (
            lambda card: network_view(card, ["dash"]),
            [RECIPE_OF_DASH, RECIPE_OF_DOT, PLANS, FORM_OF_DOT, FILE_OF_DOT, TASKS],
            [NETWORK, SCHEDULE, WEIGHTS],
        ),
        (
            lambda card: network_view(card, ["dash", "dot"]),
            [RECIPE_OF_DASH, RECIPE_OF_DOT, TASKS],
            [NETWORK, SCHEDULE, WEIGHTS, PLANS, FORM_OF_DOT, FILE_OF_DOT],
        ),
        (
            dash_training_view,
            [RECIPE_OF_DOT, PLANS, FORM_OF_DOT, FILE_OF_DOT, WEIGHTS, TASKS],
            [RECIPE_OF_DASH, NETWORK, SCHEDULE],
        ),
        (
            dot_training_view,
            [RECIPE_OF_DASH, PLANS, FILE_OF_DOT, TASKS],
            [RECIPE_OF_DOT, FORM_OF_DOT, NETWORK, SCHEDULE, WEIGHTS],
        ),
    ],
    ids=["dash", "dash-dot", "training of dash", "training of dot"],
)
def test_a_view_changes_with_what_its_job_needs_and_with_nothing_else(view, same, other):
    usual = json.dumps(view(tiny_card()), sort_keys=True)
    assert [json.dumps(view(card), sort_keys=True) == usual for card in same] == [True] * len(same)
    assert [json.dumps(view(card), sort_keys=True) == usual for card in other] == [False] * len(other)


def test_views_of_samplers_and_extractors_leave_out_checks_and_recipes():
    assert sampler_view({"kind": "ddim", "options": {}, "time": "discrete"}) == {"kind": "ddim", "options": {}}
    card = {"kind": "small", "caption": "a", "dimension": 3, "weights": {"file": "w"}, "training": {"batch_size": 3}}
    assert extractor_view(card) == {"kind": "small", "caption": "a", "dimension": 3, "weights": {"file": "w"}}


MORSE = {"policy": "paper", "paper": {"dot_share": 0.25}, "fixed": {"dots": 3}, "auto": {"images": 4}}


def test_a_method_s_settings_are_those_of_the_policy_in_use():
    assert method_view({"morse": MORSE}, "morse") == {"policy": "paper", "paper": {"dot_share": 0.25}}
    fixed = {"morse": MORSE | {"policy": "fixed"}}
    assert method_view(fixed, "morse") == {"policy": "fixed", "fixed": {"dots": 3}}
    assert method_view({"morse": MORSE, "other": {"every": 2}}, "other") == {"every": 2}
    assert method_view({"morse": MORSE}, "baseline") == {}


def test_a_search_is_a_policy_whose_plans_are_files():
    auto = {"morse": MORSE | {"policy": "auto"}}
    assert searches(auto, "morse") and method_view(auto, "morse") == {"policy": "auto"}
    assert not searches({"morse": MORSE}, "morse") and not searches(auto, "baseline")


def test_default_settings_are_those_of_the_shipped_configuration():
    shipped = read_yaml(module.ROOT / "config" / "config.yaml")["morse"]
    assert default_settings("morse") == {"policy": "paper", "paper": shipped["paper"]}
    assert default_settings("baseline") == {}


def test_trainings_elsewhere_are_those_of_shipped_dots(config):
    found = read_cards()["model"]
    assert trained_elsewhere(found) == {"plain": {"seconds": 60.0, "hardware": "some cores"}}
    trained_here = read_cards({"models": {"plain": {"dot": {"source": "train"}}}})["model"]
    assert trained_elsewhere(trained_here) == {}


@pytest.mark.parametrize(
    ("changes", "schedule"),
    [
        ({"name": "vp-sde", "end": 1e-4}, {"name": "vp-sde", "end": 1e-4}),
        ({"beta_end": 0.03}, {"name": "linear", "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.03}),
    ],
)
def test_a_schedule_is_replaced_whole_where_it_is_named(changes, schedule):
    assert read_card("model", "cifar10-ddpm-mini", {"schedule": changes})["schedule"] == schedule


def test_an_override_that_is_no_mapping_is_one_line():
    with pytest.raises(ValueError, match="overrides: cifar10-vp-mini: 3 is not a mapping of keys to values"):
        read_card("model", "cifar10-vp-mini", 3)


@pytest.mark.parametrize("name", ["._ddim.yaml", ".#ddim.yaml", ".ddim.yaml.swp"])
def test_hidden_files_are_no_cards(name, config):
    (config / "samplers" / name).write_bytes(b"\x00\xff not YAML: [")
    assert names("sampler") == ["ddim"] and list(read_cards()["sampler"]) == ["ddim"]


def test_a_card_in_latin_1_names_its_file(config):
    (config / "samplers" / "other.yaml").write_bytes("# été\nkind: ddim\noptions: {}\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"samplers/other\.yaml: not text in UTF-8 \(byte 2\); save it so$"):
        read_cards()
    assert summary("sampler", "other").endswith("t\ufffd")
