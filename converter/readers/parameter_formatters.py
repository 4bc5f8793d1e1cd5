"""What ParameterList and ParameterDict write for their members, tensors or not."""

from __future__ import annotations

from typing import Final

from converter.checkpoint.tensor import PARAMETER_CLASS, TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    InertValue,
    MappingValue,
    SequenceValue,
    Value,
    as_text,
    label_of,
)
from converter.readers.printed_module import PrintedModule
from converter.readers.python_texts import printable


def parameter_list(module: PrintedModule) -> str:
    """Format a ParameterList: one line for each member."""
    view = module.view
    size = view.attributes.get("_size")
    count = size if type(size) is int else len(view.parameters)
    # A crafted size names members that are not there; torch itself would fail on them.
    names = [str(index) for index in range(min(count, len(view.attributes) + len(view.parameters)))]
    return "\n".join(
        f"  ({name}): {_member_text(view.member(name), by_dtype=True)}" for name in names
    )


def parameter_dict(module: PrintedModule) -> str:
    """Format a ParameterDict: one line for each member."""
    view = module.view
    keys = view.attributes.get("_keys")
    if isinstance(keys, MappingValue):
        names = [label_of(key) for key, _ in keys.entries]
    elif isinstance(keys, SequenceValue):
        names = [label_of(key) for key in keys.items]
    else:
        names = [name for name, _ in view.parameters]
    return "\n".join(
        f"  ({printable(name)}): {_member_text(view.member(name), by_dtype=False)}"
        for name in names
    )


_TYPE_NAMES: Final[dict[str, str]] = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
    "complex128": "ComplexDouble",
    "complex64": "ComplexFloat",
    "complex32": "ComplexHalf",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
}


def _member_text(value: Value, *, by_dtype: bool) -> str:
    """Return the line that ParameterList and ParameterDict write for one member."""
    if not isinstance(value, (TensorRef, CompositeTensor)):
        return f"Object of type: {_type_name(value)}"
    kind = "Parameter" if _is_parameter(value) else "Tensor"
    location = value.storage.location if isinstance(value, TensorRef) else "cpu"
    on_cuda = location.startswith("cuda")
    dtype = value.dtype
    if by_dtype:
        shown = "?" if dtype is None else f"torch.{dtype.name}"
    else:
        package = "torch.cuda" if on_cuda else "torch"
        name = "?" if dtype is None else _TYPE_NAMES.get(dtype.name, dtype.name.capitalize())
        shown = f"{package}.{name}Tensor"
    sizes = "?" if value.shape is None else "x".join(map(str, value.shape))
    device = f" ({printable(location)})" if on_cuda else ""
    return f"{kind} containing: [{shown} of size {sizes}{device}]"


def _is_parameter(value: TensorRef | CompositeTensor) -> bool:
    return value.class_name in (PARAMETER_CLASS, "torch.nn.parameter.UninitializedParameter")


def _type_name(value: Value) -> str:
    text = as_text(value)
    if text is not None:
        return "str"
    if isinstance(value, InertValue):
        return printable(value.class_name.rpartition(".")[2])
    if isinstance(value, (SequenceValue, MappingValue)):
        return value.kind.rpartition(".")[2]
    return type(value).__name__
