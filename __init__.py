"""artgraph: deep-learning art as a graph of typed nodes.

This file has no imports at its top level: tools import it alone, by its path, and ComfyUI imports
it as a node pack.
"""

WEB_DIRECTORY = "./editors/comfy/web"  # the folder that ComfyUI serves to its editor


async def comfy_entrypoint() -> object:
    """Returns the pack's nodes in ComfyUI's V3 form. ComfyUI calls this function."""
    from .editors.comfy.v3 import Extension

    return Extension()


def __getattr__(name: str) -> object:
    """Returns the version, or the pack's V1 form. The latter exists only if ComfyUI has no V3."""
    if name == "__version__":
        from .contract.version import version

        return version()
    if name in ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS") and not _has_v3():
        from .editors.comfy import v1 as comfy_v1

        return comfy_v1.mappings() if name[5] == "C" else comfy_v1.display_names()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _has_v3() -> bool:
    try:
        from comfy_api.latest import ComfyExtension  # noqa: F401
    except ImportError:
        return False
    return True
