"""Published layouts -> networks. Original files are built here from names that the originals have.

The originals' own code was run beside this: networks at true size agree to 4e-7 (docs/scale.md).
"""

import re

import pytest
import torch
from networks import tiny_card, tiny_dash

from morse.dash.converters import CONVERTERS, LAYOUT_OF, convert, convert_file
from morse.dash.converters.score_sde import _places
from morse.dash.iddpm import HEADS
from morse.dash.loading import build_dash
from morse.experiments.cards import ROOT
from morse.experiments.yaml import read_yaml
from morse.files import DamagedFile, sha256
from morse.registry import UnknownName

UNETS = {
    "ddpm": {"block_out_channels": [8, 16, 16], "layers_per_block": 2, "attention_levels": [1]},
    "ddpmpp-vp": {"block_out_channels": [8, 16, 16], "layers_per_block": 2, "attention_levels": [1]},
    "iddpm": {"block_out_channels": [8, 16, 16], "attention_levels": [1, 2], "learned_variance": True},
    "adm": {"block_out_channels": [8, 16], "attention_levels": [1], "learned_variance": True, "classes": 3},
}
every_family = pytest.mark.parametrize("family", list(UNETS))
PUBLISHED = [
    (family, variant)
    for family in UNETS
    for variant in read_yaml(ROOT / "config" / "families" / f"{family}.yaml")["variants"]
]


def card_of(family, **unet):
    return tiny_card(UNETS[family] | unet, family=family)


def state_of(family, seed=0):
    return tiny_dash(seed, family, **UNETS[family]).network.state_dict()


def as_ddim(state, levels):
    """The names of ermongroup/ddim, models/diffusion.py."""
    rules = [
        (r"^time_embedding\.linear_1", "temb.dense.0"),
        (r"^time_embedding\.linear_2", "temb.dense.1"),
        (r"^conv_norm_out", "norm_out"),
        (r"^mid_block\.resnets\.0", "mid.block_1"),
        (r"^mid_block\.resnets\.1", "mid.block_2"),
        (r"^mid_block\.attentions\.0", "mid.attn_1"),
        (r"^down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
        (r"^up_blocks\.(\d+)\.upsamplers\.0", r"up.\1.upsample"),
        (r"^(down|up)_blocks\.(\d+)\.resnets", r"\1.\2.block"),
        (r"^(down|up)_blocks\.(\d+)\.attentions", r"\1.\2.attn"),
        (r"time_emb_proj", "temb_proj"),
        (r"conv_shortcut", "nin_shortcut"),
        (r"group_norm", "norm"),
        (r"to_out\.0", "proj_out"),
        (r"to_([qkv])", r"\1"),
    ]
    made = {}
    for name, value in state.items():
        convolution = re.search(r"to_.*weight", name)
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        name = re.sub(r"^up\.(\d+)", lambda found: f"up.{levels - 1 - int(found[1])}", name)
        made[name] = value[:, :, None, None] if convolution else value
    return made


ORDER = {
    "resnets": (
        "norm1 conv1 time_emb_proj norm2 conv2 conv_shortcut", "GroupNorm_0 Conv_0 Dense_0 GroupNorm_1 Conv_1 Conv_2",
    ),
    "attentions": ("group_norm to_q to_k to_v to_out.0", "GroupNorm_0 NIN_0 NIN_1 NIN_2 NIN_3"),
}  # fmt: skip
ORDER |= dict.fromkeys(("downsamplers", "upsamplers"), ORDER["resnets"])


def modules_of(state, unet):
    """diffusers' prefixes in the order of score_sde's modules, as its networks are built."""
    levels, blocks = len(unet["block_out_channels"]), unet["layers_per_block"]
    names = ["time_embedding.linear_1", "time_embedding.linear_2", "conv_in"]
    for level in range(levels):
        for block in range(blocks):
            names += [f"down_blocks.{level}.{part}.{block}" for part in ("resnets", "attentions")]
        names.append(f"down_blocks.{level}.downsamplers.0")
    names += ["mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"]
    for level in range(levels):
        names += [f"up_blocks.{level}.resnets.{block}" for block in range(blocks + 1)]
        names += [f"up_blocks.{level}.attentions.{blocks}", f"up_blocks.{level}.upsamplers.0"]
    names += ["conv_norm_out", "conv_out"]
    return [name for name in names if any(key.startswith(f"{name}.") for key in state)]


def as_score_sde(state, unet):
    """A checkpoint of yang-song/score_sde_pytorch: its EMA weights have no names."""
    model, averages = {"module.sigmas": torch.ones(5)}, []
    for index, module in enumerate(modules_of(state, unet)):
        part = next((part for part in ORDER if f".{part}." in module), None)
        ours, theirs = (words.split() for words in ORDER[part]) if part else ([""], [""])
        for own, their in zip(ours, theirs, strict=True):
            for kind in ("weight", "bias"):
                name = ".".join(word for word in (module, own, kind) if word)
                if name not in state:
                    continue
                kind = {"weight": "W", "bias": "b"}[kind] if their.startswith("NIN") else kind
                value = state[name].T if kind == "W" else state[name]
                model[".".join(word for word in ("module.all_modules", str(index), their, kind) if word)] = 0 * value
                averages.append(value.clone())
    return {"optimizer": {}, "model": model, "ema": {"decay": 0.9999, "shadow_params": averages}, "step": 7}


def as_openai(state, unet, heads):
    """The names of openai/improved-diffusion, unet.py; queries, keys and values in one tensor.

    ``heads`` is their number, or a function of the channels.
    """
    levels, blocks = len(unet["block_out_channels"]), unet["layers_per_block"]
    attention, places = set(unet["attention_levels"]), {}
    fixed = "time_embedding.linear_1 time_embed.0 time_embedding.linear_2 time_embed.2 conv_in input_blocks.0.0 "
    fixed += (
        "conv_norm_out out.0 conv_out out.2 mid_block.resnets.0 middle_block.0 mid_block.attentions.0 middle_block.1 "
    )
    fixed += "mid_block.resnets.1 middle_block.2 class_embedding label_emb"
    places |= dict(zip(fixed.split()[::2], fixed.split()[1::2], strict=True))
    chains = [
        [f"down_blocks.{i}.resnets.{j}", f"down_blocks.{i}.attentions.{j}"]
        for i in range(levels)
        for j in range(blocks)
    ]
    for level in reversed(range(levels - 1)):
        chains.insert((level + 1) * blocks, [f"down_blocks.{level}.downsamplers.0"])
    for index, chain in enumerate(chains, start=1):
        kept = [name for name in chain if "attentions" not in name or int(name.split(".")[1]) in attention]
        places |= {name: f"input_blocks.{index}.{place}" for place, name in enumerate(kept)}
    for index in range(levels * (blocks + 1)):
        level, block = divmod(index, blocks + 1)
        chain = [f"up_blocks.{level}.resnets.{block}"]
        chain += [f"up_blocks.{level}.attentions.{block}"] if levels - 1 - level in attention else []
        chain += [f"up_blocks.{level}.upsamplers.0"] if block == blocks and level < levels - 1 else []
        places |= {name: f"output_blocks.{index}.{place}" for place, name in enumerate(chain)}
    inner = "norm1 in_layers.0 conv1 in_layers.2 time_emb_proj emb_layers.1 norm2 out_layers.0 conv2 out_layers.3 "
    inner += "conv_shortcut skip_connection group_norm norm to_out.0 proj_out"
    layers, made = dict(zip(inner.split()[::2], inner.split()[1::2], strict=True)), {}
    for name, value in state.items():
        place = max((place for place in places if name.startswith(f"{place}.")), key=len)
        layer, _, kind = name.removeprefix(f"{place}.").rpartition(".")
        if layer in ("to_k", "to_v"):
            continue
        if layer == "to_q":
            three = [state[name.replace("to_q", part)] for part in ("to_q", "to_k", "to_v")]
            count = heads(len(three[0])) if callable(heads) else heads
            parts = [part.chunk(count) for part in three]
            value = torch.cat([parts[i][head] for head in range(count) for i in range(3)])
            layer, value = "qkv", value[:, :, None] if kind == "weight" else value
        if layer == "to_out.0" and kind == "weight":
            value = value[:, :, None]
        if layer == "conv":
            layer = "op" if "downsamplers" in name else "conv"
        made[".".join(word for word in (places[place], layers.get(layer, layer), kind) if word)] = value
    return made


def in_layout(family, state, unet):
    """What the authors' file of a network with this state holds."""
    if family == "ddpm":
        return as_ddim(state, len(unet["block_out_channels"]))
    if family == "ddpmpp-vp":
        return as_score_sde(state, unet)
    return as_openai(state, unet, HEADS if family == "iddpm" else 1)


def original(family):
    return in_layout(family, state_of(family), card_of(family)["unet"])


@pytest.fixture
def source(tmp_path):
    def write(content, name="original.pt"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return write


def same(found, state):
    assert set(found) == set(state)
    assert all(torch.equal(found[name], value) for name, value in state.items())


def test_every_family_has_a_layout():
    assert set(LAYOUT_OF) == {*UNETS, "ldm", "stable-diffusion"}  # the last two have tests of their own
    assert set(LAYOUT_OF.values()) | {"diffusers"} == set(CONVERTERS)


@every_family
def test_an_original_file_becomes_the_network(family, source):
    same(convert(card_of(family), source(original(family))), state_of(family))


@every_family
def test_other_sizes_convert_too(family, source):
    """A layout knows names, not sizes."""
    wider = card_of(family, block_out_channels=[16] * len(UNETS[family]["block_out_channels"]))
    network = tiny_dash(0, family, **wider["unet"]).network.state_dict()
    same(convert(wider, source(in_layout(family, network, wider["unet"]))), network)


def test_ema_weights_are_taken_from_a_list(source):
    raw = {f"module.{name}": 0 * value for name, value in original("ddpm").items()}
    same(convert(card_of("ddpm"), source([raw, {}, 3, 7, original("ddpm")])), state_of("ddpm"))
    with pytest.raises(DamagedFile, match="it has raw weights alone, with which images are far worse; take one with"):
        convert(card_of("ddpm"), source([raw, {}, 3, 7]))


def test_ema_weights_are_taken_from_a_checkpoint(source):
    content = original("ddpmpp-vp")
    with pytest.raises(DamagedFile, match="it has raw weights alone, with which images are far worse; take a checkp"):
        convert(card_of("ddpmpp-vp"), source({key: value for key, value in content.items() if key != "ema"}))
    content["ema"]["shadow_params"].pop()
    with pytest.raises(DamagedFile, match=r"it has \d+ EMA weights for \d+ parameters"):
        convert(card_of("ddpmpp-vp"), source(content))
    content["ema"]["shadow_params"].append(torch.zeros(99))
    with pytest.raises(DamagedFile, match=r"the EMA weights of module.all_modules.\d+.bias are \(99,\), not \(1,\)"):
        convert(card_of("ddpmpp-vp"), source(content))


@pytest.mark.parametrize(("family", "heads"), [("iddpm", 1), ("adm", 4)])
def test_the_two_orders_of_queries_differ(family, heads, source):
    """Another order has the same names and shapes, so only the family tells which it is."""
    content = as_openai(state_of(family), card_of(family)["unet"], heads)
    found, state = convert(card_of(family), source(content)), state_of(family)
    assert any(not torch.equal(found[name], state[name]) for name in state if "to_k" in name)


@pytest.mark.parametrize("inner", ["", "unet"])
@pytest.mark.parametrize("old", [False, True])
def test_a_folder_of_diffusers_becomes_the_network(inner, old, tmp_path):
    state = state_of("ddpm")
    renamed = {re.sub(r"to_out\.0", "proj_attn", name): value for name, value in state.items()} if old else state
    names = {"to_q": "query", "to_k": "key", "to_v": "value"}
    for new, before in names.items() if old else ():
        renamed = {name.replace(new, before): value for name, value in renamed.items()}
    (tmp_path / inner).mkdir(exist_ok=True)
    torch.save(renamed, tmp_path / inner / "diffusion_pytorch_model.bin")
    same(convert(card_of("ddpm"), tmp_path), state)


def test_modules_of_the_deep_networks_are_counted_as_the_authors_count_them():
    """Of 55 and 91 modules; 46 is the one attention on the way up."""
    variants = read_yaml(ROOT / "config" / "families" / "ddpmpp-vp.yaml")["variants"]
    places = [place for place, _ in _places(variants["cifar10"]["unet"])]
    assert len(places) == 55 and len(list(_places(variants["cifar10-deep"]["unet"]))) == 91
    assert [places[i] for i in (7, 9, 27)] == [
        "down_blocks.0.downsamplers.0", "down_blocks.1.attentions.0", "mid_block.attentions.0",
    ]  # fmt: skip
    assert [places[i] for i in (34, 46, 53)] == [
        "up_blocks.0.upsamplers.0",
        "up_blocks.2.attentions.4",
        "conv_norm_out",
    ]


def test_converting_twice_gives_equal_bytes_and_names_the_source(tmp_path, source):
    path = source(original("adm"))
    digests = [convert_file(card_of("adm"), path, tmp_path / f"{i}.safetensors") for i in range(2)]
    assert digests[0] == digests[1] == sha256(tmp_path / "0.safetensors")
    assert sha256(path).encode() in (tmp_path / "0.safetensors").read_bytes()


class Runs:
    """Would run code when it is unpickled."""

    def __reduce__(self):
        return print, ("code ran",)


@every_family
def test_what_is_wrong_with_a_file_is_one_line(family, source, tmp_path, capsys):
    card, right = card_of(family), original(family)
    whole = source(right).read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pt").write_bytes(b"<html>404</html>")
    tensors = right.get("model", right)
    first = next(name for name in tensors if "sigmas" not in name)
    lacking = {name: value for name, value in right.items() if name != first}
    paths = {
        "cut.pt is truncated or no file of torch.save": tmp_path / "cut.pt",
        "text.pt asks to run code, or is no file of torch.save, and is not read": tmp_path / "text.pt",
        "no such file; name the original file": tmp_path / "missing.pt",
        "asks to run code": source(right | {"extra": Runs()}, "runs.pt"),
        "is not of the layout": source([1, 2], "list.pt"),
        "is not of the layout ": source({"a": 1}, "numbers.pt"),
        "is not of the layout  ": source({"encoder.weight": torch.ones(3)}, "other.pt"),
    }
    if "model" not in right:
        paths |= {
            "belong to another network": source(lacking, "lacking.pt"),
            "it has a tensor surplus.weight": source(right | {"surplus.weight": torch.ones(2)}, "surplus.pt"),
        }
    for message, path in paths.items():
        with pytest.raises(DamagedFile) as error:
            convert(card, path)
        assert message.strip() in str(error.value) and "\n" not in str(error.value) and path.name in str(error.value)
    assert "code ran" not in capsys.readouterr().out


def test_a_file_of_another_family_or_size_is_one_line(source):
    for family in UNETS:
        for other in UNETS:
            if family != other:
                with pytest.raises(DamagedFile) as error:
                    convert(card_of(family), source(original(other)))
                assert "\n" not in str(error.value)
    with pytest.raises(DamagedFile, match="belong to another network"):
        convert(card_of("ddpm", block_out_channels=[16, 16, 16]), source(original("ddpm")))
    with pytest.raises(UnknownName, match="unknown layout 'ddmi'; did you mean 'ddim'"):
        convert(card_of("ddpm"), source(original("ddpm")), "ddmi")


@pytest.mark.parametrize(("family", "variant"), PUBLISHED)
def test_names_and_shapes_convert_at_true_size(family, variant):
    """On the device meta, so that no weights are made."""
    content = read_yaml(ROOT / "config" / "families" / f"{family}.yaml")
    unet = content["variants"][variant]["unet"]
    with torch.device("meta"):
        state = build_dash({"family": family, "unet": unet, "schedule": content["schedule"]}).network.state_dict()
        found = CONVERTERS[LAYOUT_OF[family]](in_layout(family, state, unet), unet)
    assert {name: value.shape for name, value in found.items()} == {n: value.shape for n, value in state.items()}
