"""The report of a conversion, from its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.checkpoint.canonical import Note
from converter.checkpoint.embedding import embedded_storages
from converter.reporting.documents import ConversionReport, LeftOut, OutputFile, observation
from converter.reporting.inspection import (
    component_line,
    note_lines,
    source_facts,
    value_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from converter.checkpoint.canonical import Checkpoint
    from converter.limits import Limits
    from converter.reporting.documents import VerificationReport
    from converter.writing.layout import OutputPlan


def conversion_report(
    checkpoint: Checkpoint,
    plan: OutputPlan,
    paths: Iterable[Path],
    verification: VerificationReport | None,
    limits: Limits,
) -> ConversionReport:
    """Return what was done.

    Args:
        checkpoint: the source.
        plan: what was written.
        paths: where, for each file of the plan.
        verification: what reading it again found; None where that was switched off.
        limits: those of the conversion.
    """
    entries = [entry for file in plan.files for entry in file.entries]
    outputs = [
        OutputFile(path=str(path), nbytes=file.nbytes, tensors=len(file.entries))
        for file, path in zip(plan.files, paths, strict=True)
    ]
    return ConversionReport(
        source=source_facts(checkpoint.opened),
        style=checkpoint.style,
        layout=checkpoint.layout,
        components=[component_line(component) for component in checkpoint.components],
        outputs=[] if verification and not verification.identical else outputs,
        tensors=len(entries),
        nbytes=sum(entry.nbytes for entry in entries),
        aliases={name: kept for file in plan.files for name, kept in file.aliases.items()},
        renamed={change.name: change.source_name for change in plan.renamed},
        encodings={e.name: e.encoding for e in entries if e.encoding is not None},
        left_out=_left_out(checkpoint, plan, limits),
        notes=note_lines([*checkpoint.notes, *_plain_notes(checkpoint, plan)]),
        anomalies=[observation(anomaly) for anomaly in checkpoint.opened.anomalies],
        verification=verification,
    )


def _plain_notes(checkpoint: Checkpoint, plan: OutputPlan) -> list[Note]:
    """Say what a plain output leaves out beside tensors: values have no other place."""
    if not plan.plain or not value_lines(checkpoint.opened.root):
        return []
    text = "a plain output holds tensors only: the other values are left out"
    return [Note("values_left_out", text)]


def _left_out(checkpoint: Checkpoint, plan: OutputPlan, limits: Limits) -> list[LeftOut]:
    """Return what is not written: by choice, or because no ``state_dict()`` would name it."""
    found = [LeftOut(name=item.source_name, reason=item.reason) for item in plan.left_out]
    nameless = [
        LeftOut(name=checkpoint.full_name(component, item.path), reason=item.reason)
        for component in checkpoint.components
        if component.module is not None
        for item in component.module.left_out
    ]
    written = {entry.tensor for file in plan.files for entry in file.entries}
    written |= {alias.tensor for file in plan.files for alias in file.alias_plans}
    if nameless and not plan.plain and embedded_storages(checkpoint, written, limits):
        return found
    return found + nameless
