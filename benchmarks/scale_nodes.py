"""The node of benchmarks/scale.py: it waits as a GPU would compute, and returns some bytes."""

import time

from artgraph.api import Files, node


@node(title="Waiting task", category="benchmark")
def waiting_task(*, number: int = 0, seconds: float = 1.0, size: int = 200_000) -> Files:
    """Wait, then return a file of `size` bytes that depends on the number."""
    time.sleep(seconds)
    return Files({"@.bin": number.to_bytes(8, "little") * (size // 8)})
