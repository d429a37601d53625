"""MS-COCO's captions and images: the rule of the prompts, and faults in one line."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from morse.data.coco import SEED, prepare
from morse.data.loading import load_split
from morse.data.prepared import prepared_captions
from morse.data.prompts import identity_of, prompt_of_images, prompts_of, read_prompts
from morse.files import DamagedFile

IMAGES = 10
SECOND = "naïve 猫 🐈‍⬛"


def picture(number, size=(40, 33)):
    held = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(held, "JPEG")
    return held.getvalue()


def name_of(number):
    return f"COCO_val2014_{number:012}.jpg"


def annotations(captions_each=5):
    numbers = [7 * i + 3 for i in range(IMAGES)]
    images = [{"id": number, "file_name": name_of(number)} for number in reversed(numbers)]
    texts = [
        {"id": 1000 - 10 * i - j, "image_id": number, "caption": f" caption {j} of {number}: naïve\n 猫🐈 "}
        for i, number in enumerate(numbers)
        for j in range(captions_each)
    ]
    return {"images": images, "annotations": texts}


def originals(tmp_path, content=None, packed=False, size=(40, 33)):
    folder = tmp_path / "originals"
    folder.mkdir(exist_ok=True)
    content = content or annotations()
    pictures = {f"val2014/{one['file_name']}": picture(one["id"], size) for one in content["images"]}
    captions = json.dumps(content)
    if packed:
        for name, members in (
            ("val2014.zip", pictures),
            ("annotations_trainval2014.zip", {"annotations/captions_val2014.json": captions}),
        ):
            with zipfile.ZipFile(folder / name, "w") as archive:
                for member, value in members.items():
                    archive.writestr(member, value)
        return folder
    (folder / "val2014").mkdir(exist_ok=True)
    for member, value in pictures.items():
        (folder / member).write_bytes(value)
    (folder / "captions_val2014.json").write_text(captions, encoding="utf-8")
    return folder


def card(tmp_path, prompts=6, every=IMAGES):
    output = tmp_path / "made" / "dataset.json"
    output.parent.mkdir(exist_ok=True)
    return {"kind": "coco", "file": str(output), "size": 16, "images": {"all": every, "prompts": prompts}}, output


def test_prompts_follow_the_stated_rule(tmp_path):
    data, output = card(tmp_path)
    prepare(data, originals(tmp_path), output)
    rng = np.random.default_rng(SEED)
    numbers = sorted(one["id"] for one in annotations()["images"])
    drawn = [numbers[i] for i in rng.choice(IMAGES, 6, replace=False)]
    # captions in the order of their numbers, which here is the reverse of ours
    expected = [f"caption {4 - rng.integers(5)} of {number}: naïve 猫🐈" for number in drawn]
    split, whole = load_split(data, "prompts"), load_split(data, "all")
    assert split.captions == expected == prepared_captions(output, "prompts")
    assert whole.captions[:6] == expected and len({*whole.captions}) == IMAGES
    assert whole.captions[6:] == [f"caption 4 of {n}: naïve 猫🐈" for n in numbers if n not in drawn]
    assert np.array_equal(whole.images[:6], split.images) and whole.images.shape == (IMAGES, 3, 16, 16)


def test_archives_give_what_folders_give(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    (one, here), (other, there) = card(tmp_path / "a"), card(tmp_path / "b")
    prepare(one, originals(tmp_path / "a"), here)
    prepare(other, originals(tmp_path / "b", packed=True), there)
    assert np.array_equal(load_split(one, "all").images, load_split(other, "all").images)
    assert load_split(one, "all").captions == load_split(other, "all").captions


def test_small_images_are_enlarged(tmp_path):
    data, output = card(tmp_path)
    prepare(data, originals(tmp_path, size=(40, 12)), output)
    assert load_split(data, "all").images.shape == (IMAGES, 3, 16, 16)


def lost_image(folder):
    next((folder / "val2014").iterdir()).unlink()


def no_json(folder):
    (folder / "captions_val2014.json").write_text('{"images": [', encoding="utf-8")


def other_json(folder):
    (folder / "captions_val2014.json").write_text('{"images": [{"id": 1}]}', encoding="utf-8")


def changed(change):
    def write(folder):
        content = annotations()
        change(content)
        (folder / "captions_val2014.json").write_text(json.dumps(content), encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lost_image, DamagedFile, "has no COCO_val2014_"),
        (no_json, DamagedFile, "captions_val2014.json is damaged"),
        (other_json, DamagedFile, "is no file of COCO's captions"),
        (changed(lambda c: c["annotations"][0].update(image_id=4)), ValueError, "caption 1000 is of image 4, which"),
        (changed(lambda c: c.update(annotations=c["annotations"][5:])), ValueError, "has no caption, as have 0 more"),
        (changed(lambda c: c["images"].pop(0)), ValueError, "which it does not list"),
        (lambda folder: (folder / "captions_val2014.json").unlink(), DamagedFile, "no annotations_trainval2014.zip"),
    ],
)
def test_faults_are_one_line(tmp_path, spoil, error, message):
    data, output = card(tmp_path)
    folder = originals(tmp_path)
    spoil(folder)
    with pytest.raises(error, match=message) as found:
        prepare(data, folder, output)
    assert "\n" not in str(found.value) and not output.exists()


def test_other_numbers_than_the_card_s_are_refused(tmp_path):
    for numbers, message in (({"prompts": 11}, "fewer than the 11 prompts"), ({"every": 9}, "and data: images says 9")):
        data, output = card(tmp_path, **numbers)
        with pytest.raises(ValueError, match=message):
            prepare(data, originals(tmp_path), output)


def test_captions_that_were_altered_are_found(tmp_path):
    data, output = card(tmp_path)
    prepare(data, originals(tmp_path), output)
    file = output.with_name("all-captions.json")
    file.write_text(file.read_text(encoding="utf-8").replace("caption", "kaption"), encoding="utf-8")
    with pytest.raises(DamagedFile, match="captions"):
        load_split(data, "prompts")


def test_prompts_of_a_task(tmp_path):
    data, output = card(tmp_path)
    prepare(data, originals(tmp_path), output)
    prompts = prompts_of({"data": data, "prompts": {"split": "prompts"}})
    assert prompts == load_split(data, "prompts").captions
    assert prompt_of_images(prompts, [0, 6, 13]) == [prompts[0], prompts[0], prompts[1]]
    with pytest.raises(ValueError, match="no split 'prompt'"):
        prompts_of({"data": data, "prompts": {"split": "prompt"}})


def test_lists_of_one_s_own(tmp_path):
    forms = {
        "a.txt": "﻿a  cat\n naïve 猫 🐈‍⬛ \r\n\n",
        "a.json": json.dumps(["a cat", "naïve  猫 🐈‍⬛"]),
        "coco.json": json.dumps(
            {"annotations": [{"id": 2, "caption": "naïve 猫 🐈‍⬛"}, {"id": 1, "caption": "a cat\n"}]}
        ),
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = prompts_of({"data": {}, "prompts": {"file": str(tmp_path / name)}})
        assert found == ["a cat", "naïve 猫 🐈‍⬛"], name
    assert identity_of(found) != identity_of(found[::-1]) and len(identity_of(found)) == 64


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.txt", b"a\n\nb\n", ValueError, "a.txt: prompt 2 is empty"),
        ("a.txt", b"\n", ValueError, "a.txt has no prompts"),
        ("a.txt", b"\xff\xfe", DamagedFile, "a.txt is not read as UTF-8"),
        ("a.json", b'{"a": 1}', ValueError, "is no list of prompts"),
        ("a.json", b"[1]", ValueError, "is no list of prompts"),
        ("a.json", b"[", DamagedFile, "a.json is no JSON"),
    ],
)
def test_lists_that_are_none_are_one_line(tmp_path, name, content, error, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message) as found:
        read_prompts(tmp_path / name)
    assert "\n" not in str(found.value)
    with pytest.raises(DamagedFile, match="is missing"):
        read_prompts(tmp_path / "other.txt")
