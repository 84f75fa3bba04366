"""The end of a run: its manifest, and which files of earlier runs stay in the output folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from ..store.results import Result
from .earlier import MANIFEST, Owner
from .events import Listener, RunFinished
from .job import Job
from .plan import make_plan
from .record import FAILURE


def still_made(
    job: Job, saved: Mapping[str, Collection[str]], done: Mapping[str, Result] | None = None
) -> set[str]:
    """Returns the nodes that still make the files that they saved, given by their digests.

    done: the results of nodes that ran before.
    """
    names = [name for name in saved if name in job.graph.nodes]
    steps = make_plan(job.graph, job.store, job.numerics, names, (), done) if names else []
    return {
        step.node.name
        for step in steps
        if step.result is not None
        and any(out.digest in saved.get(step.node.name, ()) for out in step.result.outputs.values())
    }


def finish(
    job: Job,
    finished: RunFinished,
    nodes: dict[str, Any],
    whole: bool,
    current: Callable[[Mapping[Owner, Collection[str]]], Collection[Owner]],
    waiting: Callable[[], None],
    emit: Listener,
) -> RunFinished:
    """Write the manifest of a run, and emit its last event. Returns this event.

    It is returned with the files that were moved aside.

    nodes:            the entries of the nodes in the manifest.
    whole:            whether earlier files that were not made again are moved aside in any case.
    current, waiting: as for `Publisher.finish`.
    """
    from ...contract.version import version

    moved = job.publisher.finish(
        {
            "artgraph": version(),
            "file": job.graph.document.file,
            "numerics": job.numerics.name(),
            "finished": finished.time,
            "status": finished.status,
            "seconds": finished.seconds,
            "nodes": nodes,
        },
        whole,
        current,
        waiting,
    )
    folder = job.publisher.folder
    job.store.pin(folder / MANIFEST)
    if finished.status == "done" and whole:
        (folder / FAILURE).unlink(missing_ok=True)
    finished = replace(finished, moved=moved)
    emit(finished)
    return finished
