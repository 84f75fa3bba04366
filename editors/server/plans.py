"""The plan of a graph for the editor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.binding import bind
from ...runner.graph.document import Document
from ...runner.graph.folders import Folders
from ...runner.run.device_option import all_numerics_for
from ...runner.run.job import default_jobs
from ...runner.run.plan_table import plan_table, total_of
from ...runner.store.store import Store
from .settings import Settings


def plan_of(
    document: Document, registry: Mapping[str, NodeSpec], settings: Settings
) -> dict[str, Any]:
    """Returns a row for each node, and how long the run takes, as a line and in few words.

    A row has the node's name, what a run would do with it, why, and how long that takes.

    Raises: ArtgraphError.
    """
    graph = bind(document, registry, Folders(document.folder, settings.input, settings.out))
    numerics, *others = all_numerics_for(settings.device)
    store = Store(settings.cache)
    try:
        rows = plan_table(graph, store, numerics)
    finally:
        store.close()
    devices = 1 + len(others)
    total = total_of(rows, graph, default_jobs(devices), devices)
    return {
        "rows": [
            {"node": row.node, "action": row.action, "why": row.why, "time": row.time}
            for row in rows
        ],
        "total": total.words if any(row.order for row in rows) else "",
        "short": total.short,
    }
