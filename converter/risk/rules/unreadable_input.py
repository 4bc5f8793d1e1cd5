"""Something that may matter and could not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Reach, Severity, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "unreadable-input"
_OTHERS: Final = frozenset({"safetensors_damaged", "safetensors_truncated"})


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for unread in case.facts.unread:
        if unread.limit is None and unread.code not in _OTHERS:
            yield Finding(
                ID,
                Severity.UNREADABLE,
                unread.location,
                shortened(unread.what),
                Reach.METADATA,
                evidence=unread.code or "",
            )
