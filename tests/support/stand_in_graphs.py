"""CUDA graphs on the stand-in for a GPU: a capture is recorded, and a replay runs it again.

A capture records each operation with its tensors, as they are: a number, a shape, or the memory of
an input is the same in each replay, whatever it is outside. A replay writes its results into the
tensors that the capture returned. As on a real GPU,

- a capture executes nothing: all tensors from before it stay as they are, and new ones contain
  nothing useful (NaN) until the first replay;
- within it, what waits for the GPU and copies of memory that is not pinned are errors. Then the
  end of the capture is an error, too, and the allocator must be told about it: until then
  `empty_cache` fails, as it does during a capture;
- it must be on another stream than the usual one, and its optimisers must be capturable.

Pinned memory must not be written while a copy from it may be in flight: until an event that was
recorded after the copy has been waited for, or the whole GPU.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from nested import leaves

Call = tuple[Callable[..., Any], Any, Any, list[torch.Tensor | None]]


class Graphs:
    """The streams and graphs of a stand-in. `recording` is the graph that is being captured."""

    def __init__(self, gpu: Any) -> None:
        self.gpu, self.recording = gpu, None
        self.in_flight: list[Any] = []  # storages from which copies may be unfinished
        self.local = threading.local()
        self.alive: set[Graph] = set()  # graphs that were captured and not yet reset
        self.underway: list[Any] = []  # memory pools of captures that have not ended

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Do an operation on the CPU tensors, and record it if there is a capture."""
        if self.recording is None:
            return func(*args, **kwargs)
        return self.recording.record(func, args, kwargs)

    def forbid(self, why: str) -> None:
        """Raise an error if there is a capture."""
        if self.recording is not None:
            self.recording.failed = True
            raise torch.AcceleratorError(
                f"CUDA error: operation not permitted when stream is capturing: {why}"
            )

    def check_free(self, func: Any, args: Any) -> None:
        """Raise an error if an operation of the processor writes to memory that is being copied."""
        if self.in_flight and func._schema.is_mutable and isinstance(args[0], torch.Tensor):
            storage = args[0].untyped_storage()._cdata
            if any(ref.cdata == storage and not ref.expired() for ref in self.in_flight):
                raise RuntimeError("pinned memory is written while it may still be copied")

    def current(self) -> Stream:
        return getattr(self.local, "stream", None) or Stream(usual=True)


class Stream:
    """A stream; on the stand-in, everything happens in the order of the program."""

    def __init__(self, device: Any = "cuda", *, usual: bool = False) -> None:
        self.device, self.usual = torch.device(device), usual

    def wait_stream(self, other: Stream) -> None:
        if self.is_capturing() != other.is_capturing():
            raise torch.AcceleratorError("CUDA error: dependency created on uncaptured work")

    def is_capturing(self) -> bool:
        return self.graphs.recording is not None and self.graphs.recording.stream is self

    graphs: Graphs


class Event:
    """An event; the copies before it are finished when it has been waited for."""

    graphs: Graphs

    def __init__(self, **_: Any) -> None:
        self.copies: list[Any] = []

    def record(self, stream: Stream | None = None) -> None:
        self.copies = [*self.graphs.in_flight]

    def synchronize(self) -> None:
        self.graphs.forbid("waiting for an event")
        self.graphs.in_flight[:] = [
            ref
            for ref in self.graphs.in_flight
            if not ref.expired() and all(ref is not copied for copied in self.copies)
        ]


class Graph:
    """A captured graph."""

    graphs: Graphs

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.stream: Any = None
        self.failed = False
        self._before: dict[int, tuple[Any, Any]] = {}  # storages that are not of this graph
        self._own: dict[int, Any] = {}  # storages of this graph

    def record(self, func: Any, args: Any, kwargs: Any) -> Any:
        given = [x for x in leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        for storage in (x.untyped_storage() for x in given):
            if storage._cdata not in self._own and storage._cdata not in self._before:
                self._before[storage._cdata] = storage, storage.clone()
        result = func(*args, **kwargs)
        known, new = {x.untyped_storage()._cdata for x in given}, []
        for made in leaves(result):
            is_new = isinstance(made, torch.Tensor) and made.untyped_storage()._cdata not in known
            new.append(made if is_new else None)
            if is_new:
                self._own[made.untyped_storage()._cdata] = made.untyped_storage()
        if func._schema.is_mutable or any(made is not None for made in new):
            self.calls.append((func, args, kwargs, new))
        return result

    def begin(self, stream: Stream) -> None:
        if stream.usual:
            raise torch.AcceleratorError("CUDA error: the usual stream cannot be captured")
        self.stream, self.graphs.recording = stream, self
        self.graphs.alive.add(self)

    def end(self) -> None:
        self.graphs.recording = None
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            for *_, new in self.calls:
                for made in (x for x in new if x is not None):
                    made.fill_(float("nan") if made.is_floating_point() else 0)
            for storage, content in self._before.values():
                storage.copy_(content)
        self._before.clear()
        if self.failed:
            raise torch.AcceleratorError("CUDA error: a previous error during capture")

    def replay(self) -> None:
        """Do all operations again; counts as one launch."""
        self.graphs.gpu.tally.update({"launches": 1, "replays": 1})
        if self.graphs.gpu.calls is not None:
            self.graphs.gpu.calls.append(("replay",))
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            for func, args, kwargs, new in self.calls:
                results = leaves(func(*args, **kwargs))
                for old, result in zip(new, results, strict=True):
                    if old is not None:
                        old.copy_(result)

    def reset(self) -> None:
        self.graphs.alive.discard(self)
        self.calls.clear()


def patch(graphs: Graphs) -> None:
    """Replace the functions of torch for streams, events and graphs."""
    Stream.graphs = Event.graphs = Graph.graphs = graphs

    @contextmanager
    def stream(chosen: Stream) -> Any:
        before, graphs.local.stream = graphs.current(), chosen
        try:
            yield
        finally:
            graphs.local.stream = before

    @contextmanager
    def graph(
        captured: Graph, pool: Any = (), stream: Any = None, capture_error_mode: str = "global"
    ) -> Any:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        assert graphs.recording is None, "only one capture may be underway"
        with torch.cuda.stream(stream):
            captured.begin(stream)
            graphs.underway.append(pool)
            try:
                yield
            finally:
                captured.end()
                graphs.underway.remove(pool)

    def end(device: Any, pool: Any) -> None:
        if pool not in graphs.underway:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        graphs.underway.remove(pool)

    def empty_cache() -> None:
        if graphs.underway:
            raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    torch._C._cuda_endAllocateToPool, torch.cuda.empty_cache = end, empty_cache
    torch._C._cuda_releasePool = lambda device, pool: None
    torch.cuda.graph_pool_handle = lambda: object()

    torch.cuda.stream, torch.cuda.Stream = stream, Stream
    torch.cuda.graph, torch.cuda.CUDAGraph, torch.cuda.Event = graph, Graph, Event
    torch.cuda.current_stream = torch.accelerator.current_stream = lambda *_: graphs.current()
    torch.cuda.is_current_stream_capturing = lambda: graphs.current().is_capturing()
    torch.accelerator.current_accelerator = lambda *_, **__: torch.device("cuda")
