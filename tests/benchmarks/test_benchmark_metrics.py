"""The Fréchet distance and the features behind it, beside clean-fid on the same data."""

import warnings
from functools import reduce
from operator import add
from unittest.mock import patch

import numpy as np
import pytest
import torch
from pairs import ratio_in_turn
from PIL import Image

from morse.data.loading import load_split
from morse.experiments.cards import read_card
from morse.files import sha256
from morse.published import INCEPTION
from morse.quality.extractors import load_extractor
from morse.quality.extractors.inception import legacy_pytorch
from morse.quality.frechet import distance_from, frechet_distance
from morse.quality.statistics import Statistics


def covariance(dim, seed, rank):
    """Eigenvalues over four orders of magnitude, as of Inception's features."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((dim, rank)) * np.geomspace(1.0, 0.01, rank)
    return 0.1 * rng.standard_normal(dim), factor @ factor.T / dim


@pytest.mark.benchmark(group="Fréchet distance, 2048 dimensions")
@pytest.mark.parametrize("rank", [2048, 1000])
def test_frechet_distance_beside_clean_fids(benchmark, rank):
    from cleanfid.fid import frechet_distance as theirs

    (mean_1, cov_1), (mean_2, cov_2) = covariance(2048, 0, rank), covariance(2048, 1, rank)
    values = {}

    def ours():
        values["ours"] = frechet_distance(mean_1, cov_1, mean_2, cov_2)

    def of_clean_fid():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy's, of disp=
            values["clean-fid"] = theirs(mean_1, cov_1, mean_2, cov_2)

    share = ratio_in_turn(benchmark, of_clean_fid, ours, rounds=1)
    relative = abs(values["ours"] / values["clean-fid"] - 1)
    benchmark.extra_info |= {"clean-fid over ours": round(share, 2), "relative difference": f"{relative:.1e}"}


@pytest.mark.benchmark(group="Fréchet distance, 2048 dimensions")
def test_frechet_distance_to_a_reference_that_is_decomposed_already(benchmark):
    (mean_1, cov_1), second = covariance(2048, 0, 2048), covariance(2048, 1, 2048)
    distance = distance_from(mean_1, cov_1)
    benchmark.pedantic(lambda: distance(*second), rounds=1)


@pytest.mark.benchmark(group="merging the statistics of shards")
@pytest.mark.parametrize(("dim", "groups"), [(64, 20), (2048, 2)])
def test_merging(benchmark, dim, groups):
    rng = np.random.default_rng(0)
    shards = []
    for index in range(50 if dim < 100 else 5):
        one = Statistics.empty("some", "run", (1, 32, 32), dim, groups)
        one.add(rng.standard_normal((40, dim)), 40 * index)
        shards.append(one)
    benchmark.pedantic(lambda: reduce(add, shards), rounds=3)
    benchmark.extra_info["shards"] = len(shards)


@pytest.fixture(scope="module")
def pngs(tmp_path_factory):
    """Images of the test split, as an array and as a folder of PNG files."""
    images = load_split(read_card("task", "fashion-mnist")["data"], "test").images[:2000]
    folder = tmp_path_factory.mktemp("pngs")
    for index, image in enumerate(images):
        Image.fromarray(image[0]).save(folder / f"{index:05}.png")
    return images, folder


def from_folder(folder, model, mode, count):
    from cleanfid import fid

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fid.get_folder_features(
            str(folder), model, num_workers=0, num=count, batch_size=100, device="cpu", mode=mode, verbose=False
        )


@pytest.mark.benchmark(group="features: clean-fid's folder path over ours from memory")
def test_features_of_the_small_classifier(benchmark, pngs):
    images, folder = pngs
    extractor = load_extractor("fashion-classifier")

    def model(x):  # three equal channels in 0..255, as clean-fid loads them
        with torch.inference_mode():
            return extractor.embed(x[:, :1].round().to(torch.uint8))

    share = ratio_in_turn(
        benchmark,
        lambda: from_folder(folder, model, "legacy_tensorflow", len(images)),
        lambda: extractor(images),
        rounds=3,
    )
    benchmark.extra_info["clean-fid over ours"] = round(share, 2)


@pytest.mark.benchmark(group="features: clean-fid's folder path over ours from memory")
def test_features_of_inception(benchmark, pngs, tmp_path, monkeypatch):
    """With random weights: the time is that of the network."""
    from cleanfid import inception_pytorch
    from torchvision.models import Inception3

    path = tmp_path / INCEPTION["inception-legacy-pytorch"].file
    with patch.object(Inception3, "load_state_dict", lambda self, state: None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with patch.object(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: {}):
            network = inception_pytorch.fid_inception_v3()
    torch.save(network.state_dict(), path)
    monkeypatch.setenv("MORSE_WEIGHTS", str(tmp_path))
    extractor = legacy_pytorch({"sha256": sha256(path)})
    with (
        patch.object(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: network.state_dict()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        theirs = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False).eval()
    images, folder = pngs
    share = ratio_in_turn(
        benchmark,
        lambda: from_folder(folder, lambda x: theirs(x / 255)[0].squeeze(-1).squeeze(-1), "legacy_pytorch", 100),
        lambda: extractor(images[:100]),
        rounds=1,
    )
    benchmark.extra_info["clean-fid over ours"] = round(share, 2)
