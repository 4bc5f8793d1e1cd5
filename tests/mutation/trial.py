"""One run of tests in a forked process: which tests run which lines, and whether a mutant lives."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.mutation.packages import Package

# That a test fails is enough: no rewriting of asserts to say why.
_ARGUMENTS: Final = (
    *("-x", "-q", "--tb=line", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"),
)
_BROKEN: Final = 70
_LOG: Final = "trial.log"
# What a mutant may use beyond what the process had at the fork, and the seconds that it may take
# on the clock, however busy the machine; a loop without end is found by its processor time.
_MEMORY_NBYTES: Final = 4 << 30
_CLOCK_SECONDS: Final = 300


@dataclass(slots=True)
class Covered:
    """What the tests do to unmutated sources.

    Attributes:
        seconds: processor time by test id.
        groups: the ids of the tests, group by group.
        tests_by_line: the ids of the tests that run a line, by module and line number.
        at_import: the lines that also run outside of any test.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    groups: list[list[str]] = field(default_factory=list)
    tests_by_line: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    at_import: set[tuple[str, int]] = field(default_factory=set)


class _Recorder:
    """A plugin of pytest that tells coverage and a clock which test is running."""

    def __init__(self, package: Package, measured: coverage.Coverage, written: Path) -> None:
        self._without = package.without
        self._measured = measured
        self._written = written

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item for item in items if not item.nodeid.partition("[")[0].endswith(self._without)
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._measured.switch_context(item.nodeid)
        start = time.process_time()
        result = yield
        with self._written.open("a", encoding="utf-8") as lines:
            lines.write(f"{time.process_time() - start:.4f} {item.nodeid}\n")
        return result


class _Chooser:
    """A plugin of pytest that keeps the chosen tests, the quickest first."""

    def __init__(self, chosen: dict[str, float]) -> None:
        self._chosen = chosen

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid in self._chosen]
        items[:] = sorted(kept, key=lambda item: self._chosen[item.nodeid])


def cover(package: Package) -> Covered:
    """Run all tests of a package on unmutated sources.

    Raises:
        RuntimeError: a test fails, or none was run.
    """
    covered = Covered()
    for paths in package.tests:
        data, seconds = Path(".coverage-of-tests"), Path(".seconds-of-tests")
        seconds.write_text("", encoding="utf-8")

        def run(paths: tuple[str, ...] = paths, data: Path = data, seconds: Path = seconds) -> int:
            measured = coverage.Coverage(data_file=data, source=["converter"], config_file=False)
            measured.start()
            recorder = _Recorder(package, measured, seconds)
            code = pytest.main([*_ARGUMENTS, *paths], plugins=[recorder])
            measured.stop()
            measured.save()
            return int(code)

        if _forked(run, processor_seconds=3600, clock_seconds=3600) != "lived":
            raise RuntimeError(f"unmutated sources do not pass: {said()}")
        _add_seconds(covered, seconds)
        _add_lines(covered, data)
    return covered


def _add_seconds(covered: Covered, written: Path) -> None:
    group = []
    for line in written.read_text(encoding="utf-8").splitlines():
        spent, _, name = line.partition(" ")
        covered.seconds[name] = float(spent)
        group.append(name)
    covered.groups.append(group)


def _add_lines(covered: Covered, written: Path) -> None:
    found = coverage.CoverageData(basename=str(written))
    found.read()
    for path in found.measured_files():
        module = Path(path).relative_to(Path.cwd()).as_posix()
        for number, names in found.contexts_by_lineno(path).items():
            covered.tests_by_line[module, number].update(filter(None, names))
            if "" in names:
                covered.at_import.add((module, number))
    written.unlink()


def try_tests(names: set[str], covered: Covered) -> str:
    """Run some tests; return ``"lived"``, ``"killed"`` or ``"timed out"``."""
    for group in covered.groups:
        chosen = {name: covered.seconds[name] for name in group if name in names}
        if chosen and (outcome := _try_group(chosen)) != "lived":
            return outcome
    return "lived"


def _try_group(chosen: dict[str, float]) -> str:
    files = sorted({name.partition("::")[0] for name in chosen})

    def run() -> int:
        return int(pytest.main([*_ARGUMENTS, *files], plugins=[_Chooser(chosen)]))

    return _forked(
        run,
        processor_seconds=5 + 5 * int(sum(chosen.values())),
        clock_seconds=_CLOCK_SECONDS,
    )


def _forked(run: Callable[[], int], *, processor_seconds: int, clock_seconds: int) -> str:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = _BROKEN
        try:
            os.setpgid(0, 0)
            _limit(processor_seconds)
            log = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = run()
        except BaseException:  # noqa: BLE001 - the process ends here, with what went wrong in its log
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + clock_seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended or time.monotonic() > until:
            break
        time.sleep(0.005)
    _end_group(pid)
    if not ended:
        os.waitpid(pid, 0)
        return "timed out"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGKILL}:
        return "timed out"
    code = os.waitstatus_to_exitcode(status)
    if code in {_BROKEN, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise RuntimeError(f"no trial: {said()}")
    return "lived" if code == pytest.ExitCode.OK else "killed"


def said() -> str:
    """Return what the last run of tests has printed."""
    return Path(_LOG).read_text(encoding="utf-8", errors="replace")


def _limit(processor_seconds: int) -> None:
    in_use = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    memory = in_use * resource.getpagesize() + _MEMORY_NBYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds + 5))


def _end_group(pid: int) -> None:
    """End what a mutant's test has started and left behind."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
