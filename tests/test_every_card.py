"""The shipped twins: what holds for any network must hold for these."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from morse.dash.loading import load_dash
from morse.dot.loading import load_dot, prepare_dot
from morse.methods.morse import Morse
from morse.methods.plans import morse_plan
from morse.samplers.ddim import DDIM
from morse.sampling.loop import sample

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("model", ["cifar10-ddpm-mini", "cifar10-vp-mini"])
def test_images_do_not_depend_on_the_batch_but_for_rounding(model, tmp_path):
    card = yaml.safe_load((ROOT / "config" / "models" / f"{model}.yaml").read_text())
    weights = {part: ROOT / card[part]["file"] for part in ("dash", "dot")}
    prepare_dot(card, weights["dash"], weights["dot"], tmp_path / "dot.safetensors")
    dash = load_dash(card, weights["dash"], card["dash"]["sha256"])
    dot, plan = load_dot(card, dash, tmp_path / "dot.safetensors"), morse_plan(4, card["dot"]["ratio"], 0.25)
    sampler = DDIM(dash.schedule, len(plan.dash), grid="time-uniform")
    made = {size: sample(Morse(dash, dot, plan), sampler, dash.shape, 0, 0, 16, size).images for size in (1, 7, 16)}
    for size in (1, 7):
        apart = np.abs(made[size].astype(int) - made[16].astype(int))
        assert apart.max() <= 1 and (apart > 0).mean() < 1e-3  # convolutions sum in another order
