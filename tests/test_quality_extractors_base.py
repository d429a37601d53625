"""Feature extractors, with random weights for the small classifier."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from morse.experiments.cards import read_card
from morse.files import DamagedFile, sha256
from morse.quality.extractors import load_extractor
from morse.quality.extractors.fashion_classifier import SmallClassifier, classifier_loss
from morse.registry import UnknownName
from morse.training.loop import TrainSettings, train

CARD = read_card("extractor", "fashion-classifier")


def images(count=7, channels=1, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, channels, size, size), np.uint8)


def save_classifier(path, seed=0):
    """Random weights in a file; returns the network and the settings of its extractor."""
    torch.manual_seed(seed)
    network = SmallClassifier().eval()
    save_file(network.state_dict(), path)
    return network, {**CARD, "weights": {"file": str(path), "sha256": sha256(path)}}


@pytest.fixture
def classifier(tmp_path):
    return save_classifier(tmp_path / "classifier.safetensors")


def test_the_small_classifier_has_the_shapes_and_size_that_its_docstring_says():
    network = SmallClassifier()
    x = torch.zeros(3, *SmallClassifier.IMAGE_SHAPE)
    assert network(x).shape == (3, 10)
    assert network.features(x).shape == (3, SmallClassifier.DIM)
    assert sum(p.numel() for p in network.parameters()) == 286_506
    assert not list(network.buffers())  # training averages parameters only


def test_the_small_classifier_learns_by_the_projects_own_loop():
    """Bright top halves against bright bottom ones. Mirroring would mix left and right halves."""
    labels = np.arange(64, dtype=np.uint8) % 2
    x = images(64) // 4
    for image, label in zip(x, labels, strict=True):
        image[:, 16 * label : 16 * label + 16] += 120
    torch.manual_seed(0)
    network = SmallClassifier()
    settings = TrainSettings(steps=25, learning_rate=2e-3, warmup=5, ema_decay=0.8, precision="float32")
    assert train(network, classifier_loss(network, x, labels, 16), settings)["loss"] < 0.1
    with torch.inference_mode():
        assert (network(torch.from_numpy(x) / 127.5 - 1.0).argmax(1).numpy() == labels).all()


def test_an_unknown_kind_is_one_line_with_the_nearest_name():
    with pytest.raises(
        UnknownName, match="unknown feature extractor 'fashion-clasifier'; did you mean 'fashion-classifier'"
    ):
        load_extractor({"kind": "fashion-clasifier"})


def test_an_unknown_card_is_one_line_with_the_nearest_name():
    with pytest.raises(
        ValueError, match="^unknown extractor 'fashion-clasifier'; did you mean 'fashion-classifier'\\?$"
    ):
        load_extractor("fashion-clasifier")


def test_features_are_the_networks_on_images_scaled_to_one(classifier):
    network, settings = classifier
    extractor, x = load_extractor(settings), images()
    found = extractor(x)
    with torch.inference_mode():
        expected = network.features((torch.from_numpy(x).double() / 255.0 * 2.0 - 1.0).float()).numpy()
    assert found.dtype == np.float64 and found.shape == (7, extractor.dim)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_card_of_another_dimension_is_refused(classifier):
    with pytest.raises(ValueError, match="fashion-classifier: dimension 65 in its card, but the network gives 64"):
        load_extractor(classifier[1] | {"dimension": 65})


@pytest.mark.parametrize("batch_size", [1, 2, 3, 6])
def test_features_do_not_depend_on_the_batch_size(classifier, batch_size):
    extractor, x = load_extractor(classifier[1]), images()
    np.testing.assert_allclose(replace(extractor, batch_size=batch_size)(x), extractor(x), rtol=1e-4, atol=1e-6)


def test_a_distance_is_called_what_the_card_says_and_never_fid(classifier):
    assert load_extractor(classifier[1]).label == "Fréchet distance (small classifier)"
    assert load_extractor(classifier[1] | {"caption": "another"}).label == "another"


def test_the_identity_holds_the_hash_of_the_weights_and_the_uint8_rule(classifier, tmp_path):
    identity = load_extractor(classifier[1]).identity
    assert classifier[1]["weights"]["sha256"] in identity and "uint8=round(127.5(x+1))" in identity
    assert load_extractor(save_classifier(tmp_path / "other.safetensors", seed=1)[1]).identity != identity


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (images().astype(np.float32), "reads uint8 .*, not float32"),
        (images()[0], r"not uint8 \(1, 32, 32\)"),
        (images(size=28), r"reads images of \(1, 32, 32\), not \(1, 28, 28\)"),
        (images(channels=3), r"not \(3, 32, 32\)"),
    ],
)
def test_other_images_are_refused(classifier, x, message):
    with pytest.raises(ValueError, match=message):
        load_extractor(classifier[1])(x)


def test_damaged_weights_are_one_line(classifier, tmp_path):
    path = tmp_path / "classifier.safetensors"
    for content in (path.read_bytes()[:-1], b"no tensors"):
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match="classifier.safetensors is damaged: .* restore") as error:
            load_extractor(classifier[1])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "write", [lambda path: save_file({"a": torch.zeros(2)}, path), lambda path: path.write_bytes(b"no tensors")]
)
def test_weights_of_another_network_are_one_line(tmp_path, write):
    path = tmp_path / "other.safetensors"
    write(path)
    with pytest.raises(DamagedFile, match="other.safetensors are not a SmallClassifier's; restore") as error:
        load_extractor({**CARD, "weights": {"file": path, "sha256": sha256(path)}})
    assert "\n" not in str(error.value)
