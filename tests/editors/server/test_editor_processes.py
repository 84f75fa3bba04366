"""The editor's server and its process that runs graphs: what they load, and how they end."""

import signal
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import PICTURE, Server, Tab, node, training, until

CRASH = """
import os
from artgraph.contract.spec import node
from artgraph.contract.values.kinds import Number

@node(title="Crash", category="test")
def crash() -> Number:
    '''End the process.'''
    os.kill(os.getpid(), 9)

@node(title="Stubborn", category="test")
def stubborn() -> Number:
    '''Block without a check for cancellation.'''
    import time
    time.sleep(3600)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    (folder / "crash.py").write_text(CRASH)
    with Server(folder, "--pack", "crash.py") as server:
        yield server


def test_a_crash_or_a_blocked_node_ends_only_its_run(server):
    with Tab(server, "crash") as tab:
        job = server.finished(server.run({"1": node("crash")}, "crash").json()["prompt_id"])
        assert job["status"] == "failed"
        assert "signal 9" in job["execution_error"]["exception_message"]
        failure = tab.wait("artgraph.failed")
    assert failure["node_id"] == "1"
    assert "signal 9" in failure["what"]
    assert "finished results are stored" in failure["advice"]
    prompt_id = server.run({"1": node("stubborn")}).json()["prompt_id"]
    until(lambda: server.job(prompt_id, "in_progress"))
    server.post("/interrupt")
    server.post("/interrupt")  # the second request kills the process
    assert server.finished(prompt_id)["status"] == "cancelled"
    assert server.finished(server.run(PICTURE).json()["prompt_id"])["status"] == "completed"


def test_the_server_itself_never_loads_torch(server):
    server.finished(server.run(PICTURE).json()["prompt_id"])
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs Linux")
    assert "libtorch" not in maps.read_text()


def test_the_queue_continues_after_the_server_was_killed(tmp_path):
    notes = {"NOTES": str(tmp_path / "notes")}
    killed = Server(tmp_path, **notes)
    first = killed.run(training(30, 0.03)).json()["prompt_id"]
    second = killed.run(PICTURE).json()["prompt_id"]
    until(lambda: "step 8" in _read(tmp_path / "notes"))
    (worker,) = killed.workers()
    killed.stop(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{worker}").exists(), 15)
    with Server(tmp_path, **notes) as server:
        assert server.finished(first)["status"] == "completed"
        assert server.finished(second)["status"] == "completed"
        (worker,) = server.workers()
        assert server.stop() == 0
    until(lambda: not Path(f"/proc/{worker}").exists(), 5)
    steps = [line for line in _read(tmp_path / "notes").splitlines() if line.startswith("step")]
    assert len(steps) == len(set(steps)) == 30  # no step was done twice


def test_a_closed_terminal_ends_the_server_and_its_process(tmp_path):
    server = Server(tmp_path, NOTES=str(tmp_path / "notes"))
    server.run(training(1000, 0.03))
    until(lambda: "step 8" in _read(tmp_path / "notes"))
    (worker,) = server.workers()
    assert server.stop(signal.SIGHUP) == 0
    until(lambda: not Path(f"/proc/{worker}").exists(), 15)


def _read(path):
    return path.read_text() if path.exists() else ""
