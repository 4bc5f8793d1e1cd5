"""The exit codes, a documented table; and which error leads to which."""

from __future__ import annotations

from enum import IntEnum

from converter.errors import (
    DepickleError,
    FormatError,
    PlanError,
    RefusedError,
    SourceNotFoundError,
)


class ExitCode(IntEnum):
    """What the process says when it ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_INPUT = 3
    REFUSED = 4
    UNREADABLE = 11
    SUSPICIOUS = 12
    DANGEROUS = 13
    DIFFERS = 20
    UNFINISHED = 21


def exit_code_of(error: DepickleError) -> ExitCode:
    """Return the exit code for an error."""
    if isinstance(error, SourceNotFoundError):
        return ExitCode.NO_INPUT
    if isinstance(error, FormatError):
        return ExitCode.UNREADABLE
    if isinstance(error, RefusedError):
        return ExitCode.REFUSED
    if isinstance(error, PlanError):
        return ExitCode.USAGE
    return ExitCode.FAILED
