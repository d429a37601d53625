"""Features from arrays equal those of clean-fid's path over a folder of PNG files, in its modes."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from morse.experiments.cards import read_card
from morse.files import DamagedFile, sha256
from morse.quality.extractors import load_extractor

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.*"),
    pytest.mark.filterwarnings("ignore:.*mode.*parameter is deprecated.*:DeprecationWarning"),  # Pillow's, of clean-fid
]


CARDS = {name: read_card("extractor", name) for name in ("inception", "inception-clean", "inception-legacy-pytorch")}
FILES = {name: Path(card["weights"]["file"]).name for name, card in CARDS.items()}


def images(count=5, channels=3, size=32):
    return np.random.default_rng(0).integers(0, 256, (count, channels, size, size), np.uint8)


class StandIn(nn.Module):
    """Has the TorchScript file's interface: resize, scaling, ``layers``, ``return_features``."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 2048, 8, 8), nn.Tanh(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert return_features
        return self.layers((nn.functional.interpolate(x, [16, 16]) - 128) / 128)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with random weights in the published formats."""
    from cleanfid import inception_pytorch
    from torchvision.models import Inception3

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.jit.script(StandIn().eval()).save(str(folder / FILES["inception"]))
    unloaded = patch.object(Inception3, "load_state_dict", lambda self, state: None)
    with (
        unloaded,
        patch.object(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: {}),
        pytest.warns(Warning),
    ):
        network = inception_pytorch.fid_inception_v3()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)  # else nothing of the image is left after so many layers
    torch.save(network.state_dict(), folder / FILES["inception-legacy-pytorch"])
    return folder


@pytest.fixture
def extractor(weights, monkeypatch):
    monkeypatch.setenv("MORSE_WEIGHTS", str(weights))
    return lambda kind: load_extractor(
        read_card("extractor", kind, {"weights": {"sha256": sha256(weights / FILES[kind])}})
    )


def cleanfids_model(weights, mode):
    """clean-fid's feature function of a mode, by its own classes, with the weights of a folder."""
    from cleanfid import inception_pytorch
    from cleanfid.inception_torchscript import InceptionV3W

    if mode != "legacy_pytorch":
        return InceptionV3W(str(weights), download=False, resize_inside=mode == "legacy_tensorflow").eval()
    state = torch.load(weights / FILES["inception-legacy-pytorch"], weights_only=True)
    with patch.object(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: state), pytest.warns(Warning):
        network = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False).eval()
    return lambda x: network(x / 255)[0].squeeze(-1).squeeze(-1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["legacy_tensorflow", "clean", "legacy_pytorch"])
def test_features_are_those_of_clean_fids_folder_path(extractor, weights, tmp_path, mode, channels):
    from cleanfid import fid

    x = images(channels=channels)
    for index, image in enumerate(x):
        Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(tmp_path / f"{index}.png")
    theirs = fid.get_folder_features(
        str(tmp_path),
        cleanfids_model(weights, mode),
        num_workers=0,
        batch_size=2,
        device="cpu",
        mode=mode,
        verbose=False,
    )
    ours = extractor(
        {"legacy_tensorflow": "inception", "clean": "inception-clean", "legacy_pytorch": "inception-legacy-pytorch"}[
            mode
        ]
    )
    found = ours(x)
    assert found.shape == (5, 2048) and found.std(axis=0).max() > 1e-3
    np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-5)  # clean-fid's images pass through [0, 1]
    np.testing.assert_allclose(replace(ours, batch_size=2)(x), found, rtol=1e-4, atol=1e-5)


def test_modes_have_labels_and_identities_of_their_own(extractor):
    extractors = [extractor(kind) for kind in CARDS]
    assert [one.label for one in extractors] == ["FID", "FID (clean)", "FID (legacy PyTorch)"]
    assert len({one.identity for one in extractors}) == 3 and all(one.dim == 2048 for one in extractors)
    legacy, clean, _ = (one(images()) for one in extractors)
    assert np.abs(legacy - clean).max() > 1e-2  # the resize matters, so the comparison with clean-fid can tell


@pytest.mark.parametrize("kind", CARDS)
def test_other_weights_than_the_published_are_refused(weights, monkeypatch, kind):
    monkeypatch.setenv("MORSE_WEIGHTS", str(weights))
    with pytest.raises(
        DamagedFile, match=f"{FILES[kind]} is damaged: sha256 .*, expected {CARDS[kind]['weights']['sha256'][:12]}"
    ) as error:
        load_extractor(kind)
    assert "\n" not in str(error.value)
