"""Groups the nodes of a plan into the tasks of a cluster.

A task costs milliseconds, so small nodes travel together: whole chains of them, and others as long
as a group is quick. A node that computes on the device, or that declares what it needs, is a task
of its own. A node that reads files runs in the process that started the run, which sees the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ...contract.spec import NodeSpec
from ..run.plan import Step

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
    needs: frozenset[int]


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
    last: dict[frozenset[int], int] = {}  # by what they need: the last group of small nodes
    for step in steps:
        name = step.node.name
        needs = frozenset(number_of[source] for source in sources[name])
        is_here = _is_here(step)
        is_open = _is_small(step.node.spec) and not is_here
        seconds = _seconds(step, expected) if is_open else 0.0
        # Joining none but a later one than all that it needs can't make a circle.
        for number in (max(needs, default=None), last.get(needs)) if is_open else ():
            if number is not None and needs <= groups[number].needs | {number}:
                group, end = groups[number], groups[number].steps[-1].node.name
                continues = sources[name] == {end} and uses[end] == 1
                if group.is_open and (continues or group.seconds + seconds <= _MOST_SECONDS):
                    group.steps.append(step)
                    group.seconds += seconds
                    number_of[name] = number
                    break
        else:
            number_of[name] = len(groups)
            if is_open:
                last[needs] = len(groups)
            groups.append(Group([step], is_here, is_open, seconds, needs))
    return groups


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
