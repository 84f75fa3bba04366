"""What CUDA refuses and what waits for it: the same on the stand-in as on a GPU."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from artgraph.models.training.graphs import end_failed_capture

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cuda")]


def on_gpu(*shape):
    return torch.ones(*shape, device="cuda")


REFUSED = {
    "a sum of two devices": lambda: on_gpu(3) + torch.ones(3),
    "a product of two devices": lambda: on_gpu(3, 3) @ torch.ones(3, 3),
    "a module on another device": lambda: torch.nn.Linear(3, 3)(on_gpu(1, 3)),
    "rows of the CPU by indices of the GPU": lambda: torch.ones(3)[on_gpu(2).long()],
    "a list of two devices": lambda: torch.cat([on_gpu(3), torch.ones(3)]),
    "a generator of the CPU": lambda: torch.rand(3, generator=torch.Generator(), device="cuda"),
    "a generator of the GPU": lambda: torch.rand(3, generator=torch.Generator("cuda")),
    "an array": lambda: on_gpu(3).numpy(),
    "a device that does not exist": lambda: torch.ones(3, device="cuda:99"),
}
BETWEEN = {
    "a sum": lambda a, b: a + b,
    "a sum with a number": lambda a, b: a + b.sum(),
    "a product": lambda a, b: a @ b,
    "a list": lambda a, b: torch.cat([a, b]),
    "rows by indices": lambda a, b: a[b[0].long()],
    "a module": lambda a, b: torch.nn.Linear(2, 2).to("cuda:0")(b),
}
WAITING = {
    "a value": lambda: on_gpu(1).item(),
    "a condition": lambda: bool(on_gpu(1) > 0),
    "values": lambda: on_gpu(3).tolist(),
    "a copy from the GPU": lambda: on_gpu(3).cpu(),
    "a copy to the GPU": lambda: torch.ones(3).to("cuda"),
    "a new tensor from numbers": lambda: torch.tensor([1, 2], device="cuda"),
    "a mask": lambda: on_gpu(3)[on_gpu(3) > 0],
    "nonzero": lambda: on_gpu(3).nonzero(),
}
FREE = {
    "a pinned copy": lambda: torch.ones(3).pin_memory().to("cuda", non_blocking=True),
    "a part of a pinned copy": lambda: torch.ones(3).pin_memory()[1:].to("cuda", non_blocking=True),
    "a number of the CPU": lambda: on_gpu(3) + torch.tensor(2.0),
    "rows by indices of the GPU": lambda: on_gpu(3)[
        torch.zeros(2, dtype=torch.long, device="cuda")
    ],
    "a product": lambda: on_gpu(3, 3) @ on_gpu(3, 3),
}


@pytest.mark.parametrize("name", REFUSED)
def test_cuda_refuses(name):
    with pytest.raises((RuntimeError, TypeError)):
        REFUSED[name]()


@pytest.mark.parametrize("name", BETWEEN)
def test_two_gpus_are_two_devices(name, two_gpus):
    a, b = (torch.ones(2, 2, device=numerics.device) for numerics in two_gpus)
    with pytest.raises((RuntimeError, TypeError)):
        BETWEEN[name](a, b)
    BETWEEN[name](a, b.to(a.device).mul_(0)) if name != "a module" else BETWEEN[name](a, a)


def test_each_thread_has_a_current_gpu(two_gpus):
    def current():
        return torch.cuda.current_device(), torch.ones(1, device="cuda").device.index

    with ThreadPoolExecutor(1) as other:
        with two_gpus[1].current():
            assert current() == (1, 1)
            assert other.submit(current).result() == (0, 0)
        assert current() == (0, 0)


@pytest.mark.parametrize("name", WAITING)
def test_the_processor_waits_for(name):
    WAITING[name]()
    torch.cuda.set_sync_debug_mode("error")
    with pytest.raises(RuntimeError, match="called a synchronizing"):
        WAITING[name]()


@pytest.mark.parametrize("name", FREE)
def test_the_processor_does_not_wait_for(name, gpu):
    torch.cuda.set_sync_debug_mode("error")
    if gpu is not None:
        gpu.tally.clear()
    FREE[name]()
    assert gpu is None or not [line for line in gpu.tally if "unpinned" in line]


def test_algorithms_that_vary_cause_a_warning():
    pool = torch.nn.AdaptiveMaxPool2d(2)
    with pytest.warns(UserWarning, match="deterministic"):
        pool(on_gpu(1, 1, 4, 4).requires_grad_()).sum().backward()
    torch.use_deterministic_algorithms(False)
    with warnings.catch_warnings(action="error"):
        pool(on_gpu(1, 1, 4, 4).requires_grad_()).sum().backward()


def test_launches_are_counted(gpu, monkeypatch):
    if gpu is None:
        pytest.skip("a GPU does not count")
    a, b = on_gpu(4), on_gpu(4)
    monkeypatch.setattr(gpu, "calls", [])
    gpu.tally.clear()
    (a + b).view(2, 2).mul_(2)
    assert gpu.calls == [("add", (4,), (4,)), ("mul_", (2, 2), 2)]
    assert gpu.tally["launches"] == 2
    assert gpu.tally["bytes touched"] == 5 * 16


def doubled(x):
    """Returns a graph that doubles x in place and adds 1 to it, and the tensor with the sum."""
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        x.mul_(2)
        more = x + 1
    return graph, more


def test_a_capture_does_nothing_and_a_replay_does_it_again():
    x = on_gpu(3)
    graph, more = doubled(x)
    assert x.tolist() == [1, 1, 1]
    for factor in (2, 4):
        graph.replay()
        assert (x.tolist(), more.tolist()) == ([factor] * 3, [factor + 1] * 3)
    x.fill_(10)
    graph.replay()
    assert more.tolist() == [21, 21, 21]


CAPTURED = {
    "a value": lambda: on_gpu(1).item(),
    "a copy from the GPU": lambda: on_gpu(3).cpu(),
    "a copy of memory that is not pinned": lambda: torch.ones(3).to("cuda", non_blocking=True),
    "the GPU": lambda: torch.cuda.synchronize(),
    "work on another stream": lambda: torch.cuda.current_stream().wait_stream(torch.cuda.Stream()),
}


# A capture that ends before it contains anything; torch only says so on a real GPU.
EMPTY = pytest.mark.filterwarnings("ignore:The CUDA Graph is empty")


@EMPTY
@pytest.mark.parametrize("name", CAPTURED)
def test_a_capture_must_not_wait_for(name):
    CAPTURED[name]()
    pool = torch.cuda.graph_pool_handle()
    with (
        pytest.raises(RuntimeError),
        torch.cuda.graph(torch.cuda.CUDAGraph(), pool, torch.cuda.Stream()),
    ):
        CAPTURED[name]()
    end_failed_capture(torch.device("cuda", 0), pool)
    torch.cuda.empty_cache()


def test_memory_cannot_be_returned_during_a_capture_nor_after_a_failed_one(gpu):
    if gpu is None:
        pytest.skip("on a GPU it depends on the version of torch")
    pool = torch.cuda.graph_pool_handle()
    for name in ("nothing", "a value"):
        with (
            pytest.raises(RuntimeError),
            torch.cuda.graph(torch.cuda.CUDAGraph(), pool, torch.cuda.Stream()),
        ):
            CAPTURED.get(name, torch.cuda.empty_cache)()
        if name == "a value":
            with pytest.raises(RuntimeError):
                torch.cuda.empty_cache()
        end_failed_capture(torch.device("cuda", 0), pool)
    torch.cuda.empty_cache()


@EMPTY
def test_the_usual_stream_cannot_be_captured():
    with (
        pytest.raises(RuntimeError),
        torch.cuda.graph(torch.cuda.CUDAGraph(), stream=torch.cuda.current_stream()),
    ):
        pass


@EMPTY
def test_an_optimiser_must_be_capturable():
    weight = on_gpu(3).requires_grad_()
    adam = torch.optim.Adam([weight], fused=True)
    weight.grad = on_gpu(3)
    adam.step()
    for capturable in (True, False):
        adam.param_groups[0]["capturable"] = capturable
        with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=torch.cuda.Stream()):
            if capturable:
                adam.step()
            else:
                with pytest.raises(RuntimeError, match="capturable is False"):
                    adam.step()


def test_memory_that_is_being_copied_must_not_be_written(gpu):
    if gpu is None:
        pytest.skip("a GPU does not notice it")
    source, event = torch.ones(3).pin_memory(), torch.cuda.Event()
    source.to("cuda", non_blocking=True)
    with pytest.raises(RuntimeError, match="while it may still be copied"):
        source.fill_(2)
    event.record()
    event.synchronize()
    source.fill_(2)
