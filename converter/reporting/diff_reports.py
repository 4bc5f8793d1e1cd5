"""Makes the document of a diff from what comparing two checkpoints found."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from converter.comparison import ChangeKind, compare_checkpoints, open_as_held
from converter.limits import DEFAULT_LIMITS
from converter.reporting.diff_documents import (
    ChangedTensor,
    ComponentDiff,
    DiffReport,
    IncomparableTensor,
    LoneTensor,
    ReshapedTensor,
    RetypedTensor,
    SuggestedOption,
    SuggestionLine,
)
from converter.reporting.inspection import component_line, source_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef
    from converter.comparison import (
        CheckpointComparison,
        ComponentComparison,
        Suggestions,
        TensorChange,
    )
    from converter.limits import Limits
    from converter.progress import Progress

_OUTPUT: Final = "OUT.safetensors"


def diff_files(
    a: str | PathLike[str],
    b: str | PathLike[str],
    *,
    values: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> DiffReport:
    """Return how the tensors of one file or folder differ from those of another.

    Raises:
        SourceError: a side cannot be read.
        FormatError: a side is no checkpoint that can be read whole.
    """
    ours = open_as_held(a, limits)
    try:
        theirs = open_as_held(b, limits)
        try:
            found = compare_checkpoints(
                ours, theirs, values=values, progress=progress, limits=limits
            )
            return diff_report(ours, theirs, found, values=values)
        finally:
            theirs.close()
    finally:
        ours.close()


def diff_report(
    a: Checkpoint, b: Checkpoint, found: CheckpointComparison, *, values: bool = True
) -> DiffReport:
    """Return the document for what comparing two checkpoints found."""
    return DiffReport(
        a=source_facts(a.opened),
        b=source_facts(b.opened),
        same=found.same,
        values=values,
        components=[_component(one, b.source.name) for one in found.components],
        only_a=[component_line(component) for component in found.only_a],
        only_b=[component_line(component) for component in found.only_b],
        partial=found.partial,
    )


def _component(found: ComponentComparison, source: str) -> ComponentDiff:
    lists: dict[ChangeKind, list[Any]] = {kind: [] for kind in ChangeKind}
    for change in found.changes:
        lists[change.kind].append(_LINES[change.kind](change))
    return ComponentDiff(
        a=found.a.name,
        b=found.b.name,
        kind=str(found.a.kind),
        alike=found.alike,
        missing=lists[ChangeKind.MISSING],
        unexpected=lists[ChangeKind.UNEXPECTED],
        reshaped=lists[ChangeKind.RESHAPED],
        retyped=lists[ChangeKind.RETYPED],
        changed=lists[ChangeKind.CHANGED],
        incomparable=lists[ChangeKind.INCOMPARABLE],
        suggestion=None if found.suggestions is None else _suggestion(found.suggestions, source),
    )


def _suggestion(found: Suggestions, source: str) -> SuggestionLine:
    words = [word for one in found.options for word in (one.option, one.operand)]
    return SuggestionLine(
        command=shlex.join(["depickle", "convert", source, _OUTPUT, *words]),
        options=[
            SuggestedOption(option=one.option, operand=one.operand, fixes=one.fixes)
            for one in found.options
        ],
        agreeing_before=found.before,
        agreeing_after=found.after,
        missing_after=found.missing,
        unexpected_after=found.unexpected,
    )


def _lone(change: TensorChange) -> LoneTensor:
    tensor = _there(change.a if change.b is None else change.b)
    return LoneTensor(name=change.name, dtype=tensor.dtype.name, shape=list(tensor.shape))


def _reshaped(change: TensorChange) -> ReshapedTensor:
    a, b = _there(change.a), _there(change.b)
    return ReshapedTensor(name=change.name, a=list(a.shape), b=list(b.shape))


def _retyped(change: TensorChange) -> RetypedTensor:
    return RetypedTensor(
        name=change.name,
        a=_there(change.a).dtype.name,
        b=_there(change.b).dtype.name,
        max_abs_difference=None if change.magnitude is None else change.magnitude.max_abs,
    )


def _changed(change: TensorChange) -> ChangedTensor:
    tensor, size = _there(change.a), change.magnitude
    return ChangedTensor(
        name=change.name,
        elements=change.elements,
        of=tensor.numel,
        dtype=tensor.dtype.name,
        max_abs_difference=None if size is None else size.max_abs,
        nonfinite=0 if size is None else size.nonfinite,
    )


def _incomparable(change: TensorChange) -> IncomparableTensor:
    return IncomparableTensor(name=change.name, reason=change.reason or "")


def _there(tensor: TensorRef | None) -> TensorRef:
    if tensor is None:
        msg = "a change of this kind has a tensor on this side"
        raise ValueError(msg)
    return tensor


_LINES: Final[dict[ChangeKind, Callable[[TensorChange], Any]]] = {
    ChangeKind.MISSING: _lone,
    ChangeKind.UNEXPECTED: _lone,
    ChangeKind.RESHAPED: _reshaped,
    ChangeKind.RETYPED: _retyped,
    ChangeKind.CHANGED: _changed,
    ChangeKind.INCOMPARABLE: _incomparable,
}
