"""Runs the trainings of benchmarks/quality.py as graphs with a cache, and writes sheets."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image as Picture

from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.load import load_graph
from artgraph.models.training.numerics import Numerics
from artgraph.pictures.sheet import contact_sheet, lay_out
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.bound import Graph
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.events import Event, Failed, Finished, Started
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.store import Store

Nodes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Results:
    """Results of a graph's nodes.

    values:  by `node` or `node.output`.
    seconds: CPU seconds of a node, and the step from which its training was resumed.
    digests: digests of the outputs.
    """

    values: Mapping[str, Any]
    seconds: Mapping[str, tuple[float, int]]
    digests: Mapping[str, str]

    def seconds_of(self, node: str, since: int = 0) -> float:
        """Returns the CPU seconds of a node whose training was resumed from step `since`.

        Returns NaN if it was resumed from another step, after an interruption.
        """
        seconds, step = self.seconds[node]
        return seconds if step == since else math.nan


class Bench:
    """Runs graphs with a cache for this version of the code, so that nothing is computed twice.

    judged:   folder of the vectors of pictures that were judged.
    packages: folder of unpacked packages; those that are missing are fetched into it.
    trial:    steps of the trainings of few pictures, to try them out; 0 for those of the budgets.
    device:   where it trains; the judges are on the processor.
    """

    def __init__(
        self,
        cache: Path,
        out: Path,
        packages: Path | None = None,
        trial: int = 0,
        device: str = "cpu",
    ) -> None:
        self.out, self.numerics = out.resolve(), Numerics.of(device)
        self.packages, self.trial = (packages or self.out / "packages").resolve(), trial
        self.judged = cache / "judged"
        self.out.mkdir(parents=True, exist_ok=True)
        self._registry = load_nodes([str(Path(__file__).with_name("quality_peers.py"))])
        folder = cache / _code()
        self._store = Store(folder)
        self._times = folder / "cpu_seconds.json"
        self.seconds: dict[str, tuple[float, int]] = (
            json.loads(self._times.read_text()) if self._times.exists() else {}
        )

    def run(self, nodes: Nodes, outputs: Sequence[str]) -> Results:
        """Run what the `outputs` ("node" or "node.output") need, and read their values."""
        text = yaml.safe_dump({"artgraph": 1, "nodes": dict(nodes)}, sort_keys=False)
        folder = self.out
        graph = bind(
            parse_document(text, "quality.yaml", folder),
            self._registry,
            Folders(folder, folder, self.out),
        )
        return self._execute(graph, outputs)

    def run_shipped(self, name: str, settings: Sequence[str], outputs: Sequence[str]) -> Results:
        """Run a shipped graph as `run` does."""
        return self._execute(load_graph(name, self._registry, settings), outputs)

    def _execute(self, graph: Graph, outputs: Sequence[str]) -> Results:
        began: dict[str, tuple[float, int]] = {}
        took: dict[str, tuple[float, int]] = {}
        problems: list[str] = []

        def listen(event: Event) -> None:
            if isinstance(event, Started):
                began[event.node] = time.process_time(), event.step or 0
            elif isinstance(event, Finished):
                start, step = began[event.node]
                took[event.node] = time.process_time() - start, step
                print(f"  {event.type} {took[event.node][0]:.0f} s", file=sys.stderr, flush=True)
            elif isinstance(event, Failed):
                problems.append(f"{event.node}: {event.message}")

        publisher = Publisher(self.out / "graphs", graph.document.yaml())
        run = Run(Job(graph, self._store, self.numerics, publisher, listen, previews=None))
        run.execute(only={name.split(".")[0] for name in outputs})
        if run.exit_code:
            raise SystemExit("; ".join(problems) or f"exit code {run.exit_code}")
        digests = {
            f"{node}.{output}": stored.digest
            for node, result in run.results.items()
            for output, stored in result.outputs.items()
        }
        seconds = {}
        for node, result in run.results.items():
            key = " ".join(stored.digest for stored in result.outputs.values())
            if node in took:
                self.seconds[key] = took[node]
            first, step = self.seconds.get(key, (math.nan, 0))
            seconds[node] = first, step
        self._times.write_text(json.dumps(self.seconds, indent=0))
        values = {}
        for name in outputs:
            node, _, output = name.partition(".")
            spec = graph.nodes[node].spec
            output = output or next(iter(spec.outputs))
            socket = spec.outputs[output].sockets[0]
            values[name] = self._store.value(socket, run.results[node].outputs[output])
        return Results(values, seconds, digests)

    def sheet(self, name: str, images: torch.Tensor, columns: int, title: str = "") -> None:
        """Write pictures, uint8 or float in 0..1 (N, H, W, 3), as one PNG in the out folder."""
        if images.is_floating_point():
            images = images.mul(255).add(0.5).byte()
        pixels: Any = images.numpy()
        layout = lay_out(len(pixels), *pixels.shape[1:3], columns=columns, gap=2, title=bool(title))
        sheet = contact_sheet(np.ascontiguousarray(pixels), layout, title=title)
        Picture.fromarray(sheet).save(self.out / f"{name}.png")


def _code() -> str:
    """Returns a digest of all code that can affect results, beside the versions of the nodes."""
    here = Path(__file__).parent
    folders = [here.parent / name for name in ("models", "nodes", "pictures", "graphs")]
    files = sorted(p for f in folders for p in f.rglob("*") if p.suffix in (".py", ".safetensors"))
    digest = hashlib.sha256()
    for file in [*files, here / "quality_peers.py"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
