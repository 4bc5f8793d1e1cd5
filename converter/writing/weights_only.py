"""What ``torch.load(weights_only=True)`` takes: the one list of it, value by value.

Source: torch/_weights_only_unpickler.py of torch 2.13; each row was tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import PARAMETER_CLASS, TENSOR_CLASS, TensorRef
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
    is_atom,
)
from converter.dtypes import BY_NAME, BY_STORAGE_CLASS
from converter.inert.nodes import ByteString
from converter.readers.rebuild.torch_names import LAYOUTS, QSCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable

SEQUENCES: Final = frozenset({"list", "tuple", "set", "torch.Size"})
MAPPINGS: Final = frozenset({"dict", "OrderedDict", "Counter"})
COMPRESSED: Final = {
    "sparse_csr": ("crow_indices", "col_indices", "values"),
    "sparse_bsr": ("crow_indices", "col_indices", "values"),
    "sparse_csc": ("ccol_indices", "row_indices", "values"),
    "sparse_bsc": ("ccol_indices", "row_indices", "values"),
}
JAGGED_CLASS: Final = "torch.nested._internal.nested_tensor.NestedTensor"
STORAGE_CLASSES: Final = {dtype.name: name for name, dtype in BY_STORAGE_CLASS.items()}
"""Name of a dtype → the storage class that has it, for those that have one."""

_NAMES: Final = {
    # Those of one to seven bits exist as names only.
    "torch.dtype": frozenset(
        {*BY_NAME, *(f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8))}
    ),
    "torch.layout": frozenset(LAYOUTS),
    "torch.qscheme": frozenset(QSCHEMES),
}
_NUMBER: Final = frozenset({int, float, bool})
_FIELDS: Final[dict[str, tuple[tuple[frozenset[type], ...], ...]]] = {
    "complex": ((_NUMBER, _NUMBER),),
    "bytearray": ((frozenset({bytes}),),),
    "torch.device": ((frozenset({str}),), (frozenset({str}), frozenset({int}))),
}
_KEYS: Final = frozenset({"complex", "torch.dtype", "torch.device"})
# LONG1 has a length of one byte; the longer form is refused.
_MAX_INT_BITS: Final = 255 * 8 - 1
_MAX_KEY_PARTS: Final = 4_096
# What huggingface_hub and transformers note of all tensors in an index.
_SUMS: Final = frozenset({"total_size", "total_parameters"})
_TENSOR_CLASSES: Final = frozenset({TENSOR_CLASS, PARAMETER_CLASS})


def reason_against(value: Value) -> str | None:
    """Return why a value cannot stand in a weights-only pickle, apart from what is inside it."""
    if is_atom(value):
        return _against_atom(value)
    return _AGAINST[type(value)](value)


def is_meta(storage: Storage) -> bool:
    """Return whether a storage never had bytes: that of the meta device."""
    return storage.data is None and storage.nbytes > 0 and not storage.left_out


def is_array(tensor: TensorRef) -> bool:
    """Return whether a tensor was a numpy array."""
    return tensor.class_name.startswith("numpy.")


def is_utf8(text: bytes) -> bool:
    """Return whether a Python 2 string is text as torch reads it."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def state_of(tensor: TensorRef) -> Value:
    """Return what was set on a tensor, as its pickle keeps it, or None."""
    attributes = tensor.attributes
    return attributes.find("(state)") if isinstance(attributes, MappingValue) else None


def is_key(value: Value) -> bool:
    """Return whether a value can be a key of a dict, or a member of a set."""
    seen = 0
    stack = [value]
    while stack:
        seen += 1
        one = stack.pop()
        if is_atom(one):
            if reason_against(one) is not None:
                return False
        elif isinstance(one, SequenceValue) and one.kind in ("tuple", "torch.Size"):
            stack += one.items
        elif isinstance(one, PlainValue):
            if one.kind not in _KEYS or reason_against(one) is not None:
                return False
        elif not isinstance(one, TensorRef) or is_array(one) or reason_against(one) is not None:
            return False
        if seen > _MAX_KEY_PARTS:
            return False
    return True


def _against_atom(value: Value) -> str | None:
    if type(value) is int and value.bit_length() > _MAX_INT_BITS:
        return "an integer of more than 255 bytes"
    if type(value) is ByteString and not is_utf8(value):
        return "a Python 2 string that is not UTF-8"
    return None


def _against_sequence(value: SequenceValue) -> str | None:
    if value.kind not in SEQUENCES:
        return f"a {value.kind}"
    if value.kind == "set" and not all(is_key(item) for item in value.items):
        return "a set of members that only Python can hash"
    return None


def _against_mapping(value: MappingValue) -> str | None:
    if value.kind not in MAPPINGS:
        return f"a {value.kind}"
    if value.kind != "OrderedDict" and not _says_nothing(value):
        return f"a {value.kind} with attributes"
    if not all(type(key) is str or is_key(key) for key, _ in value.entries):
        return f"a {value.kind} with keys that only Python can hash"
    return None


def _says_nothing(value: MappingValue) -> bool:
    """Return whether attributes are absent, or metadata that repeats what the tensors say.

    That is ``{"format": "pt"}`` of a safetensors file, the sums of an index, and in both the second
    names of tensors, which the mapping has as well.
    """
    attributes = value.attributes
    if attributes is None or not attributes.entries:
        return True
    metadata = attributes.find("__metadata__")
    if len(attributes.entries) != 1 or not isinstance(metadata, MappingValue):
        return False
    tensors = {key: item for key, item in value.entries if isinstance(item, TensorRef)}
    return all(_repeats(key, said, tensors) for key, said in metadata.entries)


def _repeats(key: Value, said: Value, tensors: dict[Value, TensorRef]) -> bool:
    """Return whether an entry of metadata says nothing that the tensors do not."""
    if (key, said) == ("format", "pt") or key in _SUMS:
        return True
    return isinstance(said, str) and key in tensors and tensors[key] is tensors.get(said)


def _against_plain(value: PlainValue) -> str | None:
    """Look at the fields as well: a name among them goes into the pickle as a name."""
    fields = value.fields
    known = _NAMES.get(value.kind)
    if known is not None:
        name = fields[0] if len(fields) == 1 else None
        return None if type(name) is str and name in known else f"a {value.kind} of no known name"
    types = _FIELDS.get(value.kind)
    if types is None:
        return f"a {value.kind}"
    good = any(
        len(fields) == len(one)
        and all(type(field) in kinds for field, kinds in zip(fields, one, strict=True))
        for one in types
    )
    return None if good else f"a {value.kind} of other fields than Python's"


def _against_tensor(value: TensorRef) -> str | None:
    if is_array(value):
        return "a numpy array"
    if value.class_name not in _TENSOR_CLASSES:
        return f"a tensor of class {value.class_name}"
    attributes = value.attributes
    if attributes is None:
        return None
    names = (
        [key for key, _ in attributes.entries] if isinstance(attributes, MappingValue) else [None]
    )
    return None if names == ["(state)"] else "a tensor with hooks"


def _against_composite(value: CompositeTensor) -> str | None:
    parts, facts = dict(value.parts), dict(value.facts)
    if value.kind == "jagged":
        good = value.class_name == JAGGED_CLASS and "(attributes)" not in facts
        return None if good else f"a jagged tensor of class {value.class_name}"
    wanted = _PARTS.get(value.kind)
    if wanted is None or value.class_name not in _TENSOR_CLASSES:
        return f"a {value.kind} tensor of class {value.class_name}"
    dense = all(isinstance(part, TensorRef) for part in parts.values())
    if "(attributes)" in facts or not dense or not (wanted <= parts.keys() | facts.keys()):
        return f"a {value.kind} tensor with other parts than torch writes"
    return None


_PARTS: Final = {
    "sparse_coo": frozenset({"indices", "values"}),
    **{kind: frozenset(names) for kind, names in COMPRESSED.items()},
    "quantized": frozenset({"int_repr", "qscheme"}),
    "nested": frozenset({"buffer", "sizes", "strides", "offsets"}),
    "meta": frozenset({"stride"}),
}

_AGAINST: Final[dict[type, Callable[..., str | None]]] = {
    SequenceValue: _against_sequence,
    MappingValue: _against_mapping,
    PlainValue: _against_plain,
    GlobalValue: lambda value: f"the name {value.full_name}",
    ArrayValue: lambda value: "a numpy scalar" if value.scalar else "a numpy array",
    InertValue: lambda value: f"an object of class {value.class_name}",
    CompositeTensor: _against_composite,
    TensorRef: _against_tensor,
    Storage: lambda _: None,
}
