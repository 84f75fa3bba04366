"""Texts of the editor that artgraph replaces, and the names of the nodes in other languages.

The editor's own texts are about another program: they name its add-ons, or advise to install them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ..formats.help import LOCALES, category_names, node_definitions

# The languages of the editor. A text that is not translated here is English in all of them.
_LANGUAGES = (
    *("ar", "de", "en", "es", "fa", "fr", "he", "it", "ja"),
    *("ko", "pt-BR", "ru", "tr", "zh", "zh-TW"),
)

_SEE_NODE = "The node shows what is wrong and what to do."
_ERROR = {"message": _SEE_NODE, "toastMessage": _SEE_NODE}
_UNKNOWN_NODE = (
    "artgraph does not have these nodes. You can look at the graph and save it, but they do not"
    " run. Use nodes of artgraph instead, or open the graph in the program that made it."
)
_TEXTS: dict[str, Any] = {
    "errorCatalog": {
        "runtimeErrors": {"execution_failed": _ERROR},
        "validationErrors": {
            "custom_validation_failed": _ERROR,
            "unknown_validation_error": _ERROR,
        },
        "missingErrors": {
            "missing_node": {
                "displayMessageOss": _UNKNOWN_NODE,
                "toastTitleOneOss": "Unknown node: {nodeType}",
                "toastTitleManyOss": "Unknown nodes",
                "toastMessageOneOss": "artgraph does not have this node.",
                "toastMessageManyOss": "artgraph does not have {count} nodes of this graph.",
            }
        },
    },
    "rightSidePanel": {
        "missingNodePacks": {
            "title": "Unknown nodes",
            "unsupportedTitle": "Unknown nodes",
            "ossManagerDisabledHint": _UNKNOWN_NODE,
            "unknownPack": "nodes of another program",
        }
    },
    "loadWorkflowWarning": {
        "newerVersionRequired": _UNKNOWN_NODE,
        "newerVersionRequiredGeneric": _UNKNOWN_NODE,
    },
    "sideToolbar": {
        "noGeneratedFiles": "No pictures yet",
        "noImportedFiles": "No pictures yet",
        "noFilesFoundMessage": "Saved and imported pictures appear here.",
        "queueProgressOverlay": {"jobFailed": "Failed"},
        "nodeLibraryTab": {"sections": {"comfyNodes": "Editor", "extensions": "artgraph"}},
    },
    "queue": {"jobAddedToQueue": "Waits for its turn, or runs", "jobQueueing": "Checking"},
    "mediaAsset": {"nodeAddedToWorkflow": "A node that loads it was added"},
    "settingsCategories": {"Comfy": "Editor"},
    "menuLabels": {"About ComfyUI": "About artgraph"},
    "g": {
        "logoAlt": "artgraph",
        "systemStatsComfyUIVersion": "Version",
        "noWorkflowsFound": "No graph is saved yet. Save writes the open one here.",
        "comfy": "Editor",
        "extensions": "artgraph",
    },
}
_CHINESE: dict[str, Any] = {
    "sideToolbar": {
        "noGeneratedFiles": "还没有图像",
        "noImportedFiles": "还没有图像",
        "noFilesFoundMessage": "保存和导入的图像会出现在这里。",
        "queueProgressOverlay": {"jobFailed": "失败"},
        "nodeLibraryTab": {"sections": {"comfyNodes": "编辑器", "extensions": "artgraph"}},
    },
    "queue": {"jobAddedToQueue": "等待或正在运行", "jobQueueing": "检查中"},
    "mediaAsset": {"nodeAddedToWorkflow": "已添加加载它的节点"},
    "settingsCategories": {"Comfy": "编辑器"},
    "menuLabels": {"About ComfyUI": "关于 artgraph"},
    "g": {
        "logoAlt": "artgraph",
        "systemStatsComfyUIVersion": "版本",
        "noWorkflowsFound": "还没有保存的图。保存后会出现在这里。",
        "comfy": "编辑器",
        "extensions": "artgraph",
    },
}


def texts(registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Returns the texts for the editor, by language."""
    found: dict[str, Any] = dict.fromkeys(_LANGUAGES, _TEXTS)
    chinese = _merged(_TEXTS, _CHINESE)
    chinese["nodeCategories"] = category_names(registry, LOCALES["zh"])
    chinese["nodeDefs"] = node_definitions(registry, LOCALES["zh"])
    return found | {"zh": chinese}


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Returns both as one; if both have a value, that of the second."""
    both = dict(first)
    for key, value in second.items():
        own = both.get(key)
        both[key] = _merged(own, value) if isinstance(own, dict) else value
    return both
