"""Tensors that torch keeps as several: sparse, quantised, nested, subclasses, shells without data.

Their inner tensors stay ordinary tensors under their own names; what else is needed to put them
together again is kept as facts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from converter.checkpoint.tensor import TENSOR_CLASS, TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    GlobalValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.inert.nodes import CallNode, Node, TupleNode
from converter.readers.rebuild.plain_values import arguments, require_untouched
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder
from converter.readers.rebuild.torch_names import dtype_of, layout_of
from converter.readers.rebuild.torch_tensors import (
    merged,
    sizes_of,
    strided,
    tensor_of,
    with_attributes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPRESSED: Final = {
    "sparse_csr": ("crow_indices", "col_indices"),
    "sparse_bsr": ("crow_indices", "col_indices"),
    "sparse_csc": ("ccol_indices", "row_indices"),
    "sparse_bsc": ("ccol_indices", "row_indices"),
}


def _sparse(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``(layout, data)``; COO data has 3 items before torch 2.1 and is_coalesced from then on."""
    require_untouched(call)
    layout_node, data = arguments(call, rebuilder, 2, 2)
    layout = layout_of(layout_node, rebuilder)
    items = rebuilder.items_of(data)
    if layout == "sparse_coo" and len(items) in (3, 4):
        names: tuple[str, ...] = ("indices", "values")
        size = items[2]
        facts: tuple[tuple[str, Value], ...] = ()
        if len(items) == 4:
            facts = (("is_coalesced", rebuilder.convert(items[3])),)
    elif layout in _COMPRESSED and len(items) == 4:
        names = (*_COMPRESSED[layout], "values")
        size, facts = items[3], ()
    else:
        raise NotThisShapeError
    parts = tuple(
        (name, tensor_of(item, rebuilder)) for name, item in zip(names, items, strict=False)
    )
    values = parts[-1][1]
    return CompositeTensor(
        layout,
        values.dtype,
        sizes_of(size, rebuilder),
        parts,
        facts,
        values.requires_grad,
    )


def _quantized(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``(storage, offset, size, stride, quantizer, requires_grad, hooks)``."""
    require_untouched(call)
    args = arguments(call, rebuilder, 7, 7)
    data = strided(rebuilder, *args[:4])
    quantizer = rebuilder.items_of(args[4])
    if not quantizer:
        raise NotThisShapeError
    scheme = rebuilder.convert(quantizer[0])
    if not isinstance(scheme, PlainValue) or scheme.kind != "torch.qscheme":
        raise NotThisShapeError
    parts: list[tuple[str, Value]] = [("int_repr", data)]
    facts: list[tuple[str, Value]] = [("qscheme", scheme)]
    names = ("scale", "zero_point") if len(quantizer) == 3 else ("scales", "zero_points", "axis")
    if len(quantizer) != len(names) + 1:
        raise NotThisShapeError
    for name, node in zip(names, quantizer[1:], strict=True):
        value = rebuilder.convert(node)
        # torch 1.4 wrote scales and zero points as lists.
        (parts if isinstance(value, TensorRef) else facts).append((name, value))
    attributes = with_attributes("_backward_hooks", args[6], rebuilder)
    if attributes is not None:
        facts.append(("(attributes)", attributes))
    return CompositeTensor(
        "quantized", data.dtype, data.shape, tuple(parts), tuple(facts), args[5] is True
    )


def _nested(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``(buffer, sizes, strides, offsets)``: ragged tensors over one flat buffer."""
    require_untouched(call)
    args = arguments(call, rebuilder, 4, 4)
    names = ("buffer", "sizes", "strides", "offsets")
    parts = tuple((n, tensor_of(item, rebuilder)) for n, item in zip(names, args, strict=True))
    return CompositeTensor("nested", parts[0][1].dtype, None, parts)


def _meta(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``(dtype, size, stride, requires_grad)``: a shape without data."""
    require_untouched(call)
    dtype, size, stride, requires_grad = arguments(call, rebuilder, 4, 4)
    steps = SequenceValue("tuple", list(sizes_of(stride, rebuilder)))
    return CompositeTensor(
        "meta",
        dtype_of(dtype, rebuilder),
        sizes_of(size, rebuilder),
        (),
        (("stride", steps),),
        requires_grad is True,
    )


def _wrapper(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``(cls, dtype, size, stride, offset, layout, device, requires_grad)``: a shell."""
    require_untouched(call)
    args = arguments(call, rebuilder, 8, 8)
    name = rebuilder.name_of(args[0])
    names = ("stride", "storage_offset", "layout", "device")
    nodes = (args[3], args[4], args[5], args[6])
    facts = tuple((n, rebuilder.convert(node)) for n, node in zip(names, nodes, strict=True))
    return CompositeTensor(
        "wrapper",
        dtype_of(args[1], rebuilder),
        sizes_of(args[2], rebuilder),
        (),
        facts,
        args[7] is True,
        ".".join(name) if name else TENSOR_CLASS,
    )


def _uninitialized(call: CallNode, rebuilder: Rebuilder) -> Value:
    require_untouched(call, "states")
    args = arguments(call, rebuilder, 0, 1)
    name = rebuilder.name_of(call.func)
    facts = tuple(("(state)", rebuilder.convert(state)) for state in call.states or ())
    requires_grad = bool(args) and args[0] is True
    class_name = ".".join(name or ())
    return CompositeTensor("uninitialized", None, None, (), facts, requires_grad, class_name)


def _device_tensor_from_cpu(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``(tensor, dtype, device, requires_grad)``: torch converts to dtype, and so may differ."""
    require_untouched(call)
    args = arguments(call, rebuilder, 4, 4)
    tensor = tensor_of(args[0], rebuilder)
    if isinstance(tensor, CompositeTensor) or tensor.dtype != dtype_of(args[1], rebuilder):
        raise NotThisShapeError
    return replace(tensor, requires_grad=args[3] is True)


def _device_tensor_from_array(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``(array, dtype, device, requires_grad)``: as above, from a numpy array."""
    require_untouched(call)
    args = arguments(call, rebuilder, 4, 4)
    value = rebuilder.convert(args[0])
    if not isinstance(value, TensorRef) or value.dtype != dtype_of(args[1], rebuilder):
        raise NotThisShapeError
    return replace(value, requires_grad=args[3] is True, class_name=TENSOR_CLASS)


def _from_type(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``_rebuild_from_type(_v2)(func, cls, args, state)``: func(*args) seen as `cls`.

    The callee is data here. Only functions of this package's own table are followed; any other
    leaves the whole call an inert record.
    """
    require_untouched(call)
    func, cls, args, state = arguments(call, rebuilder, 4, 4)
    name = rebuilder.name_of(func)
    class_value = rebuilder.convert(cls)
    if name not in FOLLOWED or not isinstance(class_value, GlobalValue):
        raise NotThisShapeError
    inner = CallNode(call.offset, "REDUCE", func, args)
    tensor = _jagged(args, rebuilder) if name == _JAGGED else rebuilder.convert(inner)
    if isinstance(tensor, CompositeTensor):
        return _composite_with_state(tensor, class_value.full_name, state, rebuilder)
    if not isinstance(tensor, TensorRef):
        raise NotThisShapeError
    attributes = with_attributes("(state)", state, rebuilder)
    return replace(
        tensor,
        class_name=class_value.full_name,
        attributes=merged(tensor.attributes, attributes),
    )


def _composite_with_state(
    tensor: CompositeTensor, class_name: str, state: Node, rebuilder: Rebuilder
) -> Value:
    """Put the inner tensors of a wrapper subclass, which stand in its state, among its parts."""
    value = rebuilder.convert(state)
    return replace(
        tensor,
        class_name=class_name,
        parts=(*tensor.parts, ("(state)", value)) if value is not None else tensor.parts,
    )


def _jagged(args: Node, rebuilder: Rebuilder) -> CompositeTensor:
    """A jagged nested tensor: ``_rebuild_njt`` with one dict of inner tensors."""
    (state,) = rebuilder.items_of(args)
    flat = getattr(state, "items", None)
    if not isinstance(flat, list) or isinstance(state, TupleNode):
        raise NotThisShapeError
    parts: list[tuple[str, Value]] = []
    facts: list[tuple[str, Value]] = []
    for key, item in zip(flat[::2], flat[1::2], strict=False):
        if not isinstance(key, str):
            raise NotThisShapeError
        value = rebuilder.convert(item)
        is_tensor = isinstance(value, (TensorRef, CompositeTensor))
        (parts if is_tensor else facts).append((key, value))
    found = dict(parts)
    values = found.get("values", found.get("_values"))
    if not isinstance(values, TensorRef):
        raise NotThisShapeError
    return CompositeTensor("jagged", values.dtype, None, tuple(parts), tuple(facts))


_JAGGED: Final = ("torch.nested._internal.nested_tensor", "_rebuild_njt")

FOLLOWED: Final = frozenset(
    {
        ("torch._utils", name)
        for name in (
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_sparse_tensor",
            "_rebuild_sparse_csr_tensor",
            "_rebuild_qtensor",
            "_rebuild_nested_tensor",
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_wrapper_subclass",
            "_rebuild_device_tensor_from_numpy",
            "_rebuild_device_tensor_from_cpu_tensor",
        )
    }
    | {_JAGGED}
)
"""The functions that `_rebuild_from_type_v2` may name; it takes its callee as data."""

BUILDERS: Final[dict[tuple[str, str], Callable[[CallNode, Rebuilder], Value]]] = {
    ("torch._utils", "_rebuild_sparse_tensor"): _sparse,
    ("torch._utils", "_rebuild_sparse_csr_tensor"): _sparse,
    ("torch._utils", "_rebuild_qtensor"): _quantized,
    ("torch._utils", "_rebuild_nested_tensor"): _nested,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): _meta,
    ("torch._utils", "_rebuild_wrapper_subclass"): _wrapper,
    ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): _device_tensor_from_cpu,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): _device_tensor_from_array,
    ("torch._utils", "_rebuild_xla_tensor"): _device_tensor_from_array,
    ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch._tensor", "_rebuild_from_type"): _from_type,
    ("torch.nn.parameter", "UninitializedParameter"): _uninitialized,
    ("torch.nn.parameter", "UninitializedBuffer"): _uninitialized,
}
"""Canonical (module, name) → what calling it would have built."""
