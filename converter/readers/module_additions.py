"""What some of torch's classes add to ``state_dict()`` beyond parameters and buffers.

Each function stands for one ``_save_to_state_dict`` of torch.ao (torch 1.6 to 2.13) and gives the
entries in its order.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
    as_text,
)
from converter.dtypes import BY_NAME
from converter.readers.modules import QUANTIZED, Entries, ModuleView, class_name_of

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT_OBJECT: Final = "torch.ScriptObject"
PACKED_WEIGHT_HOOK: Final = "_save_packed_weight"
"""The hook of quantised graphs that names packed weights after everything else."""


def additions_of(view: ModuleView) -> Entries:
    """Return what a module's class adds to its ``state_dict()``, after its buffers."""
    if not QUANTIZED.match(view.class_name):
        return []
    if is_reference(view):
        return _reference_weight(view)
    if "scale" in view.attributes and "in_channels" in view.attributes:
        return _convolution(view)
    add = _BY_CLASS.get(view.short_name)
    if add is not None:
        return add(view)
    if "_packed_weight_ih" in view.attributes:
        return _packed_weights(view, ("_packed_weight_ih", "_packed_weight_hh"))
    return []


def is_reference(view: ModuleView) -> bool:
    """Return whether a module only describes how it would be quantised, and holds floats."""
    return ".quantized.reference." in view.class_name


def later_additions_of(view: ModuleView) -> Entries:
    """Return what a quantised graph's hook adds after the modules inside, in sorted order."""
    hooks = view.attributes.get("_state_dict_hooks")
    if not any(name.endswith(f".{PACKED_WEIGHT_HOOK}") for name in hook_names(hooks)):
        return []
    return [
        (name, value)
        for name, value in sorted(view.attributes.items())
        if "_packed_weight" in name
        and isinstance(value, InertValue)
        and value.class_name == SCRIPT_OBJECT
    ]


def hook_names(hooks: Value) -> list[str]:
    """Return the names of the functions, or of the objects' classes, in a table of hooks."""
    entries = hooks.entries if isinstance(hooks, MappingValue) else []
    return [_hook_name(hook) for _, hook in entries]


def _hook_name(hook: Value) -> str:
    if isinstance(hook, GlobalValue):
        return hook.full_name
    if not isinstance(hook, InertValue):
        return "(unknown)"
    if hook.class_name == "builtins.getattr" and len(hook.args) == 2:
        owner, method = hook.args[0], as_text(hook.args[1])
        name = class_name_of(owner) if isinstance(owner, InertValue) else "(unknown)"
        if isinstance(owner, GlobalValue):
            name = owner.full_name
        return f"{name}.{method}"
    return hook.class_name


def scalar_tensor(value: Value) -> Value:
    """Return what ``torch.tensor(value)`` makes of a number, or the value itself if it is none."""
    if type(value) is float:
        return _zero_dim("float32", _packed_float(value))
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return _zero_dim("int64", struct.pack("<q", value))
    return value


def _packed_float(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:  # torch gives infinity
        return struct.pack("<f", math.copysign(math.inf, value))


def _zero_dim(dtype_name: str, data: bytes) -> TensorRef:
    dtype = BY_NAME[dtype_name]
    source = MemorySource(data, "a number of the module")
    storage = Storage("number", source, len(data), dtype, "cpu")
    return TensorRef(storage, dtype, (), (), 0)


def _scale(view: ModuleView) -> Entries:
    return [
        (name, scalar_tensor(view.attributes[name]))
        for name in ("scale", "zero_point")
        if name in view.attributes
    ]


def _convolution(view: ModuleView) -> Entries:
    attributes = view.attributes
    return [*((name, attributes.get(name)) for name in ("weight", "bias")), *_scale(view)]


def _linear_packed(view: ModuleView) -> Entries:
    attributes = view.attributes
    packed = script_state(attributes.get("_packed_params"))
    if "weight" in attributes and "_packed_params" not in attributes:
        packed = SequenceValue("tuple", [attributes["weight"], attributes.get("bias")])
    return [("dtype", attributes.get("dtype")), ("_packed_params", packed)]


def _embedding_packed(view: ModuleView) -> Entries:
    """The state of the script object is (version, [quantised weight], [], [bit width])."""
    attributes = view.attributes
    state = script_state(attributes.get("_packed_weight"))
    weight: Value = state
    if isinstance(state, SequenceValue) and len(state.items) > 1:
        tensors = state.items[1]
        if isinstance(tensors, SequenceValue) and tensors.items:
            weight = tensors.items[0]
    if weight is None:
        weight = attributes.get("weight")
    return [("dtype", attributes.get("dtype")), ("_packed_weight", weight)]


def _packed_weights(view: ModuleView, names: tuple[str, ...]) -> Entries:
    return [(name, view.attributes[name]) for name in names if name in view.attributes]


def _reference_weight(view: ModuleView) -> Entries:
    """A reference module says how its weight would be quantised; scales are buffers already."""
    names = ["weight_qscheme", "weight_dtype"]
    scheme = view.attributes.get("weight_qscheme")
    if scheme is not None:
        names += ["weight_scale", "weight_zero_point"]
        if isinstance(scheme, PlainValue) and scheme.fields == ("per_channel_affine",):
            names.append("weight_axis")
    return [(name, view.member(name)) for name in names if "weight_qscheme" in view.attributes]


def script_state(value: Value) -> Value:
    """Return what a script object was pickled with, or the value itself if it is none.

    BUILD of a ``torch.ScriptObject`` gets (state, class of the object in TorchScript).
    """
    if isinstance(value, InertValue) and value.class_name == SCRIPT_OBJECT and value.states:
        state = value.states[-1]
        if isinstance(state, SequenceValue) and len(state.items) == 2:
            return state.items[0]
    return value


_BY_CLASS: Final[dict[str, Callable[[ModuleView], Entries]]] = {
    "LinearPackedParams": _linear_packed,
    "EmbeddingPackedParams": _embedding_packed,
    "PackedParameter": lambda view: _packed_weights(view, ("param",)),
    "QFunctional": _scale,
    **dict.fromkeys(("Linear", "LinearReLU", "LinearLeakyReLU", "LinearTanh"), _scale),
}
"""Class of a quantised package → what it adds."""
