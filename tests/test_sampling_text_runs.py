"""Text runs side by side are those of the library's door, and differ in what they should."""

import numpy as np
import pytest
import torch
from networks import shake
from text_models import text_card, text_dash

from morse.dot.loading import new_dot
from morse.dot.lora import inference_dot
from morse.methods import METHODS
from morse.sampling.run import sample
from morse.sampling.text_runs import text_runs

PROMPTS = ["a cat on a mat", "two dogs"]
SAMPLER = "ddim-sd"


@pytest.fixture(scope="module", params=[False, True], ids=["stable diffusion", "LCM-SDXL"])
def card(request):
    return text_card(xl=request.param)


@pytest.fixture(scope="module")
def dash(card):
    return text_dash(card)


@pytest.fixture(scope="module")
def dot(card, dash):
    torch.manual_seed(1)
    dot = new_dot(card, dash)
    dot = inference_dot(dot, dot.state_dict())
    shake(dot, 1)
    dot.ratio = 5.0
    return dot


def test_runs_are_those_of_the_library_s_door(dash, dot):
    runs = text_runs(dash, dot, SAMPLER, PROMPTS, [(3, 7.5), (2, 7.5), (2, 1.0), (3, 7.5)], seed=4)
    assert [*runs] == [(method, *what) for what in ((2, 1.0), (2, 7.5), (3, 7.5)) for method in ("baseline", "morse")]
    for (method, budget, guidance), run in runs.items():
        what = dot, SAMPLER, method, budget, len(PROMPTS), 4
        expected = sample(dash, *what, prompts=PROMPTS, guidance=guidance)
        np.testing.assert_array_equal(run.images, expected)
        assert run.letters.startswith("D") and ("." in run.letters) == (method == "morse")
    assert len({run.images.tobytes() for run in runs.values()}) == len(runs)


def test_without_a_dot_and_below_a_method_s_least_budget_there_is_the_baseline_alone(dash, dot):
    assert [*text_runs(dash, None, SAMPLER, PROMPTS, [(2, 3.0)])] == [("baseline", 2, 3.0)]
    assert METHODS["morse"].least_budget == 2
    assert [*text_runs(dash, dot, SAMPLER, PROMPTS, [(1, 3.0)])] == [("baseline", 1, 3.0)]


def test_what_cannot_run_is_one_line(dash):
    with pytest.raises(ValueError, match=r"^a budget of 0 LSD is too small: a run takes at least 1$"):
        text_runs(dash, None, SAMPLER, PROMPTS, [(0, 3.0)])
    with pytest.raises(ValueError, match=r"^there is no prompt; give one or more$"):
        text_runs(dash, None, SAMPLER, [], [(2, 3.0)])
