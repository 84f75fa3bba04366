"""What computes pictures in parts reports its progress, and stops soon, also within a part."""

import time

import pytest
import torch
from torch import nn

from artgraph.contract.errors import Cancelled
from artgraph.models.training.in_parts import before_layers, in_parts


def test_progress_is_reported_after_each_part():
    reports = []
    found = in_parts(
        lambda rows: rows * 2,
        torch.ones(7, 1),
        batch=3,
        progress=lambda *pair: reports.append(pair),
    )
    assert torch.equal(found, torch.full((7, 1), 2.0))
    assert reports == [(3, 7), (6, 7), (7, 7)]


class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.15)
        return x + 1


def test_a_part_is_stopped_between_the_layers_of_the_network():
    network = nn.Sequential(*[Slow() for _ in range(40)])  # 6 seconds for the only part

    def stop(done, total):
        raise Cancelled

    start = time.monotonic()
    with pytest.raises(Cancelled):
        in_parts(network, torch.zeros(4, 1), batch=4, progress=stop, network=network)
    assert time.monotonic() - start < 1
    assert not any(module._forward_pre_hooks for module in network.modules())


class SlowBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x + 1

    @staticmethod
    def backward(ctx, gradient):
        time.sleep(0.15)
        return gradient


class Easy(nn.Module):
    def forward(self, x):
        return SlowBack.apply(x)


def test_gradients_are_stopped_between_the_layers_of_the_network():
    network = nn.Sequential(*[Easy() for _ in range(40)])  # 6 seconds for the gradients

    def stop():
        raise Cancelled

    x = torch.zeros(4, 1, requires_grad=True)
    start = time.monotonic()
    with before_layers(network, stop):
        result = network(x)
        with pytest.raises(Cancelled):
            result.sum().backward()
    assert time.monotonic() - start < 1
    assert not any(module._forward_hooks for module in network.modules())
