"""What may be done with a file of which verdict."""

from __future__ import annotations

from converter.risk.policy import Policy, policy_of, reaches
from converter.risk.verdict import Verdict


def test_what_is_converted_unasked() -> None:
    permitted = {str(verdict) for verdict in Verdict if Policy().permits(verdict)}
    assert permitted == {"safe", "unknown", "unreadable"}


def test_who_allows_the_worse_allows_the_better() -> None:
    assert policy_of(["dangerous"]).permits(Verdict.SUSPICIOUS)
    assert not policy_of(["suspicious"]).permits(Verdict.DANGEROUS)


def test_levels() -> None:
    at_suspicious = {str(one) for one in Verdict if reaches(one, Verdict.SUSPICIOUS)}
    assert at_suspicious == {"unreadable", "suspicious", "dangerous"}
    at_unknown = {str(one) for one in Verdict if reaches(one, Verdict.UNKNOWN)}
    assert at_unknown == set(map(str, Verdict)) - {"safe"}
