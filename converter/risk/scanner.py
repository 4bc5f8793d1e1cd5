"""Scans files and folders: facts, then rules, then a verdict."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from converter.byteio.local import FileSource
from converter.byteio.source import MemorySource
from converter.errors import DepickleError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.risk.case import Case
from converter.risk.choice import rules_for
from converter.risk.finding import CouldNotTell, Finding, Location, Reach, Severity, shortened
from converter.risk.gathering import gather
from converter.risk.known_pickles import is_known_clean, keep_clean
from converter.risk.report import FileReport
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS, ScanLimits
from converter.risk.verdict import Verdict, worst
from converter.risk.weights_only import refused_names, would_load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.risk.facts import InputFacts

UNREADABLE_RULE = "unreadable-input"
# A file of this many bytes is read at once: that costs less than the forty reads it would take.
_READ_WHOLE_NBYTES: Final = 1 << 16
# Lengths in bytes of the files so far.
_LENGTHS: Final[set[int]] = set()
_MOST_LENGTHS: Final = 1_024


def scan_paths(
    paths: Iterable[str | PathLike[str]],
    *,
    limits: Limits = DEFAULT_LIMITS,
    explained: bool = False,
) -> Iterator[FileReport]:
    """Scan files and everything in folders, one after the other, in the order of their names.

    Nothing is kept of a file but its report. A path that does not exist is reported as unreadable.
    """
    for path in iter_files(paths):
        yield scan_file(path, limits=limits, explained=explained)


def iter_files(paths: Iterable[str | PathLike[str]]) -> Iterator[str]:
    """Iterate over files: those named, and those in named folders, sorted, each folder once.

    Links to folders inside a folder are not followed, so that no loop is walked.
    """
    for path in paths:
        name = os.fspath(path)
        if os.path.isdir(name):  # noqa: PTH112 - pathlib takes as long to import as a scan
            yield from _iter_folder(name)
        else:
            yield name


def _iter_folder(top: str) -> Iterator[str]:
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            yield folder  # scanning it says why it cannot be read
            continue
        pending.extend(
            entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)
        )
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False) and not _leads_to_folder(entry):
                yield entry.path


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()  # asks the system where it is a link, and only there
    except OSError:
        return False


def scan_file(
    path: str | PathLike[str],
    *,
    limits: Limits = DEFAULT_LIMITS,
    scan_limits: ScanLimits = DEFAULT_SCAN_LIMITS,
    explained: bool = False,
) -> FileReport:
    """Scan one file; whatever goes wrong, there is a report, and it does not say safe.

    Args:
        path: the file.
        limits: caps on what parsers do.
        scan_limits: caps on what is followed.
        explained: whether the pickles are told as pseudo-code.
    """
    name = os.fspath(path)
    try:
        with FileSource(name) as source:
            return scan_source(
                _held(source), limits=limits, scan_limits=scan_limits, explained=explained
            )
    except DepickleError as error:
        return unreadable_report(name, str(error))
    except MemoryError:
        return unreadable_report(name, "not enough memory")
    except Exception as error:  # noqa: BLE001 - a crash on hostile bytes must not look clean
        return unreadable_report(name, f"internal error: {type(error).__name__}: {error}")


def _held(source: ByteSource) -> ByteSource:
    """Return a source of the same bytes, in memory if they are few."""
    if source.nbytes > _READ_WHOLE_NBYTES:
        return source
    return MemorySource(source.read_at(0, source.nbytes), source.name)


def scan_source(
    source: ByteSource,
    *,
    limits: Limits = DEFAULT_LIMITS,
    scan_limits: ScanLimits = DEFAULT_SCAN_LIMITS,
    explained: bool = False,
) -> FileReport:
    """Scan one source.

    Raises:
        SourceError: it cannot be read.
    """
    if not explained and _comes_again(source):
        return _scan_alike(source, limits, scan_limits)
    facts = gather(source, limits, scan_limits)
    return judge_facts(facts, limits=limits, scan_limits=scan_limits, explained=explained)


def _comes_again(source: ByteSource) -> bool:
    """Return whether an input is as long as one before: most are alone, or unlike any."""
    nbytes = source.nbytes
    if nbytes in _LENGTHS:
        return True
    if len(_LENGTHS) >= _MOST_LENGTHS:
        _LENGTHS.clear()
    _LENGTHS.add(nbytes)
    return False


def _scan_alike(source: ByteSource, limits: Limits, scan_limits: ScanLimits) -> FileReport:
    """Scan an input that may be laid out like one before."""
    from converter.risk.gathering.alike_archives import find_alike, gather_alike

    alike = find_alike(source, limits, scan_limits)
    known = alike.report(source.name) if alike else None
    if known is not None:
        return known
    facts = gather_alike(source, limits, scan_limits, alike)
    report = judge_facts(facts, limits=limits, scan_limits=scan_limits)
    if alike is not None:
        alike.keep(facts, report)
    return report


def judge_facts(
    facts: InputFacts,
    *,
    limits: Limits = DEFAULT_LIMITS,
    scan_limits: ScanLimits = DEFAULT_SCAN_LIMITS,
    explained: bool = False,
) -> FileReport:
    """Return what the rules say of some facts."""
    case = Case(facts, limits, scan_limits)
    clean = is_known_clean(facts, limits, scan_limits)
    rules = rules_for(case, beside_pickles=clean)
    findings = [finding for judge in rules for finding in judge(case)]
    imports = () if clean else _imports(case)
    if not (clean or findings or imports):
        keep_clean(facts, limits, scan_limits)
    findings.sort(key=lambda finding: -finding.severity.verdict.rank)
    return FileReport(
        name=facts.name,
        nbytes=facts.nbytes,
        kind=facts.kind,
        verdict=worst(finding.severity.verdict for finding in findings),
        findings=tuple(findings),
        could_not_tell=facts.unread,
        skipped=facts.skipped,
        pickles=len(facts.pickles),
        imports=imports,
        refused=refused_names(facts),
        weights_only=would_load(facts),
        explanation=_explanation(facts) if explained else (),
    )


def _explanation(facts: InputFacts) -> tuple[str, ...]:
    from converter.risk.explanation import explain

    return tuple(explain(facts))


def _imports(case: Case) -> tuple[str, ...]:
    """Return the names off the known-safe list, each once."""
    names = {
        use.known.text: None
        for pickle in case.pickles
        for use in pickle.uses
        if use.known.row is None and use.known.module != "(computed)"
    }
    return tuple(names)


def unreadable_report(name: str, reason: str) -> FileReport:
    """Return the report of a file that could not be scanned at all."""
    place = Location(None, 0)
    text = shortened(reason)
    finding = Finding(UNREADABLE_RULE, Severity.UNREADABLE, place, text, Reach.METADATA)
    return FileReport(
        name=name,
        nbytes=0,
        kind="unknown",
        verdict=Verdict.UNREADABLE,
        findings=(finding,),
        could_not_tell=(CouldNotTell(text, place),),
    )
