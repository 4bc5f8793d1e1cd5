"""Recognises a pickled ``nn.Module`` among inert objects, whatever its class was.

A module is told by its tables: ``_parameters`` and ``_modules`` in what BUILD was given, as every
release of torch writes them. The few classes that pickle themselves in another way are named here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from converter.checkpoint.values import (
    GlobalValue,
    InertValue,
    MappingValue,
    SequenceValue,
    Value,
    as_text,
    label_of,
)

MODULE_TABLES: Final = frozenset({"_parameters", "_buffers", "_modules"})
"""Attributes of a module whose names do not show in paths."""

OPTIMIZED_MODULE: Final = "torch._dynamo.eval_frame.OptimizedModule"
GRAPH_MODULE: Final = "torch.fx.graph_module.GraphModule"
_REDUCED_GRAPHS: Final = frozenset(
    f"torch.fx.graph_module.{name}"
    for name in (
        "reduce_graph_module",
        "reduce_package_graph_module",
        "reduce_deploy_graph_module",
    )
)
# Protocols 0 and 1, and __reduce_ex__ spelled out: the class is the first argument.
_BY_CLASS_ARGUMENT: Final = frozenset({"copyreg._reconstructor", "copyreg.__newobj__"})
# Classes made while pickling (cloudpickle, dill): the name is the second argument.
_CLASS_MAKERS: Final = ("_make_skeleton_class", "_create_type")
_MAX_NESTED_CLASSES: Final = 16

QUANTIZED: Final = re.compile(r"torch\.(ao\.)?nn\.(intrinsic\.|sparse\.)?quantized\.")
"""Start of the name of a quantised module, of the present package or the one before it."""

_QUANTIZED_CONV_FIELDS: Final = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "transposed",
    "output_padding",
    "groups",
    "padding_mode",
    "weight",
    "bias",
    "scale",
    "zero_point",
    "training",
)
_OLD_PACKED_FIELDS: Final = ("weight", "bias", "training", "dtype")

Entries = list[tuple[str, Value]]


@dataclass(frozen=True, slots=True, eq=False)
class ModuleView:
    """A pickled module, laid open.

    Attributes:
        value: the object itself.
        class_name: ``module.name`` of its class.
        attributes: its ``__dict__``; a quantised convolution's tuple under the names of its fields.
        parameters: its own parameters by name, None for one that is registered as absent.
        buffers: its own buffers by name, likewise.
        modules: the modules directly inside it by name, likewise.
    """

    value: InertValue
    class_name: str
    attributes: dict[str, Value]
    parameters: Entries = field(default_factory=list)
    buffers: Entries = field(default_factory=list)
    modules: Entries = field(default_factory=list)

    @property
    def short_name(self) -> str:
        """Return the class's own name, without the modules and classes around it."""
        return self.class_name.rpartition(".")[2]

    def member(self, name: str) -> Value:
        """Return what ``module.name`` would be: attribute, parameter, buffer or module."""
        if name in self.attributes:
            return self.attributes[name]
        for table in (self.parameters, self.buffers, self.modules):
            for key, value in table:
                if key == name:
                    return value
        return None


def is_module(value: Value) -> bool:
    """Return whether a value is a pickled module."""
    if not isinstance(value, InertValue):
        return False
    if _has_tables(*value.attribute_mappings()) or _tuple_fields(value):
        return True
    if value.class_name in _REDUCED_GRAPHS:
        return bool(value.args) and _has_tables(value.args[0])
    if value.class_name == OPTIMIZED_MODULE:
        # Its argument may be such a wrapper again; what is inside is looked at when it is opened.
        return bool(value.args) and isinstance(value.args[0], InertValue)
    return False


def view_of(value: Value) -> ModuleView | None:
    """Return a pickled module laid open, or None for any other value."""
    if not isinstance(value, InertValue) or not is_module(value):
        return None
    if value.class_name in _REDUCED_GRAPHS:
        return _view(value, GRAPH_MODULE, _attributes(value.args[0]))
    attributes = _attributes(*value.attribute_mappings())
    if value.class_name == OPTIMIZED_MODULE and "_modules" not in attributes:
        inner: Entries = [("_orig_mod", value.args[0])]
        return ModuleView(value, OPTIMIZED_MODULE, attributes, modules=inner)
    for names, items in _tuple_fields(value):
        attributes.update(zip(names, items, strict=True))
    return _view(value, class_name_of(value), attributes)


def class_name_of(value: InertValue) -> str:
    """Return the name of an object's class, also where it is only told by an argument."""
    if value.class_name in _BY_CLASS_ARGUMENT and value.args:
        return _name_of_class(value.args[0]) or value.class_name
    if value.func is not None:
        return _name_of_class(value.func) or value.class_name
    return value.class_name


def _name_of_class(value: Value) -> str | None:
    """Return the name of a class that stands in the tree, nested or made on the way."""
    inner: list[str] = []
    for _ in range(_MAX_NESTED_CLASSES):
        if isinstance(value, GlobalValue):
            return ".".join([value.full_name, *reversed(inner)])
        if isinstance(value, InertValue) and value.how == "PERSISTENT":
            value = _class_of_id(value)
            continue
        if not isinstance(value, InertValue) or len(value.args) < 2:
            return None
        name = as_text(value.args[1])
        if name is None:
            return None
        if value.class_name.endswith(_CLASS_MAKERS):
            return ".".join(["__main__", name, *reversed(inner)])
        if value.class_name != "builtins.getattr":
            return None
        inner.append(name)
        value = value.args[0]
    return None


def _class_of_id(value: InertValue) -> Value:
    """Return the class in a legacy ``('module', class, file, source)`` id of no plain name."""
    pid = value.args[0] if value.args else None
    if isinstance(pid, SequenceValue) and len(pid.items) == 4 and as_text(pid.items[0]) == "module":
        return pid.items[1]
    return None


def _has_tables(*mappings: Value) -> bool:
    parameters = modules = False
    for mapping in mappings:
        if isinstance(mapping, MappingValue):
            parameters = parameters or isinstance(mapping.find("_parameters"), MappingValue)
            modules = modules or isinstance(mapping.find("_modules"), MappingValue)
    return parameters and modules


def _tuple_fields(value: InertValue) -> list[tuple[tuple[str, ...], list[Value]]]:
    """Return (names, items) of a quantised module whose state is a tuple; empty for any other."""
    if len(value.states) != 1 or not QUANTIZED.match(value.class_name):
        return []
    state = value.states[0]
    if not isinstance(state, SequenceValue) or state.kind != "tuple":
        return []
    if len(state.items) == len(_QUANTIZED_CONV_FIELDS):
        return [(_QUANTIZED_CONV_FIELDS, state.items)]
    if len(state.items) == len(_OLD_PACKED_FIELDS) and value.class_name.endswith("PackedParams"):
        return [(_OLD_PACKED_FIELDS, state.items)]
    return []


def _attributes(*mappings: Value) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for mapping in mappings:
        if isinstance(mapping, MappingValue):
            found.update((label_of(key), item) for key, item in mapping.entries)
    return found


def _view(value: InertValue, class_name: str, attributes: dict[str, Value]) -> ModuleView:
    parameters, buffers, modules = (
        _entries(attributes.get(name)) for name in ("_parameters", "_buffers", "_modules")
    )
    return ModuleView(value, class_name, attributes, parameters, buffers, modules)


def _entries(table: Value) -> Entries:
    if not isinstance(table, MappingValue):
        return []
    return [(label_of(key), item) for key, item in table.entries]
