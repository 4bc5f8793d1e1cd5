"""The way back: one checkpoint to a file that ``torch.load(weights_only=True)`` takes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converter.byteio import temporaries
from converter.byteio.sink import AtomicFile
from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.storage import Storage
from converter.checkpoint.tree_sharing import find_tensors
from converter.errors import PlanError, SinkError
from converter.limits import DEFAULT_LIMITS
from converter.progress import SilentProgress
from converter.readers.flattening import tensor_of_storage
from converter.readers.opening import open_checkpoint
from converter.reporting.documents import DifferenceLine, NoteLine, VerificationReport
from converter.reporting.inspection import source_facts
from converter.reporting.restoration import RestorationReport, UnsupportedLine
from converter.reporting.verification import verification_report
from converter.verification.verifier import verify_checkpoints
from converter.writing.torch_zip_file import write_torch_file
from converter.writing.unsupported import Unsupported, prepare

if TYPE_CHECKING:
    from os import PathLike

    from converter.checkpoint.tensor import TensorRef
    from converter.checkpoint.values import Value
    from converter.limits import Limits
    from converter.progress import Progress

_SAFETENSORS: Final = ".safetensors"
_LISTED_IN_ERROR: Final = 5
_LISTED_IN_REPORT: Final = 1_000


def restore_checkpoint(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    *,
    allow_unsupported: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> RestorationReport:
    """Write a checkpoint as torch.save would, for weights-only loading, and read it again.

    Args:
        source: a converted checkpoint, or one of any other kind.
        destination: the file to write; any name that does not end in ``.safetensors``.
        allow_unsupported: whether what weights-only loading does not take is written as plain
            data (`converter.writing.plain_data`) instead of being refused.
        replace: whether an existing file may be replaced.
        progress: told of bytes written and compared.
        limits: the caps in force.

    Returns:
        What was done. When reading the written file again finds a difference, the report says so
        (``report.verification.identical``) and nothing is left under `destination`.

    Raises:
        SourceError: the source cannot be read, or changed while it was read.
        FormatError: it is no checkpoint that can be read whole.
        PlanError: it holds what cannot be written, or not without `allow_unsupported`.
        SinkError: the output cannot be written, or exists and may not be replaced.
    """
    target = Path(destination)
    _check_target(target, replace=replace)
    watcher = progress or SilentProgress()
    checkpoint = open_checkpoint(source, limits=limits)
    try:
        if checkpoint.opened.error is not None:
            raise checkpoint.opened.error
        checkpoint = checkpoint.as_saved()
        root, unsupported = prepare(checkpoint.opened.root)
        if unsupported and not allow_unsupported:
            raise _refusal(checkpoint, unsupported)
        return _write(checkpoint, root, unsupported, target, watcher, limits, replace=replace)
    finally:
        checkpoint.close()


def _write(  # noqa: PLR0913 - what the one caller has at hand
    checkpoint: Checkpoint,
    root: Value,
    unsupported: list[Unsupported],
    target: Path,
    progress: Progress,
    limits: Limits,
    *,
    replace: bool,
) -> RestorationReport:
    nbytes = 0
    verification = None
    with suppress(_DiffersError), AtomicFile(target, replace=replace) as sink:
        nbytes = write_torch_file(root, sink, progress, limits)
        verification = _verify(checkpoint, root, sink.written_path, target, progress, limits)
        checkpoint.source.check_unchanged()
        if not verification.identical:
            raise _DiffersError
    assert verification is not None  # noqa: S101 - only _DiffersError leads here without return
    tensors = find_tensors([root])
    storages = {t if isinstance(t, Storage) else t.storage for t in tensors}
    return RestorationReport(
        source=source_facts(checkpoint.opened),
        output=str(target) if verification.identical else None,
        nbytes=nbytes,
        tensors=len(tensors),
        storages=len(storages),
        verification=verification,
        unsupported=[
            UnsupportedLine(path=one.path, what=one.what) for one in unsupported[:_LISTED_IN_REPORT]
        ],
        unsupported_count=len(unsupported),
        notes=[NoteLine(code=note.code, text=note.text) for note in checkpoint.notes],
    )


class _DiffersError(Exception):
    """What was written reads differently; the report says where."""


def _check_target(target: Path, *, replace: bool) -> None:
    if target.suffix.lower() == _SAFETENSORS:
        msg = f"output of another kind: {target}: expected a name as torch.save files have it"
        raise PlanError(msg)
    if replace:
        return
    temporaries.remove_abandoned(target)
    if os.path.lexists(target):
        msg = f"output exists: {target}: expected a new name, or leave to replace it"
        raise SinkError(msg, code="output_exists")


def _refusal(checkpoint: Checkpoint, unsupported: list[Unsupported]) -> PlanError:
    shown = "; ".join(f"{one.path}: {one.what}" for one in unsupported[:_LISTED_IN_ERROR])
    more = len(unsupported) - _LISTED_IN_ERROR
    rest = f"; and {more} more" if more > 0 else ""
    return PlanError(
        f"values that torch.load(weights_only=True) does not take: {checkpoint.source.name}: "
        f"expected leave to write them as plain data, found {shown}{rest}"
    )


def _verify(
    checkpoint: Checkpoint,
    root: Value,
    written: Path,
    target: Path,
    progress: Progress,
    limits: Limits,
) -> VerificationReport:
    """Read what was written by the reader of such files, and compare tree, sharing and bytes."""
    again = open_checkpoint(written, limits=limits)
    try:
        opened = again.opened
        if opened.error is not None:
            raise opened.error
        reason = trees_equal(root, opened.root)
        if opened.anomalies:
            reason = f"{opened.anomalies[0].code}: {opened.anomalies[0].detail}"
        ours, theirs = find_tensors([root]), find_tensors([opened.root])
        reason = reason or _sharing_differs(ours, theirs)
        if reason is not None:
            line = DifferenceLine(tensor="", kind="tree", detail=reason)
            return VerificationReport(
                source=checkpoint.source.name,
                output=str(target),
                identical=False,
                tensors=len(ours),
                nbytes=0,
                differences=[line],
                difference_count=1,
            )
        found = verify_checkpoints(
            _numbered(checkpoint, ours), _numbered(again, theirs), progress, limits
        )
        return verification_report(checkpoint.source.name, str(target), found)
    finally:
        again.close()


def _sharing_differs(
    ours: list[TensorRef | Storage], theirs: list[TensorRef | Storage]
) -> str | None:
    """Return how two lists of tensors differ in who shares memory with whom, or None."""
    partners: dict[int, int] = {}
    back: dict[int, int] = {}
    for a, b in zip(ours, theirs, strict=True):
        left = id(a if isinstance(a, Storage) else a.storage)
        right = id(b if isinstance(b, Storage) else b.storage)
        if partners.setdefault(left, right) != right or back.setdefault(right, left) != left:
            return "storages are shared differently"
        if not isinstance(a, Storage) and not isinstance(b, Storage):
            views = [(t.stride, t.offset, t.conj, t.neg) for t in (a, b)]
            if views[0] != views[1]:
                return f"view {views[1]} against {views[0]}"
    return None


def _numbered(checkpoint: Checkpoint, tensors: list[TensorRef | Storage]) -> Checkpoint:
    """Return a checkpoint of all the tensors of a tree, also those that no component names."""
    named = {
        str(number): tensor_of_storage(one) if isinstance(one, Storage) else one
        for number, one in enumerate(tensors)
    }
    part = Component("tree", ComponentKind.EXTRA, (), checkpoint.opened.root, named)
    return Checkpoint(checkpoint.opened, "nested", (part,), bare=True)
