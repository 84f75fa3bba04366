"""Operations written differently for a GPU: the same values, and the same bits each time."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from artgraph.models.repeatable import (
    attention,
    enlarged,
    enlarged_by_shifts,
    plain_attention,
    reflected,
    reflected_by_flips,
    sampled,
    sampled_by_index,
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


@pytest.mark.parametrize("mixed", [False, True])
def test_plain_attention_has_the_bits_of_torchs(mixed):
    x, weights = drawn(2, 3, 9, 32), drawn(2, 3, 9, 32)
    with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        expected, found = (
            values_and_gradients(lambda x, f=f: f(x, x * 2, x + 1), x, weights)
            for f in (F.scaled_dot_product_attention, plain_attention)
        )
    assert found[0].dtype == (torch.bfloat16 if mixed else torch.float32)
    assert all(map(torch.equal, found, expected))


class Calls(TorchFunctionMode):
    """Records calls of torch's attention, and whether all may choose fused kernels at any time."""

    def __init__(self):
        self.calls, self.fused = 0, True

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.calls += function is F.scaled_dot_product_attention
        self.fused &= torch.backends.cuda.flash_sdp_enabled()
        return function(*args, **(kwargs or {}))


@pytest.mark.gpu
def test_only_drawing_uses_fused_attention_on_a_gpu():
    """A training changes no switch, because trainings and drawings on other GPUs would see it."""
    query = drawn(2, 1, 9, 8).cuda().requires_grad_()
    with Calls() as watch:
        attention(query, query, query)
        assert (watch.calls, watch.fused) == (0, True)
        with torch.no_grad():
            attention(query, query, query)
    assert (watch.calls, watch.fused) == (1, True)


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
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as recorded:
        values_and_gradients(enlarged, x, torch.ones(2, 3, 16, 16, device="cuda"))
    names = {event.key for event in recorded.key_averages()}
    assert not {name for name in names if "index" in name or "upsample" in name}


def test_places_of_a_grid_are_sampled_alike():
    x = torch.randn(2, 3, 9, 12, generator=rng(0))
    grid = 3 * torch.rand(1, 7, 8, 2, generator=rng(1)) - 1.5
    torch.testing.assert_close(sampled_by_index(x, grid), sampled(x, grid), rtol=0, atol=1e-5)
