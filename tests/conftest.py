"""What the tests share: a command line with its own folders, and a pack of small nodes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest_plugins = ["browsing"]
PACK = Path(__file__).parent / "support" / "pack.py"


def pytest_addoption(parser):
    parser.addoption(
        "--no-skips", action="store_true", help="a skipped test fails, unless it is marked gpu"
    )


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    return report if item.get_closest_marker("gpu") else judged(report, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return judged((yield), collector.config)


def judged(report, config):
    """The report of a test or of a file of tests, failed if it skips what may not be skipped."""
    if report.skipped and config.getoption("no_skips"):
        report.outcome = "failed"
        report.longrepr = f"--no-skips, but skipped: {report.longrepr}"
    return report


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

    def __call__(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), **self.options(**environment), check=False)

    def start(self, *words: object, **environment: str) -> subprocess.Popen[str]:
        """The same in the background, its output in pipes."""
        return subprocess.Popen(self.command(*words), **self.options(**environment))

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "artgraph", *map(str, words)]

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
def cli(tmp_path):
    return Cli(tmp_path)


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
