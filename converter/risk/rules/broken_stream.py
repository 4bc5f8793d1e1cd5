"""A pickle that breaks off: what stands before the break has run by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.errors import LimitError
from converter.risk.facts import Origin
from converter.risk.finding import Finding, Reach, Severity, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "broken-stream"
_QUIET: Final = frozenset({Origin.ALTERNATIVE, Origin.HIDDEN, Origin.STACKED})


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        error = pickle.graph.error
        if error is None or isinstance(error, LimitError) or pickle.facts.origin in _QUIET:
            continue
        parts = [error.what]
        if error.found:
            parts.append(f"found {error.found}")
        done = len(pickle.graph.calls)
        before = f"; {done} calls are made before" if done else ""
        yield Finding(
            ID,
            Severity.UNREADABLE,
            pickle.locate(error.offset if error.offset is not None else pickle.graph.stop),
            shortened(f"the pickle breaks off: {', '.join(parts)}{before}"),
            Reach.EXECUTABLE if pickle.uses else Reach.METADATA,
            evidence=f"after {pickle.graph.opcode_count} opcodes",
        )
