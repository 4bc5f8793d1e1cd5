"""Converts again and again in processes of its own, each of which is killed at a chosen moment.

    python -m tests.support.kill_driver

reads lines from standard input, each a folder, a kind of output, whether to replace, a system and a
moment, with tabs between, and answers each with one line. The moments:

    before N     killed before the Nth call that changes anything on disk; answers "killed"
    after N      right after it
    midway N     after half of it, if it writes or copies bytes; before it, if not
    progress N   at the Nth event that progress is told of
    time S       S seconds after the start
    whole        not killed; answers "done CALLS EVENTS SECONDS"

A child that ends before its moment comes answers "done", too, or "refused" and why.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from converter.errors import SinkError
from tests.support.faults import CHANGING, POOR, Fault, half_copy, half_write, injected
from tests.support.scenes import KINDS, Kind, Scene, convert_in

if TYPE_CHECKING:
    from collections.abc import Callable

_HALVES: Final[dict[str, Callable[..., Any]]] = {
    "pwrite": half_write,
    "write": half_write,
    "copy_file_range": half_copy,
}


def die() -> NoReturn:
    """Kill this process as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Moment:
    """Counts what happens, and kills this process when its moment has come."""

    def __init__(self, kind: str, number: float) -> None:
        self._kind: Final = kind
        self._number: Final = number
        self.calls = 0
        self.events = 0

    def faults(self) -> list[Fault]:
        """Return a fault for each call that changes anything: it is counted, or is the last."""
        return [Fault(call, "counted", self._effect(call), lasts=True) for call in CHANGING]

    def _effect(self, call: str) -> Callable[..., Any]:
        def effect(real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the real one
            self.calls += 1
            mine = self._kind if self.calls == self._number else ""
            if mine == "midway" and call in _HALVES:
                _HALVES[call](real, *arguments)
            if mine in {"before", "midway"}:
                die()
            result = real(*arguments, **options)
            if mine == "after":
                die()
            return result

        return effect

    def _event(self) -> None:
        self.events += 1
        if self._kind == "progress" and self.events == self._number:
            die()

    def begin(self, label: str, total_nbytes: int) -> None:
        """Count an event of progress."""
        self._event()

    def advance(self, nbytes: int) -> None:
        """Count an event of progress."""
        self._event()

    def end(self) -> None:
        """Count an event of progress."""
        self._event()


def child(folder: Path, kind: Kind, moment: Moment, *, replace: bool, poor: bool) -> str:
    """Convert; return what to answer."""
    start = time.perf_counter()
    # Innermost are the real calls, then the counting; what a poor system refuses changes nothing.
    refused = [(fault, 1) for fault in POOR] if poor else []
    with injected(*((fault, 1) for fault in moment.faults())), injected(*refused):
        try:
            convert_in(folder, kind, replace=replace, progress=moment)
        except SinkError as error:
            return f"refused {error}"
    return f"done {moment.calls} {moment.events} {time.perf_counter() - start}"


def answer(folder: Path, kind: Kind, line: str, *, replace: bool, poor: bool) -> str:
    """Run one child and return what became of it."""
    word, _, number = line.partition(" ")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            moment = Moment(word, float(number or "inf"))
            text = child(folder, kind, moment, replace=replace, poor=poor)
            os.write(writing, text.encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    if word == "time":
        time.sleep(float(number))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    if os.WIFSIGNALED(status):
        return "killed"
    return text if status == 0 else f"failed {status}"


def main() -> None:
    """Answer line after line."""
    with tempfile.TemporaryDirectory() as place:
        # What is imported only when it is used is imported now, for every child.
        for kind in KINDS:
            Scene(Path(place, kind), kind, replace=True)
    for line in sys.stdin:
        folder, word, replace, system, moment = line.rstrip("\n").split("\t")
        found = answer(
            Path(folder),
            cast("Kind", word),
            moment,
            replace=replace == "True",
            poor=system == "poor",
        )
        print(found, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
