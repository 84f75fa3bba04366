"""The key of a result: the digest of everything that decides its bits.

A key is made of the node's id and version, the values of its widgets, the digests of its inputs,
the fingerprints of the files it reads, and, for nodes that compute on a device, the numerics (torch
version, device, precision, threads), and the surroundings that a node declares. Names in the graph,
positions and paths are not part of it. A widget is not part of it while it has its neutral value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from ...contract.shards import Shards
from ...contract.spec import NodeSpec
from ...models.training.numerics import Numerics

Fingerprint = Callable[[Path | Shards, bool], str]


@dataclass(frozen=True)
class Key:
    """The key of a result.

    digest:   the digest of the parts.
    parts:    everything that the key is made of.
    training: for a training, the digest of the parts that its states depend on: without its length
              and without the step whose model is returned.
    """

    digest: str
    parts: dict[str, Any]
    training: str | None = None


def make_key(
    spec: NodeSpec,
    widgets: Mapping[str, Any],
    inputs: Mapping[str, str],
    fingerprint: Fingerprint,
    numerics: Numerics,
) -> Key:
    """Returns the key of running `spec` with these widget values and digests of inputs.

    fingerprint: returns the fingerprint of a path; True if only pictures in a folder are read.

    Raises: InputError if a file named by a widget can't be read.
    """
    parts: dict[str, Any] = {"node": spec.id, "version": spec.version}
    if spec.device:
        parts["numerics"] = f"torch {torch_version()} {numerics.name()}"
    for name, value in widgets.items():
        if name not in spec.neutral or value != spec.neutral[name]:
            if isinstance(value, Path | Shards):
                value = fingerprint(value, spec.widgets[name].is_picture)
            parts[f"widget {name}"] = value
    for name, digest in inputs.items():
        parts[f"input {name}"] = digest
    for name, text in (spec.surroundings or dict)().items():
        parts[name] = text
    return _key(spec, parts)


def with_fingerprints(key: Key, spec: NodeSpec, fingerprints: Mapping[str, str]) -> Key:
    """Returns the key for other contents of the files that the node reads, by widget."""
    return _key(spec, key.parts | {f"widget {name}": f for name, f in fingerprints.items()})


def _key(spec: NodeSpec, parts: dict[str, Any]) -> Key:
    training = None
    if spec.length is not None:
        others = {
            f"widget {w.name}" for w in spec.widgets.values() if w.is_length or w.is_kept_step
        }
        states = {name: part for name, part in parts.items() if name not in others}
        training = digest_of(states | {"version": spec.training_version or spec.version})
    return Key(digest_of(parts), parts, training)


def digest_of(data: Any) -> str:
    """Returns the BLAKE3 digest of plain data, as 32 hex digits. The order of keys is ignored."""
    text = _encoder.encode(data)
    return str(blake3(text.encode()).hexdigest(16))


_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@cache
def torch_version() -> str:
    """Returns the version of the installed torch, without importing it."""
    from importlib.metadata import version

    return version("torch")
