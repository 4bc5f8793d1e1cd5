"""Doubt a conversion: read both sides again and compare every tensor, byte for byte."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.checkpoint.canonical import ComponentKind
from converter.errors import FormatError, LimitError, TensorError, UnsupportedError
from converter.limits import DEFAULT_LIMITS
from converter.progress import SilentProgress
from converter.verification.addressing import contiguous_layout, tensor_layout
from converter.verification.differences import Comparison, Difference, DifferenceKind
from converter.verification.header import OutputHeader, OutputTensor, read_header
from converter.verification.metadata import metadata_differences
from converter.verification.stored_types import VALUES_PER_BYTE, stored_as
from converter.verification.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from converter.byteio.source import ByteSource
    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits
    from converter.progress import Progress

MAX_DIFFERENCES: Final = 100
"""Differences a report lists; all are counted."""

# What makes an expectation impossible to work out, as against a file that cannot be read.
_NO_EXPECTATION: Final = (TensorError, LimitError, UnsupportedError)


class ExpectedTensor(NamedTuple):
    """One tensor of the source, and where the conversion says it went.

    Attributes:
        source_name: its full name in the source.
        file: the output file it went to, as the caller names it.
        output_name: its name there.
        tensor: its values.
        alias_of: the name of the tensor that was written in its place, if it was an exact alias
            of one; the output then holds it only as ``metadata[output_name] == alias_of``.
    """

    source_name: str
    file: str
    output_name: str
    tensor: TensorRef
    alias_of: str | None = None


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What comparing two sides found.

    Attributes:
        tensor_count: tensors whose bytes were compared, or that share those of one that was.
        nbytes: bytes compared, of one side.
        difference_count: everything that differs.
        differences: the first `MAX_DIFFERENCES` of them.
        digests: (file, tensor name) → sha256 of the bytes in the output, where asked for.
    """

    tensor_count: int
    nbytes: int
    difference_count: int
    differences: tuple[Difference, ...]
    digests: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def identical(self) -> bool:
        """Return whether nothing differs, bit for bit."""
        return self.difference_count == 0


class _Findings:
    """The differences that need no bytes: counted all, kept to a number."""

    def __init__(self) -> None:
        self.kept: list[Difference] = []
        self.count = 0
        self.tensor_count = 0

    def add(
        self,
        kind: DifferenceKind,
        name: str,
        file: str,
        *,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        self.take([Difference(kind, name, file, expected, found)])

    def take(self, differences: Iterable[Difference]) -> None:
        for difference in differences:
            self.count += 1
            if len(self.kept) < MAX_DIFFERENCES:
                self.kept.append(difference)

    def report(
        self, sweep: Sweep, differences: list[Difference], digests: dict[tuple[str, str], str]
    ) -> VerificationReport:
        return VerificationReport(
            tensor_count=self.tensor_count,
            nbytes=sweep.nbytes,
            difference_count=self.count + sweep.difference_count,
            differences=tuple([*self.kept, *differences][:MAX_DIFFERENCES]),
            digests=MappingProxyType(digests),
        )


def verify_output(
    expected: Sequence[ExpectedTensor],
    outputs: Mapping[str, ByteSource],
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
    *,
    digests: bool = False,
    metadata: Mapping[str, Mapping[str, str]] | None = None,
) -> VerificationReport:
    """Compare safetensors files with the tensors they should hold, and hold no more than.

    Args:
        expected: every tensor that should have been written, dropped aliases among them.
        outputs: file name, as in `ExpectedTensor.file` → the file.
        progress: is told of the bytes compared.
        limits: caps on headers, overlaps and working memory.
        digests: also hash every tensor of the outputs, which reads them once more.
        metadata: file → all that the metadata of its header should hold; None, or a file that is
            not in it, where that is not known.

    Raises:
        SourceError: one of the two sides cannot be read. An output that is read and is not what
            it should be is no error but a difference.
    """
    watched = progress or SilentProgress()
    findings = _Findings()
    headers = _read_headers(expected, outputs, limits, findings)
    _find_extras(expected, headers, findings)
    for file, entries in (metadata or {}).items():
        if file in headers:
            findings.take(metadata_differences(file, entries, headers[file]))
    kept = {(item.file, item.output_name): item for item in expected if item.alias_of is None}
    planned = [item for item in expected if item.file in headers and not _is_shared(item, kept)]
    total = sum(item.tensor.nbytes for item in planned)

    def comparisons() -> Iterator[Comparison]:
        for item in expected:
            if item.file not in headers:
                continue
            header, source = headers[item.file], outputs[item.file]
            tensor = _find_tensor(item, header, findings)
            if tensor is None:
                continue
            if _is_shared(item, kept):
                findings.tensor_count += 1
                continue
            comparison = _compare_output(item, tensor, source, limits, findings)
            if comparison is not None:
                findings.tensor_count += 1
                yield comparison

    watched.begin("verifying", total)
    sweep = Sweep(comparisons(), watched, max_kept=MAX_DIFFERENCES)
    differences = sweep.run(total)
    hashed = _digests(headers, outputs, limits) if digests else {}
    watched.end()
    return findings.report(sweep, differences, hashed)


def verify_checkpoints(
    a: Checkpoint,
    b: Checkpoint,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> VerificationReport:
    """Compare the tensors of two checkpoints of any kind, `a` being what is expected.

    Tensors are matched by full name. Where one side is a lone state_dict, or one model among
    other components, its tensors may also match by their names inside that component; whichever
    way matches more of them is taken.

    Raises:
        SourceError: one of the two sides cannot be read.
    """
    watched = progress or SilentProgress()
    findings = _Findings()
    ours, theirs = _matched_names(a, b)
    file = b.source.name
    for name in theirs:
        if name not in ours:
            findings.add(DifferenceKind.EXTRA, name, file, found=name)
    total = sum(tensor.nbytes for name, tensor in ours.items() if name in theirs)

    def comparisons() -> Iterator[Comparison]:
        for name, tensor in ours.items():
            if name not in theirs:
                findings.add(DifferenceKind.MISSING, name, file, expected=name)
                continue
            comparison = _compare_tensors(name, file, (tensor, theirs[name]), limits, findings)
            if comparison is not None:
                findings.tensor_count += 1
                yield comparison

    watched.begin("verifying", total)
    sweep = Sweep(comparisons(), watched, max_kept=MAX_DIFFERENCES)
    differences = sweep.run(total)
    watched.end()
    return findings.report(sweep, differences, {})


def _read_headers(
    expected: Sequence[ExpectedTensor],
    outputs: Mapping[str, ByteSource],
    limits: Limits,
    findings: _Findings,
) -> dict[str, OutputHeader]:
    headers = {}
    for file, source in outputs.items():
        try:
            headers[file] = read_header(source, limits)
        except FormatError as error:
            findings.add(
                DifferenceKind.HEADER, "", file, expected="a safetensors header", found=str(error)
            )
    for file in dict.fromkeys(item.file for item in expected):
        if file not in outputs:
            findings.add(DifferenceKind.MISSING, "", file, expected="a file")
    return headers


def _find_extras(
    expected: Sequence[ExpectedTensor], headers: Mapping[str, OutputHeader], findings: _Findings
) -> None:
    """Find tensors, and names for tensors, that nobody expects."""
    written = {(item.file, item.output_name) for item in expected if item.alias_of is None}
    dropped = {(item.file, item.output_name) for item in expected if item.alias_of is not None}
    for file, header in headers.items():
        for name in header.tensors:
            if (file, name) not in written:
                findings.add(DifferenceKind.EXTRA, name, file, found=name)
        for name, kept in header.metadata.items():
            if kept in header.tensors and name != "format" and (file, name) not in dropped:
                findings.add(DifferenceKind.ALIAS, name, file, found=kept)


def _find_tensor(
    item: ExpectedTensor, header: OutputHeader, findings: _Findings
) -> OutputTensor | None:
    """Return where an output holds the bytes of a tensor or of the one it was dropped for."""
    if item.alias_of is None:
        found = header.tensors.get(item.output_name)
        if found is None:
            findings.add(
                DifferenceKind.MISSING, item.output_name, item.file, expected=item.output_name
            )
        return found
    kept = header.metadata.get(item.output_name)
    if kept != item.alias_of:
        findings.add(
            DifferenceKind.ALIAS, item.output_name, item.file, expected=item.alias_of, found=kept
        )
        return None
    found = header.tensors.get(kept)
    if found is None:
        findings.add(DifferenceKind.ALIAS, item.output_name, item.file, expected=kept)
    return found


def _is_shared(item: ExpectedTensor, kept: Mapping[tuple[str, str], ExpectedTensor]) -> bool:
    """Return whether the tensor it was dropped for is compared anyway, and is the same view."""
    if item.alias_of is None:
        return False
    other = kept.get((item.file, item.alias_of))
    return other is not None and _view(other.tensor) == _view(item.tensor)


def _view(tensor: TensorRef) -> tuple[object, ...]:
    return (
        id(tensor.storage),
        tensor.dtype.name,
        tensor.shape,
        tensor.stride,
        tensor.offset,
        tensor.conj,
        tensor.neg,
    )


def _compare_output(
    item: ExpectedTensor,
    tensor: OutputTensor,
    source: ByteSource,
    limits: Limits,
    findings: _Findings,
) -> Comparison | None:
    name, file = item.output_name, item.file
    try:
        dtype, shape = stored_as(item.tensor.dtype.name, item.tensor.shape)
        layout = tensor_layout(item.tensor, limits, item.source_name)
    except _NO_EXPECTATION as error:
        findings.add(DifferenceKind.UNVERIFIABLE, name, file, found=str(error))
        return None
    if tensor.dtype != dtype:
        findings.add(DifferenceKind.DTYPE, name, file, expected=dtype, found=tensor.dtype)
        return None
    if tensor.shape != shape:
        findings.add(
            DifferenceKind.SHAPE, name, file, expected=_text(shape), found=_text(tensor.shape)
        )
        return None
    return Comparison(
        layout,
        contiguous_layout(source, tensor.start, layout.unit, layout.shape),
        limits,
        name=name,
        file=file,
        shape=item.tensor.shape,
        per_unit=VALUES_PER_BYTE.get(item.tensor.dtype.name, 1),
    )


def _compare_tensors(
    name: str,
    file: str,
    pair: tuple[TensorRef, TensorRef],
    limits: Limits,
    findings: _Findings,
) -> Comparison | None:
    ours, theirs = pair
    if ours.dtype.name != theirs.dtype.name:
        findings.add(
            DifferenceKind.DTYPE, name, file, expected=ours.dtype.name, found=theirs.dtype.name
        )
        return None
    if ours.shape != theirs.shape:
        findings.add(
            DifferenceKind.SHAPE, name, file, expected=_text(ours.shape), found=_text(theirs.shape)
        )
        return None
    try:
        left = tensor_layout(ours, limits, name)
        right = tensor_layout(theirs, limits, name)
    except _NO_EXPECTATION as error:
        findings.add(DifferenceKind.UNVERIFIABLE, name, file, found=str(error))
        return None
    per_unit = VALUES_PER_BYTE.get(ours.dtype.name, 1)
    return Comparison(
        left, right, limits, name=name, file=file, shape=ours.shape, per_unit=per_unit
    )


def _matched_names(
    a: Checkpoint, b: Checkpoint
) -> tuple[dict[str, TensorRef], dict[str, TensorRef]]:
    """Return the tensors of both sides under the names that match most often."""
    pairs = ((ours, theirs) for ours in _namings(a) for theirs in _namings(b))
    return max(pairs, key=lambda pair: len(pair[0].keys() & pair[1].keys()))


def _namings(checkpoint: Checkpoint) -> list[dict[str, TensorRef]]:
    """Return the ways in which a checkpoint's tensors may be called, full names first."""
    found = [checkpoint.tensors()]
    lone = list(checkpoint.components)
    if len(lone) != 1:
        lone = [one for one in checkpoint.components if one.kind is ComponentKind.MODEL]
    if len(lone) == 1:
        others = [one for one in checkpoint.components if one is not lone[0]]
        inner = dict(lone[0].tensors)
        for component in others:
            for name, tensor in component.tensors.items():
                inner.setdefault(checkpoint.full_name(component, name), tensor)
        found.append(inner)
    return found


def _digests(
    headers: Mapping[str, OutputHeader], outputs: Mapping[str, ByteSource], limits: Limits
) -> dict[tuple[str, str], str]:
    buffer = memoryview(bytearray(limits.copy_chunk_bytes))
    found = {}
    for file, header in headers.items():
        for name, tensor in header.tensors.items():
            digest = hashlib.sha256()
            for start in range(tensor.start, tensor.stop, len(buffer)):
                piece = buffer[: min(len(buffer), tensor.stop - start)]
                outputs[file].read_into(start, piece)
                digest.update(piece)
            found[file, name] = digest.hexdigest()
    return found


def _text(shape: tuple[int, ...]) -> str:
    return str(list(shape))
