"""Makes the document of a verification from what the verifier and the oracle found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from converter.reporting.documents import DifferenceLine, VerificationReport
from converter.reporting.terminal_text import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converter.verification.differences import Difference
    from converter.verification.torch_oracle import OracleReport
    from converter.verification.verifier import VerificationReport as Found


def verification_report(source: str, output: str, found: Found) -> VerificationReport:
    """Return the document for what comparing two sides found."""
    return VerificationReport(
        source=source,
        output=output,
        identical=found.identical,
        tensors=found.tensor_count,
        nbytes=found.nbytes,
        differences=[_line(difference) for difference in found.differences],
        difference_count=found.difference_count,
    )


def with_values(
    report: VerificationReport, found: Sequence[Difference], *, compared: bool
) -> VerificationReport:
    """Return the document with what comparing the other values found, where they were compared."""
    return msgspec.structs.replace(
        report,
        identical=report.identical and not found,
        differences=[*report.differences, *map(_line, found)],
        difference_count=report.difference_count + len(found),
        values=compared,
    )


def oracle_text(report: VerificationReport, oracle: OracleReport) -> VerificationReport:
    """Return the document with the oracle's word added; a disagreement is a difference."""
    text = f"{oracle.verdict}, {count_text(oracle.tensor_count, 'tensor')} compared"
    if oracle.reason:
        # torch's own messages go on for paragraphs of advice.
        text = oracle.reason.split(". ")[0].split("\n")[0]
    elif oracle.skipped:
        text += f", {len(oracle.skipped)} of other kinds skipped"
    return msgspec.structs.replace(
        report,
        oracle=text,
        identical=report.identical and not oracle.differences,
        differences=[*report.differences, *(_line(item) for item in oracle.differences)],
        difference_count=report.difference_count + len(oracle.differences),
    )


def _line(difference: Difference) -> DifferenceLine:
    where = f"element {list(difference.index)}" if difference.index is not None else ""
    if difference.offset is not None:
        where += f" at byte {difference.offset}"
    wants = f"expected {difference.expected or 'nothing'}, found {difference.found or 'nothing'}"
    more = f" ({difference.count} elements differ)" if difference.count > 1 else ""
    return DifferenceLine(
        tensor=difference.name or difference.file,
        kind=str(difference.kind),
        detail=f"{where}: {wants}{more}" if where else f"{wants}{more}",
    )
