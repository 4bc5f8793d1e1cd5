"""Counts the round trips of a run, over all its processes, and says how many there were."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST: Final = "DEPICKLE_MIN_ROUND_TRIPS"
_TOTAL: Final = pytest.StashKey[int]()


def _counted_here() -> int:
    # Only what a test has imported has counted anything; importing it here would need torch.
    module = sys.modules.get("tests.support.round_trips")
    return getattr(module, "count", 0)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the count to the process that started this one, or judge it."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["round_trips"] = _counted_here()
        return
    config.stash[_TOTAL] = config.stash.get(_TOTAL, 0) + _counted_here()
    least = int(os.environ.get(_LEAST) or 0)
    if config.stash[_TOTAL] < least and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - a part of pytest-xdist
    """Add what another process counted."""
    stash = node.config.stash
    counted = getattr(node, "workeroutput", {}).get("round_trips", 0)
    stash[_TOTAL] = stash.get(_TOTAL, 0) + counted


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Say how many round trips there were."""
    yield
    total = config.stash.get(_TOTAL, 0)
    if total:
        least = int(os.environ.get(_LEAST) or 0)
        verdict = f", {least:,} wanted" if least else ""
        terminalreporter.write_line(f"round trips: {total:,}{verdict}")
