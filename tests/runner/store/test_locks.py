"""The lock file: threads and stores of one process, and how it locks on Windows.

Between processes: test_store.py; on a file system without locks: test_network.py.
"""

import errno
import importlib.util
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from artgraph.runner.store import locks

fcntl = pytest.importorskip("fcntl")  # what plays Windows' locks

KEY = "ab" * 16
SAME_BYTE = "12" + KEY[2:]  # differs in bits that no lock on Windows has room for
OTHER = KEY[:14] + "c" + KEY[15:]


def msvcrt():
    """What Python's `msvcrt` does, by POSIX locks.

    A byte that is locked is refused to everyone, to this process as well, and only a locked byte
    can be unlocked. Positions are C longs.
    """
    module = types.ModuleType("msvcrt")
    module.LK_NBLCK, module.LK_UNLCK, module.locked = 2, 0, set()

    def locking(file, mode, count):
        place = os.lseek(file, 0, os.SEEK_CUR)
        if place >= 2**31:
            raise OSError(errno.EINVAL, "Invalid argument")
        if (mode == module.LK_NBLCK) == (place in module.locked):
            raise PermissionError(errno.EACCES, "Permission denied")
        if mode == module.LK_NBLCK:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, count, place)
            module.locked.add(place)
        else:
            fcntl.lockf(file, fcntl.LOCK_UN, count, place)
            module.locked.remove(place)

    module.locking = locking
    return module


def of_windows():
    """The module `locks` as it is on Windows."""
    before = {name: sys.modules.get(name) for name in ("fcntl", "msvcrt")}
    sys.modules |= {"fcntl": None, "msvcrt": msvcrt()}
    try:
        spec = importlib.util.spec_from_file_location(
            f"{locks.__name__}_of_windows", locks.__file__
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name, value in before.items():
            if value is None:
                del sys.modules[name]
            else:
                sys.modules[name] = value
    return module


@pytest.fixture(params=["here", "windows"])
def system(request):
    return locks if request.param == "here" else of_windows()


@pytest.fixture
def two(system, tmp_path):
    """The lock file, opened twice in this process."""
    opened = system.Locks(tmp_path / "locks"), system.Locks(tmp_path / "locks")
    yield opened
    for each in opened:
        each.close()


class GaveUpError(Exception):
    pass


def is_free(opened, key):
    def give_up():
        raise GaveUpError

    try:
        with opened.hold(key, give_up):
            return True
    except GaveUpError:
        return False


def test_a_key_is_held_by_one_at_a_time(two):
    for _ in range(2):
        with two[0].hold(KEY):
            assert not is_free(two[0], KEY)
            assert not is_free(two[1], KEY)
            assert is_free(two[1], OTHER)
            assert is_free(two[1], "f" * 32), "the largest offset"
        assert is_free(two[1], KEY)


def test_another_thread_waits(two, tmp_path, system):
    waited, got = threading.Event(), threading.Event()

    def want():
        with two[1].hold(KEY, waited.set):
            got.set()

    with two[0].hold(KEY):
        system.Locks(tmp_path / "locks").close()  # which must not release what others hold
        thread = threading.Thread(target=want)
        thread.start()
        assert waited.wait(10)
        assert not got.is_set()
    thread.join(10)
    assert got.is_set()


def test_keys_that_share_a_byte_exclude_each_other(tmp_path):
    windows = of_windows()
    one = windows.Locks(tmp_path / "locks")
    with one.hold(KEY):
        assert not is_free(one, SAME_BYTE)
        assert not is_free(one, KEY), "the refused one took nothing away"
    assert is_free(one, SAME_BYTE)
    one.close()
    here = locks.Locks(tmp_path / "locks")
    with here.hold(KEY):
        assert is_free(here, SAME_BYTE), "there is room for both"
    here.close()


HOLD = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import test_locks
with test_locks.of_windows().Locks(pathlib.Path(sys.argv[2])).hold(test_locks.KEY):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_other_processes_are_excluded(tmp_path):
    words = [sys.executable, "-c", HOLD, str(Path(__file__).parent), str(tmp_path / "locks")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        one = of_windows().Locks(tmp_path / "locks")
        assert not is_free(one, KEY)
        assert is_free(one, OTHER)
        other.kill()
        other.wait()
        assert is_free(one, KEY)
        one.close()


def test_who_holds_a_lock_is_known(two, tmp_path, system):
    assert two[0].holder(KEY) is None
    with two[0].hold(KEY, label="node 'x' of\n g.yaml"), two[0].hold(OTHER, label="other"):
        for folder in tmp_path.glob("*.holders"):  # what is damaged or left over does not matter
            (folder / ".garbage").write_bytes(b"\xff\n[1]\n[]\n" + b"9" * 5000)
        holder = two[1].holder(KEY)
        assert (holder.process, holder.label) == (os.getpid(), "node 'x' of g.yaml")
        assert two[1].holder(OTHER).label == "other"
    with two[1].hold(KEY, label="later"):
        assert two[0].holder(KEY).label == "later"


def test_a_slow_lock_is_reported(two, system):
    calls = []
    with two[0].hold(KEY, label="busy"):

        def give_up():
            if calls:
                raise GaveUpError

        with pytest.raises(GaveUpError):
            two[1].acquire(KEY, give_up, calls.append)
    assert [holder.label for holder in calls] == ["busy"]


def test_without_locks_nobody_waits_for_ever(tmp_path):
    """A share that can't lock answers with another error than that of a byte that is taken."""
    windows = of_windows()

    def refuse(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    windows.msvcrt.locking = refuse
    one = windows.Locks(tmp_path / "locks")
    assert is_free(one, KEY)
    one.close()
