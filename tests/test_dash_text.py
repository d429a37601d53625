"""Encoded prompts are those of diffusers, whatever the batch; tokenizers survive a file."""

import pytest
import torch
from text_models import pipeline, scheduler_of, text_card, text_dash, tiny_tokenizer, write_dash

from morse.dash.loading import load_dash
from morse.dash.text import END, TOKENS, build_text_models, tokenizer_of, tokenizer_text

PROMPTS = ["a cat on a mat", "", "  naïve café, 猫 🐈‍⬛  ", "cat " * 100]


@pytest.mark.parametrize("xl", [False, True])
def test_prompts_are_encoded_as_the_pipeline_does(xl):
    card = text_card(xl=xl)
    dash = text_dash(card)
    pipe = pipeline(card, dash, scheduler_of("DDIMScheduler"))
    found = dash.encoders.encode(PROMPTS)
    if not xl:
        expected, _ = pipe.encode_prompt(PROMPTS, "cpu", 1, False)
        assert torch.equal(found[0], expected) and len(found) == 1
        return
    expected, _, pooled, _ = pipe.encode_prompt(PROMPTS, device="cpu", do_classifier_free_guidance=False)
    assert torch.equal(found[0], expected) and torch.equal(found[1], pooled)
    assert found[2].tolist() == [[32.0, 32.0, 0.0, 0.0, 32.0, 32.0]] * len(PROMPTS)
    assert [tuple(one.shape[1:]) for one in found] == list(dash.prompt_shapes)


def test_a_batch_changes_rounding_alone():
    dash = text_dash(text_card())
    together = dash.encoders.encode(PROMPTS)[0]
    torch.testing.assert_close(torch.cat([dash.encoders.encode([one])[0] for one in PROMPTS]), together)


def test_long_prompts_are_cut_and_counted():
    dash = text_dash(text_card())
    assert dash.encoders.cut(PROMPTS) == 1
    assert dash.encoders.tokens(0, PROMPTS).shape == (4, TOKENS)
    fits = "cat " * (TOKENS - 2)
    assert dash.encoders.cut([fits, fits + "cat"]) == 1
    assert torch.equal(dash.encoders.tokens(0, [fits]), dash.encoders.tokens(0, [fits + "cat"]))


def test_the_second_tokenizer_pads_with_another_token():
    text = text_dash(text_card(xl=True)).encoders
    vocabulary, _ = tiny_tokenizer()
    assert text.tokens(0, [""])[0, -1] == vocabulary[END] and text.tokens(1, [""])[0, -1] == vocabulary["!"]


def test_a_tokenizer_survives_as_text():
    vocabulary, merges = tiny_tokenizer()
    text = tokenizer_text(vocabulary, merges)
    made = tokenizer_of(text, END)
    assert made(["cat"]).input_ids[0] == [vocabulary[word] for word in ("<|startoftext|>", "cat</w>", END)]
    assert text == tokenizer_text(dict(reversed(vocabulary.items())), merges)


@pytest.mark.parametrize("xl", [False, True])
def test_one_file_holds_the_whole_model(xl, tmp_path):
    card = text_card(xl=xl)
    dash = text_dash(card)
    card = write_dash(card, dash, tmp_path / "dash.safetensors")
    loaded = load_dash(card)
    for found, expected in zip(loaded.encoders.encode(PROMPTS), dash.encoders.encode(PROMPTS), strict=True):
        assert torch.equal(found, expected)
    apart = load_dash(card, with_text=False)
    assert apart.encoders is None and not any(name.startswith("text.") for name in apart.state())
    x, t, cond = torch.randn(2, 4, 16, 16), torch.tensor([30.0, 700.0]), dash.example(2)
    torch.testing.assert_close(apart(x, t, *cond), dash(x, t, *cond), atol=1e-4, rtol=1e-3)  # times 7.5
    torch.testing.assert_close(apart.decode(x), dash.decode(x))


PUBLISHED = {
    123_060_480: {"hidden_size": 768, "intermediate_size": 3072, "layers": 12, "heads": 12, "hidden_act": "quick_gelu"},
    694_659_840: {"hidden_size": 1280, "intermediate_size": 5120, "layers": 32, "heads": 20, "projection": 1280}
    | {"hidden_act": "gelu"},
}


@pytest.mark.parametrize("parameters", PUBLISHED)
def test_published_text_models_have_their_size(parameters):
    with torch.device("meta"):
        (model,) = build_text_models({"encoders": [PUBLISHED[parameters] | {"vocab_size": 49408}]})
    assert sum(one.numel() for one in model.parameters()) == parameters
