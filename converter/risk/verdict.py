"""The verdicts, from best to worst, and how several become one."""

from __future__ import annotations

from enum import StrEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final


class Verdict(StrEnum):
    """What is to be thought of a file; the order of the members is that of their gravity."""

    SAFE = "safe"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"

    @property
    def rank(self) -> int:
        """Return its place in the order, from 0 for safe."""
        return _RANKS[self]


_RANKS: Final = {verdict: rank for rank, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest of some verdicts; safe where there are none."""
    return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.SAFE)
