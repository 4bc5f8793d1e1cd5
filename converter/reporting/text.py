"""Reports as the text a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.reporting.fingerprints import fingerprint_section
from converter.reporting.terminal_text import count_text, printable, size_text, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converter.reporting.documents import (
        ClassSourceLine,
        ComponentLine,
        ConversionReport,
        InspectionReport,
        ModuleLine,
        NoteLine,
        Observation,
        TensorLine,
        ValueLine,
        VerificationReport,
    )

# A table longer than this shows its beginning and its end, unless everything is asked for.
_SHOWN_TENSORS: Final = 40
_SHOWN_LINES: Final = 30


def inspection_text(report: InspectionReport, *, everything: bool = False) -> str:
    """Return the picture of a checkpoint; `everything` cuts no table."""
    source = report.source
    head = f"{printable(source.name)}: {size_text(source.nbytes)}, {source.container}"
    if source.writer:
        head += f" ({source.writer})"
    lines = [head, f"style: {report.style}" + (f", {report.layout}" if report.layout else "")]
    if report.error:
        lines += ["", f"error: {printable(report.error)}"]
        lines += [f"  {report.advice}"] if report.advice else []
    lines += _section("components", _component_rows(report.components), right={2, 3})
    lines += _tensor_lines(report.tensors, everything=everything)
    composite_rows = [
        [
            printable(line.name),
            line.kind,
            line.dtype or "",
            "unknown shape" if line.shape is None else str(line.shape),
        ]
        for line in report.composites
    ]
    lines += _section("tensors kept as several, or without data", composite_rows)
    lines += _module_lines(report.modules, report.class_sources, everything=everything)
    lines += _value_lines(report.values, everything=everything)
    name_rows = [
        [printable(line.name), f"{line.count} x", "called" if line.called else "named"]
        for line in report.names
    ]
    lines += _cut("names in the pickle", name_rows, everything=everything, right={1})
    lines += fingerprint_section(report.fingerprints)
    lines += _notes(report.notes, report.anomalies)
    return "\n".join(lines)


def conversion_text(report: ConversionReport) -> str:
    """Return what a conversion did."""
    lines = [
        f"{printable(output.path)}: {count_text(output.tensors, 'tensor')}, "
        f"{size_text(output.nbytes)}"
        for output in report.outputs
    ] or ["nothing was written"]
    if report.aliases:
        rows = [[printable(a), "shares", printable(b)] for a, b in report.aliases.items()]
        lines += _cut("shared tensors, written once", rows)
    if report.encodings:
        rows = [[printable(name), how] for name, how in report.encodings.items()]
        lines += _cut("types that safetensors has not", rows)
    if report.renamed:
        rows = [[printable(old), "as", printable(new)] for new, old in report.renamed.items()]
        lines += _cut("names that could not stay", rows)
    if report.left_out:
        rows = [[printable(line.name), line.reason] for line in report.left_out]
        lines += _cut("left out", rows)
    lines += fingerprint_section(report.fingerprints)
    lines += _notes(report.notes, report.anomalies)
    if report.verification is None:
        lines.append("not verified")
    else:
        lines.append(verification_text(report.verification))
    return "\n".join(lines)


def verification_text(report: VerificationReport) -> str:
    """Return what a verification found."""
    compared = f"{count_text(report.tensors, 'tensor')}, {size_text(report.nbytes)}"
    if report.values:
        compared += " and the other values"
    if report.identical:
        lines = [f"verified: identical, bit for bit ({compared} compared)"]
    else:
        lines = [
            f"differs: {count_text(report.difference_count, 'difference')} ({compared} compared)"
        ]
        lines += [
            f"  {printable(line.tensor)}: {line.kind}: {printable(line.detail)}"
            for line in report.differences
        ]
        hidden = report.difference_count - len(report.differences)
        if hidden > 0:
            lines.append(f"  and {hidden} more")
    if report.oracle:
        lines.append(f"torch: {printable(report.oracle)}")
    return "\n".join(lines)


def _component_rows(components: Sequence[ComponentLine]) -> list[list[str]]:
    return [
        [
            printable(line.name),
            line.kind,
            count_text(line.tensors, "tensor"),
            size_text(line.nbytes),
            printable("/".join(line.path))
            + (f" ({printable(line.class_name)})" if line.class_name else ""),
        ]
        for line in components
    ]


def _tensor_lines(tensors: Sequence[TensorLine], *, everything: bool) -> list[str]:
    rows = []
    for line in tensors:
        remarks = []
        if line.stride is not None:
            remarks.append(f"stride {line.stride}")
        if line.class_name is not None:
            remarks.append(printable(line.class_name.rsplit(".", 1)[-1]))
        if line.shared_with is not None:
            remarks.append(f"shares storage with {printable(line.shared_with)}")
        shape = " x ".join(map(str, line.shape)) or "scalar"
        rows.append(
            [printable(line.name), line.dtype, shape, size_text(line.nbytes), ", ".join(remarks)]
        )
    return _cut("tensors", rows, everything=everything, shown=_SHOWN_TENSORS, right={3})


def _module_lines(
    modules: Sequence[ModuleLine], sources: Sequence[ClassSourceLine], *, everything: bool
) -> list[str]:
    lines: list[str] = []
    for module in modules:
        title = f"{module.component}, as print() would show it"
        lines += _cut_lines(title, module.printed.splitlines(), everything=everything)
    shown = [item for item in sources if everything or not item.class_name.startswith("torch.")]
    for source in shown:
        where = f" ({source.file})" if source.file else ""
        text = (source.source or "(not kept)").splitlines()
        title = f"source of {source.class_name}{where}, as the file carries it"
        lines += _cut_lines(title, text, everything=everything)
    hidden = len(sources) - len(shown)
    if hidden:
        lines += ["", f"source of {count_text(hidden, 'torch class')}; --all shows it"]
    return lines


def _cut_lines(title: str, texts: Sequence[str], *, everything: bool) -> list[str]:
    shown = texts if everything else texts[:_SHOWN_LINES]
    lines = ["", printable(title), *(f"  {printable(text)}" for text in shown)]
    hidden = len(texts) - len(shown)
    return [*lines, f"  … {hidden:,} more lines; --all shows them"] if hidden else lines


def _value_lines(values: Sequence[ValueLine], *, everything: bool) -> list[str]:
    rows = [
        [printable(line.path) or "(root)", printable(line.kind), printable(line.text)]
        for line in values
    ]
    return _cut("other values", rows, everything=everything)


def _notes(notes: Sequence[NoteLine], anomalies: Sequence[Observation]) -> list[str]:
    rows = [f"  {printable(note.text)}" for note in notes]
    lines = ["", "notes", *rows] if rows else []
    if anomalies:
        shown = []
        for anomaly in anomalies[:_SHOWN_LINES]:
            place = printable(anomaly.record or "")
            if anomaly.offset is not None:
                place += f"{' ' if place else ''}at {anomaly.offset}"
            where = f" ({place})" if place else ""
            shown.append(f"  {anomaly.code}: {printable(anomaly.detail)}{where}")
        hidden = len(anomalies) - len(shown)
        lines += ["", "anomalies", *shown] + ([f"  and {hidden:,} more"] if hidden else [])
    return lines


def _section(title: str, rows: list[list[str]], *, right: set[int] | None = None) -> list[str]:
    return ["", title, *table(rows, right=frozenset(right or ()))] if rows else []


def _cut(
    title: str,
    rows: list[list[str]],
    *,
    everything: bool = False,
    shown: int = _SHOWN_LINES,
    right: set[int] | None = None,
) -> list[str]:
    """Return a section whose middle is left out when it is long."""
    if everything or len(rows) <= shown:
        title = f"{title} ({len(rows):,})" if len(rows) > 1 else title
        return _section(title, rows, right=right)
    head = shown - shown // 4
    tail = shown - head
    lines = table(rows[:head] + rows[-tail:], right=frozenset(right or ()))
    hidden = f"  … {len(rows) - shown:,} more; --all shows them"
    return ["", f"{title} ({len(rows):,})", *lines[:head], hidden, *lines[head:]]
