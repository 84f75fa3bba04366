"""Operations written differently for a GPU: the same values, and the same bits each time."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from artgraph.models.repeatable import (
    attention,
    enlarged,
    enlarged_by_shifts,
    reflected,
    reflected_by_flips,
)
from artgraph.models.training.rng import rng

SHAPES = [(2, 3, 4, 4), (1, 5, 7, 3), (3, 2, 1, 6)]


def values_and_gradients(function, x, weights):
    """Returns the result of the function, and the gradient of its weighted sum."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    result = function(x)
    (result * weights).sum().backward()
    return result.detach(), x.grad


def drawn(*shape, layout=torch.contiguous_format):
    return torch.randn(shape, generator=rng(1, *shape)).contiguous(memory_format=layout)


def bilinear(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", SHAPES)
def test_enlargement_by_shifts_equals_bilinear_interpolation(shape, layout):
    x = drawn(*shape, layout=layout)
    weights = drawn(*shape[:2], 2 * shape[2], 2 * shape[3])
    expected, found = (values_and_gradients(f, x, weights) for f in (bilinear, enlarged_by_shifts))
    torch.testing.assert_close(found, expected)
    assert found[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("reach", [1, 3])
def test_reflection_by_flips_equals_torchs_padding(reach):
    x, weights = drawn(2, 3, 5, 9), drawn(2, 3, 5 + 2 * reach, 9 + 2 * reach)

    def padded(x):
        return F.pad(x, [reach] * 4, mode="reflect")

    expected = values_and_gradients(padded, x, weights)
    found = values_and_gradients(lambda x: reflected_by_flips(x, reach), x, weights)
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])


def test_the_processor_uses_torchs_own_operations():
    x = drawn(2, 3, 6, 5)
    assert torch.equal(enlarged(x), bilinear(x))
    assert torch.equal(reflected(x, 2), F.pad(x, [2] * 4, mode="reflect"))
    query = drawn(2, 1, 9, 8).requires_grad_()
    assert torch.equal(
        attention(query, query, query), F.scaled_dot_product_attention(query, query, query)
    )


class Fused(TorchFunctionMode):
    """Records for each call of attention whether torch may choose a fused kernel."""

    def __init__(self):
        self.calls = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.scaled_dot_product_attention:
            cuda = torch.backends.cuda
            self.calls.append(cuda.flash_sdp_enabled() or cuda.mem_efficient_sdp_enabled())
        return function(*args, **(kwargs or {}))


@pytest.mark.gpu
def test_only_drawing_uses_fused_attention_on_a_gpu():
    query = drawn(2, 1, 9, 8).cuda().requires_grad_()
    with Fused() as fused:
        attention(query, query, query)
        with torch.no_grad():
            attention(query, query, query)
    assert fused.calls == [False, True]


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (enlarged, (4, 32, 32, 32)),
        (lambda x: reflected(x, 3), (4, 3, 64, 64)),
        (lambda x: attention(x, x, x), (4, 4, 256, 32)),
    ],
)
def test_gradients_repeat_to_the_bit_on_a_gpu(function, shape, cuda):
    """A warning fails too: torch warns about operations that do not repeat."""
    x = drawn(*shape).cuda()
    weights = torch.ones_like(function(x)) * 0.3
    first = values_and_gradients(function, x, weights)
    for _ in range(3):
        again = values_and_gradients(function, x, weights)
        assert all(map(torch.equal, first, again))


@pytest.mark.gpu
def test_enlargement_on_a_gpu_neither_gathers_nor_sorts(cuda):
    from torch.profiler import ProfilerActivity, profile

    x = drawn(2, 3, 8, 8).cuda()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        values_and_gradients(enlarged, x, torch.ones(2, 3, 16, 16, device="cuda"))
    names = {event.key for event in recorded.key_averages()}
    assert not {name for name in names if "index" in name or "upsample" in name}
