"""A progress bar on standard error, for long work on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from converter.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE_S: Final = 0.5


def progress_for(*, wanted: bool) -> Progress:
    """Return a bar where a person watches standard error, else silence."""
    if wanted and sys.stderr.isatty():
        return BarProgress()
    return SilentProgress()


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
