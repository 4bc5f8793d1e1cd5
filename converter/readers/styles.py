"""Gives a tree of values the canonical form: which part is a model, an optimizer, a scheduler.

Decided by structure first (an optimizer's state_dict has ``state`` and ``param_groups``), by the
usual names second. Nothing is taken away: what is no component of its own goes to ``extra``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Checkpoint, ComponentKind, Note
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    MappingValue,
    SequenceValue,
    Value,
    as_text,
    label_of,
)
from converter.readers.components import Part, component_of
from converter.readers.flattening import TensorMap
from converter.readers.layouts import prefix_notes, recognised_layout
from converter.readers.modules import is_module
from converter.readers.optimizer_objects import is_optimizer_object, is_scheduler_object
from converter.readers.parameter_ids import address_notes
from converter.readers.shard_notes import shard_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converter.checkpoint.canonical import Component, Opened
    from converter.limits import Limits

_TENSORS: Final = (TensorRef, CompositeTensor, Storage)
# Keys under which people put one state_dict inside a dict of its own.
_WRAPPER_KEYS: Final = frozenset(
    {"state_dict", "model_state_dict", "model", "params", "weights", "module", "net"}
)
_SUFFIXES: Final = ("_state_dict", "_state_dicts", "_states", "_state")
_SCHEDULER_KEYS: Final = frozenset({"last_epoch", "_step_count", "base_lrs", "_last_lr"})
_EXTRA: Final = "extra"


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
        component, remarks = component_of(part, tensors, limits)
        components.append(component)
        notes.extend(remarks)
    notes += _accounting_notes(components, tensors)
    notes += prefix_notes(components)
    notes += shard_notes(components)
    notes += address_notes(components)
    return Checkpoint(
        opened,
        style,
        tuple(components),
        bare=bare,
        layout=recognised_layout(opened.root),
        notes=tuple(notes),
    )


def _accounting_notes(components: Sequence[Component], tensors: TensorMap) -> list[Note]:
    """Say so if a tensor of the tree stands in no component: nothing may vanish unsaid.

    What a module holds beside its state_dict has been said of that module.
    """
    listed: set[Value] = set()
    for component in components:
        listed.update(component.tensors.values())
        if component.module is not None:
            listed |= tensors.dense_below(component.value)
    missing = len(tensors.dense - listed)
    if not missing:
        return []
    return [Note("tensors_unlisted", f"{missing} tensors of the tree stand in no component")]


def _parts_of(root: Value, tensors: TensorMap) -> tuple[str, list[Part], bool]:
    """Return the style, the parts, and whether names stand alone."""
    if isinstance(root, _TENSORS):
        return "tensor", [Part("tensor", ComponentKind.EXTRA, (), root)], True
    if is_module(root):
        return "module", [Part("model", ComponentKind.MODEL, (), root)], True
    if is_optimizer_object(root):
        return "object", [Part("optimizer", ComponentKind.OPTIMIZER, (), root)], True
    if is_optimizer(root, ""):
        return "optimizer", [Part("optimizer", ComponentKind.OPTIMIZER, (), root)], True
    if is_scheduler(root, ""):
        return "scheduler", [Part("scheduler", ComponentKind.SCHEDULER, (), root)], True
    if not tensors.leads_to_tensor(root) and not _modules_in(root):
        return "values", [Part(_EXTRA, ComponentKind.EXTRA, (), root)], True
    if isinstance(root, MappingValue):
        if is_state_dict(root, tensors):
            return "state_dict", [Part("model", ComponentKind.MODEL, (), root)], True
        return _bundle(root, tensors)
    if isinstance(root, SequenceValue):
        return _sequence(root, tensors)
    return "object", [Part("object", ComponentKind.EXTRA, (), root)], True


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


def _sequence(root: SequenceValue, tensors: TensorMap) -> tuple[str, list[Part], bool]:
    if any(isinstance(item, _TENSORS) for item in root.items) and not _modules_in(root):
        return "nested", [Part("items", ComponentKind.EXTRA, (), root)], True
    parts = [
        part
        for index, item in enumerate(root.items)
        for part in _parts_below(str(index), item, tensors)
    ]
    parts += _rest(root, parts)
    return _style_of(parts, in_dict=False), parts, False


def _bundle(root: MappingValue, tensors: TensorMap) -> tuple[str, list[Part], bool]:
    parts: list[Part] = []
    for key, item in root.entries:
        label = label_of(key)
        parts.extend(_parts_below(label, item, tensors))
    style = _style_of(parts, in_dict=True)
    if style == "nested" and all(part.kind is ComponentKind.EXTRA for part in parts):
        # Nested dicts of tensors with no name that says more: one model, named by its paths.
        return style, [Part("model", ComponentKind.MODEL, (), root)], True
    parts += _rest(root, parts)
    return style, parts, False


def _parts_below(label: str, item: Value, tensors: TensorMap) -> list[Part]:
    """Return the parts that one entry of a bundle becomes; none for a plain value."""
    name = component_name(label)
    if is_module(item):
        return [Part(name, ComponentKind.MODEL, (label,), item)]
    if is_optimizer(item, label):
        return [Part(name, ComponentKind.OPTIMIZER, (label,), item)]
    if is_scheduler(item, label):
        return [Part(name, ComponentKind.SCHEDULER, (label,), item)]
    modules = _modules_in(item)
    if modules:
        alone = len(modules) == 1
        return [
            Part(name if alone else f"{name}.{inner}", ComponentKind.MODEL, (label, inner), module)
            for inner, module in modules
        ]
    if isinstance(item, _TENSORS) or not tensors.leads_to_tensor(item):
        return []
    path: tuple[str, ...] = (label,)
    inner = unwrapped(item, tensors)
    if inner is not None:
        inner_label, item = inner
        path = (label, inner_label)
    is_model = isinstance(item, MappingValue) and (
        _is_model_name(label)
        or (is_state_dict(item, tensors) and _has_dotted_or_usual_name(item, label))
    )
    kind = ComponentKind.MODEL if is_model else ComponentKind.EXTRA
    return [Part(name, kind, path, item)]


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


def _modules_in(value: Value) -> list[tuple[str, Value]]:
    """Return the modules directly inside a dict, list or tuple, by key or place."""
    return [(label, item) for label, item in _labelled(value) if is_module(item)]


def _labelled(value: Value) -> list[tuple[str, Value]]:
    if isinstance(value, MappingValue):
        return [(label_of(key), item) for key, item in value.entries]
    if isinstance(value, SequenceValue):
        return [(str(index), item) for index, item in enumerate(value.items)]
    return []


def _rest(root: MappingValue | SequenceValue, parts: list[Part]) -> list[Part]:
    """Return one part for the values, and the tensors among them, that no part holds."""
    taken: set[tuple[object, ...]] = {(*part.path, id(part.value)) for part in parts}
    opened = {part.path[0] for part in parts if len(part.path) == 2}
    items = [
        _without(value, (label,), taken) if label in opened else value
        for label, value in _labelled(root)
    ]
    whole = _like(root, items)
    rest = _without(whole, (), taken)
    return [Part(_EXTRA, ComponentKind.EXTRA, (), rest)] if _labelled(rest) else []


def _without(whole: Value, path: tuple[str, ...], taken: set[tuple[object, ...]]) -> Value:
    """Return what a dict or list holds beside the parts taken out of it."""
    gone = [(*path, label, id(value)) in taken for label, value in _labelled(whole)]
    if isinstance(whole, SequenceValue):
        items = [item for item, away in zip(whole.items, gone, strict=True) if not away]
        return SequenceValue(whole.kind, items, whole.maxlen)
    if not isinstance(whole, MappingValue):
        return whole
    entries = [entry for entry, away in zip(whole.entries, gone, strict=True) if not away]
    return MappingValue(whole.kind, entries, whole.factory, whole.attributes)


def _like(whole: MappingValue | SequenceValue, items: list[Value]) -> Value:
    """Return a container of the same kind and keys with other items."""
    if isinstance(whole, SequenceValue):
        return SequenceValue(whole.kind, items, whole.maxlen)
    keys = [key for key, _ in whole.entries]
    entries = list(zip(keys, items, strict=True))
    return MappingValue(whole.kind, entries, whole.factory, whole.attributes)


def component_name(label: str) -> str:
    """Return the canonical name for a key: ``model_state_dict`` becomes ``model``."""
    if label in ("state_dict", "state_dicts"):
        return "model"
    if label.startswith("state_dict_"):
        return label.removeprefix("state_dict_")
    for suffix in _SUFFIXES:
        name = label.removesuffix(suffix)
        # ``extra`` is the name of what belongs to no other component.
        if name not in (label, "", _EXTRA):
            return name
    return label


def is_optimizer(value: Value, label: str) -> bool:
    """Return whether a value is an optimizer's state_dict, or a list of such."""
    if isinstance(value, MappingValue):
        keys = set(value.text_keys())
        return {"state", "param_groups"} <= keys
    if isinstance(value, SequenceValue) and value.items:
        # One level: a list may lie deep in others, or contain itself.
        return not _holds_sequence(value) and all(is_optimizer(one, label) for one in value.items)
    return is_optimizer_object(value)


def is_scheduler(value: Value, label: str) -> bool:
    """Return whether a value is a learning-rate scheduler's state_dict, or a list of such."""
    if isinstance(value, MappingValue):
        keys = set(value.text_keys())
        return len(keys & _SCHEDULER_KEYS) >= 2 or ("sched" in label.lower() and bool(keys))
    if isinstance(value, SequenceValue) and value.items:
        return not _holds_sequence(value) and all(is_scheduler(one, label) for one in value.items)
    return is_scheduler_object(value)


def _holds_sequence(value: SequenceValue) -> bool:
    return any(isinstance(item, SequenceValue) for item in value.items)


def _is_model_name(label: str) -> bool:
    name = component_name(label).lower()
    usual = ("model", "net", "encoder", "decoder", "generator", "discriminator", "ema", "teacher")
    return name in _WRAPPER_KEYS or any(part in name for part in usual)


def _has_dotted_or_usual_name(item: MappingValue, label: str) -> bool:
    """Return whether a flat dict of tensors reads like a model's: dotted keys, or its own name."""
    if label.endswith("state_dict") or _is_model_name(label):
        return True
    names = [as_text(key) for key, _ in item.entries]
    return all(name is not None for name in names) and any(
        "." in name or name in ("weight", "bias") for name in names if name
    )


def _style_of(parts: list[Part], *, in_dict: bool) -> str:
    models = sum(part.kind is ComponentKind.MODEL for part in parts)
    if models > 1:
        return "multi_model"
    others = any(part.kind in (ComponentKind.OPTIMIZER, ComponentKind.SCHEDULER) for part in parts)
    if models == 1 and in_dict:
        return "bundle"
    return "bundle" if others else "nested"


def _with_unique_names(parts: list[Part]) -> list[Part]:
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
