"""A Dot from a card or a diffusers folder: what is said, what is written, from which data."""

import numpy as np
import pytest
from diffusers import DDPMScheduler, UNet2DModel
from networks import tiny_card, tiny_dash, tiny_images
from PIL import Image

from morse.checkpoints import write_state
from morse.dash.loading import load_dash
from morse.data.archive import write_dataset
from morse.data.loading import load_split
from morse.dot.loading import load_dot
from morse.experiments.cards import complete_model, schema
from morse.experiments.dot_options import changes_of
from morse.experiments.schema import validate
from morse.experiments.yaml import read_yaml
from morse.files import DamagedFile, read_json, sha256
from morse.make_dot import card_of_folder, described, make_dot, prepared
from morse.sampling.run import sample

OPTIONS = {"steps": 2, "batch": 2, "channels": [8, 16], "precision": "float32"}


def user_folder(folder):
    """A network that a user trained with diffusers."""
    UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).save_pretrained(folder / "unet")
    DDPMScheduler().save_pretrained(folder / "scheduler")
    return folder


def photos(folder):
    folder.mkdir(parents=True)
    for index, image in enumerate(tiny_images(6, 3, 24)):
        Image.fromarray(image.transpose(1, 2, 0)[:20]).save(folder / f"{index}.png")
    return folder


def test_a_folder_of_diffusers_and_one_of_images_are_all_it_takes(tmp_path):
    """What is written is a model that loads and samples by its card."""
    folder, out = user_folder(tmp_path / "mine"), tmp_path / "out"
    card = card_of_folder(folder, changes_of(OPTIONS | {"data": str(tmp_path)}), "own-data")
    assert (card["dot"]["rank"], card["dot"]["training"]["train"]["learning_rate"]) == (64, 0.0002)
    record = make_dot(card, folder, str(photos(tmp_path / "photos")), out)
    assert read_json(out / "training.json") == record and record["steps"] == 2
    assert record["provenance"]["processes"] == 1
    written = read_yaml(out / "card.yaml")
    assert (out / "card.yaml").read_text(encoding="utf-8").startswith("# ")
    validate(written, schema("model"), "card.yaml")
    assert {**complete_model(written, "card.yaml"), "dash": 0, "dot": 0} == {**card, "dash": 0, "dot": 0}
    assert written["dash"]["sha256"] == sha256(out / "dash.safetensors")
    dash = load_dash(written)
    assert sample(dash, load_dot(written, dash), "ddim", budget=3, images=2).shape == (2, 3, 16, 16)
    again = make_dot(card, folder, str(tmp_path / "photos"), tmp_path / "again")
    assert again["sha256"] == record["sha256"]


@pytest.mark.parametrize("classes", [{}, {"classes": 3, "learned_variance": True}], ids=["plain", "classes"])
def test_without_data_dash_makes_them_once(tmp_path, classes):
    family = "adm" if classes else "ddpm"
    card, weights = tiny_card(classes, steps=2, family=family), tmp_path / "dash.safetensors"
    write_state(tiny_dash(family=family, **classes).network.state_dict(), weights)
    card["dash"] = {"file": str(weights), "sha256": sha256(weights)}
    card["dot"]["training"] |= {"data": "none", "own": {"images": 10, "sampler": "ddim", "calls": 2}}
    make_dot(card, None, None, tmp_path / "out")
    made = list((tmp_path / "out").glob("own-images-*/dataset.json"))
    assert len(made) == 1 and not (tmp_path / "out" / "card.yaml").exists()
    before = made[0].stat().st_mtime_ns
    make_dot(card, None, None, tmp_path / "out")
    assert made[0].stat().st_mtime_ns == before


def test_damaged_weights_of_a_card_are_refused(tmp_path):
    card, weights = tiny_card(), tmp_path / "dash.safetensors"
    write_state(tiny_dash().network.state_dict(), weights)
    card["dash"] = {"file": str(weights), "sha256": "0" * 64}
    with pytest.raises(DamagedFile, match="Dash weights .* is damaged"):
        make_dot(card, None, None, tmp_path / "out")


def test_what_is_said_before_a_training():
    card = tiny_card(dot={"channels": [16, 16]})
    card["dot"]["training"]["chain"] = {"chains": 4, "points": 3, "steps": 2}
    told = described(card, 2)
    assert told["pairs per step"] == "6, of 4 chains of 3 calls of Dash, 2 steps a draw"
    assert told["steps"] == "6, by 2 processes"
    assert float(told["N by FLOPs"].split(",")[0]) < 5 and "give smaller channels" in told["N by FLOPs"]
    narrow = described(tiny_card(dot={"channels": [1, 1], "rank": 1}), 1)
    assert float(narrow["N by FLOPs"].split(",")[0]) > float(told["N by FLOPs"].split(",")[0])
    assert int(told["Dot"].split()[0].replace(",", "")) > 1000


def test_a_network_that_is_too_small_for_dot_is_told_before():
    with pytest.raises(ValueError, match="dot: channels: images of 16 are halved 5 times"):
        described(tiny_card(dot={"channels": [4, 4, 4, 4]}), 1)


def test_images_are_cut_to_their_middle_and_resized(tmp_path):
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = (10, 20, 30)
    (tmp_path / "a" / "b").mkdir(parents=True)
    Image.fromarray(wide).save(tmp_path / "a" / "one.png")
    Image.fromarray(255 - wide).save(tmp_path / "a" / "b" / "two.PNG")
    file = prepared(tmp_path / "a", 3, 4, tmp_path)
    train, test = (load_split({"file": str(file), "size": 4}, split) for split in ("train", "test"))
    assert train.images.shape == test.images.shape == (1, 3, 4, 4)
    assert (train.labels.tolist(), test.labels.tolist()) == ([0], [1])
    assert (train.images[0] == np.array([10, 20, 30])[:, None, None]).all()
    assert prepared(tmp_path / "a", 3, 4, tmp_path) == file
    assert prepared(tmp_path / "a", 1, 4, tmp_path) != file
    assert load_split({"file": str(prepared(tmp_path / "a", 1, 4, tmp_path)), "size": 4}, "train").images.shape[1] == 1
    (tmp_path / "a" / "b" / "two.PNG").unlink()
    assert prepared(tmp_path / "a", 3, 4, tmp_path, write=False) != file


def test_a_data_set_file_is_taken_as_it_is(tmp_path):
    path = tmp_path / "shapes.npz"
    write_dataset(path, {"train": (tiny_images(), np.zeros(8, np.uint8))})
    assert prepared(path, 1, 16, tmp_path) == path


def test_a_place_without_images_is_told_in_a_line(tmp_path):
    with pytest.raises(ValueError, match=r"empty: no images there; name a folder of images, a data set file, or none"):
        prepared(tmp_path / "empty", 3, 16, tmp_path)
    (tmp_path / "odd").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "odd" / name).write_bytes(b"nothing")
    with pytest.raises(DamagedFile, match=r"b\.png is no whole image .*; take it out"):
        prepared(tmp_path / "odd", 3, 16, tmp_path)
    (tmp_path / "text.npz").write_bytes(b"nothing")
    with pytest.raises(DamagedFile, match="text.npz is damaged"):
        prepared(tmp_path / "text.npz", 3, 16, tmp_path)
