"""An output held against its source, at any time after the conversion."""

from __future__ import annotations

import hashlib
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from converter.byteio.local import FileSource
from converter.containers.detection import detect
from converter.conversion import (
    DEFAULT_SETTINGS,
    SUFFIX,
    ConversionSettings,
    check_output,
    output_paths,
    with_oracle,
)
from converter.errors import FormatError, PlanError, SourceNotFoundError
from converter.readers.converted_folder import is_converted_folder
from converter.readers.opening import open_checkpoint
from converter.reporting.verification import verification_report, with_values
from converter.verification.differences import Difference, DifferenceKind
from converter.verification.header import read_header
from converter.verification.metadata import document_differences, holds_values_of
from converter.verification.verifier import verify_checkpoints
from converter.writing.aliases import DOCUMENT_FILE_KEY, DOCUMENT_KEY, DOCUMENT_SHA256_KEY
from converter.writing.options import DEFAULT_OPTIONS, WriteOptions
from converter.writing.plan import plan_output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from converter.checkpoint.canonical import Checkpoint
    from converter.limits import Limits
    from converter.progress import Progress
    from converter.reporting.documents import VerificationReport
    from converter.writing.layout import FilePlan, OutputPlan


def verify_files(
    source: str | PathLike[str],
    output: str | PathLike[str],
    *,
    options: WriteOptions | None = None,
    settings: ConversionSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> VerificationReport:
    """Compare a checkpoint with its conversion, or with any other checkpoint.

    An output of this package is held against the plan that its conversion followed, so that
    nothing may be missing, extra or named otherwise, in its metadata neither; and what it keeps
    of the other values against those of the source. Two other checkpoints are compared tensor by
    tensor.

    Args:
        source: what is expected.
        output: what is there: a safetensors file, a folder of them, or any checkpoint.
        options: those of the conversion; None when there were none.
        settings: limits, and whether torch is asked too.
        progress: told of bytes compared.

    Raises:
        SourceError: a side cannot be read.
        FormatError: a side is no checkpoint that can be read whole.
        PlanError: the options do not fit the source.
    """
    checkpoint = open_checkpoint(source, limits=settings.limits)
    try:
        if checkpoint.opened.error is not None:
            raise checkpoint.opened.error
        target = Path(output)
        plan = _plan_of_output(checkpoint, target, options, settings.limits)
        if plan is not None:
            given = options is not None and options.plain
            return _held_against_plan(checkpoint, plan, target, settings, progress, strictly=given)
        other = open_checkpoint(output, limits=settings.limits)
        try:
            if other.opened.error is not None:
                raise other.opened.error
            found = verify_checkpoints(checkpoint, other, progress, settings.limits)
        finally:
            other.close()
        report = verification_report(checkpoint.source.name, str(target), found)
        return with_oracle(report, checkpoint, settings)
    finally:
        checkpoint.close()


def _held_against_plan(
    checkpoint: Checkpoint,
    plan: OutputPlan,
    target: Path,
    settings: ConversionSettings,
    progress: Progress | None,
    *,
    strictly: bool,
) -> VerificationReport:
    """Compare an output with a plan and with what else the source holds.

    Where nothing says that the output is ours, its metadata is nobody's business; `strictly`
    says that it is, though it holds no document.
    """
    written = output_paths(plan, target)
    found = {name: _metadata_of(path, settings.limits) for name, path in written.items()}
    ours = any(map(_is_ours, found.values()))
    plan = replace(
        plan,
        files=tuple(
            replace(file, metadata=_expected(file, found[file.file_name], plain=plan.plain))
            if ours or strictly
            else replace(file, metadata=found[file.file_name])
            for file in plan.files
        ),
    )
    report = check_output(checkpoint, plan, written, target, settings, progress)
    if not ours or plan.plain:
        return report
    findings, values = _documents_compared(checkpoint, target, settings.limits)
    return with_values(report, findings, compared=values)


def _documents_compared(
    checkpoint: Checkpoint, target: Path, limits: Limits
) -> tuple[list[Difference], bool]:
    """Return what differs in the values, and whether they were compared at all."""
    if target.is_dir() and not is_converted_folder(target):
        wanted = "the document of this output"
        return [Difference(DifferenceKind.DOCUMENT, "", str(target), wanted)], False
    try:
        other = open_checkpoint(target, limits=limits)
    except FormatError:
        return [], False  # a damaged header, which comparing the tensors finds as well
    with closing(other):
        findings = list(document_differences(checkpoint, other))
        return findings, holds_values_of(checkpoint, other)


def _expected(file: FilePlan, found: Mapping[str, str], *, plain: bool) -> dict[str, str]:
    """Return the metadata that a header must hold, given what it says of a document."""
    if plain:
        return dict(file.metadata)
    if DOCUMENT_FILE_KEY in found:
        wanted = {DOCUMENT_FILE_KEY: "the name of its file", DOCUMENT_SHA256_KEY: "its sha256"}
        return {**file.metadata, **{name: found.get(name, wanted[name]) for name in wanted}}
    document = found.get(DOCUMENT_KEY)
    if document is None:
        return {**file.metadata, DOCUMENT_KEY: "a document"}
    digest = hashlib.sha256(document.encode()).hexdigest()
    return {**file.metadata, DOCUMENT_KEY: document, DOCUMENT_SHA256_KEY: digest}


def _plan_of_output(
    checkpoint: Checkpoint, target: Path, options: WriteOptions | None, limits: Limits
) -> OutputPlan | None:
    """Return the plan that an output followed; None for what is no output of ours.

    Given options decide. Without them it is the plan whose tensor names the output has, with
    aliases or plain; shards, whose size nobody said, are compared as any checkpoint.
    """
    if target.is_dir():
        index = options is None and any(target.glob(f"*{SUFFIX}.index.json"))
        if index or not any(target.glob(f"*{SUFFIX}")):
            return None
        return plan_output(checkpoint, replace(options or DEFAULT_OPTIONS, folder=True), limits)
    names = _safetensors_names(target, limits)
    if names is None:
        return None
    if options is not None:
        return plan_output(checkpoint, options, limits, file_name=target.name)
    plans = []
    for one in (WriteOptions(), WriteOptions(plain=True)):
        with suppress(PlanError):
            plans.append(plan_output(checkpoint, one, limits, file_name=target.name))
    for plan in plans:
        if {entry.name for file in plan.files for entry in file.entries} == names:
            return plan
    return plans[0] if _is_ours(_metadata_of(target, limits)) else None


def _safetensors_names(path: Path, limits: Limits) -> set[str] | None:
    """Return the tensor names of a safetensors file; None for another kind of file."""
    with FileSource(path) as source:
        if detect(source).kind != "safetensors":
            return None
        return set(read_header(source, limits).tensors)


def _metadata_of(path: Path, limits: Limits) -> Mapping[str, str]:
    """Return the metadata of a safetensors file, empty where there is none to be read."""
    try:
        with FileSource(path) as source:
            return read_header(source, limits).metadata
    except (FormatError, SourceNotFoundError):
        return {}


def _is_ours(metadata: Mapping[str, str]) -> bool:
    return any(name.startswith("depickle.") for name in metadata)
