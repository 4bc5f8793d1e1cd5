"""The state_dict of TorchScript's module objects, and what else they hold.

The rule is that of ``torch.jit.load(file).state_dict()``: of each module its parameters in the
order of its state, then its buffers, leaving out None, then the modules inside it. A buffer that
was registered as not persistent is one like any other: TorchScript forgets the flag.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.checkpoint.canonical import Note
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    InertValue,
    MappingValue,
    SequenceValue,
    Value,
    as_text,
)
from converter.errors import FormatError, LimitError
from converter.readers.record_values import listed
from converter.readers.torchscript_code import ClassText

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened
    from converter.limits import Limits
    from converter.readers.torchscript_code import CodeTexts

_TENSORS: Final = (TensorRef, CompositeTensor)
# The namespace of every class that TorchScript compiles.
_NAMESPACE: Final = "__torch__"
# Objects of C++ classes, whose states only their own code can read.
_CUSTOM_CLASSES: Final = "__torch__.torch.classes."
_UNKNOWN: Final = ClassText("Module")

_Entries = list[tuple[str, Value]]
_Modules = list[tuple[str, InertValue]]


@dataclass(slots=True)
class ScriptedParts:
    """What a tree of TorchScript modules holds; names join attributes by dots.

    Attributes:
        state: name → tensor, in the order of the state_dict.
        attributes: every other attribute that is no module.
        classes: class of each module; the outermost one has the name ``""``.
        constants: the constants that only the class texts know, as they declare them.
        unknown: classes that the archive has no text of.
        unmarked: tensors that were taken for buffers because the texts (torch 1.4) do not say.
        opaque: modules whose state a method of their own made, so that only it could read it.
    """

    state: _Entries = field(default_factory=list)
    attributes: _Entries = field(default_factory=list)
    classes: _Entries = field(default_factory=list)
    constants: _Entries = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    _name_nbytes: int = 0

    def check_name(self, name: str, depth: int, limits: Limits) -> None:
        """Count one more name.

        Raises:
            LimitError: there are more names than tensors may be, one of a module deeper than
                allowed, or more text in them than a safetensors header could hold.
        """
        self._name_nbytes += len(name)
        for limit, allowed, found in (
            ("max_depth", limits.max_depth, depth),
            ("max_tensors", limits.max_tensors, len(self.state) + len(self.classes)),
            ("max_header_bytes", limits.max_header_bytes, self._name_nbytes),
        ):
            if found > allowed:
                raise LimitError(limit, allowed=allowed, found=found)


def scripted_parts(root: Value, code: CodeTexts, limits: Limits) -> ScriptedParts:
    """Take a tree of modules apart.

    Raises:
        FormatError: a module stands inside itself.
        LimitError: more modules or tensors than `Limits.max_tensors`, nested deeper than
            `Limits.max_depth`, or names that no header could hold.
    """
    walk = _Walk(code, limits)
    if isinstance(root, InertValue) and _module_class(root, code) is not None:
        walk.run(root)
    elif root is not None:
        walk.parts.attributes.append(("", root))
    return walk.parts


class _Walk:
    """One pass over a tree of modules, in the order of the state_dict."""

    def __init__(self, code: CodeTexts, limits: Limits) -> None:
        self.parts: Final = ScriptedParts()
        self._code: Final = code
        self._limits: Final = limits

    def run(self, root: InertValue) -> None:
        on_path: set[int] = set()
        # A frame is (name, module, depth); a depth of -1 leaves the module.
        stack: list[tuple[str, InertValue, int]] = [("", root, 0)]
        while stack:
            name, value, depth = stack.pop()
            if depth < 0:
                on_path.discard(id(value))
                continue
            self.parts.check_name(name, depth, self._limits)
            inside = self._visit(name, value)
            on_path.add(id(value))
            stack.append((name, value, -1))
            for child_name, child in reversed(inside):
                if id(child) in on_path:
                    raise FormatError("module inside itself", found=child_name[:200])
                stack.append((child_name, child, depth + 1))

    def _visit(self, name: str, value: InertValue) -> _Modules:
        """Sort the attributes of one module; return the modules among them."""
        text = _module_class(value, self._code) or _UNKNOWN
        parts = self.parts
        parts.classes.append((name, value.class_name))
        prefix = f"{name}." if name else ""
        parts.constants += [(prefix + label, declared) for label, declared in text.constants]
        if text is _UNKNOWN:
            parts.unknown.append(value.class_name)
        state = _state_of(value)
        if state is None:
            parts.opaque.append(name)
            parts.attributes.append((name, value))
            return []
        return self._sort(prefix, state, text)

    def _sort(self, prefix: str, state: MappingValue, text: ClassText) -> _Modules:
        parameters: _Entries = []
        buffers: _Entries = []
        modules: _Modules = []
        for key, item in state.entries:
            label = as_text(key)
            name = prefix + (label if label is not None else str(key))
            self.parts.check_name(name, 0, self._limits)
            if isinstance(item, _TENSORS) and _is_listed(label, text.parameters):
                parameters.append((name, item))
            elif isinstance(item, _TENSORS) and _is_listed(label, text.buffers):
                buffers.append((name, item))
                if text.buffers is None:
                    self.parts.unmarked.append(name)
            elif isinstance(item, InertValue) and _module_class(item, self._code) is not None:
                modules.append((name, item))
            elif item is not None or not _is_declared(label, text):
                self.parts.attributes.append((name, item))
        self.parts.state += parameters + buffers
        return modules


def _is_listed(label: str | None, names: frozenset[str] | None) -> bool:
    """Return whether a list of names has this one; a list that is missing has every one."""
    return names is None or (label is not None and label in names)


def _is_declared(label: str | None, text: ClassText) -> bool:
    return label in (text.parameters or ()) or label in (text.buffers or ())


def _module_class(value: InertValue, code: CodeTexts) -> ClassText | None:
    """Return the class text of a module object, or None for any other object."""
    if not value.class_name.startswith(_NAMESPACE):
        return None
    text = code.find(value.class_name)
    if text is None:
        custom = value.class_name.startswith(_CUSTOM_CLASSES)
        return None if custom or _state_of(value) is None else _UNKNOWN
    return text if text.is_module else None


def _state_of(value: InertValue) -> MappingValue | None:
    """Return the attributes of an object whose state is a plain dict of them."""
    if len(value.states) == 1 and isinstance(value.states[0], MappingValue):
        return value.states[0]
    return None


def mapping(entries: _Entries, kind: str = "dict") -> MappingValue:
    """Return entries as a mapping."""
    return MappingValue(kind, list(entries))


def take_aliases(parts: ScriptedParts) -> MappingValue:
    """Move the attributes that only repeat tensors of the state_dict out, as their names there.

    ``nn.LSTM`` keeps such a list (``_flat_weights``), and it is no state of its own.
    """
    names = {
        item.view_key(): name for name, item in reversed(parts.state) if isinstance(item, TensorRef)
    }
    aliases: _Entries = []
    kept: _Entries = []
    for name, item in parts.attributes:
        items = item.items if isinstance(item, SequenceValue) else [item]
        found = [names.get(one.view_key()) if isinstance(one, TensorRef) else None for one in items]
        if items and None not in found:
            alias: Value = found[0] if item is items[0] else SequenceValue("list", list(found))
            aliases.append((name, alias))
        else:
            kept.append((name, item))
    parts.attributes = kept
    return mapping(aliases)


def note_parts(opened: Opened, parts: ScriptedParts) -> None:
    """Say what could not be known of the modules."""
    unknown = list(dict.fromkeys(parts.unknown))
    for name in unknown[:100]:
        detail = f"the archive has no text of class {name}; all its tensors are taken for state"
        opened.anomalies.append(Anomaly("torchscript_class_missing", detail))
    if parts.unmarked:
        text = (
            "this release of torch does not tell buffers from other tensors; taken for buffers: "
            + listed(parts.unmarked)
        )
        opened.notes.append(Note("torchscript_buffers_unmarked", text))
    if parts.opaque:
        text = "modules with a state of their own making, kept as it is: " + listed(
            [name or "(the outermost)" for name in parts.opaque]
        )
        opened.notes.append(Note("torchscript_state_opaque", text))
