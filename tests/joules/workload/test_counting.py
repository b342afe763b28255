"""Operations and bytes, against counts by hand."""

import pytest
import torch
from torch import nn

from joules.workload.counting import count_inference, count_work


def test_counts_of_a_network_worked_out_by_hand():
    """A 3x3 convolution of 2 to 4 channels on 8x8 pixels, a ReLU in place, and a fully connected layer."""
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(256, 10)
    ).eval()
    counts = count_inference(network, torch.randn(1, 2, 8, 8))
    assert counts["flops"] == 2 * (64 * 4 * 2 * 9 + 2560)
    assert counts["activations"] == 256 + 10
    assert counts["layers"] == 2
    read_and_written = (128 + 72 + 256) + (256 + 256) + (256 + 2560 + 10 + 10)
    assert counts["bytes_moved"] == 4 * read_and_written


def test_work_is_counted_with_its_backward_pass():
    """A product of [4, 10] and [10, 20] in which only the weights need a gradient: two products."""
    weights, values = torch.randn(10, 20, requires_grad=True), torch.randn(4, 10)
    assert count_work(lambda: (values @ weights).sum().backward())["flops"] == 2 * (2 * 4 * 10 * 20)
    a, b = torch.zeros(1000), torch.ones(1000)
    assert count_work(lambda: a.add_(b)) == {"flops": 0, "bytes_moved": 3 * 4 * 1000}


def test_weights_that_an_optimiser_updates_are_read_and_written():
    """Adam's one kernel reads weights, gradients, two moments and a step count, and returns nothing."""
    weight = torch.zeros(1000, requires_grad=True)
    optimizer = torch.optim.Adam([weight], fused=True)
    weight.grad = torch.ones(1000)
    optimizer.step()
    assert count_work(optimizer.step)["bytes_moved"] == pytest.approx(2 * 4 * 4 * 1000, rel=0.01)
