"""CLIP score: torchmetrics' definition, its jackknife, and which prompt an image has."""

import numpy as np
import pytest
import torch
from clips import save_clip
from transformers import CLIPTokenizer

from morse.data.parts import bounds
from morse.quality.clip_score import clip_score, scores
from morse.quality.extractors import load_extractor, text_features
from morse.quality.extractors.clip import prepare
from morse.quality.features import Features, joined

PROMPTS = ["a cat", "a dog", "cat dog 🐈", "", "an over-long one " * 9]


def test_it_is_that_of_torchmetrics_end_to_end(tmp_path):
    """Its steps by hand: both features normalised, 100 times their product, clamped at zero."""
    model, card = save_clip(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 40, 40), np.uint8)
    texts = [PROMPTS[i % len(PROMPTS)] for i in range(len(images))]
    tokens = CLIPTokenizer.from_pretrained(tmp_path)(
        texts, padding=True, truncation=True, max_length=16, return_tensors="pt"
    )
    with torch.inference_mode():
        x = model.get_image_features(pixel_values=prepare(torch.from_numpy(images), 32)).pooler_output
        y = model.get_text_features(**tokens).pooler_output
        x, y = x / x.norm(dim=-1, keepdim=True), y / y.norm(dim=-1, keepdim=True)
        expected = (100 * (x * y).sum(-1)).clamp(min=0)
        forward = model(pixel_values=prepare(torch.from_numpy(images), 32), **tokens)
        cosines = forward.logits_per_image.diagonal() / model.logit_scale.exp()
    torch.testing.assert_close(expected, (100 * cosines).clamp(min=0), rtol=1e-4, atol=1e-3)
    found = load_extractor(card)(images), text_features(card, PROMPTS).values
    np.testing.assert_allclose(scores(*found), expected.numpy(), rtol=1e-3, atol=1e-2)
    assert clip_score(*found, 3).value == pytest.approx(expected.mean().item(), rel=1e-3)
    assert 0 < expected.mean() < 100 and expected.std() > 0.1


def test_closed_forms():
    text = np.array([[1.0, 0.0]])
    for angle in (0, 30, 60, 90, 120, 180):
        image = 7 * np.array([[np.cos(np.radians(angle)), np.sin(np.radians(angle))]])
        assert scores(image, text)[0] == pytest.approx(max(100 * np.cos(np.radians(angle)), 0), abs=1e-9)


def test_each_image_is_clamped_alone():
    found = clip_score(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0, 0.0]]), 2)
    assert found.value == 50.0 and sorted(found.without_groups) == [0.0, 100.0]


def test_image_i_has_prompt_i_modulo_their_number():
    text = np.eye(3)
    images = np.eye(3)[[0, 1, 2, 0, 1, 2, 0]]
    assert np.array_equal(scores(images, text), np.full(7, 100.0))
    assert np.array_equal(scores(np.roll(images, 1, 0), text)[1:], np.zeros(6))


def points(count=60, dim=5, seed=0):
    return 0.5 + np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def test_the_error_of_single_images_in_groups_is_that_of_a_mean():
    found, single = clip_score(points(), points(7, seed=1), 60), scores(points(), points(7, seed=1))
    assert found.standard_error == pytest.approx(single.std(ddof=1) / np.sqrt(60))
    few = clip_score(points(), points(7, seed=1), 4)
    assert few.without_groups[1] == pytest.approx(np.delete(single, slice(1, None, 4)).mean())
    assert few.value == found.value


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_shards_do_not_change_it(shards):
    parts = [bounds(60, shards, number) for number in range(shards)]
    whole = joined([Features("clip", "run", first, points()[first : first + n]) for first, n in reversed(parts)])
    assert clip_score(whole.values, points(7, seed=1), 5) == clip_score(points(), points(7, seed=1), 5)


@pytest.mark.parametrize(
    ("images", "prompts", "groups", "said"),
    [
        (points(), points(dim=4), 5, "with one D, not"),
        (points(), points()[:0], 5, "with one D, not"),
        (points() * np.nan, points(), 5, "image 0 are zero or not finite"),
        (points(), np.vstack([points(), np.zeros(5)]), 5, "prompt 60 are zero or not finite"),
        (points(4), points(), 5, "4 images and 5 groups"),
        (points(4), points(), 1, "needs 2 groups or more"),
    ],
)
def test_features_that_do_not_fit_are_one_line(images, prompts, groups, said):
    with pytest.raises(ValueError, match=said) as error:
        clip_score(images, prompts, groups)
    assert "\n" not in str(error.value)
