"""CLIP's features, end to end against transformers' own model, tokenizer and image processor."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from clips import DIM, LENGTH, save_clip
from PIL import Image
from torchvision import transforms
from transformers import CLIPImageProcessor, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from morse.files import DamagedFile
from morse.quality.extractors import load_extractor, text_features
from morse.quality.extractors.clip import prepare
from morse.registry import UnknownName

PROMPTS = [
    "a cat",
    "",
    "a dog, and a CAT's",
    "  blanks\n and  lines ",
    "Ünïcödé ελληνικά 猫",
    "🐈 👩‍👩‍👧 cat",
    "cat " * 40,
]


def smooth(height, width, count=3, channels=3):
    """Coarse colour fields with some noise, which pictures are like."""
    rng = np.random.default_rng(height + width)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, channels, 5, 5)))
    fields = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").numpy()
    return (fields + 8 * rng.standard_normal(fields.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clip")


@pytest.fixture(scope="module")
def saved(folder):
    return save_clip(folder)


GREY_LEVEL = 1 / 255 / 0.26130258
"""One grey level of the images, in units of the network's input."""
OPENAI = transforms.Compose(
    [
        transforms.Resize(224, transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ]
)
"""The steps of github.com/openai/CLIP, clip/clip.py."""


@pytest.mark.parametrize(("height", "width"), [(256, 256), (512, 512), (224, 224), (32, 32), (300, 401), (402, 300)])
def test_preparation_is_openai_s_up_to_two_grey_levels(height, width):
    """On average it is a hundredth of a level: Pillow weighs pixels by whole numbers.

    OpenAI's own steps are torchvision's, on Pillow's images. transformers cuts an odd width out by
    half a pixel elsewhere.
    """
    images = smooth(height, width)
    found = prepare(torch.from_numpy(images))
    assert found.shape == (3, 3, 224, 224) and found.dtype == torch.float32
    rows = [image.transpose(1, 2, 0) for image in images]
    theirs = [torch.stack([OPENAI(Image.fromarray(row)) for row in rows])]
    if (height, width) != (300, 401):
        theirs += [
            one(rows, return_tensors="pt")["pixel_values"] for one in (CLIPImageProcessor(), CLIPImageProcessorPil())
        ]
    for one in theirs:
        apart = (found - one).abs()
        assert apart.max() < 2.01 * GREY_LEVEL and apart.mean() < 0.01 * GREY_LEVEL


def test_grey_images_are_repeated_in_three_channels():
    grey = torch.from_numpy(smooth(64, 64, channels=1))
    torch.testing.assert_close(prepare(grey, 32), prepare(grey.expand(-1, 3, -1, -1), 32))


def test_image_features_are_transformers_own(saved):
    model, card = saved
    extractor, images = load_extractor(card), smooth(64, 48, count=25)
    found = extractor(images)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    pixels = processor([image.transpose(1, 2, 0) for image in images], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        theirs = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
        exact = model.get_image_features(pixel_values=prepare(torch.from_numpy(images), 32)).pooler_output.numpy()
    assert found.shape == (25, DIM) and extractor.label == "Fréchet distance (tiny CLIP)"
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found, theirs, atol=0.02 * np.abs(theirs).max())
    assert found.std(axis=0).min() > 0.05
    np.testing.assert_allclose(replace(extractor, batch_size=3)(images), found, rtol=1e-4, atol=1e-5)


def test_text_features_are_transformers_own(saved, folder):
    """The tokenizer and the padding are those that transformers chooses for the folder."""
    model, card = saved
    found = text_features(card, PROMPTS)
    tokens = CLIPTokenizer.from_pretrained(folder, local_files_only=True)(
        PROMPTS, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt"
    )
    with torch.inference_mode():
        theirs = model.get_text_features(**tokens).pooler_output.numpy()
    assert found.values.shape == (len(PROMPTS), DIM) and found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, theirs, rtol=1e-4, atol=1e-5)
    assert found.extractor == load_extractor(card).identity
    apart = np.abs(found.values[:, None] - found.values[None]).max(-1) + np.eye(len(PROMPTS))
    assert apart.min() > 1e-2  # each prompt has features of its own


def test_text_features_do_not_depend_on_the_batch(saved):
    _, card = saved
    many = PROMPTS * 4
    together = text_features(card, many).values
    np.testing.assert_allclose(together[:7], together[7:14], rtol=1e-4, atol=1e-5)
    apart = np.concatenate([text_features(card, [prompt]).values for prompt in PROMPTS])
    np.testing.assert_allclose(together[:7], apart, rtol=1e-4, atol=1e-5)


def test_a_prompt_that_is_too_long_is_cut_and_counted(saved):
    _, card = saved
    words = LENGTH - 2  # without both ends
    fits, longer, longest = ["cat " * n for n in (words, words + 1, 5 * words)]
    found = text_features(card, [fits, longer, longest, "cat"])
    assert found.cut == 2 and text_features(card, [fits, ""]).cut == 0
    np.testing.assert_allclose(found.values[1:3], found.values[[0, 0]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_weights_are_read_in_either_format_and_may_have_a_hash_or_none(saved, tmp_path, suffix):
    model, card = save_clip(tmp_path)
    path = tmp_path / "model.safetensors"
    if suffix == "bin":
        path.unlink()
        path = tmp_path / "pytorch_model.bin"
        odd = {"text_model.embeddings.position_ids": torch.arange(LENGTH)[None]}  # as old files have
        torch.save(model.state_dict() | odd, path)
    free = card | {"weights": {"file": str(path)}}
    assert np.array_equal(load_extractor(free)(smooth(32, 32)), load_extractor(saved[1])(smooth(32, 32)))
    assert load_extractor(free).identity.split("/")[2:] == load_extractor(saved[1]).identity.split("/")[2:]
    assert (load_extractor(free).identity == load_extractor(saved[1]).identity) == (suffix == "safetensors")


def test_the_identity_changes_with_the_weights_and_with_each_other_file(tmp_path):
    cards = [save_clip(tmp_path / str(number), seed=number == 1)[1] for number in range(4)]
    words = json.loads((tmp_path / "2" / "vocab.json").read_text(encoding="utf-8"))
    (tmp_path / "2" / "vocab.json").write_text(json.dumps(words, indent=1), encoding="utf-8")
    with open(tmp_path / "3" / "merges.txt", "a", encoding="utf-8") as file:
        file.write("a c\n")
    assert len({load_extractor(card).identity for card in cards}) == 4


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json", "merges.txt"])
def test_a_missing_file_is_one_line(tmp_path, name):
    _, card = save_clip(tmp_path)
    (tmp_path / name).unlink()
    for load in (load_extractor, lambda card: text_features(card, ["cat"])):
        with pytest.raises(DamagedFile, match=f"{name} is missing") as error:
            load(card)
        assert "\n" not in str(error.value)


def changed_config(folder, **changes):
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(content | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no tensors"), "model.safetensors cannot be read"),
        (lambda folder: changed_config(folder, projection_dim=13), "not those of config.json beside it"),
        (lambda folder: changed_config(folder, text_config=3), "lacks|is damaged"),
        (lambda folder: (folder / "config.json").write_text("{", encoding="utf-8"), "config.json is damaged"),
        (lambda folder: (folder / "vocab.json").write_text('{"a": 5000}', encoding="utf-8"), "is no vocabulary of at"),
    ],
)
def test_altered_files_are_one_line(tmp_path, alter, said):
    _, card = save_clip(tmp_path)
    alter(tmp_path)
    free = card | {"weights": {"file": card["weights"]["file"]}}
    with pytest.raises(DamagedFile, match=said) as error:
        text_features(free, ["cat"])
    assert "\n" not in str(error.value)


def test_altered_weights_are_refused_by_their_hash(tmp_path):
    _, card = save_clip(tmp_path)
    save_clip(tmp_path, seed=1)
    with pytest.raises(DamagedFile, match="model.safetensors is damaged: sha256"):
        load_extractor(card)


def test_another_dimension_or_an_extractor_without_text_is_one_line(saved):
    _, card = saved
    for load in (load_extractor, lambda card: text_features(card, ["cat"])):
        with pytest.raises(ValueError, match="extractor clip: dimension 13 in its card, but the network gives 12"):
            load(card | {"dimension": 13})
    with pytest.raises(UnknownName, match="unknown feature extractor of text 'fashion-classifier'"):
        text_features("fashion-classifier", ["cat"])
