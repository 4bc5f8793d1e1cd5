"""An archive or a compressed file inside another one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "archive-in-archive"
_STREAMS: Final = frozenset({"pickle", "torch_legacy", "safetensors", "npy"})


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    outer = case.facts.kind
    inner = (
        archive for archive in case.facts.archives if archive.level and archive.kind not in _STREAMS
    )
    for archive in islice(inner, case.scan_limits.max_findings):
        yield Finding(
            ID,
            Severity.SUSPICIOUS if outer == "torch_save" else Severity.NOTE,
            Location(archive.record, 0),
            f"a file of kind {archive.kind} stands inside one of kind {outer}",
            Reach.LATENT,
            evidence=archive.kind,
        )
