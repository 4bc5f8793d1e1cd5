"""Fingerprints as they stand in documents, and as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.errors import PlanError
from converter.limits import DEFAULT_LIMITS
from converter.readers.opening import open_checkpoint
from converter.reporting.documents import FingerprintLine, FingerprintMatch, FingerprintReport
from converter.reporting.terminal_text import count_text, printable, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from converter.checkpoint.canonical import Checkpoint
    from converter.limits import Limits
    from converter.progress import Progress
    from converter.verification.digests import Fingerprint

_HEX_DIGITS: Final = 64
_WHOLE: Final = "(all)"


def fingerprint_lines(
    checkpoint: Checkpoint, progress: Progress | None = None, limits: Limits = DEFAULT_LIMITS
) -> list[FingerprintLine]:
    """Return the fingerprints of a checkpoint: of all, then of each component with tensors.

    Raises:
        SourceError: it cannot be read.
        FormatError: it could only be read in part.
    """
    if checkpoint.opened.error is not None:
        raise checkpoint.opened.error
    from converter.verification.digests import fingerprint_of

    found = fingerprint_of(checkpoint, progress, limits)
    parts = [
        _line(name, part)
        for name, part in found.components.items()
        if part.tensor_count or part.without_bytes
    ]
    return [_line(None, found.whole), *parts]


def fingerprint_lines_of(
    path: str | PathLike[str], progress: Progress | None = None, limits: Limits = DEFAULT_LIMITS
) -> list[FingerprintLine]:
    """Return the fingerprints of a file or folder; otherwise as `fingerprint_lines`."""
    checkpoint = open_checkpoint(path, limits=limits)
    try:
        return fingerprint_lines(checkpoint, progress, limits)
    finally:
        checkpoint.close()


def fingerprint_report(
    path: str | PathLike[str],
    expected: str,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> FingerprintReport:
    """Return which fingerprints of a file are the expected one.

    Raises:
        PlanError: `expected` is no fingerprint.
        SourceError: the file cannot be read.
        FormatError: it is no checkpoint that can be read whole.
    """
    wanted = expected.strip().lower()
    if len(wanted) != _HEX_DIGITS or set(wanted) - set("0123456789abcdef"):
        msg = f"no fingerprint: {expected!r}: expected {_HEX_DIGITS} hexadecimal digits"
        raise PlanError(msg)
    checkpoint = open_checkpoint(path, limits=limits)
    try:
        lines = fingerprint_lines(checkpoint, progress, limits)
        name = checkpoint.source.name
    finally:
        checkpoint.close()
    matches = [
        FingerprintMatch(component=line.component, definition=definition)
        for line in lines
        for definition, found in (("weights", line.weights), ("named", line.named))
        if found == wanted
    ]
    return FingerprintReport(source=name, expected=wanted, matches=matches, fingerprints=lines)


def fingerprint_text(report: FingerprintReport) -> str:
    """Return what a check of a fingerprint found."""
    if not report.matches:
        head = f"differs: no fingerprint of {printable(report.source)} is {report.expected}"
        return "\n".join([head, *fingerprint_section(report.fingerprints)])
    by_name = {line.component: line for line in report.fingerprints}
    lines = []
    for match in report.matches:
        line = by_name[match.component]
        whose = "the file" if match.component is None else printable(match.component)
        what = "weights and names" if match.definition == "named" else "weights"
        lines.append(f"verified: {what} of {whose} have this fingerprint ({_count(line)})")
    return "\n".join(lines)


def fingerprint_section(lines: Sequence[FingerprintLine]) -> list[str]:
    """Return the fingerprints as a table under a title; nothing for none."""
    rows = []
    for line in lines:
        name = _WHOLE if line.component is None else printable(line.component)
        rows += [[name, "weights", line.weights, _count(line)], ["", "named", line.named, ""]]
    return ["", "fingerprints (sha256)", *table(rows)] if rows else []


def _count(line: FingerprintLine) -> str:
    """Return how many tensors took part, and how many did not."""
    count = count_text(line.tensors, "tensor")
    return f"{count}, {line.without_bytes:,} without bytes" if line.without_bytes else count


def _line(component: str | None, found: Fingerprint) -> FingerprintLine:
    return FingerprintLine(
        component=component,
        weights=found.weights,
        named=found.named,
        tensors=found.tensor_count,
        without_bytes=found.without_bytes,
    )
