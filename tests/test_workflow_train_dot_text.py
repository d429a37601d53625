"""A Dot for a text-to-image pipeline of one's own, from its folder and captioned images."""

import io
import json
import tarfile

import numpy as np
import pytest
import torch
from networks import tiny_images
from PIL import Image
from test_dash_converters_stable_diffusion import write_folder
from text_models import pipeline, scheduler_of, text_card, text_dash

from morse.checkpoints import read_state
from morse.dash.loading import load_dash
from morse.dot.hub import About
from morse.dot.loading import adapted_dot, load_dot
from morse.dot.lora import own_state
from morse.experiments.cards import complete_model, schema
from morse.experiments.dot_options import changes_of
from morse.experiments.schema import validate
from morse.experiments.yaml import read_yaml
from morse.make_dot import card_of_folder, make_dot
from morse.pipeline import MorsePipeline
from morse.sampling.run import sample

OPTIONS = {"steps": 2, "batch": 2, "channels": [8, 16], "precision": "float32"}


def photos(folder):
    """(folder, file of captions)"""
    folder.mkdir(parents=True)
    captions = {}
    for index, image in enumerate(tiny_images(6, 3, 40)):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{index}.png")
        captions[f"{index}.png"] = f"picture {index}, naïve 猫 🐈"
    file = folder.with_name("captions.json")
    file.write_text(json.dumps(captions), encoding="utf-8")
    return folder, file


def as_shards(folder, captions, output):
    output.mkdir()
    with tarfile.open(output / "00.tar", "w") as tar:
        for name, caption in json.loads(captions.read_text(encoding="utf-8")).items():
            for member, content in ((name, (folder / name).read_bytes()), (f"{name[:-4]}.txt", caption.encode())):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return output


def own_pipeline(folder, xl):
    card = text_card(xl=xl)
    dash = text_dash(card)
    write_folder(folder, card, dash)
    scheduler_of("DDIMScheduler").save_pretrained(folder / "scheduler")
    return folder


def trained(tmp_path, xl=False, **changes):
    folder, out = own_pipeline(tmp_path / "mine", xl), tmp_path / "out"
    images, captions = photos(tmp_path / "photos")
    card = card_of_folder(folder, changes_of(OPTIONS | {"data": str(images)} | changes), "own-data")
    return card, folder, images, captions, out


@pytest.mark.parametrize("xl", [False, True])
def test_a_pipeline_and_captioned_images_are_all_it_takes(tmp_path, xl):
    """What is written is a model that loads and samples by its card, and shares its Dot."""
    card, folder, images, captions, out = trained(tmp_path, xl)
    record = make_dot(card, folder, str(images), out, captions=captions)
    assert record["steps"] == 2
    written = read_yaml(out / "card.yaml")
    validate(written, schema("model"), "card.yaml")
    assert {**complete_model(written, "card.yaml"), "dash": 0, "dot": 0} == {**card, "dash": 0, "dot": 0}
    dash = load_dash(written)
    dot = load_dot(written, dash, merge=False)
    assert any(value.abs().max() > 0 for name, value in own_state(dot).items() if name == "conv_out.weight")
    with torch.no_grad():
        found = sample(dash, load_dot(written, dash), "ddim-sd", budget=3, images=2, prompts=["a cat", "a dog"])
    assert found.shape == (2, 3, 32, 32) and not np.array_equal(found[0], found[1])
    fast = MorsePipeline(pipeline(card, dash, scheduler_of("DDIMScheduler")), dot)
    fast.save_pretrained(tmp_path / "shared", About("mine", "mit", "2 steps", "none"))
    assert (tmp_path / "shared" / "config.json").is_file()


def test_shards_give_the_same_dot_as_their_folder(tmp_path):
    card, folder, images, captions, out = trained(tmp_path)
    shards = as_shards(images, captions, tmp_path / "shards")
    of_folder = make_dot(card, folder, str(images), out, captions=captions)
    of_shards = make_dot(card, folder, str(shards), tmp_path / "other")
    states = []
    for place, record in ((out, of_folder), (tmp_path / "other", of_shards)):
        assert record["steps"] == 2
        dash = load_dash(read_yaml(place / "card.yaml"))
        states.append(read_state(place / "dot.safetensors", own_state(adapted_dot(card, dash))))
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    """Guidance scales and captions follow from the step alone."""
    card, folder, images, captions, out = trained(tmp_path, steps=4)
    card["dot"]["training"]["train"]["checkpoint_every"] = 2
    whole = make_dot(card, folder, str(images), out, captions=captions)
    from morse.training import loop

    class Stop(Exception):
        pass

    original = loop.torch.optim.AdamW.step
    count = [0]

    def step(self, *args, **kwargs):
        count[0] += 1
        if count[0] == 4:
            raise Stop
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.torch.optim.AdamW, "step", step)
        with pytest.raises(Stop):
            make_dot(card, folder, str(images), tmp_path / "again", captions=captions)
    again = make_dot(card, folder, str(images), tmp_path / "again", captions=captions)
    assert again["sha256"] == whole["sha256"]


def test_what_does_not_fit_is_one_line(tmp_path):
    card, folder, images, captions, out = trained(tmp_path)

    def fault(message, data, **how):
        with pytest.raises(Exception, match=message) as found:
            make_dot(card, folder, data, out, **how)
        assert "\n" not in str(found.value)

    fault("0.png is none of .tar", str(images))  # images, and no captions
    captions.write_text('{"0.png": "a"}', encoding="utf-8")
    fault("1.png and 4 more have no caption", str(images), captions=captions)
    fault("is missing", str(images), captions=tmp_path / "absent.json")
    card["dot"]["training"]["data"] = "none"
    fault("is trained on captioned images; give --data FOLDER, not none", None)
