"""The shipped graphs, and settings that make them fast: few steps, few pictures, 32 px."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").is_file())
GRAPHS = sorted((ROOT / "graphs").glob("*.yaml"))


def small(path: Path) -> Iterator[str]:
    """Yields the arguments of `--set` for a graph."""
    graph = yaml.safe_load(path.read_text())
    knobs = {"size": 32, "gan_size": 32, "frames": 3, "stations": 3}
    for name in graph.get("knobs", {}):
        if name == "method":
            yield "knobs.method=r3"
        elif name.endswith("steps"):
            yield f"knobs.{name}=2"
        elif name in knobs:
            yield f"knobs.{name}={knobs[name]}"
    for name, node in graph["nodes"].items():
        if node["node"] == "procedural_art":
            values = node.get("with", {})
            yield f"{name}.count={min(64, values.get('count', 64))}"
            if values.get("size", 0) > 64:  # GANs that start from the base need 64
                yield f"{name}.size=32"
        if node["node"] == "vae_sample":
            yield f"{name}.count=8"
        if node["node"] == "style_transfer":
            yield f"{name}.steps=3"
        if node["node"] in ("deep_dream", "feature_visualisation", "invert", "train_encoder"):
            yield f"{name}.steps=2"
        if node["node"] == "train_gan":
            wires = node.get("from", {})
            yield f"{name}.batch=8"
            if not {"start", "classifier", "method"} & wires.keys():
                yield f"{name}.method=r3"  # else it first learns features, in 900 steps
