"""What the machines of a cluster have, and what a node needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...models.training.numerics import Numerics


def needs_of(spec: NodeSpec, devices: int, numerics: Numerics) -> dict[str, Any]:
    """Returns the resources of a node's task as Ray's options.

    devices: on how many devices the node computes if it does not declare `gpus`.
    """
    on_gpu = numerics.device.startswith("cuda")
    cpus = spec.cpus
    if cpus is None:
        cpus = min(numerics.threads, most("CPU")) if spec.device and not on_gpu else 1
    gpus = spec.gpus if spec.gpus is not None else float(devices if spec.device else 0)
    options: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus if on_gpu else 0}
    if spec.memory is not None:
        options["memory"] = spec.memory
    return options


def total(resource: str) -> float:
    """Returns how much of a resource the cluster has."""
    import ray

    return float(ray.cluster_resources().get(resource, 0))  # type: ignore[no-untyped-call]


def most(resource: str) -> float:
    """Returns the largest amount of a resource that a machine of the cluster has."""
    import ray

    machines = [m for m in ray.nodes() if m["Alive"]]  # type: ignore[no-untyped-call]
    return max((float(m["Resources"].get(resource, 0)) for m in machines), default=0.0)


def waiting_line(needs: Mapping[str, Any]) -> str:
    """Returns why a task with these needs does not start."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    for option, resource in names.items():
        wanted, largest = needs.get(option, 0), most(resource)
        if wanted > largest:
            unit = " bytes" if resource == "memory" else ""
            return (
                f"waits for a machine with {resource} {wanted:g}{unit}; the largest of the cluster"
                f" has {largest:g} - add one, or stop with Ctrl-C"
            )
    return "waits for a worker of the cluster"
