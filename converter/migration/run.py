"""Converts every checkpoint below a folder, each by itself, whatever becomes of the others.

Outputs appear complete and verified or not at all, so a run that was stopped is gone on with by
running it again: what has its output is left alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converter.byteio import beside
from converter.byteio.folder import FolderSource
from converter.conversion import DEFAULT_SETTINGS, ConversionSettings, convert_checkpoint
from converter.errors import DepickleError, FormatError, PlanError, RefusedError, SinkError
from converter.migration.discovery import Candidate, check_folder, find_candidates
from converter.migration.targets import CHECKPOINT_SUFFIXES, target_names
from converter.processes import map_in_processes, processors
from converter.progress import Progress, SilentProgress
from converter.readers.opening import open_checkpoint
from converter.reporting import migration as outcomes
from converter.reporting.migration import MigratedFile, MigrationReport, migration_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

# A process takes as long to start as converting about this many small files.
_FILES_WORTH_A_PROCESS: Final = 8
# Codes of errors that say: this is something else. What is called like a checkpoint should be one.
_SOMETHING_ELSE: Final = frozenset(
    {"empty_file", "html_page", "text_file", "unknown_format", "zeros_file", "hdf5_file"}
    | {"zip_not_torch", "tar_not_torch"}
)
_ENDED: Final = "the process that converted it ended: it crashed or was killed"


@dataclass(frozen=True, slots=True)
class Job:
    """One checkpoint to convert.

    Attributes:
        source: the candidate.
        target: path of the output.
    """

    source: Candidate
    target: str


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a job, and which of a folder's files it took."""

    file: MigratedFile
    used: frozenset[str] = frozenset()


def migrate_folder(
    root: str | PathLike[str],
    destination: str | PathLike[str],
    *,
    settings: ConversionSettings = DEFAULT_SETTINGS,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> MigrationReport:
    """Convert every checkpoint below `root` to a safetensors file below `destination`.

    Args:
        root: a folder. What in it is a checkpoint is found by content.
        destination: a folder outside of it; made if it is not there. Outputs have the place and
            the name of their sources, with the ending ``.safetensors``.
        settings: how to go about each. Without ``replace``, what has an output is left alone.
        jobs: how many processes convert; None for one a processor where there are files enough.
        progress: told of bytes of sources that are done.

    Returns:
        What became of every file. That one cannot be converted stops nothing.

    Raises:
        SourceError: `root` is no folder that can be listed.
        PlanError: `destination` lies in `root`.
    """
    top, bottom = Path(root), Path(destination)
    check_folder(top)
    _check_apart(top, bottom)
    candidates, inside = find_candidates(top)
    total = sum(one.nbytes for one in candidates)
    watcher = progress or SilentProgress()
    work = partial(_migrated, settings=settings)
    files = []
    watcher.begin("migrating", total)
    try:
        targets = target_names(_named(candidates, top))
        for one, done in _mapped(work, _jobs(candidates, targets, top, bottom), jobs):
            files.append(done.file)
            _drop_used(inside, one, done)
            watcher.advance(one.nbytes)
        rest = [file for several in inside.values() for file in several]
        more = target_names(_named(rest, top), targets)
        for _, done in _mapped(work, _jobs(rest, more, top, bottom), jobs):
            files.append(done.file)
    finally:
        beside.forget_listings()
        watcher.end()
    return migration_report(str(top), str(bottom), files)


def _drop_used(inside: dict[str, list[Candidate]], one: Candidate, done: _Done) -> None:
    """Take from a folder's files those that its checkpoint used.

    Where that has no output they all stay: each may be a checkpoint by itself, or have its reason.
    """
    if one.path in inside:
        inside[one.path] = [f for f in inside[one.path] if Path(f.path).name not in done.used]


def _check_apart(top: Path, bottom: Path) -> None:
    inner, outer = Path(os.path.realpath(bottom)), Path(os.path.realpath(top))
    if inner == outer or outer in inner.parents:
        msg = f"destination inside the source: {bottom}: expected a folder outside {top}"
        raise PlanError(msg)


def _named(candidates: Iterable[Candidate], top: Path) -> list[str]:
    return [_name(one, top) for one in candidates]


def _name(one: Candidate, top: Path) -> str:
    """Return the name that an output's name is made from; the folder itself has one, too."""
    return one.name or Path(os.path.realpath(top)).name or "checkpoint"


def _jobs(
    candidates: Iterable[Candidate], targets: dict[str, str], top: Path, bottom: Path
) -> list[Job]:
    return [Job(one, str(bottom / targets[_name(one, top)])) for one in candidates]


def _mapped(
    work: partial[_Done], several: list[Job], jobs: int | None
) -> Iterator[tuple[Candidate, _Done]]:
    """Yield every candidate with what became of it, in their order."""
    if jobs is None:
        jobs = max(1, min(processors(), len(several) // _FILES_WORTH_A_PROCESS))
    results: Iterable[_Done] = map(work, several)
    if jobs > 1:
        results = map_in_processes(work, several, jobs=jobs, batch=1, ended=_ended)
    for job, done in zip(several, results, strict=True):
        yield job.source, done


def _ended(job: Job) -> _Done:
    return _Done(_outcome(job, outcomes.FAILED, reason=_ENDED))


def _outcome(
    job: Job, outcome: str, *, target: str | None = None, tensors: int = 0, reason: str = ""
) -> MigratedFile:
    return MigratedFile(
        source=job.source.path,
        outcome=outcome,
        nbytes=job.source.nbytes,
        target=target,
        tensors=tensors,
        reason=reason or None,
    )


def _migrated(job: Job, *, settings: ConversionSettings) -> _Done:
    """Convert one candidate; whatever goes wrong, there is an outcome."""
    # Thousands may go to one folder. What is left there of this run the next one removes.
    beside.remember_listings()
    try:
        file = _convert(job, settings)
        used = _used_files(job, settings) if job.source.is_folder else frozenset[str]()
        return _Done(file, used)
    except FormatError as error:
        named = job.source.name.lower().endswith(CHECKPOINT_SUFFIXES)
        other = error.code in _SOMETHING_ELSE and not named
        outcome = outcomes.NO_CHECKPOINT if other else outcomes.UNREADABLE
        return _Done(_outcome(job, outcome, reason=str(error)))
    except RefusedError as error:
        return _Done(_outcome(job, outcomes.REFUSED, reason=str(error)))
    except (DepickleError, OSError) as error:
        return _Done(_outcome(job, outcomes.FAILED, reason=str(error)))
    except MemoryError:
        return _Done(_outcome(job, outcomes.FAILED, reason="not enough memory"))
    except Exception as error:  # noqa: BLE001 - a defect met in one file must not stop the others
        reason = f"internal error: {type(error).__name__}: {error}"
        return _Done(_outcome(job, outcomes.FAILED, reason=reason))


def _convert(job: Job, settings: ConversionSettings) -> MigratedFile:
    target = Path(job.target)
    if target.exists() and not settings.replace:
        return _outcome(job, outcomes.PRESENT, target=job.target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot make the folder: {target.parent}: {os.strerror(error.errno or 0)}"
        raise SinkError(msg) from error
    report = convert_checkpoint(job.source.path, target, settings=settings)
    if report.verification is not None and not report.verification.identical:
        first = report.verification.differences[0] if report.verification.differences else None
        reason = f"{first.tensor}: {first.detail}" if first is not None else "the output differs"
        return _outcome(job, outcomes.DIFFERS, reason=reason)
    return _outcome(job, outcomes.CONVERTED, target=job.target, tensors=report.tensors)


def _used_files(job: Job, settings: ConversionSettings) -> frozenset[str]:
    """Return the names, directly in a folder, of what its checkpoint consists of."""
    checkpoint = open_checkpoint(job.source.path, limits=settings.limits)
    try:
        source = checkpoint.source
        names = source.files if isinstance(source, FolderSource) else ()
        return frozenset(name.split("/")[0] for name in names)
    finally:
        checkpoint.close()
