"""depickle: PyTorch checkpoints to safetensors, without running the pickle inside.

The verbs, all lazy until they are called::

    ckpt = converter.open("run.pth.tar")
    picture = converter.inspect("run.pth.tar")
    report = converter.convert("run.pth.tar", "run.safetensors")
    report = converter.verify("run.pth.tar", "run.safetensors")
    report = converter.scan("run.pth.tar")
    report = converter.diff("old.pth.tar", "new.pth.tar")
    report = converter.restore("run.safetensors", "again.pth")
    report = converter.migrate("archive", "converted")

Nothing in a checkpoint is ever imported, called or evaluated by any of them.
"""

from __future__ import annotations

from converter._version import __version__

# As type checkers know it, without the import of `typing`, which costs what all of Python does.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from os import PathLike

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.live_values import InertObject
    from converter.conversion import ConversionSettings
    from converter.limits import Limits
    from converter.progress import Progress
    from converter.reporting.diff_documents import DiffReport
    from converter.reporting.documents import (
        ConversionReport,
        FingerprintReport,
        InspectionReport,
        VerificationReport,
    )
    from converter.reporting.migration import MigrationReport
    from converter.reporting.restoration import RestorationReport
    from converter.reporting.scan_documents import ScanReport
    from converter.writing.options import WriteOptions

__all__ = [
    "InertObject",
    "__version__",
    "convert",
    "diff",
    "inspect",
    "migrate",
    "open",
    "restore",
    "scan",
    "verify",
    "verify_fingerprint",
]


def __getattr__(name: str) -> object:
    """Import what is public and no verb when it is first asked for."""
    if name == "InertObject":
        from converter.checkpoint import live_values

        return live_values.InertObject
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def open(path: str | PathLike[str]) -> Checkpoint:  # noqa: A001 - the verb of `converter.open`
    """Open a checkpoint of any kind by reference: no tensor is read.

    Close it, or use its tensors, through the `Checkpoint` that is returned.

    Raises:
        SourceError: it cannot be read.
        FormatError: it is no checkpoint.
    """
    from converter.readers.opening import open_checkpoint

    return open_checkpoint(path)


def inspect(
    path: str | PathLike[str], *, fingerprint: bool = False, progress: Progress | None = None
) -> InspectionReport:
    """Return the picture of a checkpoint: components, tensors, values, names in its pickle.

    Args:
        path: the checkpoint.
        fingerprint: whether to read all of its tensors for their fingerprints.
        progress: told of bytes hashed.

    Raises:
        SourceError: it cannot be read.
        FormatError: it is no checkpoint.
    """
    from converter.reporting.inspection import inspection_report

    checkpoint = open(path)
    try:
        if not fingerprint or checkpoint.opened.error is not None:
            return inspection_report(checkpoint)
        from converter.reporting.fingerprints import fingerprint_lines

        return inspection_report(checkpoint, fingerprint_lines(checkpoint, progress))
    finally:
        checkpoint.close()


def convert(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    *,
    options: WriteOptions | None = None,
    settings: ConversionSettings | None = None,
    progress: Progress | None = None,
) -> ConversionReport:
    """Convert a checkpoint to safetensors and compare the result with it, bit for bit.

    Args:
        source: the checkpoint.
        destination: a file ending in ``.safetensors``; a folder with ``options.folder``.
        options: what to write and under which names; None for everything as it is.
        settings: verification, replacing, limits; None for the defaults.
        progress: told of bytes written and compared.

    Raises:
        SourceError: the source cannot be read.
        FormatError: it is no checkpoint that can be read whole.
        PlanError: the options do not fit it.
        SinkError: the output cannot be written.
    """
    from converter.conversion import DEFAULT_SETTINGS, convert_checkpoint
    from converter.writing.options import DEFAULT_OPTIONS

    return convert_checkpoint(
        source,
        destination,
        options=options or DEFAULT_OPTIONS,
        settings=settings or DEFAULT_SETTINGS,
        progress=progress,
    )


def verify_fingerprint(
    path: str | PathLike[str],
    fingerprint: str,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> FingerprintReport:
    """Compare a checkpoint with a fingerprint that was taken of it, or of its like, before.

    Args:
        path: the checkpoint.
        fingerprint: 64 hexadecimal digits, of the whole or of one component.
        limits: caps on what the file may claim; None for the defaults.
        progress: told of bytes hashed.

    Raises:
        PlanError: `fingerprint` is none.
        SourceError: the checkpoint cannot be read.
        FormatError: it is no checkpoint that can be read whole.
    """
    from converter.limits import DEFAULT_LIMITS
    from converter.reporting.fingerprints import fingerprint_report

    return fingerprint_report(path, fingerprint, progress, limits or DEFAULT_LIMITS)


def diff(
    a: str | PathLike[str],
    b: str | PathLike[str],
    *,
    values: bool = True,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> DiffReport:
    """Return how the tensors of `b` differ from those of `a`.

    That is what ``load_state_dict`` would meet when `b` is loaded where the weights of `a` are
    expected: tensors that are missing, unexpected, of another shape or dtype, or changed; and
    the options of `convert` that would make more of the names agree.

    Args:
        a: what is there, and so expected.
        b: what is to be loaded.
        values: whether elements are compared; names, shapes and dtypes always are.
        limits: caps on what the files may claim; None for the defaults.
        progress: told of bytes compared.

    Raises:
        SourceError: a side cannot be read.
        FormatError: a side is no checkpoint that can be read whole.
    """
    from converter.limits import DEFAULT_LIMITS
    from converter.reporting.diff_reports import diff_files

    return diff_files(a, b, values=values, limits=limits or DEFAULT_LIMITS, progress=progress)


def scan(
    *paths: str | PathLike[str],
    explained: bool = False,
    progress: Progress | None = None,
    jobs: int | None = 1,
) -> ScanReport:
    """Judge what loading files, and every file in folders, would do; no tensor is read.

    Whatever is wrong with a file, it is in the report; a file that is missing is unreadable.

    Args:
        paths: files and folders.
        explained: whether to tell the pickles as pseudo-code.
        progress: told of bytes of files that are done.
        jobs: how many processes scan; None for one a processor where there are files enough. The
            report is the same. As ever with processes, a script that asks for more than one does
            so under ``if __name__ == "__main__":``.
    """
    from converter.reporting.scanning import scan_report_of

    return scan_report_of(paths, explained=explained, progress=progress, jobs=jobs)


def verify(
    source: str | PathLike[str],
    output: str | PathLike[str],
    *,
    options: WriteOptions | None = None,
    settings: ConversionSettings | None = None,
    progress: Progress | None = None,
) -> VerificationReport:
    """Compare two checkpoints, a converted one or any other kind, bit for bit.

    Args:
        source: what is expected.
        output: what is there.
        options: those the output was converted with, if there were any.
        settings: limits, and whether torch is asked too.
        progress: told of bytes compared.

    Raises:
        SourceError: a side cannot be read.
        FormatError: a side is no checkpoint.
        PlanError: the options do not fit the source.
    """
    from converter.conversion import DEFAULT_SETTINGS
    from converter.proof import verify_files

    return verify_files(
        source,
        output,
        options=options,
        settings=settings or DEFAULT_SETTINGS,
        progress=progress,
    )


def restore(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    *,
    allow_unsupported: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> RestorationReport:
    """Write a checkpoint as a file that ``torch.load(weights_only=True)`` takes.

    Args:
        source: a converted checkpoint, or one of any other kind.
        destination: the file to write; any name that does not end in ``.safetensors``.
        allow_unsupported: whether what such a file cannot hold is written as plain data.
        replace: whether an existing file may be replaced.
        progress: told of bytes written and compared.

    Raises:
        SourceError: the source cannot be read.
        FormatError: it is no checkpoint that can be read whole.
        PlanError: it holds what cannot be written, or not without `allow_unsupported`.
        SinkError: the output cannot be written.
    """
    from converter.restoration import restore_checkpoint

    return restore_checkpoint(
        source,
        destination,
        allow_unsupported=allow_unsupported,
        replace=replace,
        progress=progress,
    )


def migrate(
    root: str | PathLike[str],
    destination: str | PathLike[str],
    *,
    settings: ConversionSettings | None = None,
    jobs: int | None = 1,
    progress: Progress | None = None,
) -> MigrationReport:
    """Convert every checkpoint below a folder to a safetensors file below another one.

    What cannot be converted is reported and stops nothing; what has an output is left alone, so
    that a run that was stopped is gone on with by another one.

    Args:
        root: the folder; what in it is a checkpoint is found by content.
        destination: a folder outside of it, made if it is not there.
        settings: verification, replacing, limits, policy; None for the defaults.
        jobs: how many processes convert; None for one a processor where there are files enough. As
            ever with processes, a script that asks for more than one does so under
            ``if __name__ == "__main__":``.
        progress: told of bytes of sources that are done.

    Raises:
        SourceError: `root` is no folder that can be listed.
        PlanError: `destination` lies in `root`.
    """
    from converter.conversion import DEFAULT_SETTINGS
    from converter.migration.run import migrate_folder

    return migrate_folder(
        root, destination, settings=settings or DEFAULT_SETTINGS, jobs=jobs, progress=progress
    )
