"""Out of memory in generation: smaller parts, and a word about it."""

import pytest
import torch

from artgraph.models.parts import in_parts


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
        f"out of memory; going on with {count} pictures at a time" for count in (8, 4)
    ]
    assert sizes == [16, 8, 4, 4, 4, 4, 4, 3]


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
