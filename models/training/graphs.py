"""Steps of a training as CUDA graphs, so that the processor launches a whole step at once.

The first steps are done the ordinary way. Then a step is captured: its operations are recorded,
with the places of all tensors in the GPU's memory, and replayed in each further step. Two steps are
done both ways from the same state, and compared bit for bit. If they differ, or if the capture
fails, the training continues from the ordinary steps, and a warning says why.

Ordinary steps, captures and replays are on the same stream, as PyTorch's documentation prescribes:
libraries and the backward pass prepare themselves for each stream.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from .inputs import FixedPlace, form, send
from .loop import Stateful
from .numerics import capturing, in_one_line
from .snapshot import Snapshot, places, same_bits

Metrics = Mapping[str, Tensor]

WARM_UP = 3  # ordinary steps before a capture
COMPARED = 2  # steps that are also done the ordinary way after a capture
MOST_FITS = 8  # most kinds of steps, one after the other, before graphs are given up


class Computing(Protocol):
    """A trainee whose steps consist of inputs and of a computation on the device."""

    def stateful(self) -> Mapping[str, Stateful]:
        """Returns everything that training changes, by name (see `Trainee`)."""

    def inputs(self, step: int) -> Any:
        """Returns all that differs from step to step, for step number `step`, on the processor."""

    def compute(self, inputs: Any) -> Metrics:
        """Do a step with inputs on the device. Returns metrics: scalars on the device.

        It draws no random numbers, does not wait for the device, and needs no gradients of the step
        before. So a CUDA graph can repeat it.
        """


class GraphedSteps:
    """Does the steps of one training, by a CUDA graph as soon as one has proved to be right.

    A graph is only used while the inputs have the same shapes, and all that is trained is at the
    same places. Otherwise another step is captured.
    """

    def __init__(self, device: str, warn: Callable[[str], None]) -> None:
        self._device, self._warn = torch.device(device), warn
        self._stream: torch.cuda.Stream | None = torch.cuda.Stream(self._device)
        self._fits: Any = None  # what the inputs and the state must be like for the graph
        self._fitted = 0  # how often `_fits` has changed
        self._ordinary = self._compared = 0  # steps since its last change
        self._graph: Captured | None = None

    def do(self, trainee: Computing, inputs: Any) -> Metrics:
        """Do a step with these inputs, which are on the processor. Returns the metrics."""
        stream = self._stream
        if stream is None:
            return trainee.compute(send(inputs, self._device))
        outside = torch.cuda.current_stream(self._device)
        stream.wait_stream(outside)
        with torch.cuda.stream(stream):
            self._check_fit(trainee, inputs)
            if self._graph is not None and self._compared == COMPARED:
                done = Done(self._graph.replay(inputs))
            elif self._ordinary < WARM_UP:
                self._ordinary += 1
                done = Done(trainee.compute(send(inputs, self._device)))
                if self._fitted > MOST_FITS:
                    done.problem = "the inputs or the places of the state changed too often"
            else:
                done = self._do_both(trainee, inputs)
        if done.problem is None:
            outside.wait_stream(stream)
        else:
            self._give_up(done)
        return done.metrics or trainee.compute(send(inputs, self._device))

    def _give_up(self, done: Done) -> None:
        """Do only ordinary steps from now on."""
        torch.cuda.synchronize(self._device)
        self.close()
        self._stream = None
        if done.state is not None:
            done.state.restore()
            done.state = None  # its memory may be needed
        self._warn(
            f"the training continued without CUDA graphs ({done.problem}) - remove +graphs from the"
            " device"
        )

    def _check_fit(self, trainee: Computing, inputs: Any) -> None:
        """Drop the graph if it does not fit these inputs or the places of the state."""
        fits = form(inputs), places(trainee.stateful())
        if fits != self._fits:
            self.close()
            self._fits, self._ordinary, self._compared = fits, 0, 0
            self._fitted += 1

    def _do_both(self, trainee: Computing, inputs: Any) -> Done:
        """Do a step the ordinary way, and again by the graph."""
        done = Done()
        try:  # whatever fails, even for lack of memory: ordinary steps are possible
            before = done.state = Snapshot(trainee.stateful())
            metrics = trainee.compute(send(inputs, self._device))
            done.state, done.metrics = Snapshot(trainee.stateful()), metrics
            before.restore()
            if self._graph is None:
                self._graph = Captured(trainee, inputs)
            replayed = self._graph.replay(inputs)
            changed = done.state.difference() or _difference(metrics, replayed)
        except Exception as error:
            # a capture that fails raises another error at its end
            done.problem = in_one_line(error.__context__ or error)
        else:
            if changed is not None:
                done.problem = f"a replayed step differs from an ordinary one in {changed}"
            self._compared += 1
        return done

    def close(self) -> None:
        """Free the memory of the graph."""
        if self._graph is not None:
            self._graph.free()
        self._graph = self._fits = None


@dataclass
class Done:
    """A step that was done, or tried.

    metrics:  of the step; empty if it must be done again.
    problem:  why there cannot be a graph, or None.
    state:    the state to continue from if there is a problem; None for the present one.
    """

    metrics: Metrics = field(default_factory=dict)
    problem: str | None = None
    state: Snapshot | None = None


class Captured:
    """A step as a CUDA graph."""

    def __init__(self, trainee: Computing, inputs: Any) -> None:
        """Capture a step on the current stream, with inputs like these; it is not executed."""
        stream = torch.cuda.current_stream()
        self._inputs, self._graph = FixedPlace(inputs, stream.device), torch.cuda.CUDAGraph()
        for item in trainee.stateful().values():
            if isinstance(item, torch.optim.Optimizer):
                for group in item.param_groups:
                    group["capturable"] = True
        gc.collect()  # what is freed during a capture could make it fail
        pool = torch.cuda.graph_pool_handle()
        # The other threads of the process may allocate memory meanwhile, so "thread_local".
        mode = "thread_local"
        with capturing:
            try:
                with torch.cuda.graph(self._graph, pool, stream, capture_error_mode=mode):
                    metrics = trainee.compute(self._inputs.tensors)
                    self._names = [*metrics]
                    values = [value.detach().float() for value in metrics.values()]
                    self._values = torch.stack(values)
            except BaseException:
                end_failed_capture(stream.device, pool)
                raise

    def replay(self, inputs: Any) -> Metrics:
        """Do a step with these inputs, which are on the processor. Returns the metrics."""
        self._inputs.fill(inputs)
        self._graph.replay()
        return dict(zip(self._names, self._values.clone().unbind(), strict=True))

    def free(self) -> None:
        """Free the memory of the graph, when the GPU has finished with it."""
        torch.cuda.synchronize(self._values.device)
        self._graph.reset()


def end_failed_capture(device: torch.device, pool: Any) -> None:
    """Report the end of a capture to torch's allocator, which misses it if the driver fails it.

    Otherwise the allocator would divert memory for the capture for ever, and
    `torch.cuda.empty_cache` would fail, also in later nodes.
    """
    names = "_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"  # before torch 2.7
    end = next(filter(None, (getattr(torch._C, name, None) for name in names)), None)
    if end is None:
        return
    try:
        end(device.index, pool)
    except RuntimeError:  # it has ended, and the graph releases the pool
        return
    torch._C._cuda_releasePool(device.index, pool)


def _difference(ordinary: Metrics, replayed: Mapping[str, Tensor]) -> str | None:
    """Returns the name of a metric that is not the same, or None."""
    if [*ordinary] != [*replayed]:
        return "the names of the metrics"
    return next(
        (f"the metric {n}" for n, v in ordinary.items() if not same_bits(v.float(), replayed[n])),
        None,
    )
