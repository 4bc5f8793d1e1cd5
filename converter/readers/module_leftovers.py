"""Finds the tensors of a pickled module that its ``state_dict()`` would not name, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.module_facts import LeftOutTensor
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    InertValue,
    MappingValue,
    Value,
    children,
    is_atom,
)
from converter.readers.modules import MODULE_TABLES, is_module

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_PATH_LABELS: Final = 200
_STRUCTURE: Final = frozenset({"(attributes)", "(state)"})


class _Place:
    """A value and the way to it: cheap to extend, spelled out only when it is reported."""

    __slots__ = ("label", "outer", "value")

    def __init__(self, value: Value, label: str = "", outer: _Place | None = None) -> None:
        self.value: Final = value
        self.label: Final = label
        self.outer: Final = outer

    @property
    def is_table(self) -> bool:
        """Whether it is a table of a module."""
        return (
            self.label in MODULE_TABLES and self.outer is not None and is_module(self.outer.value)
        )

    @property
    def is_on_tensor(self) -> bool:
        """Whether it was set on a tensor as an attribute."""
        outer = self.outer
        while outer is not None and (
            outer.label in _STRUCTURE or isinstance(outer.value, TensorRef)
        ):
            if isinstance(outer.value, TensorRef):
                return True
            outer = outer.outer
        return False

    def path(self) -> str:
        """Spell the way out, without the tables of modules."""
        labels: list[str] = []
        place: _Place | None = self
        while place is not None and len(labels) < _MAX_PATH_LABELS:
            if place.label and place.label not in _STRUCTURE and not place.is_table:
                labels.append(place.label)
            place = place.outer
        return ".".join(reversed(labels))


def left_out_of(root: Value, named: Iterable[Value]) -> tuple[LeftOutTensor, ...]:
    """Return the tensors below `root` that are neither in `named` nor the same view as one there.

    Every value is looked at once, so this is linear in the size of the tree whatever it shares.
    """
    below = _everything_below(named)
    views = {value.view_key() for value in below.values() if isinstance(value, TensorRef)}
    found: list[LeftOutTensor] = []
    visited: set[int] = set()
    stack = [_Place(root)]
    while stack:
        place = stack.pop()
        value = place.value
        if id(value) in visited:
            continue
        visited.add(id(value))
        if isinstance(value, TensorRef):
            if id(value) not in below and value.view_key() not in views:
                found.append(LeftOutTensor(place.path(), _reason(place)))
        elif id(value) in below:
            continue
        elif isinstance(value, (CompositeTensor, Storage)):
            found.append(LeftOutTensor(place.path(), _reason(place)))
            continue
        inside = [(label, child) for label, child in children(value) if not is_atom(child)]
        stack.extend(_Place(child, label, place) for label, child in reversed(inside))
    return tuple(found)


def _everything_below(values: Iterable[Value]) -> dict[int, Value]:
    """Return what can be reached from some values, by identity, but not what is set on tensors."""
    seen: dict[int, Value] = {}
    stack = list(values)
    while stack:
        value = stack.pop()
        if is_atom(value) or id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, TensorRef):
            continue
        stack.extend(child for _, child in children(value))
    return seen


def _reason(place: _Place) -> str:
    outer = place.outer
    if outer is None:
        return "stands alone"
    if place.is_on_tensor:
        return "set on a parameter, which state_dict() does not keep"
    if outer.is_table and outer.label == "_buffers":
        return "non-persistent buffer"
    if isinstance(outer.value, InertValue) and is_module(outer.value):
        return _reason_for_attribute(place.label, outer.value)
    return "held by an attribute, not registered in the module"


def _reason_for_attribute(name: str, module: InertValue) -> str:
    tables = [module.attribute(table) for table in ("_parameters", "_buffers")]
    registered = {
        key for table in tables if isinstance(table, MappingValue) for key in table.text_keys()
    }
    if {f"{name}_g", f"{name}_v"} <= registered:
        return f"computed from {name}_g and {name}_v (weight_norm)"
    if {f"{name}_orig", f"{name}_mask"} <= registered:
        return f"computed from {name}_orig and {name}_mask (pruning)"
    if f"{name}_orig" in registered:
        return f"computed from {name}_orig (spectral_norm)"
    return "plain attribute, neither parameter nor buffer"
