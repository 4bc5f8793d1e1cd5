"""Makes a component of a part of the tree: names its tensors by what kind of thing it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Component, ComponentKind, Note
from converter.checkpoint.module_facts import CERTAIN, LeftOutTensor, ModuleFacts
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import CompositeTensor, InertValue, MappingValue, Value
from converter.readers.flattening import Flattened, TensorMap
from converter.readers.module_state import ModuleState, module_state
from converter.readers.modules import class_name_of, is_module
from converter.readers.optimizer_objects import (
    is_optimizer_object,
    is_scheduler_object,
    numbered_optimizer,
    numbered_scheduler,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.limits import Limits

_MAX_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A component before its tensors are named: see `Component` for the fields."""

    name: str
    kind: ComponentKind
    path: tuple[str, ...]
    value: Value


def component_of(part: Part, tensors: TensorMap, limits: Limits) -> tuple[Component, list[Note]]:
    """Return a part as a component, and what a person should know about it.

    Raises:
        LimitError: more tensors than the limits allow, or nested deeper.
    """
    value = part.value
    facts, notes = None, []
    if is_module(value):
        state = module_state(value, limits)
        flat = _flatten_state(state, limits)
        facts = _facts(state)
        notes = _module_notes(part.name, facts)
    elif is_optimizer_object(value):
        flat = _flatten_alone(numbered_optimizer(value), limits)
    elif is_scheduler_object(value):
        flat = _flatten_alone(numbered_scheduler(value), limits)
    else:
        flat = tensors.flatten(value)
    notes += [
        Note("name_changed", f"{part.name}: a second tensor called {old!r} is kept as {new!r}")
        for new, old in flat.changed.items()
    ]
    component = Component(
        part.name,
        part.kind,
        part.path,
        value,
        flat.tensors,
        flat.composites,
        class_name_of(value) if isinstance(value, InertValue) else None,
        facts,
    )
    return component, notes


def _flatten_state(state: ModuleState, limits: Limits) -> Flattened:
    """Name the tensors of a recovered state_dict: dense ones as they are, others by their parts.

    What is set on a tensor (hooks, attributes) is no part of a state_dict and is not followed.
    """
    flat = Flattened()
    for name, item in state.entries.items():
        found = {name: item} if isinstance(item, TensorRef) else _flatten_entry(name, item, limits)
        if isinstance(found, Flattened):
            flat.composites.update(found.composites)
            flat.changed.update(found.changed)
            found = found.tensors
        for part_name, tensor in found.items():
            flat.add(part_name, tensor)
    return flat


def _flatten_entry(name: str, item: Value, limits: Limits) -> Flattened:
    return _flatten_alone(MappingValue("dict", [(name, item)]), limits)


def _flatten_alone(value: MappingValue, limits: Limits) -> Flattened:
    """Name the tensors of a mapping that was made here and is no part of the tree."""
    return TensorMap(value, limits).flatten(value)


def _facts(state: ModuleState) -> ModuleFacts:
    dense = (TensorRef, CompositeTensor)
    return ModuleFacts(
        certainty=state.certainty,
        reasons=tuple(state.reasons),
        left_out=state.left_out,
        classes=state.classes,
        training=state.training,
        values={name: v for name, v in state.entries.items() if not isinstance(v, dense)},
    )


def _module_notes(name: str, facts: ModuleFacts) -> list[Note]:
    notes = []
    if facts.certainty != CERTAIN:
        text = f"{name}: names follow torch's rule for modules, but {_listed(facts.reasons)}"
        notes.append(Note("module_names_probable", text))
    if facts.left_out:
        count = len(facts.left_out)
        noun = "tensor is" if count == 1 else "tensors are"
        listed = _listed(_left_out_text(item) for item in facts.left_out)
        text = f"{name}: {count} {noun} in the object but not in its state_dict(): {listed}"
        notes.append(Note("module_tensors_left_out", text))
    return notes


def _left_out_text(item: LeftOutTensor) -> str:
    return f"{item.path} ({item.reason})"


def _listed(texts: Iterable[str]) -> str:
    shown = list(texts)
    more = len(shown) - _MAX_LISTED
    return "; ".join(shown[:_MAX_LISTED]) + (f"; and {more} more" if more > 0 else "")
