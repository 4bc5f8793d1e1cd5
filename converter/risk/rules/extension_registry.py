"""Names from the process-wide registry of copyreg, unknowable from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "extension-registry"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from pickle.findings_of_uses(ID)
        if pickle.graph.extensions:
            first = pickle.graph.extensions[0]
            yield Finding(
                ID,
                Severity.SUSPICIOUS,
                pickle.locate(first.offset),
                f"extension code {first.code} stands for whatever the loading process registered",
                Reach.EXECUTABLE,
                evidence=f"EXT {first.code}",
                count=len(pickle.graph.extensions),
            )
