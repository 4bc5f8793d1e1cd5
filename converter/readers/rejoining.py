"""Storages as they were saved, put together again from the tensors that a conversion wrote.

A converted file holds the elements of every tensor by itself, in row-major order. Where they came
from is in its document: storage, stride and offset. From that the tensors give back stretches of
the storage (`converter.readers.stretches`). Where stretches touch or overlap they are one island,
and every view that lies inside one looks into it again. What no tensor showed was not written and
does not come back: it is left out between the islands, never invented.

Bytes that several tensors show are written once for each, so a file that somebody has changed may
hold them differently. They are compared, and a tensor that does not agree stays by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from converter.byteio.assembled import AssembledSource, Piece
from converter.byteio.joined import JoinedSource, Run
from converter.checkpoint.canonical import Note
from converter.checkpoint.resolving import resolve
from converter.checkpoint.storage import Storage
from converter.readers.stretches import Member, Stretch, stretches_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from converter.byteio.source import ByteSource
    from converter.checkpoint.document_types import CheckpointDocument, RestoredTree
    from converter.checkpoint.tensor import TensorRef

# A multiple of every element's size.
_CHUNK_NBYTES: Final = 1 << 20
_NAMES_SHOWN: Final = 8


@dataclass(slots=True)
class Rejoined:
    """What takes the place of tensors by themselves.

    Attributes:
        storages: index in the document → the storage as it was, to the last byte.
        tensors: index in the document → the tensor as a view of a storage that others share, or
            with the strides that it had.
        notes: which tensors shared memory and cannot again.
    """

    storages: dict[int, Storage] = field(default_factory=dict)
    tensors: dict[int, TensorRef] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class _Island:
    """Stretches that touch, and where their bytes are in the new storage."""

    start: int
    stop: int
    place: int
    runs: list[Run]


def worth_rejoining(document: CheckpointDocument) -> bool:
    """Return whether a tensor had strides that it lacks now, or shared bytes it has by itself."""
    names: dict[int, tuple[str, str | None]] = {}
    for record in document.tensors:
        if record.name is None:
            continue
        if record.stride is not None:
            return True
        if names.setdefault(record.storage, (record.name, record.file)) != (
            record.name,
            record.file,
        ):
            return True
    return False


def rejoin(document: CheckpointDocument, tree: RestoredTree, bare: Iterable[int]) -> Rejoined:
    """Return the storages and tensors that can be what they were.

    Args:
        document: what says how the tensors lay.
        tree: its tensors, each over bytes of its own.
        bare: indexes of the storages that stand in the tree by themselves, and so must come back
            whole or stay as they are.

    Raises:
        SourceError: bytes that several tensors show cannot be read to be compared.
    """
    found = Rejoined()
    groups: dict[int, list[Member]] = {}
    for number, record in enumerate(document.tensors):
        member = Member(number, record, tree.tensors[number], tree.views[number])
        groups.setdefault(record.storage, []).append(member)
    apart: list[str] = []
    alone = frozenset(bare)
    for number, members in groups.items():
        if not _is_worth_it(members):
            continue
        big_endian = document.storages[number].big_endian
        if not _has_one_order(members, big_endian=big_endian, bare=number in alone):
            apart += _apart(members, found)
            continue
        storage = tree.storages[number]
        islands, givers = _islands(stretches_of(members))
        exact = [(one.start, one.stop) for one in islands] == [(0, storage.nbytes)]
        if islands and (exact or number not in alone):
            made = _storage(storage, islands)
            found.tensors |= _views(members, made, islands, givers)
            if exact:
                found.storages[number] = made
        apart += _apart(members, found)
    if apart:
        shown = ", ".join(apart[:_NAMES_SHOWN]) + (", …" if len(apart) > _NAMES_SHOWN else "")
        text = (
            "tensors that shared memory come back by themselves, because not all of it was "
            f"written or it differs now: {len(apart)}: {shown}"
        )
        found.notes.append(Note("views_apart", text))
    return found


def _is_worth_it(members: Sequence[Member]) -> bool:
    written = [one for one in members if one.has_bytes]
    return len({one.output for one in written}) > 1 or any(
        one.record.stride is not None for one in written
    )


def _has_one_order(members: Sequence[Member], *, big_endian: bool, bare: bool) -> bool:
    """Return whether little-endian elements of all views make one storage."""
    return not big_endian or (not bare and len({one.written.dtype.swap for one in members}) == 1)


def _apart(members: Sequence[Member], found: Rejoined) -> list[str]:
    """Return the names of tensors that shared memory and do not."""
    names = {one.output for one in members if one.has_bytes}
    left = {one.output for one in members if one.number not in found.tensors}
    return sorted(str(name) for name, _ in names & left) if len(names) > 1 else []


def _storage(old: Storage, islands: Sequence[_Island]) -> Storage:
    runs = [run for island in islands for run in island.runs]
    data = runs[0].source
    if len(runs) > 1 or runs[0].nbytes != data.nbytes:
        data = JoinedSource(runs, old.key)
    return Storage(old.key, data, data.nbytes, old.dtype, old.location)


def _views(
    members: Sequence[Member], storage: Storage, islands: Sequence[_Island], givers: set[int]
) -> dict[int, TensorRef]:
    """Return the tensors that look into the new storage and see what they should."""
    found = {}
    compared: dict[tuple[str | None, str | None], tuple[object, ...] | None] = {}
    for one in members:
        offset = _new_offset(one, islands)
        if offset is None:
            continue
        tensor = one.over(storage, offset)
        if one.has_bytes and one.number not in givers:
            if one.output not in compared:
                agrees = _agrees(one, tensor)
                compared[one.output] = tensor.view_key() if agrees else None
            # Those that share their bytes in the output are the same view, or not to be believed.
            if compared[one.output] != tensor.view_key():
                continue
        found[one.number] = tensor
    return found


def _islands(stretches: Iterable[Stretch]) -> tuple[list[_Island], set[int]]:
    """Return what touches as one, and the indexes of the tensors whose bytes are all in it."""
    islands: list[_Island] = []
    givers: set[int] = set()
    for one in sorted(stretches, key=lambda one: (one.start, -one.stop)):
        if not islands or one.start > islands[-1].stop:
            place = islands[-1].place + islands[-1].stop - islands[-1].start if islands else 0
            islands.append(_Island(one.start, one.start, place, []))
        island = islands[-1]
        known = island.stop - one.start
        if one.stop > island.stop:
            island.runs.append(Run(one.source, known, one.stop - island.stop))
            island.stop = one.stop
            if known == 0:
                givers.update(one.givers)
    return islands, givers


def _new_offset(member: Member, islands: Sequence[_Island]) -> int | None:
    """Return where a tensor begins in the new storage, in its elements; None if it has no place."""
    if not member.written.nbytes:
        return 0
    start, stop = member.span
    number = bisect_right(islands, start, key=lambda island: island.start) - 1
    if number < 0 or stop > islands[number].stop:
        return None
    shift = islands[number].start - islands[number].place
    dtype = member.written.dtype
    if shift % dtype.itemsize:
        return None
    return member.view.offset - shift // dtype.itemsize * dtype.packed


def _agrees(member: Member, tensor: TensorRef) -> bool:
    """Return whether a tensor's own bytes are those that it sees in the new storage."""
    own, storage = member.written.storage.data, tensor.storage.data
    assert own is not None  # noqa: S101 - it is written
    assert storage is not None  # noqa: S101 - it was just made
    seen = _row_major(tensor, storage)
    if seen is None:
        return False
    for start in range(0, tensor.nbytes, _CHUNK_NBYTES):
        nbytes = min(_CHUNK_NBYTES, tensor.nbytes - start)
        chunk = bytearray(seen.read_at(start, nbytes))
        if tensor.conj or tensor.neg:
            resolve(memoryview(chunk), tensor)
        if chunk != own.read_at(start, nbytes):
            return False
    return True


def _row_major(tensor: TensorRef, storage: ByteSource) -> ByteSource | None:
    """Return the elements of a view in row-major order, unresolved."""
    start, stop = tensor.byte_range
    if tensor.is_contiguous:
        return JoinedSource([Run(storage, start, stop - start)], storage.name)
    itemsize = tensor.dtype.itemsize
    if tensor.dtype.packed != 1:
        return None
    steps = tuple(step * itemsize for step in tensor.stride)
    piece = Piece(storage, start, steps, (0,) * len(tensor.shape), tensor.shape)
    return AssembledSource([piece], tensor.shape, itemsize, storage.name)
