"""Whether two live trees are the same: types, bits, order, sharing; and where they are not.

For small trees of tests: it recurses. Tensors are compared by what they hold, and by who shares
memory with whom.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from converter import InertObject

if TYPE_CHECKING:
    from collections.abc import Iterable

_INERT = ("class_name", "how", "args", "kwargs", "state", "items", "members")
_STORAGES = (torch.UntypedStorage, torch.storage.TypedStorage)


def difference(
    a: Any,  # noqa: ANN401 - anything
    b: Any,  # noqa: ANN401 - anything
    *,
    memory: bool = True,
    reduced: bool = False,
) -> str | None:
    """Return None, or where and how two live trees first differ.

    Args:
        a: one tree.
        b: the other.
        memory: whether tensors must also share storages alike, and look into them alike.
        reduced: whether the storages of `b` may lack bytes that no tensor shows, and its tensors
            begin elsewhere in them for that; and whether conjugate and negative bits may be
            resolved.
    """
    return _Comparison(memory=memory, reduced=reduced).of(a, b, "$")


class _Comparison:
    def __init__(self, *, memory: bool, reduced: bool) -> None:
        self._memory = memory
        self._reduced = reduced
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        self._storages: dict[int, int] = {}

    def of(self, a: Any, b: Any, at: str) -> str | None:  # noqa: ANN401, C901 - a ladder of types
        if type(a) is not type(b):
            return f"{at}: {type(a).__name__} against {type(b).__name__}"
        if not isinstance(a, (int, float, str, bytes, type(None))):
            if id(a) in self._seen:
                return None if self._seen[id(a)] == id(b) else f"{at}: shared differently"
            self._seen[id(a)] = id(b)
            self._kept += [a, b]
        if isinstance(a, torch.Tensor):
            return self._tensors(a, b, at)
        if isinstance(a, (np.ndarray, np.generic)):
            return self._arrays(a, b, at)
        if isinstance(a, dict):
            return self._dicts(a, b, at)
        if isinstance(a, (list, tuple, deque)):
            same = len(a) == len(b) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0)
            return self._many(zip(a, b, strict=True), at) if same else f"{at}: length"
        if isinstance(a, InertObject):
            return self._many(((getattr(a, n), getattr(b, n)) for n in _INERT), at)
        if isinstance(a, float):
            return None if struct.pack("d", a) == struct.pack("d", b) else f"{at}: {a} {b}"
        if isinstance(a, _STORAGES):
            return None if a.tolist() == b.tolist() else f"{at}: storage"
        return None if a == b else f"{at}: {a!r} against {b!r}"

    def _many(self, pairs: Iterable[tuple[Any, Any]], at: str) -> str | None:
        for index, (left, right) in enumerate(pairs):
            found = self.of(left, right, f"{at}[{index}]")
            if found is not None:
                return found
        return None

    def _dicts(self, a: dict[Any, Any], b: dict[Any, Any], at: str) -> str | None:
        if len(a) != len(b):
            return f"{at}: {len(a)} entries against {len(b)}"
        for (key, left), (other, right) in zip(a.items(), b.items(), strict=True):
            found = self.of(key, other, f"{at} key {key!r:.40}")
            found = found or self.of(left, right, f"{at}.{key!s:.40}")
            if found is not None:
                return found
        if getattr(a, "default_factory", None) is not getattr(b, "default_factory", None):
            return f"{at}: factory"
        left, right = getattr(a, "__dict__", None), getattr(b, "__dict__", None)
        return self.of(left, right, f"{at} attributes") if left or right else None

    def _arrays(self, a: Any, b: Any, at: str) -> str | None:  # noqa: ANN401 - arrays
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{at}: {a.dtype} {a.shape} against {b.dtype} {b.shape}"
        if a.dtype.hasobject:
            return self._many(zip(a.ravel(), b.ravel(), strict=True), at)
        return None if a.tobytes() == b.tobytes() else f"{at}: elements"

    def _tensors(self, a: torch.Tensor, b: torch.Tensor, at: str) -> str | None:
        for name in ("layout", "dtype", "requires_grad", "is_nested", "is_quantized", "device"):
            if getattr(a, name) != getattr(b, name):
                return f"{at}: {name} {getattr(a, name)} against {getattr(b, name)}"
        if a.is_nested:
            return self._many(zip(a.unbind(), b.unbind(), strict=True), at)
        if a.shape != b.shape:
            return f"{at}: shape {a.shape} against {b.shape}"
        if a.is_meta:
            return None
        if a.layout == torch.sparse_coo:
            left, right = (
                (one._indices(), one._values(), one.is_coalesced())  # noqa: SLF001 - as they lie
                for one in (a.detach(), b.detach())
            )
            return self.of(left, right, at)
        if a.layout != torch.strided:
            return self._dense(a.detach().values(), b.detach().values(), at)
        if a.is_quantized:
            if str(a.qscheme()) != str(b.qscheme()):
                return f"{at}: scheme"
            return self._dense(a.int_repr(), b.int_repr(), at) or self._dense(
                a.dequantize(), b.dequantize(), at
            )
        return self._views(a, b, at) or self._dense(a.detach(), b.detach(), at)

    def _views(self, a: torch.Tensor, b: torch.Tensor, at: str) -> str | None:
        if not self._memory:
            return None
        if a.numel() == 0:
            return None
        left, right = a.untyped_storage().data_ptr(), b.untyped_storage().data_ptr()
        if self._storages.setdefault(left, right) != right:
            return f"{at}: storage shared differently"
        names = ["stride", "storage_offset", "is_conj", "is_neg"]
        if self._reduced and (a.is_conj(), a.is_neg()) != (b.is_conj(), b.is_neg()):
            names = [] if not (b.is_conj() or b.is_neg()) else names
        elif self._reduced and a.untyped_storage().nbytes() > b.untyped_storage().nbytes():
            names.remove("storage_offset")
        for name in names:
            if getattr(a, name)() != getattr(b, name)():
                return f"{at}: {name} {getattr(a, name)()} against {getattr(b, name)()}"
        return None

    def _dense(self, a: torch.Tensor, b: torch.Tensor, at: str) -> str | None:
        same = a.shape == b.shape and _raw(a) == _raw(b)
        return None if same else f"{at}: elements"


def _raw(tensor: torch.Tensor) -> bytes:
    if tensor.numel() == 0:
        return b""
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
    flat.copy_(tensor.flatten())  # also of one element, whatever its stride
    return bytes(flat.view(torch.uint8).numpy().tobytes())
