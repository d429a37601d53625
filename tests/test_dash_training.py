"""The losses of Dash and of the classifier, with predictors that are known."""

import numpy as np
import pytest
import torch
from networks import tiny_card, tiny_images

from morse.dash.loading import build_dash
from morse.dash.training import dash_loss
from morse.data.batches import draw_batch
from morse.data.pixels import to_network
from morse.quality.extractors.fashion_classifier import classifier_loss
from morse.schedules.noise import VPSDE
from morse.seeds import generator

SCHEDULE = build_dash(tiny_card()).schedule


def test_images_are_scaled_to_minus_one_and_one():
    images = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1)
    torch.testing.assert_close(to_network(images).flatten(), torch.tensor([-1.0, -0.6, 1.0]))


def test_a_predictor_that_knows_the_image_has_no_loss():
    images = np.repeat(tiny_images(1), 4, axis=0)
    alpha_bar, seen = torch.from_numpy(SCHEDULE.alphas_cumprod), []

    def solve(x_t, t, return_dict):
        seen.append((x_t.dtype, t.dtype))
        signal = alpha_bar[t][:, None, None, None]
        return (((x_t - signal.sqrt() * to_network(images[:1])) / (1 - signal).sqrt()).float(),)

    loss = dash_loss(solve, SCHEDULE, images, 64, flip=False)(0, generator(0))
    assert loss < 1e-6
    assert seen == [(torch.float32, torch.int64)]


def test_a_zero_predictor_has_loss_one():
    loss = dash_loss(lambda x, t, return_dict: (torch.zeros_like(x),), SCHEDULE, tiny_images(), 64, flip=True)
    assert loss(0, generator(0)).item() == pytest.approx(1, abs=0.03)  # 16,384 squares: standard error 0.011


def test_times_are_uniform_over_the_schedule():
    seen = []

    def network(x, t, return_dict):
        seen.append(t)
        return (torch.zeros_like(x),)

    dash_loss(network, SCHEDULE, tiny_images(), 5000, flip=False)(0, generator(0))
    assert seen[0].min() < 5 and seen[0].max() > 994 and seen[0].float().mean().item() == pytest.approx(499.5, rel=0.03)


def test_times_of_the_vp_sde_are_real_and_uniform():
    seen = []

    def network(x, t, return_dict):
        seen.append(t)
        return (torch.zeros_like(x),)

    dash_loss(network, VPSDE(), tiny_images(), 5000, flip=False)(0, generator(0))
    assert seen[0].dtype == torch.float32 and len(seen[0].unique()) > 4900
    assert 0 < seen[0].min() < 2 and seen[0].max() > 997 and seen[0].mean().item() == pytest.approx(499.5, rel=0.03)


def test_a_predictor_that_knows_the_image_has_no_loss_in_continuous_time():
    images, schedule = np.repeat(tiny_images(1), 4, axis=0), VPSDE()

    def solve(x_t, t, return_dict):
        alpha, sigma = (
            torch.tensor([f(v) for v in t.tolist()])[:, None, None, None] for f in (schedule.alpha, schedule.sigma)
        )
        return ((x_t - alpha * to_network(images[:1])) / sigma,)

    assert dash_loss(solve, schedule, images, 64, flip=False)(0, generator(0)) < 1e-6


def test_the_loss_depends_on_the_generator_alone():
    loss = dash_loss(lambda x, t, return_dict: (x,), SCHEDULE, tiny_images(), 8, flip=True)
    assert loss(3, generator(0)) == loss(4, generator(0)) != loss(3, generator(1))


def test_flips_mirror_half_of_the_images():
    images = tiny_images()
    straight, index = draw_batch(images, 400, generator(0), flip=False)
    flipped, same = draw_batch(images, 400, generator(0), flip=True)
    assert torch.equal(index, same) and set(index.tolist()) == set(range(8))
    torch.testing.assert_close(straight, to_network(images[index.numpy()]))
    mirrored = (flipped == straight.flip(-1)).all((1, 2, 3))
    kept = (flipped == straight).all((1, 2, 3))
    assert (mirrored ^ kept).all()
    assert mirrored.float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_classifier_loss_is_cross_entropy_with_the_labels_of_the_batch():
    images = np.stack([np.full((1, 8, 8), value, np.uint8) for value in (0, 255)])
    labels = np.array([0, 1], np.uint8)

    def right(x):
        return 50 * torch.stack([-x.mean((1, 2, 3)), x.mean((1, 2, 3))], dim=1)

    assert classifier_loss(right, images, labels, 32)(0, generator(0)) < 1e-6
    assert classifier_loss(lambda x: -right(x), images, labels, 32)(0, generator(0)).item() == pytest.approx(
        100, rel=1e-3
    )
    assert classifier_loss(lambda x: 0 * right(x), images, labels, 32)(0, generator(0)).item() == pytest.approx(
        np.log(2)
    )


def test_classifier_images_are_shifted_by_two_pixels_at_most():
    image = np.zeros((1, 1, 16, 16), np.uint8)
    image[0, 0, 8, 8] = 255
    places = set()

    def network(x):
        spot = (x[0, 0] == 1).nonzero().tolist()
        assert len(spot) == 1
        places.add(tuple(spot[0]))
        return torch.zeros(len(x), 2)

    loss = classifier_loss(network, image, np.array([1]), 1)
    for step in range(400):
        loss(step, generator(step))
    rows, columns = ({place[axis] for place in places} for axis in (0, 1))
    assert rows == set(range(6, 11)) and columns == set(range(5, 11))  # mirrored, column 8 is column 7
