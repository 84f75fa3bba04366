"""What the tests share: a command line with its own folders, and a pack of small nodes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest_plugins = ["browsing", "object_store"]
SUPPORT = Path(__file__).parent / "support"
PACK = SUPPORT / "pack.py"


def pytest_addoption(parser):
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a skipped test fails; so does one marked gpu if --stand-in-gpu is set",
    )
    parser.addoption(
        "--stand-in-gpu",
        action="store_true",
        help="run the tests marked gpu, and no others, on a stand-in for a GPU",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("stand_in_gpu"):
        marks = {item: item.get_closest_marker("gpu") for item in items}
        items[:] = [i for i, mark in marks.items() if mark and mark.kwargs.get("stand_in", True)]
        config.hook.pytest_deselected(items=[*(marks.keys() - {*items})])


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu"):
        import torch

        if not item.config.getoption("stand_in_gpu") and not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    may_skip = item.get_closest_marker("gpu") and not item.config.getoption("stand_in_gpu")
    return report if may_skip else judged(report, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return judged((yield), collector.config)


def judged(report, config):
    """The report of a test or of a file of tests, failed if it skips what may not be skipped."""
    if report.skipped and config.getoption("no_skips"):
        report.outcome = "failed"
        report.longrepr = f"--no-skips, but skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True, scope="session")
def gpu(request):
    """The stand-in for a GPU if --stand-in-gpu is set, else None. It changes the whole process."""
    if not request.config.getoption("stand_in_gpu"):
        yield None
        return
    import torch
    from shorter import shorten
    from stand_in_cuda import StandIn

    torch.set_num_threads(1)
    shorten()
    try:
        stand_in = StandIn(SUPPORT.parent.parent).__enter__()
    except RuntimeError as error:  # another torch than it is made for
        pytest.skip(str(error))
    yield stand_in
    stand_in.__exit__(None, None, None)


@pytest.fixture
def cuda():
    """The numerics of a GPU, with torch's switches and this thread set as in a run."""
    import torch

    from artgraph.models.training.numerics import Numerics

    numerics = Numerics.of("cuda")
    numerics.apply()
    with numerics.current():
        yield numerics
    torch.cuda.set_sync_debug_mode("default")
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def two_gpus(cuda, gpu, monkeypatch):
    """The numerics of two GPUs; the stand-in makes as many as are needed."""
    from dataclasses import replace

    import torch

    if gpu is not None:
        monkeypatch.setattr(gpu, "count", 2)
    if torch.cuda.device_count() < 2:
        pytest.skip("only one CUDA device")
    return [replace(cuda, device=f"cuda:{number}") for number in range(2)]


@pytest.fixture(autouse=True, scope="module")
def only_our_nodes():
    """A pack that a file of tests loads in this process is unknown to the next file."""
    from artgraph.contract import registry

    known, loaded = dict(registry.load_nodes()), set(registry._loaded)
    yield
    registry.REGISTRY.clear()
    registry.REGISTRY.update(known)
    registry._loaded.clear()
    registry._loaded.update(loaded)


@dataclass
class Cli:
    """Runs `artgraph` in a folder of its own, through the real entry point."""

    folder: Path
    program: tuple[str, ...] = ("-m", "artgraph")

    def __call__(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), **self.options(**environment), check=False)

    def start(self, *words: object, **environment: str) -> subprocess.Popen[str]:
        """The same in the background, its output in pipes."""
        return subprocess.Popen(self.command(*words), **self.options(**environment))

    def command(self, *words: object) -> list[str]:
        return [sys.executable, *self.program, *map(str, words)]

    def options(self, **environment: str) -> dict:
        return {
            "cwd": self.folder,
            "env": os.environ
            | {"ARTGRAPH_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
            | environment,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture
def cli(tmp_path, gpu):
    return Cli(tmp_path) if gpu is None else Cli(tmp_path, (str(SUPPORT / "cli_on_stand_in.py"),))


@pytest.fixture
def one_thread():
    """Tiny tensors gain nothing from more, and lose much if tests run side by side."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def pack():
    """The path of a pack of small nodes, for --pack."""
    return PACK
