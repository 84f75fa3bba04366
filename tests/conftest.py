"""What the tests share: a command line with its own folders, and a pack of small nodes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest_plugins = ["browsing"]
PACK = Path(__file__).parent / "pack.py"


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
def pack():
    """The path of a pack of small nodes, for --pack."""
    return PACK
