"""Whether two live objects are the same: types, bits, order, and what is one object in both."""

from __future__ import annotations

import struct
from typing import Any

from tests.support.live_bytes import live_described


def live_difference(expected: Any, found: Any) -> str | None:  # noqa: ANN401 - anything
    """Return None if two objects are the same, else where and how they differ.

    Models are no more than named by what was made without their classes: they are passed over.
    What was one tensor or one container must be one again.
    """
    return _Pairs().difference("$", expected, found)


class _Pairs:
    """Walks two objects side by side."""

    def __init__(self) -> None:
        self._partners: dict[int, Any] = {}
        self._kept: list[Any] = []

    def difference(self, path: str, a: Any, b: Any) -> str | None:  # noqa: ANN401 - as above
        """Return how two objects differ, or None."""
        import torch

        if isinstance(a, torch.nn.Module):
            return None
        if type(a) is not type(b):
            return f"{path}: {type(a).__name__} became {type(b).__name__}"
        if isinstance(a, torch.Tensor | dict | list):
            if id(a) in self._partners:
                same = self._partners[id(a)] is b
                return None if same else f"{path}: one object became two"
            self._partners[id(a)] = b
            self._kept.append(a)
        if isinstance(a, torch.Tensor):
            return None if live_described(a) == live_described(b) else f"{path}: another tensor"
        if isinstance(a, dict):
            return self._dicts(path, a, b)
        if isinstance(a, list | tuple):
            return self._all(path, list(enumerate(a)), list(enumerate(b)))
        return None if _bits(a) == _bits(b) else f"{path}: {a!r} became {b!r}"

    def _dicts(self, path: str, a: dict[Any, Any], b: dict[Any, Any]) -> str | None:
        attributes = self._all(f"{path}@", _attributes(a), _attributes(b))
        return attributes or self._all(path, list(a.items()), list(b.items()))

    def _all(self, path: str, a: list[tuple[Any, Any]], b: list[tuple[Any, Any]]) -> str | None:
        keys = [[(type(key), _bits(key)) for key, _ in pairs] for pairs in (a, b)]
        if keys[0] != keys[1]:
            return f"{path}: keys {keys[0]} became {keys[1]}"
        for (key, one), (_, other) in zip(a, b, strict=True):
            found = self.difference(f"{path}[{key!r}]", one, other)
            if found is not None:
                return found
        return None


def _attributes(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - as above
    return list(getattr(value, "__dict__", {}).items())


def _bits(value: Any) -> Any:  # noqa: ANN401 - as above
    """Return something that is equal for equal bits only."""
    if type(value) is float:
        return struct.pack("<d", value)
    if type(value) is complex:
        return struct.pack("<2d", value.real, value.imag)
    if type(value).__name__ == "Namespace":
        return [(key, repr(item)) for key, item in vars(value).items()]
    return value
