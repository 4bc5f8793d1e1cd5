"""What a person sees of long work: a bar on a terminal, lines where they are asked for."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any

import pytest

from converter.cli.application import application
from converter.cli.progress_bar import progress_for
from tests.conftest import REPOSITORY
from tests.support.command import depickle

if TYPE_CHECKING:
    from pathlib import Path

    from converter.progress import Progress

RUN = REPOSITORY / "corpus" / "bundle" / "training_run.pth.tar"


class Terminal(io.StringIO):
    """A standard error that somebody watches."""

    def isatty(self) -> bool:
        """Return True: it is a terminal."""
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make the time what stands in this list."""
    now = [100.0]
    monkeypatch.setattr("converter.cli.progress_bar.time.monotonic", lambda: now[0])
    return now


def chosen(**given: bool) -> dict[str, Any]:
    return {"quiet": False, "no_progress": False, "verbose": False} | given


def work(progress: Progress, clock: list[float], seconds: float) -> None:
    progress.begin("writing", 4 << 20)
    for _ in range(4):
        clock[0] += seconds / 4
        progress.advance(1 << 20)
    progress.end()


def seen(clock: list[float], seconds: float, stream: io.StringIO, **given: bool) -> str:
    """Return what stands on standard error after work of some length."""
    with redirect_stderr(stream):
        work(progress_for(chosen(**given)), clock, seconds)
    return stream.getvalue()


def test_long_work_has_a_bar(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "writing" in seen(clock, 8.0, Terminal())


def test_short_work_shows_nothing(clock: list[float]) -> None:
    assert seen(clock, 0.1, Terminal()) == ""


@pytest.mark.parametrize("option", ["quiet", "no_progress"])
def test_no_bar_where_none_is_wanted(option: str, clock: list[float]) -> None:
    assert seen(clock, 8.0, Terminal(), **{option: True}) == ""


def test_no_bar_where_nobody_watches(clock: list[float]) -> None:
    assert seen(clock, 8.0, io.StringIO()) == ""


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_phases_are_told(stream: type[io.StringIO], clock: list[float]) -> None:
    told = "depickle: writing: 4.0 MiB in 0.40 s (10 MiB/s)\n"
    assert seen(clock, 0.4, stream(), verbose=True) == told


def test_verbose_command_tells_its_phases(tmp_path: Path) -> None:
    outcome = depickle("convert", "-v", RUN, tmp_path / "run.safetensors")
    assert outcome.code == 0
    told = [line.split(":")[1].strip() for line in outcome.err.splitlines()]
    assert told == ["writing", "verifying"]


def test_verbose_defect_shows_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("\x1b[2J")

    monkeypatch.setattr("converter.inspect", broken)
    brief = depickle("inspect", RUN)
    full = depickle("inspect", "--verbose", RUN)
    assert brief.code == full.code == 1
    assert "Traceback" not in brief.err
    assert "Traceback" in full.err
    assert "in broken" in full.err
    assert "\x1b" not in full.err


def test_every_command_has_the_three_options() -> None:
    for name in application.list_commands(None):  # type: ignore[arg-type]
        help_text = depickle(name, "--help").out
        for option in ("-q, --quiet", "-v, --verbose", "--no-progress"):
            assert option in help_text, name
