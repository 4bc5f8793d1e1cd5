"""How far long work is, on standard error: a bar on a terminal, lines where they are asked for."""

from __future__ import annotations

import sys
import time

from converter.progress import Progress, SilentProgress
from converter.reporting.terminal_text import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE_S: Final = 0.5


def progress_for(chosen: Mapping[str, Any]) -> Progress:
    """Return what the options of a command ask for: a bar only where a person watches."""
    wanted = not (chosen["quiet"] or chosen["no_progress"])
    bar: Progress = BarProgress() if wanted and sys.stderr.isatty() else SilentProgress()
    return PhaseLines(bar) if chosen["verbose"] else bar


class PhaseLines:
    """A line for each phase that is done, beside other progress."""

    def __init__(self, inner: Progress) -> None:
        """Pass everything on to `inner`."""
        self._inner: Final = inner
        self._label = ""
        self._done = 0
        self._started_s = 0.0

    def begin(self, label: str, total_nbytes: int) -> None:
        """Start a phase."""
        self._label, self._done, self._started_s = label, 0, time.monotonic()
        self._inner.begin(label, total_nbytes)

    def advance(self, nbytes: int) -> None:
        """Move on."""
        self._done += nbytes
        self._inner.advance(nbytes)

    def end(self) -> None:
        """Take the bar away, then say what was done in what time."""
        self._inner.end()
        seconds = time.monotonic() - self._started_s
        rate = size_text(int(self._done / seconds)) if seconds > 0 else "at once"
        text = f"{self._label}: {size_text(self._done)} in {seconds:.2f} s ({rate}/s)"
        print(f"depickle: {text}", file=sys.stderr)


class BarProgress:
    """A bar that appears once a phase has taken half a second."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._total = 0
        self._done = 0
        self._started_s = 0.0

    def begin(self, label: str, total_nbytes: int) -> None:
        """Start a phase."""
        self._label, self._total, self._done = label, total_nbytes, 0
        self._started_s = time.monotonic()

    def advance(self, nbytes: int) -> None:
        """Move on; the first call after the patience is over brings the bar up."""
        self._done += nbytes
        if self._bar is None:
            if time.monotonic() - self._started_s < _PATIENCE_S:
                return
            self._show()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self) -> None:
        # rich takes a tenth of a second to import: only long work pays for it.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(self._label, total=self._total, completed=self._done)
        self._bar.start()
