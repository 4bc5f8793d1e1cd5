"""One checkpoint, from path to verified output."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import structs

from converter.byteio import temporaries
from converter.byteio.local import FileSource
from converter.checkpoint.canonical import Note
from converter.errors import PlanError, RefusedError, SinkError, SourceNotFoundError
from converter.garbage import collector_paused
from converter.limits import DEFAULT_LIMITS, Limits
from converter.progress import SilentProgress
from converter.readers.opening import open_checkpoint
from converter.reporting.conversion_reports import conversion_report
from converter.reporting.documents import ConversionReport, VerificationReport
from converter.reporting.fingerprints import fingerprint_lines_of
from converter.reporting.verification import oracle_text, verification_report
from converter.risk.opened import judge_opened
from converter.risk.policy import DEFAULT_POLICY, Policy
from converter.risk.verdict import Verdict
from converter.writing.document import attach_document, document_text
from converter.writing.options import DEFAULT_OPTIONS, WriteOptions
from converter.writing.output import write_output
from converter.writing.plan import plan_output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from converter.checkpoint.canonical import Checkpoint
    from converter.progress import Progress
    from converter.verification.verifier import ExpectedTensor
    from converter.writing.layout import OutputPlan

SUFFIX: Final = ".safetensors"


@dataclass(frozen=True, slots=True)
class ConversionSettings:
    """How a conversion runs, apart from what it writes.

    Attributes:
        verify: whether source and output are read again and compared, before the output appears.
        oracle: whether torch is asked as well, where it is installed.
        replace: whether an existing output may be replaced.
        fingerprint: whether the finished output is read once more for its fingerprints.
        limits: the caps in force.
        policy: which verdicts on the source are let through.
    """

    verify: bool = True
    oracle: bool = False
    replace: bool = False
    fingerprint: bool = False
    limits: Limits = DEFAULT_LIMITS
    policy: Policy = DEFAULT_POLICY


DEFAULT_SETTINGS: Final = ConversionSettings()


def convert_checkpoint(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    *,
    options: WriteOptions = DEFAULT_OPTIONS,
    settings: ConversionSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> ConversionReport:
    """Convert a checkpoint to safetensors, and check the result against it.

    Args:
        source: the checkpoint.
        destination: a file that ends in ``.safetensors``; with ``options.folder``, a folder.
        options: what to write, and under which names.
        settings: how to go about it.
        progress: told of bytes written and compared.

    Returns:
        What was done. When the check finds a difference, the report says so
        (``report.verification.identical``) and nothing is left under `destination`.

    Raises:
        SourceError: the source cannot be read, or changed while it was read.
        FormatError: it is no checkpoint that can be read whole.
        PlanError: the options do not fit the checkpoint.
        RefusedError: what loading it would do is dangerous or suspicious, and not allowed.
        SinkError: the output cannot be written, or exists and may not be replaced.
    """
    target = Path(destination)
    _check_target(target, folder=options.folder, replace=settings.replace)
    checkpoint = open_checkpoint(source, limits=settings.limits)
    try:
        if checkpoint.opened.error is not None:
            raise checkpoint.opened.error
        _check_verdict(checkpoint, settings)
        # Judged is what they are for; they take more memory than all that follows.
        checkpoint.opened.graphs.clear()
        plan = planned(checkpoint, target.name, options, settings.limits)
        gate = _Gate(checkpoint, plan, target, settings, progress)
        with suppress(_DiffersError):
            write_output(
                plan,
                target,
                replace=settings.replace,
                progress=progress,
                limits=settings.limits,
                check=gate.check,
            )
        paths = output_paths(plan, target).values()
        report = conversion_report(checkpoint, plan, paths, gate.verification, settings.limits)
    finally:
        checkpoint.close()
    if settings.fingerprint and report.outputs:
        lines = fingerprint_lines_of(target, progress, settings.limits)
        return structs.replace(report, fingerprints=lines)
    return report


@collector_paused()
def _check_verdict(checkpoint: Checkpoint, settings: ConversionSettings) -> None:
    """Note what loading the source would do, unless that is nothing.

    Raises:
        RefusedError: the policy does not let the verdict through.
    """
    report = judge_opened(checkpoint.opened, settings.limits)
    if report.verdict is Verdict.SAFE:
        return
    first = report.findings[0]
    if not settings.policy.permits(report.verdict):
        place = first.location
        where = ", ".join(part for part in (place.record, f"offset {place.offset}") if part)
        msg = f"{report.verdict}: {checkpoint.source.name}, {where}: {first.message}"
        raise RefusedError(msg, code=f"verdict_{report.verdict}")
    text = f"loading the source itself is {report.verdict}: {first.message}"
    checkpoint.notes = (*checkpoint.notes, Note(f"verdict_{report.verdict}", text))


@collector_paused()
def planned(
    checkpoint: Checkpoint, file_name: str, options: WriteOptions, limits: Limits
) -> OutputPlan:
    """Return the plan of an output with its document.

    Raises:
        PlanError: the options do not fit the checkpoint.
    """
    plan = plan_output(checkpoint, options, limits, file_name=file_name)
    if options.plain:
        return plan
    return attach_document(plan, document_text(checkpoint, plan, limits), limits)


@collector_paused()
def check_output(
    checkpoint: Checkpoint,
    plan: OutputPlan,
    written: Mapping[str, Path],
    target: Path,
    settings: ConversionSettings,
    progress: Progress | None,
) -> VerificationReport:
    """Read source and output again and compare them as planned.

    `written` says where the files of the plan stand now; `target` is what messages call them.
    """
    from converter.verification.verifier import verify_output

    with ExitStack() as stack:
        outputs = {}
        for name, path in written.items():
            # A file that is not there is what is found to be missing.
            with suppress(SourceNotFoundError):
                outputs[name] = stack.enter_context(FileSource(path))
        found = verify_output(
            expected_tensors(plan),
            outputs,
            progress or SilentProgress(),
            settings.limits,
            metadata={file.file_name: file.metadata for file in plan.files},
        )
    report = verification_report(checkpoint.source.name, str(target), found)
    return with_oracle(report, checkpoint, settings)


def with_oracle(
    report: VerificationReport, checkpoint: Checkpoint, settings: ConversionSettings
) -> VerificationReport:
    """Return a report with the word of torch on the source, where it is asked for."""
    if not settings.oracle:
        return report
    from converter.verification.torch_oracle import compare_with_torch

    oracle = compare_with_torch(checkpoint.source.name, checkpoint, settings.limits)
    return oracle_text(report, oracle)


def expected_tensors(plan: OutputPlan) -> list[ExpectedTensor]:
    """Return what the outputs of a plan must hold."""
    from converter.verification.verifier import ExpectedTensor

    expected = []
    for file in plan.files:
        expected += [
            ExpectedTensor(entry.source_name, file.file_name, entry.name, entry.tensor)
            for entry in file.entries
        ]
        expected += [
            ExpectedTensor(alias.source_name, file.file_name, alias.name, alias.tensor, alias.kept)
            for alias in file.alias_plans
        ]
    return expected


def output_paths(plan: OutputPlan, target: Path) -> dict[str, Path]:
    """Return file name in the plan → path on disk."""
    if plan.folder:
        return {file.file_name: target / file.file_name for file in plan.files}
    return {plan.files[0].file_name: target}


def _check_target(target: Path, *, folder: bool, replace: bool) -> None:
    """Refuse before any work what would be refused after it."""
    if not folder and target.suffix != SUFFIX:
        msg = f"output of no known kind: {target}: expected a name ending in {SUFFIX}, or a folder"
        raise PlanError(msg)
    if replace:
        return
    # A run that is refused is often the last one to look at this name.
    temporaries.remove_abandoned(target)
    if os.path.lexists(target):
        msg = f"output exists: {target}: expected a new name, or leave to replace it"
        raise SinkError(msg, code="output_exists")


class _DiffersError(Exception):
    """What was written is not what it should be; the report says where."""


class _Gate:
    """Stands between what was written and its final name."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        plan: OutputPlan,
        target: Path,
        settings: ConversionSettings,
        progress: Progress | None,
    ) -> None:
        self._checkpoint = checkpoint
        self._plan = plan
        self._target = target
        self._settings = settings
        self._progress = progress
        self.verification: VerificationReport | None = None

    def check(self, written: Mapping[str, Path]) -> None:
        """Let only an output through that equals a source which stayed as it was.

        Raises:
            SourceError: the source changed while it was read.
            _DiffersError: the output differs.
        """
        if self._settings.verify:
            self.verification = check_output(
                self._checkpoint, self._plan, written, self._target, self._settings, self._progress
            )
        self._checkpoint.source.check_unchanged()
        if self.verification is not None and not self.verification.identical:
            raise _DiffersError
