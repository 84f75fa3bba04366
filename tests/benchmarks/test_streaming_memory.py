"""A training on pictures in shards needs as much memory for four times as many pictures."""

import subprocess
import sys
from pathlib import Path

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").is_file())


def test_memory_is_flat():
    words = ("--pictures", "4000", "--steps", "2", "--no-speed", "--nodes", "train_classifier")
    script = ROOT / "benchmarks" / "streaming.py"
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16,000 pictures (188 MiB decoded)" in done.stdout
    assert done.stdout.rstrip().endswith("pass")
