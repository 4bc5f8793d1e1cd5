"""What a rule says, and what could not be said: values that always know their place."""

from __future__ import annotations

from enum import StrEnum

from converter.frozen import Frozen
from converter.risk.verdict import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MAX_TEXT: Final = 300
"""Characters of a file's own text that a finding repeats."""


class Severity(StrEnum):
    """What a finding alone makes of the file; a note changes nothing."""

    NOTE = "note"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of a file in which this is the worst."""
        return Verdict.SAFE if self is Severity.NOTE else Verdict(self.value)


class Confidence(StrEnum):
    """How sure the observation is, whatever its gravity."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Reach(StrEnum):
    """When it would take effect.

    ``executable``: a loader in common use runs it. ``latent``: only another loader, or a later
    step, would. ``metadata``: it lies about tensors or records. ``denial_of_service``: it costs
    time or memory.
    """

    EXECUTABLE = "executable"
    LATENT = "latent"
    METADATA = "metadata"
    DENIAL_OF_SERVICE = "denial_of_service"


class Location(Frozen):
    """A place in the input.

    Attributes:
        record: the record, and what it is nested in: ``inner.zip!a/data.pkl``; None for the file.
        offset: position in bytes inside the record (or the file), at least 0.
        path: way from the pickle's root to the value, such as ``root['model'][3]``; empty where
            there is none.
    """

    record: str | None
    offset: int
    path: str = ""

    def __post_init__(self) -> None:
        """Refuse a place that is none."""
        if self.offset < 0:
            msg = f"no place: offset {self.offset}"
            raise ValueError(msg)


class Finding(Frozen):
    """One observation of one rule.

    Attributes:
        rule: the rule's id.
        severity: what it makes of the file.
        location: where it was seen.
        message: one sentence, without the place.
        reach: when it would take effect.
        confidence: how sure it is.
        evidence: the name, the anomaly's code or the bytes it rests on.
        count: how often it was seen; `location` is the first time.
    """

    rule: str
    severity: Severity
    location: Location
    message: str
    reach: Reach = Reach.EXECUTABLE
    confidence: Confidence = Confidence.HIGH
    evidence: str = ""
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse a finding without a place: every one can be looked up in the file."""
        if not isinstance(self.location, Location):
            msg = f"a finding of {self.rule} needs a location"
            raise TypeError(msg)


class Skipped(Frozen):
    """Something that was left out on purpose.

    Attributes:
        what: what it is.
        reason: why.
        location: where it stands.
    """

    what: str
    reason: str
    location: Location


class CouldNotTell(Frozen):
    """Something that may matter and could not be read.

    Attributes:
        what: one sentence.
        location: where it stands.
        limit: the limit that was reached, if that is the reason.
        code: the stable name of the failure, if it has one.
    """

    what: str
    location: Location
    limit: str | None = None
    code: str | None = None


def shortened(text: str) -> str:
    """Return text of the file's, cut to what a report repeats."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
