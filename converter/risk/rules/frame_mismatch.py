"""Frames that end elsewhere than the stream says: unpicklers buffer differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "frame-mismatch"
WEIGHTS: Final = {
    "frame_inside_frame": Weight(
        Severity.SUSPICIOUS, "frames stand inside each other", Reach.LATENT
    ),
    "frame_empty": Weight(Severity.SUSPICIOUS, "a frame is empty", Reach.LATENT),
    "frame_overruns_stream": Weight(
        Severity.SUSPICIOUS, "a frame is longer than the stream", Reach.LATENT
    ),
    "frame_crossed": Weight(
        Severity.SUSPICIOUS,
        "an opcode crosses the end of a frame, which unpicklers read differently",
        Reach.LATENT,
    ),
    "frame_not_ended_at_stop": Weight(
        Severity.SUSPICIOUS, "the last frame does not end with the stream", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed_streams(case, ID, WEIGHTS)
