"""What numpy's pickles would have built: arrays, scalars and dtypes, as inert descriptions.

An array of numbers that safetensors can hold becomes a tensor (class ``numpy.ndarray``); every
other array keeps its raw bytes or items in an `ArrayValue`. Argument lists are those of
numpy/_core/multiarray.py and numpy/_core/numeric.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import ARRAY_CLASS, TensorRef
from converter.checkpoint.values import ArrayValue, PlainValue, Value
from converter.dtypes import BY_NAME, DType
from converter.errors import TensorError
from converter.inert.nodes import (
    ByteArrayNode,
    ByteString,
    CallNode,
    ListNode,
    Node,
    TupleNode,
)
from converter.readers.rebuild.plain_values import arguments, bytes_of, require_untouched
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder
from converter.readers.rebuild.torch_tensors import sizes_of

if TYPE_CHECKING:
    from collections.abc import Callable

_CODES: Final[dict[str, DType]] = {
    "f8": BY_NAME["float64"],
    "f4": BY_NAME["float32"],
    "f2": BY_NAME["float16"],
    "i8": BY_NAME["int64"],
    "i4": BY_NAME["int32"],
    "i2": BY_NAME["int16"],
    "i1": BY_NAME["int8"],
    "u8": BY_NAME["uint64"],
    "u4": BY_NAME["uint32"],
    "u2": BY_NAME["uint16"],
    "u1": BY_NAME["uint8"],
    "b1": BY_NAME["bool"],
    "c8": BY_NAME["complex64"],
    "c16": BY_NAME["complex128"],
    # ml_dtypes pickle their dtype as a call with the scalar class instead of a code.
    "ml_dtypes.bfloat16": BY_NAME["bfloat16"],
    "ml_dtypes.float8_e4m3fn": BY_NAME["float8_e4m3fn"],
    "ml_dtypes.float8_e5m2": BY_NAME["float8_e5m2"],
    "ml_dtypes.float8_e4m3fnuz": BY_NAME["float8_e4m3fnuz"],
    "ml_dtypes.float8_e5m2fnuz": BY_NAME["float8_e5m2fnuz"],
    "ml_dtypes.float8_e8m0fnu": BY_NAME["float8_e8m0fnu"],
}
DTYPE_KIND: Final = "numpy.dtype"


def _dtype(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``dtype(code, align, copy)`` then BUILD (version, order, subdtype, names, fields, …).

    The fields of the value are (code, state tuple); the state is kept whole.
    """
    require_untouched(call, "states")
    args = arguments(call, rebuilder, 1, 3)
    name = rebuilder.name_of(args[0])
    code = ".".join(name) if name else rebuilder.convert(args[0])
    if isinstance(code, ByteString):
        code = code.decode("latin-1")
    if not isinstance(code, str):
        raise NotThisShapeError
    states = call.states or []
    if len(states) > 1:
        raise NotThisShapeError
    # A structured dtype's state holds further dtypes; it is filled in later like any other value.
    state = rebuilder.convert(states[0]) if states else None
    order = _order(states[0]) if states else "|"
    return PlainValue(DTYPE_KIND, (code, order, state))


def _order(state: Node) -> str:
    if not isinstance(state, TupleNode) or len(state.items) < 2:
        raise NotThisShapeError
    order = state.items[1]
    text = order.decode("latin-1") if isinstance(order, ByteString) else order
    if text not in ("<", ">", "|", "="):
        raise NotThisShapeError
    assert isinstance(text, str)
    return text


def dtype_description(node: Node, rebuilder: Rebuilder) -> PlainValue:
    """Return the inert dtype a node stands for.

    Raises:
        NotThisShapeError: it stands for something else.
    """
    value = rebuilder.convert(node)
    if isinstance(value, PlainValue) and value.kind == DTYPE_KIND:
        return value
    raise NotThisShapeError


def element_type(description: PlainValue) -> tuple[DType, bool] | None:
    """Return (dtype, big-endian) of a plain numeric numpy dtype, or None for any other."""
    dtype = _CODES.get(str(description.fields[0]))
    return None if dtype is None else (dtype, description.fields[1] == ">")


def array_value(
    rebuilder: Rebuilder,
    description: PlainValue,
    shape: tuple[int, ...],
    data: bytes,
    *,
    fortran: bool,
    class_name: str,
) -> Value:
    """Return raw array bytes as a tensor where that is possible, else as an `ArrayValue`.

    Raises:
        TensorError: the bytes are not as many as the shape needs.
    """
    known = element_type(description)
    if known is None or not shape:
        return ArrayValue(description, shape, fortran, data, class_name=class_name)
    dtype, big_endian = known
    source = MemorySource(bytes(data), f"{rebuilder.record} (numpy array)")
    storage = Storage("numpy", source, len(data), dtype, "cpu", big_endian)
    stride = contiguous_stride(shape, fortran=fortran)
    tensor = TensorRef(storage, dtype, shape, stride, 0, class_name=class_name)
    if tensor.nbytes != len(data):
        raise TensorError(
            "numpy array of another length than its shape",
            expected=f"{tensor.nbytes} bytes",
            found=f"{len(data)}",
        )
    return tensor


def contiguous_stride(shape: tuple[int, ...], *, fortran: bool = False) -> tuple[int, ...]:
    """Return the strides of a dense array, in elements: row-major, or column-major."""
    steps: list[int] = []
    step = 1
    for size in shape if fortran else reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(steps if fortran else reversed(steps))


def _reconstruct(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``_reconstruct(cls, (0,), b'b')`` then BUILD (version, shape, dtype, is_fortran, data)."""
    require_untouched(call, "states")
    args = arguments(call, rebuilder, 3, 3)
    cls = rebuilder.name_of(args[0])
    if cls is None or not call.states or len(call.states) != 1:
        raise NotThisShapeError
    state = rebuilder.items_of(call.states[0])
    if len(state) not in (4, 5):
        raise NotThisShapeError
    shape_node, dtype_node, fortran, data = state[-4:]
    description = dtype_description(dtype_node, rebuilder)
    shape = sizes_of(shape_node, rebuilder)
    class_name = ".".join(cls)
    # Python 2 wrote the flag as an int.
    is_fortran = fortran in (True, 1)
    if isinstance(data, ListNode):
        value = ArrayValue(description, shape, is_fortran, [], class_name=class_name)
        rebuilder.defer(_object_items(rebuilder), value, data)
        return value
    return array_value(
        rebuilder,
        description,
        shape,
        bytes_of(data, rebuilder),
        fortran=is_fortran,
        class_name=class_name,
    )


def _object_items(rebuilder: Rebuilder) -> Callable[[Value, Node], None]:
    def fill(shell: Value, node: Node) -> None:
        assert isinstance(shell, ArrayValue)
        assert isinstance(shell.data, list)
        assert isinstance(node, ListNode)
        shell.data.extend(map(rebuilder.convert, node.items))

    return fill


def _from_buffer(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``_frombuffer(data, dtype, shape, order)``: protocol 5."""
    require_untouched(call)
    data, dtype, shape, order = arguments(call, rebuilder, 4, 4)
    if order not in ("C", "F"):
        raise NotThisShapeError
    raw = data.value if isinstance(data, ByteArrayNode) else bytes_of(data, rebuilder)
    return array_value(
        rebuilder,
        dtype_description(dtype, rebuilder),
        sizes_of(shape, rebuilder),
        raw,
        fortran=order == "F",
        class_name=ARRAY_CLASS,
    )


def _scalar(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``scalar(dtype, raw bytes)``; an object scalar holds the object itself."""
    require_untouched(call)
    args = arguments(call, rebuilder, 1, 2)
    description = dtype_description(args[0], rebuilder)
    if len(args) == 1:
        return ArrayValue(description, (), fortran=False, data=b"", scalar=True)
    value = rebuilder.convert(args[1])
    data: bytes | list[Value] = bytes(value) if isinstance(value, bytes) else [value]
    return ArrayValue(description, (), fortran=False, data=data, scalar=True)


BUILDERS: Final[dict[tuple[str, str], Callable[[CallNode, Rebuilder], Value]]] = {
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "dtype"): _dtype,
}
"""Canonical (module, name) → what calling it would have built."""
