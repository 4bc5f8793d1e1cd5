"""Makes the picture of a checkpoint: components, tensors, values and the names of its pickles."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TENSOR_CLASS, TensorRef
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
    children,
    is_atom,
    kind_of,
)
from converter.inert.nodes import GlobalNode
from converter.readers.class_sources import class_sources
from converter.reporting.advice import advice_on
from converter.reporting.documents import (
    ClassSourceLine,
    ComponentLine,
    CompositeLine,
    InspectionReport,
    ModuleLine,
    NameLine,
    NoteLine,
    SourceFacts,
    TensorLine,
    ValueLine,
    observation,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converter.checkpoint.canonical import Checkpoint, Component, Note, Opened
    from converter.inert.nodes import Graph
    from converter.reporting.documents import FingerprintLine

_MAX_VALUE_TEXT: Final = 100
_MAX_VALUES: Final = 10_000
_MAX_PATH_TEXT: Final = 1_000


def inspection_report(
    checkpoint: Checkpoint, fingerprints: Sequence[FingerprintLine] = ()
) -> InspectionReport:
    """Return the picture of a checkpoint, with fingerprints if there are any; reads no tensor."""
    opened = checkpoint.opened
    return InspectionReport(
        source=source_facts(opened),
        style=checkpoint.style,
        layout=checkpoint.layout,
        components=[component_line(component) for component in checkpoint.components],
        tensors=_tensor_lines(checkpoint),
        composites=_composite_lines(checkpoint),
        modules=_module_lines(checkpoint),
        class_sources=[
            ClassSourceLine(class_name=name, file=found.file, source=found.text)
            for name, found in class_sources(opened).items()
        ],
        values=value_lines(opened.root),
        names=name_lines([graph for _, graph in opened.graphs]),
        notes=note_lines(checkpoint.notes),
        anomalies=[observation(anomaly) for anomaly in opened.anomalies],
        error=None if opened.error is None else str(opened.error),
        advice=None if opened.error is None else advice_on(opened.error),
        fingerprints=list(fingerprints),
    )


def source_facts(opened: Opened) -> SourceFacts:
    """Return the input's facts for a document."""
    source = opened.source
    return SourceFacts(
        name=source.name, nbytes=source.nbytes, container=opened.container, writer=opened.writer
    )


def component_line(component: Component) -> ComponentLine:
    """Return one component for a document."""
    return ComponentLine(
        name=component.name,
        kind=str(component.kind),
        path=list(component.path),
        tensors=len(component.tensors),
        nbytes=component.nbytes,
        class_name=component.class_name,
    )


def note_lines(notes: Sequence[Note]) -> list[NoteLine]:
    """Return notes for a document."""
    return [NoteLine(code=note.code, text=note.text) for note in notes]


def _tensor_lines(checkpoint: Checkpoint) -> list[TensorLine]:
    first: dict[int, str] = {}
    lines = []
    for name, tensor in checkpoint.tensors().items():
        other = first.setdefault(id(tensor.storage), name)
        lines.append(
            TensorLine(
                name=name,
                dtype=tensor.dtype.name,
                shape=list(tensor.shape),
                nbytes=tensor.nbytes,
                stride=None if tensor.is_contiguous else list(tensor.stride),
                class_name=None if tensor.class_name == TENSOR_CLASS else tensor.class_name,
                shared_with=None if other == name else other,
            )
        )
    return lines


def _composite_lines(checkpoint: Checkpoint) -> list[CompositeLine]:
    return [
        CompositeLine(
            name=checkpoint.full_name(component, name),
            kind=composite.kind,
            shape=None if composite.shape is None else list(composite.shape),
            dtype=None if composite.dtype is None else composite.dtype.name,
        )
        for component in checkpoint.components
        for name, composite in component.composites.items()
    ]


def _module_lines(checkpoint: Checkpoint) -> list[ModuleLine]:
    lines = []
    for component in checkpoint.components:
        facts = component.module
        if facts is None:
            continue
        from converter.readers.module_printing import print_module

        lines.append(
            ModuleLine(
                component=component.name,
                class_name=component.class_name or "",
                certainty=facts.certainty,
                printed=print_module(component.value),
                evaluating=[path for path, training in facts.training.items() if not training],
                left_out=[f"{item.path} ({item.reason})" for item in facts.left_out],
            )
        )
    return lines


def name_lines(graphs: Sequence[Graph]) -> list[NameLine]:
    """Return every name that loading would look up, most used first."""
    counts: Counter[str] = Counter()
    called: set[str] = set()
    for graph in graphs:
        counts.update(f"{node.module}.{node.name}" for node in graph.globals)
        for call in graph.calls:
            if isinstance(call.func, GlobalNode):
                called.add(f"{call.func.module}.{call.func.name}")
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [NameLine(name=name, count=count, called=name in called) for name, count in ordered]


def value_lines(root: Value) -> list[ValueLine]:
    """Return every value that is no tensor and no container, with its path, up to a bound."""
    lines: list[ValueLine] = []
    seen: set[int] = set()
    stack: list[tuple[str, Value]] = [("", root)]
    while stack and len(lines) < _MAX_VALUES:
        path, value = stack.pop()
        if isinstance(value, (TensorRef, CompositeTensor, Storage)):
            continue
        if not is_atom(value):
            if id(value) in seen:
                continue
            seen.add(id(value))
        inside = _followed(value)
        if _is_empty_machinery(path, value):
            continue
        if inside and len(path) > _MAX_PATH_TEXT:
            # Each level's path holds all those above it: deep nesting would cost their square.
            lines.append(ValueLine(path=path, kind=kind_of(value), text="… nested deeper"))
        elif inside:
            stack.extend((f"{path}.{label}" if path else label, v) for label, v in reversed(inside))
        else:
            lines.append(ValueLine(path=path, kind=kind_of(value), text=text_of(value)))
    return lines


def _is_empty_machinery(path: str, value: Value) -> bool:
    """Return whether a value is one of the empty hook tables that every pickled module has."""
    own = path.rpartition(".")[2]
    if not own.startswith("_"):
        return False
    empty = value is None or (isinstance(value, MappingValue) and not value.entries)
    return empty and (own.endswith("_hooks") or "_hooks_" in own or own == "_is_full_backward_hook")


def _followed(value: Value) -> list[tuple[str, Value]]:
    """Return the children to show lines for: containers and objects are opened up."""
    if isinstance(value, SequenceValue) and all(is_atom(item) for item in value.items):
        return []
    if isinstance(value, (SequenceValue, MappingValue, InertValue)):
        return [(label, child) for label, child in children(value) if label != "(attributes)"]
    return []


def text_of(value: Value) -> str:
    """Return a short text for a value, one line, cut at a fixed length."""
    text = _long_text(value)
    return text if len(text) <= _MAX_VALUE_TEXT else text[: _MAX_VALUE_TEXT - 1] + "…"


def _long_text(value: Value) -> str:
    if isinstance(value, (SequenceValue, PlainValue)):
        items = value.items if isinstance(value, SequenceValue) else list(value.fields)
        shown = [_atom_text(item) for item in items[:_MAX_VALUE_TEXT]]
        return ", ".join(shown) if len(items) <= _MAX_VALUE_TEXT else ", ".join([*shown, "…"])
    if isinstance(value, GlobalValue):
        return value.full_name
    if isinstance(value, ArrayValue):
        return f"{_atom_text(value.dtype)} {list(value.shape)}"
    if isinstance(value, MappingValue):
        return "empty"
    return _atom_text(value)


def _atom_text(value: Value) -> str:
    if isinstance(value, PlainValue) and value.fields:
        return _atom_text(value.fields[0])
    if isinstance(value, int) and value.bit_length() > 512:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, (str, bytes)):
        return repr(value[: _MAX_VALUE_TEXT + 1])
    return repr(value) if is_atom(value) else kind_of(value)
