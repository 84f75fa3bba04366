"""A Ray cluster for the tests of this folder: three nodes on this machine, each with one core."""

import pytest
from clusters import PACK, Counting, Runner, started


@pytest.fixture(scope="package")
def machines(tmp_path_factory):
    with started(tmp_path_factory.mktemp("ray")) as found:
        yield found


@pytest.fixture
def cluster(machines):
    machines.notes.unlink(missing_ok=True)
    found = Counting(machines.address, [str(PACK)], None, pytest.fail)
    found.connect()
    return found


@pytest.fixture
def runner(tmp_path, one_thread):
    return Runner(tmp_path)
