"""Lets ComfyUI cache the results of other packs' nodes in our store, if ARTGRAPH_COMFY_CACHE=1.

ComfyUI's key does not cover the code, the versions, the device and the files that a node and its
sources read. Our key covers all of them for the whole installation. After a change of any pack,
model or input file, all nodes run again: this is safe, and rarely costs much. Results are cached
for nodes that neither save nor show anything, and only if the outputs consist of tensors, numbers
and texts in lists and mappings. All other nodes run as without this cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from comfy_api.latest import ComfyAPI

from ...contract.values.socket import Blob, Buffers, Json, Socket
from ...runner.store.blobs import BlobError
from ...runner.store.keys import Key, digest_of, torch_version
from ..formats.forms import node_id
from . import host
from .folders import KEY

_CODE = (".py", ".json", ".yaml", ".toml", ".so", ".pyd")  # suffixes of files that count as code


class UnsupportedValueError(ValueError):
    """A value of a type that can't be cached."""


def _encode(value: Any) -> tuple[Json, Buffers]:
    import torch

    tensors: dict[str, Any] = {}

    def packed(part: Any) -> Any:
        if part is None or type(part) in (bool, int, float, str):
            return part
        if type(part) is torch.Tensor and part.layout == torch.strided:
            tensors[f"{len(tensors):06}"] = part
            return {"tensor": f"{len(tensors) - 1:06}"}
        if type(part) in (list, tuple):
            return {type(part).__name__: [packed(item) for item in part]}
        if type(part) is dict and all(type(key) is str for key in part):
            return {"dict": [[key, packed(item)] for key, item in part.items()]}  # ordered
        raise UnsupportedValueError(type(part).__name__)

    return packed(value), tensors


def _decode(meta: Json, blob: Blob | None) -> Any:
    if not isinstance(meta, dict):
        return meta
    ((kind, part),) = meta.items()
    if kind == "tensor":
        assert blob is not None
        return blob.tensor(part)
    if kind == "dict":
        return {key: _decode(item, blob) for key, item in part}
    items = [_decode(item, blob) for item in part]
    return tuple(items) if kind == "tuple" else items


OUTPUTS = Socket("comfy outputs", "the outputs of another pack's node", _encode, _decode)


class StoreProvider(ComfyAPI.Caching.CacheProvider):  # type: ignore[misc]
    """ComfyUI looks up results here that are not in its memory, and stores new ones."""

    def __init__(self) -> None:
        self._environment = ""

    def on_prompt_start(self, prompt_id: str) -> None:
        self._environment = environment_digest()

    def should_cache(self, context: Any, value: Any = None) -> bool:
        has_ui = value is not None and value.ui
        is_ours = node_id(context.class_type) is not None
        return bool(self._environment) and not (is_ours or has_ui or _saves(context.class_type))

    async def on_lookup(self, context: Any) -> Any:
        import torch

        result = host.store().lookup(self._key(context).digest)
        if result is None:
            return None
        try:
            with torch.inference_mode(False):
                outputs = host.store().value(OUTPUTS, result.outputs["outputs"])
        except BlobError:
            return None
        host.log.debug("%s: found in the cache", context.class_type)
        return ComfyAPI.Caching.CacheValue(outputs=outputs)

    async def on_store(self, context: Any, value: Any) -> None:
        key = self._key(context)
        try:
            if host.store().lookup(key.digest) is None:
                host.store().put(key, {"outputs": (OUTPUTS, list(value.outputs))}, 0.0)
                host.store().flush()
        except (UnsupportedValueError, OverflowError, KeyError) as error:
            host.log.debug("%s: not cached: %s", context.class_type, error)

    def _key(self, context: Any) -> Key:
        parts = {
            "node": f"comfy {context.class_type}",
            "comfy key": context.cache_key_hash,
            "surroundings": self._environment,
        }
        return Key(digest_of(parts), parts)


def _saves(class_type: str) -> bool:
    """Returns whether a node of this class has effects besides its outputs, such as a file."""
    classes = sys.modules["nodes"].NODE_CLASS_MAPPINGS  # ComfyUI's module
    return bool(getattr(classes.get(class_type), "OUTPUT_NODE", False))


def environment_digest() -> str:
    """Returns a digest of all that affects a result besides the prompt.

    It covers the code, the versions, the device, and the model and input files.
    """
    import comfyui_version
    import folder_paths

    folders = [folder for paths, _ in _model_folders(folder_paths) for folder in paths]
    base = Path(folder_paths.__file__).parent
    code = [base / "comfy", base / "comfy_extras", *folder_paths.get_folder_paths("custom_nodes")]
    stamps = [
        *_stamps([base / "nodes.py", *code], _CODE),
        *_stamps([*folders, folder_paths.get_input_directory()]),
    ]
    versions = [comfyui_version.__version__, torch_version(), sys.version, host.numerics().name()]
    return digest_of([versions, sys.argv[1:], sorted(stamps)])


def _model_folders(folder_paths: Any) -> list[Any]:
    """Returns ComfyUI's folders, except those with code and those that only artgraph reads."""
    folders: Mapping[str, Any] = folder_paths.folder_names_and_paths
    return [entry for name, entry in folders.items() if name not in ("custom_nodes", KEY)]


def _stamps(roots: list[Any], suffixes: tuple[str, ...] = ("",)) -> Iterator[list[Any]]:
    """Yields path, size and modification time of every file below the roots.

    Links to folders are followed, but each folder is read once.
    """
    for root in dict.fromkeys(map(str, roots)):
        walk = os.walk(root, followlinks=True) if Path(root).is_dir() else [("", [], [root])]
        seen: set[str] = set()
        for folder, folders, names in walk:
            real = os.path.realpath(folder)
            folders[:] = [f for f in folders if not f.startswith(".") and f != "__pycache__"]
            if folder and real in seen:
                folders.clear()
                continue
            seen.add(real)
            for name in names:
                path = Path(folder) / name
                if name.endswith(suffixes) and path.exists():
                    status = path.stat()
                    yield [str(path), status.st_size, status.st_mtime_ns]


async def register() -> None:
    """Register the store with ComfyUI."""
    await ComfyAPI().caching.register_provider(StoreProvider())
    host.log.info("results of other packs' nodes are cached in %s", host.store().folder)
