"""Functions that tests run in processes of their own, which import them by name."""

import os
import signal
from pathlib import Path

import numpy as np
import torch
from networks import tiny_images

from morse.dot import training
from morse.training.distributed import agreed, rank, sum_gradients, summed, together, world


def train(card, folder, killed_at=None):
    """Trains the card's Dot in the folder; the last process kills itself at that step."""
    if killed_at is not None:
        made = training.dot_loss

        def dot_loss(*args):
            loss = made(*args)

            def killing(step, rng):
                if step == killed_at and rank() == world() - 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                return loss(step, rng)

            return killing

        training.dot_loss = dot_loss
    folder = Path(folder)
    images, labels = tiny_images(), np.arange(8) % 3
    return training.train_dot(card, folder / "dash.safetensors", images, folder / "dot.safetensors", labels=labels)


def sums():
    """What the processes see of each other."""
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    unused = torch.nn.Parameter(torch.zeros(3))
    if rank() == 0:
        unused.grad = torch.ones(3)
    weight.grad = torch.full((2, 2), 1.0 + rank())
    loss = sum_gradients([weight, unused], torch.tensor(0.5))
    return rank(), world(), summed(torch.tensor(1.0)).item(), loss.item(), weight.grad.tolist(), unused.grad.tolist()


def differs():
    """A value that each process has its own of."""
    agreed(rank(), "a number")


def fails(number, kind):
    """An error in one process alone, while the others wait."""
    with together():
        if rank() == number:
            raise kind("images of data.npz are missing")
    summed(torch.ones(1))


def fails_without_a_reason():
    """A fault of the program."""
    return [][rank()]
