"""Builds pickled modules as inert values by hand: what a file could hold, whoever wrote it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import InertValue, MappingValue, SequenceValue, Value
from converter.dtypes import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping


def tensor_of(*numbers: float) -> TensorRef:
    """Return a one-dimensional float32 tensor over a storage of its own."""
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    dtype = BY_NAME["float32"]
    storage = Storage("0", MemorySource(data, "numbers"), len(data), dtype, "cpu")
    return TensorRef(storage, dtype, (len(numbers),), (1,), 0)


def mapping_of(entries: Mapping[str, Value]) -> MappingValue:
    """Return a dict value."""
    return MappingValue("dict", list(entries.items()))


def tuple_of(*items: Value) -> SequenceValue:
    """Return a tuple value."""
    return SequenceValue("tuple", list(items))


def module_of(
    class_name: str = "torch.nn.modules.module.Module",
    *,
    parameters: Mapping[str, Value] | None = None,
    buffers: Mapping[str, Value] | None = None,
    modules: Mapping[str, Value] | None = None,
    attributes: Mapping[str, Value] | None = None,
    transient: tuple[str, ...] = (),
) -> InertValue:
    """Return a pickled module; `transient` names its non-persistent buffers."""
    state: dict[str, Value] = {
        "training": True,
        "_parameters": mapping_of(parameters or {}),
        "_buffers": mapping_of(buffers or {}),
        "_non_persistent_buffers_set": SequenceValue("set", list(transient)),
        "_modules": mapping_of(modules or {}),
        **(attributes or {}),
    }
    return InertValue(class_name, "NEWOBJ", states=[mapping_of(state)])
