"""All that a pack of nodes may import; everything else may change without notice.

    from artgraph.api import Context, Image, Seed, node

What needs torch is imported when it is first used. So import `train`, `Trainee`, `in_parts` and
`rng` inside the function of a node.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from .contract.cells import chosen_cells
from .contract.context import Context
from .contract.errors import InputError, NodeError
from .contract.registry import load_nodes
from .contract.spec import node
from .contract.values.dataset import Dataset
from .contract.values.explored import Directions, Encoder
from .contract.values.files import Files, file_name
from .contract.values.kinds import (
    GanLatent,
    Image,
    Latent,
    Mask,
    Number,
    Pictures,
    Table,
    Text,
    VaeLatent,
)
from .contract.values.model import Model
from .contract.values.models import Classifier, Gan, Vae
from .contract.values.pictures import PictureBatch, by_part
from .contract.values.socket import Blob, Buffers, Json, Rows, Socket, SocketError, require
from .contract.widgets import (
    Advanced,
    Alpha,
    Aside,
    Background,
    Choices,
    ChosenOf,
    Fallback,
    FileName,
    InputFile,
    InputFolder,
    InputPicture,
    MayBeEmpty,
    Neutral,
    Seed,
    Steps,
)
from .models.training.diverged import DivergedError

if TYPE_CHECKING:
    from .models.training.in_parts import in_parts
    from .models.training.loop import Trainee, train
    from .models.training.rng import rng

__all__ = [
    "Alpha",
    "Aside",
    "Background",
    "Blob",
    "Buffers",
    "Advanced",
    "Choices",
    "ChosenOf",
    "Classifier",
    "Context",
    "Dataset",
    "Directions",
    "DivergedError",
    "Encoder",
    "Fallback",
    "FileName",
    "Files",
    "Gan",
    "GanLatent",
    "Image",
    "InputError",
    "InputFile",
    "InputFolder",
    "InputPicture",
    "Json",
    "Latent",
    "Mask",
    "MayBeEmpty",
    "Model",
    "Neutral",
    "NodeError",
    "Number",
    "PictureBatch",
    "Pictures",
    "Rows",
    "Seed",
    "Socket",
    "SocketError",
    "Steps",
    "Table",
    "Text",
    "Trainee",
    "Vae",
    "VaeLatent",
    "by_part",
    "chosen_cells",
    "file_name",
    "in_parts",
    "load_nodes",
    "node",
    "require",
    "rng",
    "train",
]

_WITH_TORCH = {
    "Trainee": ".models.training.loop",
    "in_parts": ".models.training.in_parts",
    "rng": ".models.training.rng",
    "train": ".models.training.loop",
}


def __getattr__(name: str) -> object:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(_WITH_TORCH[name], __package__), name)
