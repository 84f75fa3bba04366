"""What an error of Ray means for a run."""

from __future__ import annotations

from ...contract.errors import ArtgraphError, Cancelled, GraphError


class LostError(Exception):
    """The worker of a task was lost; the text says why.

    is_final: the same would happen again.
    """

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def meaning_of(error: Exception) -> Exception:
    """Returns the error to raise for an error of Ray."""
    from ray import exceptions

    reason = " ".join(str(error).split())
    if isinstance(error, exceptions.OutOfMemoryError):
        return LostError("out of memory on a machine of the cluster", is_final=True)
    if isinstance(error, exceptions.TaskCancelledError):
        return Cancelled()
    if isinstance(error, exceptions.RayActorError):  # the desk, which is on this machine
        return ArtgraphError(
            "the Ray cluster has ended, or its process for messages on this machine",
            "start it again with `ray start`, then run again: finished results are reused",
        )
    if isinstance(error, exceptions.RayTaskError):
        cause = " ".join(str(error.cause or error).split())
        return GraphError(
            f"a worker of the cluster can't run artgraph: {cause[-300:]}",
            "install the same version of artgraph on all machines",
        )
    if isinstance(error, exceptions.NodeDiedError):
        return LostError("its machine was lost")
    if isinstance(error, exceptions.WorkerCrashedError):
        return LostError("its process was killed")
    return LostError(f"its task was lost ({type(error).__name__}: {reason[:120]})")
