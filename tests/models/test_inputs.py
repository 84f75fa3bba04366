"""What a step gets from the processor: unchanged there, and in one copy on a GPU."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from artgraph.models.training.inputs import selected, selection, send
from artgraph.models.training.rng import rng


class Few(NamedTuple):
    numbers: Any
    nothing: None
    parts: list


def few():
    random = rng(1)
    return Few(
        torch.randint(9, (3, 2), generator=random),
        None,
        [(torch.rand(5, generator=random) < 0.5, 0.25), {"half": torch.ones(3, 1).half()}],
    )


class Copies(TorchDispatchMode):
    """Counts the copies to a GPU."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        to = (kwargs or {}).get("device")
        self.count += function is torch.ops.aten._to_copy.default and "cuda" in str(to)
        return function(*args, **(kwargs or {}))


def test_the_processor_gets_the_very_same_inputs():
    inputs = few()
    sent = send(inputs, "cpu")
    assert sent.numbers is inputs.numbers
    assert sent.nothing is None
    assert sent.parts[0][0] is inputs.parts[0][0]
    assert sent.parts[0][1] == 0.25
    assert isinstance(sent.parts[0][1], float)


@pytest.mark.gpu
def test_a_gpu_gets_all_inputs_in_one_copy():
    inputs = few()
    with Copies() as copies:
        sent = send(inputs, "cuda")
    assert copies.count == 1
    assert sent.nothing is None
    (choices, weight), half = sent.parts[0], sent.parts[1]["half"]
    for value in (sent.numbers, choices, weight, half):
        assert value.is_cuda
    assert weight.shape == ()
    assert weight.item() == 0.25
    assert torch.equal(sent.numbers.cpu(), inputs.numbers)
    assert torch.equal(choices.cpu(), inputs.parts[0][0])
    assert torch.equal(half.cpu(), inputs.parts[1]["half"])


@pytest.mark.gpu
@pytest.mark.parametrize(
    "index", [torch.tensor([3, 0]), (torch.tensor([3, 0]), torch.tensor([1, 1]))]
)
def test_rows_are_the_same_wherever_the_data_is(index):
    data = torch.arange(24).view(4, 6)
    for place in ("cpu", "cuda"):
        there = data.to(place)
        found = selected(there, send(selection(there, index), "cuda"))
        assert found.is_cuda
        assert torch.equal(found.cpu(), data[index])
