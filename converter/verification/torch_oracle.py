"""Ask PyTorch what a file holds, and compare: the only place of the verifier that knows torch.

torch reads with ``weights_only=True`` and nothing else. That it refuses a file, or is not
installed, is an answer, not an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from converter.checkpoint.tensor import ARRAY_CLASS
from converter.errors import FormatError
from converter.limits import DEFAULT_LIMITS
from converter.verification.boxes import iter_values
from converter.verification.differences import Difference, DifferenceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits

# Two ways out of weights_only were closed in 2.6 (CVE-2025-32434) and 2.10 (CVE-2026-24747).
_OLDEST_TRUSTED: Final = (2, 10)
_PIECE_NBYTES: Final = 1 << 24
_REASON_CHARACTERS: Final = 500
# torch keeps these in storages that it takes for single bytes, so it leaves them in the wrong order
# when a file is big-endian (2.13: uint16 [1, 258] is read as [256, 513]).
_LEFT_UNSWAPPED: Final = frozenset({"uint16", "uint32", "uint64", "bits16", "complex32"})


class OracleVerdict(StrEnum):
    """What came of asking torch."""

    AGREES = "agrees"
    DIFFERS = "differs"
    REFUSED = "refused"
    """torch does not read this file with weights_only."""
    ABSENT = "absent"
    """There is no torch, or none that may be trusted with an unknown file."""


@dataclass(frozen=True, slots=True)
class OracleReport:
    """What torch said of a file.

    Attributes:
        verdict: whether it agrees.
        reason: why there is no comparison; None where there is one.
        tensor_count: tensors that were compared.
        differences: where the two disagree; expected is torch's, found is ours.
        skipped: paths of what torch holds as no plain dense tensor (sparse, quantised, …) or is
            known to read wrongly.
    """

    verdict: OracleVerdict
    reason: str | None = None
    tensor_count: int = 0
    differences: tuple[Difference, ...] = ()
    skipped: tuple[str, ...] = ()


def compare_with_torch(
    path: str | os.PathLike[str], checkpoint: Checkpoint, limits: Limits = DEFAULT_LIMITS
) -> OracleReport:
    """Load a file with torch and compare every dense tensor with ours: dtype, shape and bytes.

    Tensors are matched by their path in the file, dict keys and list indexes joined by dots.

    Raises:
        SourceError: our side of the file cannot be read.
    """
    try:
        import torch
    except ImportError:
        return OracleReport(OracleVerdict.ABSENT, "torch is not installed")
    version = tuple(int(part) for part in torch.__version__.split(".")[:2] if part.isdigit())
    if version < _OLDEST_TRUSTED:
        found = f"torch {torch.__version__} is too old to be trusted with an unknown file"
        return OracleReport(OracleVerdict.ABSENT, found)
    try:
        root = torch.load(path, weights_only=True, mmap=False, map_location="cpu")
    except Exception as error:  # noqa: BLE001 - whatever torch raises is torch's answer
        text = f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS]
        return OracleReport(OracleVerdict.REFUSED, f"torch refuses this file: {text}")
    return _compare(root, checkpoint, limits, os.fspath(path))


def _compare(root: object, checkpoint: Checkpoint, limits: Limits, file: str) -> OracleReport:
    theirs: dict[str, list[Any]] = {}
    skipped: list[str] = []
    for name, tensor in _iter_tensors(root, limits):
        if _is_dense(tensor):
            theirs.setdefault(name, []).append(tensor)
        else:
            skipped.append(name)
    ours = _our_tensors(checkpoint)
    differences: list[Difference] = []
    count = 0
    for name, tensors in theirs.items():
        refs = ours.pop(name, [])
        for tensor, ref in zip(tensors, refs, strict=False):
            if ref.storage.big_endian and ref.dtype.name in _LEFT_UNSWAPPED:
                skipped.append(name)
                continue
            count += 1
            differences += _compare_tensor(name, file, tensor, ref, limits)
        for tensor in tensors[len(refs) :]:
            wanted = _description(tensor)
            differences.append(Difference(DifferenceKind.MISSING, name, file, expected=wanted))
        for ref in refs[len(tensors) :]:
            differences.append(Difference(DifferenceKind.EXTRA, name, file, found=repr(ref.dtype)))
    for name, refs in ours.items():
        inside = any(name == path or name.startswith(f"{path}.") for path in skipped)
        differences += [
            Difference(DifferenceKind.EXTRA, name, file, found=f"{ref.dtype!r} {list(ref.shape)}")
            for ref in refs
            # A numpy array is a tensor to us and none to torch.
            if not inside and ref.class_name != ARRAY_CLASS
        ]
    verdict = OracleVerdict.DIFFERS if differences else OracleVerdict.AGREES
    return OracleReport(verdict, None, count, tuple(differences), tuple(skipped))


def _our_tensors(checkpoint: Checkpoint) -> dict[str, list[TensorRef]]:
    found: dict[str, list[TensorRef]] = {}
    for component in checkpoint.components:
        for name, tensor in component.tensors.items():
            parts = (*component.path, name) if name else component.path
            found.setdefault(".".join(parts), []).append(tensor)
    return found


def _iter_tensors(root: object, limits: Limits) -> Iterator[tuple[str, Any]]:
    """Yield (path, tensor), depth first and in order; what contains itself is entered once.

    The walk is no recursion: a checkpoint may be nested deeper than Python's stack.
    """
    import torch

    visits = 0
    entered: set[int] = set()
    # (path, value), or (None, container) where a container's members have all been seen.
    pending: list[tuple[str | None, Any]] = [("", root)]
    while pending and visits < limits.max_values:
        path, value = pending.pop()
        visits += 1
        if path is None:
            entered.discard(id(value))
        elif isinstance(value, torch.Tensor):
            yield path, value
        elif isinstance(value, Mapping | list | tuple) and id(value) not in entered:
            entered.add(id(value))
            pending.append((None, value))
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            members = [(f"{path}.{_label(key)}" if path else _label(key), v) for key, v in pairs]
            pending += reversed(members)


def _label(key: object) -> str:
    if isinstance(key, tuple):
        return "(" + ", ".join(_label(part) for part in key) + ")"
    return key if isinstance(key, str) else str(key)


def _is_dense(tensor: Any) -> bool:  # noqa: ANN401 - torch is not imported when types are checked
    import torch

    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
        and tensor.layout is torch.strided
        and not tensor.is_quantized
        and not tensor.is_nested
        and tensor.device.type == "cpu"
    )


def _description(tensor: Any) -> str:  # noqa: ANN401 - as above
    return f"{tensor.dtype} {list(tensor.shape)}"


def _without_bits(tensor: Any, ref: TensorRef) -> tuple[Any, TensorRef]:  # noqa: ANN401 - as above
    """Take away the conj and neg bits that both sides have.

    torch's arithmetic changes the sign of a NaN or a zero, or quiets a NaN, in some places of a
    tensor and not in others; where both sides agree on the bit, nothing has to be computed.
    """
    import torch

    if tensor.is_neg() and ref.neg:
        tensor, ref = torch._neg_view(tensor), replace(ref, neg=False)  # noqa: SLF001
    if tensor.is_conj() and ref.conj:
        tensor, ref = tensor.conj(), replace(ref, conj=False)
    return tensor, ref


def _compare_tensor(
    name: str,
    file: str,
    tensor: Any,  # noqa: ANN401 - as above
    ref: TensorRef,
    limits: Limits,
) -> list[Difference]:
    tensor, ref = _without_bits(tensor, ref)
    if str(tensor.dtype) != repr(ref.dtype):
        kind, wanted, found = DifferenceKind.DTYPE, str(tensor.dtype), repr(ref.dtype)
    elif tuple(tensor.shape) != ref.shape:
        kind, wanted, found = DifferenceKind.SHAPE, str(list(tensor.shape)), str(list(ref.shape))
    else:
        try:
            found = _digest_of_ref(ref, limits, name)
        except FormatError as error:
            return [Difference(DifferenceKind.UNVERIFIABLE, name, file, found=str(error))]
        kind, wanted = DifferenceKind.BYTES, _digest_of_tensor(tensor)
    return [] if wanted == found else [Difference(kind, name, file, wanted, found)]


def _digest_of_ref(ref: TensorRef, limits: Limits, name: str) -> str:
    digest = hashlib.sha256()
    for piece in iter_values(ref, limits, name):
        digest.update(piece)
    return digest.hexdigest()


def _digest_of_tensor(tensor: Any) -> str:  # noqa: ANN401 - as above
    import torch

    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    # A lone element may keep a stride that forbids the view; no other contiguous tensor has one.
    flat = flat.as_strided(flat.shape, (1,), flat.storage_offset()).view(torch.uint8)
    digest = hashlib.sha256()
    for start in range(0, len(flat), _PIECE_NBYTES):
        digest.update(memoryview(flat[start : start + _PIECE_NBYTES].numpy()))
    return digest.hexdigest()
