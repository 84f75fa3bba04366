"""A Ray cluster on which the nodes of runs are computed (`--executor ray`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..run.job import Job
from ..run.plan import Step
from ..run.record import Record
from ..run.schedule import Threads
from ..run.worker import Done, Worker
from .connection import Connection
from .run import ClusterRun


class RayCluster(Connection):
    """A cluster, as a run uses it (`job.Cluster`)."""

    def outcomes(
        self,
        job: Job,
        worker: Worker,
        record: Record,
        plan: list[Step],
        forced: Collection[str],
        threads: Threads,
    ) -> Iterator[tuple[str, Done | Exception]]:
        """Run the steps. Yields each node with its outcome, as `ClusterRun.outcomes` does."""
        return ClusterRun(self, job, worker, record, forced).outcomes(plan, threads)
