"""Live numpy: arrays over storages, and dtypes made of their inert descriptions, part by part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from converter.checkpoint.values import MappingValue, PlainValue, SequenceValue, as_text
from converter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from converter.checkpoint.live_memory import StorageMemory
    from converter.checkpoint.tensor import TensorRef
    from converter.checkpoint.values import ArrayValue, Value
    from converter.dtypes import DType

NUMPY_DTYPE: Final = "numpy.dtype"
_PLAIN_CODE: Final = re.compile(r"[?]|[biufc][0-9]{1,2}|[SUVmM][0-9]{0,9}|O8?")
_UNIT: Final = re.compile(r"(generic|as|fs|ps|ns|us|ms|s|m|h|D|W|M|Y)")
# State of a pickled dtype: (version, order, subdtype, names, fields, itemsize, alignment, flags
# and, from version 4, metadata); numpy/_core/src/multiarray/descriptor.c, arraydescr_reduce.
_SUBDTYPE, _NAMES, _FIELDS, _ITEMSIZE, _METADATA = 2, 3, 4, 5, 8


def array_of(tensor: TensorRef, memory: StorageMemory) -> Any:  # noqa: ANN401 - numpy.ndarray
    """Return a tensor as a numpy array over its storage; a copy where conj or neg bits are set.

    Raises:
        UnsupportedError: numpy, and ml_dtypes if it is installed, have no such element type.
        TensorError: its bytes are not there.
    """
    import numpy as np

    dtype = numpy_dtype(tensor.dtype)
    itemsize = tensor.dtype.itemsize
    buffer, start = memory.buffer_of(tensor.storage, tensor.dtype.swap)
    if 0 in tensor.shape:
        return np.empty(tensor.shape, dtype)
    array: Any = np.ndarray(
        tensor.shape,
        dtype,
        buffer,
        start + tensor.offset * itemsize,
        tuple(step * itemsize for step in tensor.stride),
    )
    return _resolved(array, tensor) if tensor.conj or tensor.neg else array


def numpy_dtype(dtype: DType) -> Any:  # noqa: ANN401 - numpy.dtype
    """Return the numpy dtype of a torch one.

    Raises:
        UnsupportedError: there is none.
    """
    import numpy as np

    if dtype.numpy is not None and dtype.packed == 1:
        return np.dtype(dtype.numpy)
    found = _extended(dtype.name)
    if found is None:
        raise UnsupportedError(
            "element type that numpy has not",
            expected="torch, or ml_dtypes for bfloat16 and float8, to be installed",
            found=repr(dtype),
        )
    return np.dtype(found)


def inner_dtypes(value: PlainValue) -> list[Value]:
    """Return the dtypes that a structured dtype is made of."""
    state = _state(value)
    if len(state) <= _FIELDS:
        return []
    inner = [item.items[0] for item in _field_tuples(state)]
    subdtype = state[_SUBDTYPE]
    if isinstance(subdtype, SequenceValue) and subdtype.items:
        inner.append(subdtype.items[0])
    return [item for item in inner if isinstance(item, PlainValue) and item.kind == NUMPY_DTYPE]


def dtype_of(value: PlainValue, inner: Callable[[Value], Any]) -> Any:  # noqa: ANN401
    """Return the numpy dtype of a description; `inner` gives those it is made of.

    Raises:
        ValueError, TypeError: it describes none.
    """
    import numpy as np

    code, order = as_text(value.fields[0]), as_text(value.fields[1]) or "|"
    state = _state(value)
    if code is not None and code.startswith("ml_dtypes."):
        found = _extended(code.removeprefix("ml_dtypes."))
        if found is None:
            raise TypeError(code)
        return np.dtype(found)
    if code is None or not _PLAIN_CODE.fullmatch(code):
        raise TypeError(code)
    if len(state) > _FIELDS and isinstance(state[_SUBDTYPE], SequenceValue):
        base, shape = state[_SUBDTYPE].items  # type: ignore[union-attr]
        return np.dtype((inner(base), _sizes(shape)))
    if len(state) > _ITEMSIZE and isinstance(state[_NAMES], SequenceValue):
        return _structured(state, inner)
    if code[0] in "mM" and len(state) > _METADATA:
        return np.dtype(f"{order}{code}{_time_unit(state[_METADATA])}")
    return np.dtype(code).newbyteorder(order if order in "<>" else "=")  # type: ignore[arg-type]


def array_from(value: ArrayValue, dtype: Any) -> Any:  # noqa: ANN401 - numpy's types are Any here
    """Return an array or a scalar of plain bytes, in memory of its own.

    Raises:
        ValueError, TypeError: the bytes are not those of such an array.
    """
    import numpy as np

    if not isinstance(value.data, bytes) or dtype.hasobject:
        raise TypeError(value.class_name)
    count = 1
    for size in value.shape:
        count *= size
    if count * dtype.itemsize != len(value.data):
        raise ValueError(value.shape)
    if not value.data:
        array: Any = np.empty(value.shape, dtype)
    else:
        flat = np.frombuffer(value.data, dtype).copy()
        array = flat.reshape(value.shape, order="F" if value.fortran else "C")
    return array[()] if value.scalar else array


def object_array(value: ArrayValue) -> Any:  # noqa: ANN401 - numpy.ndarray
    """Return an array of objects, all None yet, as long as there are items for it."""
    import numpy as np

    count = 1
    for size in value.shape:
        count *= size
    if count != len(value.data):
        raise ValueError(value.shape)
    return np.empty(value.shape, dtype=object, order="F" if value.fortran else "C")


def _resolved(array: Any, tensor: TensorRef) -> Any:  # noqa: ANN401 - numpy.ndarray
    """Return a copy with conj and neg bits applied: by flipping signs, so that no NaN changes."""
    import numpy as np

    copy = np.ascontiguousarray(array)
    if copy is array or copy.base is not None:
        copy = copy.copy()
    unit = tensor.dtype.swap
    bits = copy.reshape(-1).view(f"<u{unit}")
    sign = np.array(1 << (8 * unit - 1), dtype=bits.dtype)
    if tensor.neg:
        if tensor.dtype.is_complex or "float" in tensor.dtype.name:
            np.bitwise_xor(bits, sign, out=bits)
        else:
            np.negative(bits, out=bits)
    if tensor.conj:
        np.bitwise_xor(bits[1::2], sign, out=bits[1::2])
    return copy.reshape(array.shape)


def _extended(name: str) -> Any:  # noqa: ANN401 - a class of ml_dtypes
    """Return an element type of ml_dtypes, or None where it is missing there or not installed."""
    try:
        import ml_dtypes  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    known = {
        "bfloat16": "bfloat16",
        "float8_e4m3fn": "float8_e4m3fn",
        "float8_e5m2": "float8_e5m2",
        "float8_e4m3fnuz": "float8_e4m3fnuz",
        "float8_e5m2fnuz": "float8_e5m2fnuz",
        "float8_e8m0fnu": "float8_e8m0fnu",
    }
    return getattr(ml_dtypes, known[name], None) if name in known else None


def _state(value: PlainValue) -> list[Value]:
    state = value.fields[2] if len(value.fields) > 2 else None
    return state.items if isinstance(state, SequenceValue) else []


def _field_tuples(state: list[Value]) -> list[SequenceValue]:
    fields = state[_FIELDS]
    if not isinstance(fields, MappingValue):
        return []
    found = [item for _, item in fields.entries if isinstance(item, SequenceValue)]
    return [item for item in found if len(item.items) >= 2]


def _structured(state: list[Value], inner: Callable[[Value], Any]) -> Any:  # noqa: ANN401
    import numpy as np

    names, fields, itemsize = state[_NAMES], state[_FIELDS], state[_ITEMSIZE]
    if not isinstance(names, SequenceValue) or not isinstance(fields, MappingValue):
        raise TypeError(NUMPY_DTYPE)
    texts, formats, offsets = [], [], []
    for name in names.items:
        text = as_text(name)
        field = fields.find(text) if text is not None else None
        if not isinstance(field, SequenceValue) or len(field.items) < 2:
            raise TypeError(NUMPY_DTYPE)
        texts.append(text)
        formats.append(inner(field.items[0]))
        offsets.append(field.items[1])
    description: Any = {
        "names": texts,
        "formats": formats,
        "offsets": offsets,
        "itemsize": itemsize,
    }
    return np.dtype(description)


def _time_unit(metadata: Value) -> str:
    """Return ``[25s]`` of (None, (b"s", 25, 1, 1)); numpy divides units by 1 only."""
    unit = metadata.items[-1] if isinstance(metadata, SequenceValue) and metadata.items else None
    if not isinstance(unit, SequenceValue) or len(unit.items) < 2:
        return ""
    name, count = unit.items[:2]
    text = as_text(name) if not isinstance(name, bytes) else name.decode("latin-1")
    if text is None or type(count) is not int or not _UNIT.fullmatch(text):
        raise TypeError(text)
    return "" if text == "generic" else f"[{count}{text}]"


def _sizes(value: Value) -> tuple[int, ...]:
    items = value.items if isinstance(value, SequenceValue) else [value]
    sizes = tuple(item for item in items if type(item) is int)
    if len(sizes) != len(items):
        raise TypeError(NUMPY_DTYPE)
    return sizes
