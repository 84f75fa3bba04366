"""Groups the nodes of a plan into the tasks of a cluster.

A task costs milliseconds, so small nodes travel together: whole chains of them, and others as long
as a group is quick. A node that computes on the device, or that declares what it needs, is a task
of its own. A node that reads files runs where the graph was started, since the files are there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from ...contract.spec import NodeSpec
from .plan import Step

_MOST_SECONDS = 0.5  # of a group, apart from chains, in which nothing could run side by side
_PLAIN_SECONDS, _UNKNOWN_SECONDS = 0.001, 0.1  # for a node on numbers and texts, and another one
_PLAIN = {"number", "text"}


@dataclass
class Group:
    """Nodes that run one after the other in one task.

    needs:   the numbers of the groups whose results they need, which are all smaller.
    is_here: they run in this process, not on the cluster.
    is_open: more small nodes may join.
    """

    steps: list[Step]
    is_here: bool
    is_open: bool
    seconds: float
    needs: set[int] = field(default_factory=set)


def grouped(
    plan: list[Step],
    done: Collection[str],
    expected: Callable[[Step], float | None],
    before: Mapping[str, str],
) -> list[Group]:
    """Returns the groups of those steps that are not done, each after the groups that it needs.

    expected: returns how many seconds a step is going to take, if that is known.
    before:   nodes that wait for another one, besides those that they need (`name_conflicts`).
    """
    steps = [step for step in plan if step.node.name not in done]
    sources = {s.node.name: s.node.sources - set(done) for s in steps}
    uses = Counter(source for names in sources.values() for source in names)
    for name in sources.keys() & before.keys():
        sources[name] |= {before[name]} - set(done)
    groups: list[Group] = []
    number_of: dict[str, int] = {}
    loose: int | None = None  # the last group of nodes that need no others
    for step in steps:
        name = step.node.name
        needs = {number_of[source] for source in sources[name]}
        is_small, is_here = _is_small(step.node.spec), _is_here(step)
        seconds = 0.0
        if is_small and not is_here:
            seconds = _seconds(step, expected)
            number = max(needs, default=loose)  # joining the newest one can't make a circle
            if number is not None and _may_join(groups[number], seconds, sources[name], uses):
                groups[number].steps.append(step)
                groups[number].seconds += seconds
                groups[number].needs |= needs - {number}
                number_of[name] = number
                continue
            if not needs:
                loose = len(groups)
        number_of[name] = len(groups)
        groups.append(Group([step], is_here, is_small and not is_here, seconds, needs))
    return groups


def _may_join(group: Group, seconds: float, sources: set[str], uses: Counter[str]) -> bool:
    """Returns whether a small node may join: if it only continues a chain, or does not take long.

    sources: the nodes that it needs.
    uses:    how many nodes need each node.
    """
    last = group.steps[-1].node.name
    continues = sources == {last} and uses[last] == 1
    return group.is_open and (continues or group.seconds + seconds <= _MOST_SECONDS)


def _is_small(spec: NodeSpec) -> bool:
    return not spec.device and spec.cpus is spec.gpus is spec.memory is None


def _is_here(step: Step) -> bool:
    """Returns whether a node runs in this process: if it is reused, or may read files."""
    node = step.node
    return step.result is not None or any(
        name in node.wires or node.values.get(name) is not None for name in node.spec.paths
    )


def _seconds(step: Step, expected: Callable[[Step], float | None]) -> float:
    spec = step.node.spec
    ports = (*spec.inputs.values(), *spec.outputs.values())
    if all(socket.name in _PLAIN for port in ports for socket in port.sockets):
        return _PLAIN_SECONDS
    known = expected(step)
    return _UNKNOWN_SECONDS if known is None else known
