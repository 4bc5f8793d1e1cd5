"""Gives a tree of values the canonical form: which part is a model, an optimizer, a scheduler.

Decided by structure first (an optimizer's state_dict has ``state`` and ``param_groups``), by the
usual names second. Nothing is taken away: what is no component of its own goes to ``extra``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Note
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    InertValue,
    MappingValue,
    SequenceValue,
    Value,
    as_text,
    label_of,
)
from converter.readers.flattening import Flattened, TensorMap

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened
    from converter.limits import Limits

_TENSORS: Final = (TensorRef, CompositeTensor, Storage)
# Keys under which people put one state_dict inside a dict of its own.
_WRAPPER_KEYS: Final = frozenset(
    {"state_dict", "model_state_dict", "model", "params", "weights", "module", "net"}
)
_SUFFIXES: Final = ("_state_dict", "_state_dicts", "_states", "_state")
_SCHEDULER_KEYS: Final = frozenset({"last_epoch", "_step_count", "base_lrs", "_last_lr"})
_EXTRA: Final = "extra"


@dataclass(frozen=True, slots=True)
class _Part:
    """A component before its tensors are named: see `Component` for the fields."""

    name: str
    kind: ComponentKind
    path: tuple[str, ...]
    value: Value


def canonical(opened: Opened, limits: Limits) -> Checkpoint:
    """Return the canonical form of what a reader found.

    Raises:
        LimitError: more tensors than the limits allow.
    """
    tensors = TensorMap(opened.root, limits)
    style, parts, bare = _parts_of(opened.root, tensors)
    notes = list(opened.notes)
    components = []
    for part in _with_unique_names(parts):
        flat = tensors.flatten(part.value)
        components.append(_component(part, flat))
        notes.extend(
            Note("name_changed", f"{part.name}: a second tensor called {old!r} is kept as {new!r}")
            for new, old in flat.changed.items()
        )
    return Checkpoint(opened, style, tuple(components), bare=bare, notes=tuple(notes))


def _component(part: _Part, flat: Flattened) -> Component:
    value = part.value
    class_name = value.class_name if isinstance(value, InertValue) else None
    return Component(
        part.name, part.kind, part.path, value, flat.tensors, flat.composites, class_name
    )


def _parts_of(root: Value, tensors: TensorMap) -> tuple[str, list[_Part], bool]:
    """Return the style, the parts, and whether names stand alone."""
    if isinstance(root, _TENSORS):
        return "tensor", [_Part("tensor", ComponentKind.EXTRA, (), root)], True
    if not tensors.leads_to_tensor(root):
        return "values", [_Part(_EXTRA, ComponentKind.EXTRA, (), root)], True
    if isinstance(root, MappingValue):
        if is_state_dict(root, tensors):
            return "state_dict", [_Part("model", ComponentKind.MODEL, (), root)], True
        return _bundle(root, tensors)
    if isinstance(root, SequenceValue):
        return _sequence(root, tensors)
    return "object", [_Part("object", ComponentKind.EXTRA, (), root)], True


def is_state_dict(value: Value, tensors: TensorMap) -> bool:
    """Return whether a mapping holds tensors directly and none any deeper."""
    if not isinstance(value, MappingValue):
        return False
    direct = False
    for _, item in value.entries:
        if isinstance(item, _TENSORS):
            direct = True
        elif tensors.leads_to_tensor(item):
            return False
    return direct


def _sequence(root: SequenceValue, tensors: TensorMap) -> tuple[str, list[_Part], bool]:
    leading = [item for item in root.items if tensors.leads_to_tensor(item)]
    if any(isinstance(item, _TENSORS) for item in leading):
        return "nested", [_Part("items", ComponentKind.EXTRA, (), root)], True
    parts = [
        part
        for index, item in enumerate(root.items)
        for part in _parts_below(str(index), item, tensors)
    ]
    parts += _rest(root, parts)
    return _style_of(parts, in_dict=False), parts, False


def _bundle(root: MappingValue, tensors: TensorMap) -> tuple[str, list[_Part], bool]:
    parts: list[_Part] = []
    for key, item in root.entries:
        label = label_of(key)
        parts.extend(_parts_below(label, item, tensors))
    style = _style_of(parts, in_dict=True)
    if style == "nested" and all(part.kind is ComponentKind.EXTRA for part in parts):
        # Nested dicts of tensors with no name that says more: one model, named by its paths.
        return style, [_Part("model", ComponentKind.MODEL, (), root)], True
    parts += _rest(root, parts)
    return style, parts, False


def _parts_below(label: str, item: Value, tensors: TensorMap) -> list[_Part]:
    """Return the parts that one entry of a bundle becomes; none for a plain value."""
    name = component_name(label)
    if is_optimizer(item, label):
        return [_Part(name, ComponentKind.OPTIMIZER, (label,), item)]
    if is_scheduler(item, label):
        return [_Part(name, ComponentKind.SCHEDULER, (label,), item)]
    if isinstance(item, _TENSORS) or not tensors.leads_to_tensor(item):
        return []
    path = (label,)
    inner = unwrapped(item, tensors)
    if inner is not None:
        inner_label, item = inner
        path = (label, inner_label)
    kind = ComponentKind.EXTRA
    if is_state_dict(item, tensors) and _has_dotted_or_usual_name(item, label):
        kind = ComponentKind.MODEL
    elif isinstance(item, MappingValue) and _is_model_name(label):
        kind = ComponentKind.MODEL
    return [_Part(name, kind, path, item)]


def unwrapped(item: Value, tensors: TensorMap) -> tuple[str, Value] | None:
    """Return the one state_dict that a dict wraps beside plain values, with its key, or None."""
    if not isinstance(item, MappingValue):
        return None
    leading = [(key, value) for key, value in item.entries if tensors.leads_to_tensor(value)]
    if len(leading) != 1:
        return None
    label = label_of(leading[0][0])
    if label in _WRAPPER_KEYS and is_state_dict(leading[0][1], tensors):
        return label, leading[0][1]
    return None


def _rest(root: MappingValue | SequenceValue, parts: list[_Part]) -> list[_Part]:
    """Return one part for the values, and the tensors among them, that no part holds."""
    taken = {part.path[0] for part in parts if len(part.path) == 1}
    opened = {part.path[0]: part.value for part in parts if len(part.path) == 2}
    rest: MappingValue | SequenceValue
    if isinstance(root, MappingValue):
        entries: list[tuple[Value, Value]] = []
        for key, value in root.entries:
            label = label_of(key)
            if label in opened:
                value = _without(value, opened[label])
            if label not in taken:
                entries.append((key, value))
        rest = MappingValue(root.kind, entries, attributes=root.attributes)
        left = bool(entries)
    else:
        kept = [item for index, item in enumerate(root.items) if str(index) not in taken]
        rest, left = SequenceValue(root.kind, kept), bool(kept)
    return [_Part(_EXTRA, ComponentKind.EXTRA, (), rest)] if left else []


def _without(wrapper: Value, inner: Value) -> Value:
    """Return what stands beside the state_dict in the dict that wraps it."""
    assert isinstance(wrapper, MappingValue)
    entries = [(key, value) for key, value in wrapper.entries if value is not inner]
    return MappingValue(wrapper.kind, entries, wrapper.factory, wrapper.attributes)


def component_name(label: str) -> str:
    """Return the canonical name for a key: ``model_state_dict`` becomes ``model``."""
    if label in ("state_dict", "state_dicts"):
        return "model"
    if label.startswith("state_dict_"):
        return label.removeprefix("state_dict_")
    for suffix in _SUFFIXES:
        if label.endswith(suffix) and len(label) > len(suffix):
            return label.removesuffix(suffix)
    return label


def is_optimizer(value: Value, label: str) -> bool:
    """Return whether a value is an optimizer's state_dict, or a list of such."""
    if isinstance(value, MappingValue):
        keys = set(value.text_keys())
        return {"state", "param_groups"} <= keys
    if isinstance(value, SequenceValue) and value.items:
        return all(is_optimizer(item, label) for item in value.items)
    return isinstance(value, InertValue) and value.class_name.startswith("torch.optim.") and (
        value.attribute("param_groups") is not None
    )


def is_scheduler(value: Value, label: str) -> bool:
    """Return whether a value is a learning-rate scheduler's state_dict, or a list of such."""
    if isinstance(value, MappingValue):
        keys = set(value.text_keys())
        return len(keys & _SCHEDULER_KEYS) >= 2 or ("sched" in label.lower() and bool(keys))
    if isinstance(value, SequenceValue) and value.items:
        return all(is_scheduler(item, label) for item in value.items)
    return isinstance(value, InertValue) and value.class_name.startswith("torch.optim.lr_sched")


def _is_model_name(label: str) -> bool:
    name = component_name(label).lower()
    usual = ("model", "net", "encoder", "decoder", "generator", "discriminator", "ema", "teacher")
    return name in _WRAPPER_KEYS or any(part in name for part in usual)


def _has_dotted_or_usual_name(item: Value, label: str) -> bool:
    """Return whether a flat dict of tensors reads like a model's: dotted keys, or its own name."""
    if label.endswith("state_dict") or _is_model_name(label):
        return True
    assert isinstance(item, MappingValue)
    names = [as_text(key) for key, _ in item.entries]
    return all(name is not None for name in names) and any(
        "." in name or name in ("weight", "bias") for name in names if name
    )


def _style_of(parts: list[_Part], *, in_dict: bool) -> str:
    models = sum(part.kind is ComponentKind.MODEL for part in parts)
    if models > 1:
        return "multi_model"
    others = any(part.kind in (ComponentKind.OPTIMIZER, ComponentKind.SCHEDULER) for part in parts)
    if models == 1 and in_dict:
        return "bundle"
    return "bundle" if others else "nested"


def _with_unique_names(parts: list[_Part]) -> list[_Part]:
    """Return the parts under names of their own: the plain key, then a number, where they clash."""
    taken: set[str] = set()
    result = []
    for part in parts:
        name = part.name
        if name in taken and part.path:
            name = part.path[0]
        base, number = name, 2
        while name in taken:
            name = f"{base}~{number}"
            number += 1
        taken.add(name)
        result.append(replace(part, name=name))
    return result
