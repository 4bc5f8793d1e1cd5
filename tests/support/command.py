"""Runs the command line inside this process, with its streams captured."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from converter.cli.application import run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did: its exit code and both streams."""

    code: int
    out: str
    err: str


def depickle(*arguments: object) -> Outcome:
    """Run ``depickle`` with arguments and return what it did."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())
