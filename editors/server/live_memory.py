"""Values of nodes that stay in memory while a graph is being changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]


class Memory:
    """Values by key; the ones that were not used for the longest time are forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._values: OrderedDict[str, tuple[Values, int]] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Values | None:
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def __setitem__(self, key: str, values: Values) -> None:
        self._size -= self._values.pop(key, ({}, 0))[1]
        size = sum(map(_bytes, values.values()))
        self._values[key] = (values, size)
        self._size += size
        while self._size > self._limit and len(self._values) > 1:
            self._size -= self._values.popitem(last=False)[1][1]


def _bytes(value: Any) -> int:
    """Returns about how much memory a value takes."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(map(_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    if hasattr(value, "__dict__"):
        return 1_000 + sum(map(_bytes, vars(value).values()))
    return 100
