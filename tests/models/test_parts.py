"""Out of memory in generation: smaller parts, and a word about it."""

import subprocess
import sys

import pytest
import torch

from artgraph.models.training.in_parts import in_parts


def test_memory_that_runs_out_makes_the_parts_smaller():
    sizes = []

    def double(part):
        sizes.append(len(part))
        if len(part) > 5:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return part * 2

    values = torch.arange(23.0)
    with pytest.warns(UserWarning, match="out of memory") as told:
        assert torch.equal(in_parts(double, values, batch=16), values * 2)
    assert [str(warning.message) for warning in told] == [
        f"out of memory; continuing with {count} pictures at a time" for count in (8, 4)
    ]
    assert sizes == [16, 8, 4, 4, 4, 4, 4, 3]


REAL = """
import resource, warnings
import torch
from artgraph.models.training.in_parts import in_parts

values = torch.arange(64.0)
torch.set_num_threads(1)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (400 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = in_parts(lambda part: torch.ones(len(part), 4 << 20).amax(1) * part, values, batch=64)
assert torch.equal(found, values)
print(*(warning.message for warning in told), sep=chr(10))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how much memory a process has")
def test_memory_that_really_runs_out_makes_the_parts_smaller():
    """16 MiB a picture, and 400 MiB for all."""
    ran = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = ran.stdout.splitlines()
    assert 2 <= len(told) <= 4
    assert told[:2] == [f"out of memory; continuing with {n} pictures at a time" for n in (32, 16)]


def test_one_at_a_time_is_the_least_and_other_errors_pass():
    def fail(part):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with (
        pytest.raises(RuntimeError, match="allocate"),
        pytest.warns(UserWarning, match="1 pictures"),
    ):
        in_parts(fail, torch.zeros(4), batch=2)

    def bug(part):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        in_parts(bug, torch.zeros(4), batch=2)


def test_the_user_is_told_each_time(cli, pack):
    cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n  a: {node: little_memory}\n"
        "  b: {node: little_memory, with: {count: 24}}\n",
    )
    done = cli("run", "g.yaml", "--pack", pack, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    said = [f"warning: out of memory; continuing with {n} pictures at a time" for n in (8, 4)]
    assert done.stderr.splitlines() == said * 2


MODELS = """
import weakref
from artgraph.contract.spec import node
from artgraph.contract.values.kinds import Number

class Weights:
    pass

last = None

@node(title="Large model", category="test", device=True)
def large_model(value: Number | None = None, *, fails: bool = False) -> Number:
    global last
    assert last is None or last() is None, "the model before is still held"
    weights = Weights()
    last = weakref.ref(weights)
    if fails:
        raise RuntimeError("CUDA out of memory")
    return value or 0
"""


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_models_memory_is_free_before_the_next_one(cli, jobs):
    """Also that of one which failed, whose traceback knows all that it had."""
    cli.write("models.py", MODELS)
    nodes = "".join(
        f"  m{i}: {{node: large_model, with: {{fails: {str(i % 2 == 0).lower()}}}}}\n"
        for i in range(4)
    )
    cli.write("g.yaml", "artgraph: 1\nnodes:\n" + nodes + "  n: {node: number}\n")
    done = cli("run", "g.yaml", "--pack", "models.py", "--jobs", jobs)
    assert "still held" not in done.stderr
    assert done.stderr.count("out of memory - lower size, count or batch") == 2


@pytest.mark.gpu
def test_the_devices_memory_is_free_before_the_next_one(cli):
    code = MODELS.replace("weights = Weights()", "weights = big()").replace(
        "class Weights", GPU + "\nclass Weights"
    )
    cli.write("models.py", code)
    cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n  a: {node: large_model, with: {fails: true}}\n"
        "  b: {node: large_model}\n  c: {node: large_model, from: {value: b}}\n",
    )
    done = cli("run", "g.yaml", "--pack", "models.py", "--device", "cuda")
    assert "still" not in done.stderr
    assert done.stderr.count("out of memory - lower size, count or batch") == 1


GPU = """
def big():
    import torch
    assert torch.cuda.memory_reserved() < 1 << 20, "memory is still reserved"
    return torch.zeros(1 << 28, device="cuda")
"""
