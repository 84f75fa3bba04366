"""Pictures that a node collects one by one; many of them are on disk, and need no memory."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, cast

from ..errors import CacheError
from .pictures import PictureBatch, read_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

IN_MEMORY = 1 << 25  # bytes of pictures that stay in memory


class CollectedPictures:
    """Pictures, uint8 (H, W, C), that are added in any order.

    most:   the largest number of pictures that may be added.
    size:   (H, W, C).
    folder: the folder of a temporary file, which is used if there may be more than `IN_MEMORY`
            bytes; None if all stay in memory.

    Raises: CacheError if the file can't be created.
    """

    def __init__(self, most: int, size: Sequence[int], folder: Path | None) -> None:
        import torch

        self._size, self._count = tuple(size), 0
        self._folder = folder if most * math.prod(size) > IN_MEMORY else None
        self._images: Tensor | None = None
        if self._folder is None:
            self._images = torch.empty(most, *size, dtype=torch.uint8)
            return
        try:
            file: Any = TemporaryFile(dir=self._folder)  # noqa: SIM115 - open while needed
        except OSError as error:
            raise self._cannot_write(error) from error

        def read(rows: Sequence[int]) -> Tensor:
            return read_rows(file, 0, size, rows)

        weakref.finalize(read, file.close)  # whoever reads the pictures needs the file
        self._file, self._read = file, read

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Add a picture.

        Raises: CacheError if the disk is full.
        """
        import numpy as np
        import torch

        if self._images is not None:
            self._images[self._count] = torch.from_numpy(pixels)
        else:
            try:
                self._file.write(np.ascontiguousarray(pixels).data)
            except OSError as error:
                raise self._cannot_write(error) from error
        self._count += 1

    def result(self, order: Sequence[int]) -> Tensor:
        """Returns the pictures, uint8 (N, H, W, C): a tensor, or a `PictureBatch` of the file.

        order: for each picture of the result, how many pictures were added before it.

        Raises: CacheError if the disk is full.
        """
        if self._images is not None:
            whole = self._images[: self._count]
            return whole if list(order) == list(range(self._count)) else whole[list(order)]
        try:
            self._file.flush()
        except OSError as error:
            raise self._cannot_write(error) from error
        return cast("Tensor", PictureBatch(self._size, order, self._read))

    def _cannot_write(self, error: OSError) -> CacheError:
        return CacheError(
            f"pictures can't be written to {self._folder}: {error.strerror or error}",
            "free space with `artgraph cache gc`, or choose another folder with --cache",
        )
