"""Reads a pickled optimizer object the way its ``state_dict()`` would show it.

The object's ``state`` has the parameters themselves as keys; ``state_dict()`` numbers them in the
order of the groups. The parameters stay in their groups: they may exist nowhere else in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import InertValue, MappingValue, SequenceValue, Value, is_atom

if TYPE_CHECKING:
    from typing import TypeGuard

_PACKAGE: Final = "torch.optim."


def is_optimizer_object(value: Value) -> TypeGuard[InertValue]:
    """Return whether a value is a pickled optimizer of ``torch.optim``."""
    return (
        isinstance(value, InertValue)
        and value.class_name.startswith(_PACKAGE)
        and isinstance(value.attribute("param_groups"), SequenceValue)
    )


def numbered_optimizer(value: InertValue) -> MappingValue:
    """Return what an optimizer object holds, with numbers instead of parameters as keys."""
    numbers = _numbers(value.attribute("param_groups"))
    entries: list[tuple[Value, Value]] = []
    for key, item in _attributes(value):
        shown = item
        if key == "state" and isinstance(item, MappingValue):
            shown = MappingValue("dict", [(_number(k, numbers), v) for k, v in item.entries])
        entries.append((key, shown))
    return MappingValue("dict", entries)


def is_scheduler_object(value: Value) -> TypeGuard[InertValue]:
    """Return whether a value is a pickled scheduler of ``torch.optim``."""
    return isinstance(value, InertValue) and value.class_name.startswith(f"{_PACKAGE}lr_scheduler.")


def numbered_scheduler(value: InertValue) -> MappingValue:
    """Return what a scheduler object holds, with its optimizer as `numbered_optimizer` shows it."""
    entries: list[tuple[Value, Value]] = []
    for key, item in _attributes(value):
        shown = numbered_optimizer(item) if is_optimizer_object(item) else item
        entries.append((key, shown))
    return MappingValue("dict", entries)


def _attributes(value: InertValue) -> list[tuple[Value, Value]]:
    return [entry for mapping in value.attribute_mappings() for entry in mapping.entries]


def _numbers(groups: Value) -> dict[int, int]:
    """Return identity of parameter → its number, counted through all groups."""
    numbers: dict[int, int] = {}
    for group in groups.items if isinstance(groups, SequenceValue) else ():
        params = group.find("params") if isinstance(group, MappingValue) else None
        for param in params.items if isinstance(params, SequenceValue) else ():
            if not is_atom(param):
                numbers.setdefault(id(param), len(numbers))
    return numbers


def _number(key: Value, numbers: dict[int, int]) -> Value:
    """Return the number of a key, or the key itself where it is no parameter of any group."""
    return key if is_atom(key) else numbers.get(id(key), key)
