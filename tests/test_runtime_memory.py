"""Peak memory, by hand."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from morse.runtime.memory import peak_bytes

KIB = 256  # float32 numbers of a KiB


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tensors_that_live_at_once_are_summed(device):
    def compute():
        a = torch.zeros(4 * KIB, device=device)
        b = a + 1  # 8 KiB live
        del a
        return b * 2 + b  # b, its double, the sum: 12

    assert peak_bytes(compute) == 12 * 1024


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_views_take_nothing_and_what_is_freed_counts_no_more(device):
    def compute():
        for _ in range(10):
            a = torch.zeros(2 * KIB, device=device)
            a[:KIB].view(-1, 1).mul_(2)
            del a

    assert peak_bytes(compute) == 2 * 1024


def test_what_is_held_before_counts_once():
    weights = torch.zeros(3 * KIB, device="meta")
    assert peak_bytes(lambda: weights + weights, [weights, weights[:5]]) == 6 * 1024


def test_activations_that_a_backward_pass_needs_are_kept():
    def steps(kept):
        x = torch.zeros(KIB, device="meta", requires_grad=kept)
        for _ in range(8):
            x = x.sin()
        return x.sum()

    assert peak_bytes(lambda: steps(True)) > 2 * peak_bytes(lambda: steps(False))


def test_attention_on_meta_keeps_no_table_of_scores():
    """Of 1,000 queries and keys of 8 numbers a table of scores would be 125 times the queries. The
    backward pass needs none either."""
    shape = (1, 2, 1000, 8)
    one = math.prod(shape) * 4
    q, k, v = (torch.empty(shape, device="meta", requires_grad=True) for _ in range(3))
    with torch.no_grad():
        assert peak_bytes(lambda: scaled_dot_product_attention(q, k, v), [q, k, v]) < 5 * one
    assert peak_bytes(lambda: scaled_dot_product_attention(q, k, v).sum().backward(), [q, k, v]) < 12 * one
    assert q.grad.shape == k.grad.shape == v.grad.shape == shape
