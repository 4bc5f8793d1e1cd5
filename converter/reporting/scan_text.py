"""A scan as the text a person reads."""

from __future__ import annotations

from converter.reporting.terminal_text import count_text, printable, size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from converter.risk.finding import Finding, Location
    from converter.risk.report import FileReport

_SHOWN_FINDINGS: Final = 25
_SHOWN_NAMES: Final = 8
_NOTE: Final = "note"
_CONVERTED: Final = ("unknown", "safe")
_WARNED: Final = ("suspicious", "dangerous")


def scan_text(reports: Sequence[FileReport]) -> str:
    """Return the verdicts, and for each file what they rest on."""
    lines = [line for file in reports for line in file_lines(file)]
    if len(reports) > 1:
        counts: dict[str, int] = {}
        for file in reports:
            counts[file.verdict] = counts.get(file.verdict, 0) + 1
        shown = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        lines += ["", f"{count_text(len(reports), 'file')}: {shown}"]
    return "\n".join(lines)


def file_lines(file: FileReport) -> list[str]:
    """Return the lines for one file."""
    head = f"{printable(file.name)}: {file.verdict.upper()}"
    lines = [f"{head} ({file.kind}, {size_text(file.nbytes)}, {_pickles(file)})"]
    grave = [finding for finding in file.findings if finding.severity != _NOTE]
    for finding in grave[:_SHOWN_FINDINGS]:
        lines += _finding_lines(finding)
    if len(grave) > _SHOWN_FINDINGS:
        lines.append(f"  and {len(grave) - _SHOWN_FINDINGS} findings more")
    lines += _advice_lines(file)
    lines += [f"  {printable(line)}" for line in file.explanation]
    return lines


def _pickles(file: FileReport) -> str:
    return count_text(file.pickles, "pickle") if file.pickles else "no pickle"


def _finding_lines(finding: Finding) -> list[str]:
    count = f" ({finding.count} times)" if finding.count > 1 else ""
    return [
        f"  {finding.severity}: {finding.rule}: {printable(finding.message)}{count}",
        f"    at {_place_text(finding.location)}; {finding.reach.replace('_', ' ')}",
    ]


def _place_text(place: Location) -> str:
    text = f"offset {place.offset}"
    if place.record:
        text = f"{printable(place.record)}, {text}"
    return f"{text}, {printable(place.path)}" if place.path else text


def _advice_lines(file: FileReport) -> list[str]:
    """Return what loading would import, what torch would refuse, and what to do instead."""
    lines = []
    if file.imports:
        lines.append(f"  loading it would import: {_names(file.imports)}")
    if file.refused:
        names = _names(file.refused)
        lines.append(f"  torch.load(weights_only=True) would refuse: {names}")
    if not file.imports:
        return lines
    name = printable(file.name)
    if file.verdict in _CONVERTED:
        lines.append(f"  without running any of it: depickle convert {name} OUT.safetensors")
    elif file.verdict in _WARNED:
        lines.append(
            f"  its tensors alone: depickle convert --allow {file.verdict} {name} OUT.safetensors"
        )
    return lines


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name[:100]) for name in names[:_SHOWN_NAMES])
    left = len(names) - _SHOWN_NAMES
    return f"{shown} and {left} more" if left > 0 else shown
