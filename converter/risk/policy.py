"""What may be done with a file of which verdict."""

from __future__ import annotations

from converter.frozen import Frozen
from converter.risk.verdict import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

ALWAYS_CONVERTED: Final = frozenset({Verdict.SAFE, Verdict.UNKNOWN, Verdict.UNREADABLE})
"""Verdicts that stand in the way of no conversion: what cannot be read whole fails by itself."""


class Policy(Frozen):
    """Which verdicts are let through.

    Attributes:
        allowed: verdicts that a person has allowed by name, beside those that always are.
    """

    allowed: frozenset[Verdict] = frozenset()

    def permits(self, verdict: Verdict) -> bool:
        """Return whether a file of this verdict may be converted.

        Extraction is inert whatever the file holds; that a person knows what they have is all
        that is asked. Who allows a verdict allows the better ones too.
        """
        if verdict in ALWAYS_CONVERTED:
            return True
        return any(verdict.rank <= allowed.rank for allowed in self.allowed)


DEFAULT_POLICY: Final = Policy()


def policy_of(names: Iterable[str]) -> Policy:
    """Return the policy that allows the verdicts of these names."""
    return Policy(frozenset(Verdict(name) for name in names))


def reaches(verdict: Verdict, level: Verdict) -> bool:
    """Return whether a verdict is as grave as `level`; what could not be told always is."""
    return verdict is Verdict.UNREADABLE or verdict.rank >= level.rank
