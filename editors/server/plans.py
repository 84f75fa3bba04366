"""The plan of a graph for the editor."""

from __future__ import annotations

from collections.abc import Mapping

from ...contract.spec import NodeSpec
from ...runner.graph.binding import bind
from ...runner.graph.document import Document
from ...runner.graph.folders import Folders
from ...runner.run.device_option import all_numerics_for
from ...runner.run.plan_table import plan_table
from ...runner.store.store import Store
from .settings import Settings


def plan_rows(
    document: Document, registry: Mapping[str, NodeSpec], settings: Settings
) -> list[dict[str, str]]:
    """Returns a row for each node: its name, what a run would do with it, and why.

    Raises: ArtgraphError.
    """
    graph = bind(document, registry, Folders(document.folder, settings.input, settings.out))
    store = Store(settings.cache)
    try:
        return [
            {"node": row.node, "action": row.action, "why": row.why}
            for row in plan_table(graph, store, all_numerics_for(settings.device)[0])
        ]
    finally:
        store.close()
