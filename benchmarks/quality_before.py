"""The graph `finetune` as an earlier commit of this repository shipped it, for comparison.

Its command line runs in a process of its own, with the code of that commit, the same Python and the
same pictures.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml
from PIL import Image
from quality_recipe import drawn_by
from torch import Tensor

COMMIT = "355b874542058d7343ea87c67040241572a8658f"
STEPS = 170  # what its `finetune` ships with; 34 of settling follow


class Before(NamedTuple):
    """Its pictures, uint8 (N, 64, 64, 3), and the CPU seconds of the whole graph.

    The seconds are NaN if the graph was interrupted.
    """

    images: Tensor
    seconds: float


def before(out: Path, folder: Path, name: str, seed: int, count: int, steps: int) -> Before:
    """Returns what the earlier `finetune` draws after it was trained on a folder of pictures."""
    code, place = _code(out / COMMIT[:7]), out / f"{name}_{seed}_{steps}"
    done = place / "seconds.json"
    if not done.is_file():
        interrupted = place.exists()
        given = [f"knobs.folder={folder}", f"knobs.seed={seed}"]
        if steps != STEPS:
            given.append(f"knobs.gan_steps={steps}")
        settings = [part for setting in given for part in ("--set", setting)]
        used = _run(code, place, ["finetune", *settings])
        _draw(code, place, count)
        done.write_text(json.dumps(None if interrupted else used))
    seconds = json.loads(done.read_text())
    files = sorted((place / "draw").glob("*.png"))
    images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    return Before(torch.from_numpy(images), math.nan if seconds is None else seconds)


def _code(place: Path) -> Path:
    """Returns a folder with the package `artgraph` of the commit; makes it if necessary."""
    if not (place / "artgraph").is_dir():
        git = shutil.which("git")
        if git is None:
            raise SystemExit(f"git is not installed - install it, it has the code of {COMMIT[:7]}")
        repository = Path(__file__).parents[1]
        archive = subprocess.run(
            [git, "-C", repository, "archive", COMMIT], capture_output=True, check=False
        )
        if archive.returncode:
            reason = archive.stderr.decode(errors="replace").strip()
            raise SystemExit(f"{COMMIT[:7]} is not in this clone ({reason}) - fetch its history")
        partly = place / "partly"
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(partly, filter="data")
        partly.rename(place / "artgraph")
    return place


def _draw(code: Path, place: Path, count: int) -> None:
    """Draw pictures with the model that `finetune` saved, also by the earlier code."""
    nodes = {
        "model": {"node": "load_model", "with": {"path": "model.safetensors"}},
        "drawn": drawn_by("model", count),
        "pictures": {"node": "save_image", "from": {"image": "drawn.image"}},
    }
    graph = place / "finetune" / "draw.yaml"
    graph.write_text(yaml.safe_dump({"artgraph": 1, "nodes": nodes}))
    _run(code, place, [str(graph)])


def _run(code: Path, place: Path, arguments: Sequence[str]) -> float:
    """Run a graph with the earlier command line. Returns the CPU seconds that it took."""
    paths = [str(code), *filter(None, [os.environ.get("PYTHONPATH")])]
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    options = ["--out", str(place), "--cache", str(place / "cache"), "--device", "cpu", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "artgraph", "run", *arguments, *options],
        cwd=code,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        check=True,
    )
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime
