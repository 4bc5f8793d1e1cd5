"""A safetensors header that is not what the format demands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "safetensors-header"
_CODES: Final = frozenset({"safetensors_damaged", "safetensors_truncated"})


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for unread in case.facts.unread:
        if unread.code in _CODES:
            yield Finding(
                ID,
                Severity.UNREADABLE,
                unread.location,
                unread.what,
                Reach.METADATA,
                evidence=unread.code or "",
            )
