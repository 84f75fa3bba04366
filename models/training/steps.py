"""How the steps of a training are done: one operation after the other, compiled, or as a graph."""

from __future__ import annotations

from typing import Any

from torch import nn

from .graphs import Computing, GraphedSteps, Metrics
from .inputs import send
from .loop import TrainingRun
from .numerics import in_one_line, is_out_of_memory
from .snapshot import Snapshot


class Steps:
    """Does the steps of one training. It warns if they cannot be compiled or captured as wished."""

    def __init__(self, run: TrainingRun) -> None:
        self._device, self._warn = run.numerics.device, run.warn
        self._compiles = run.numerics.compiled  # whether the next step compiles the networks
        self._graphs = None
        if run.numerics.graphs:
            self._graphs = GraphedSteps(self._device, run.warn)

    def do(self, trainee: Computing, step: int) -> Metrics:
        """Do step number `step` (from 0). Returns the metrics."""
        inputs = trainee.inputs(step)
        if self._compiles:
            self._compiles = False
            return self._do_compiled(trainee, inputs)
        if self._graphs is not None:
            return self._graphs.do(trainee, inputs)
        return trainee.compute(send(inputs, self._device))

    def _do_compiled(self, trainee: Computing, inputs: Any) -> Metrics:
        """Do the first step, in which the networks compile; if that fails, without compiling."""
        before = Snapshot(trainee.stateful())
        try:
            return trainee.compute(send(inputs, self._device))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            reason = in_one_line(error)
        for item in trainee.stateful().values():
            if isinstance(item, nn.Module):
                for module in item.modules():
                    module._compiled_call_impl = None
        before.restore()
        metrics = trainee.compute(send(inputs, self._device))  # raises if something else is wrong
        self._warn(f"the training was not compiled ({reason}) - remove +compile from the device")
        return metrics

    def close(self) -> None:
        """Free the memory of a graph. Further steps are possible."""
        if self._graphs is not None:
            self._graphs.close()
