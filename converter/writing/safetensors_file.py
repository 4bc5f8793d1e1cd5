"""Writes one planned safetensors file.

Contiguous little-endian tensors of a local file go from file to file as they are, in runs as long
as they are neighbours; all others are put into order first. Both in memory of constant size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.byteio.source import Extent
from converter.checkpoint.resolving import is_verbatim
from converter.errors import SinkError
from converter.writing.copying import ShortPieces, WriteTrack, copy_extent
from converter.writing.gather import TensorBytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits
    from converter.progress import Progress
    from converter.writing.copying import Sink
    from converter.writing.layout import EntryPlan, FilePlan


def write_file(plan: FilePlan, sink: Sink, progress: Progress, limits: Limits) -> None:
    """Write the header of `plan` and its tensors to an empty `sink`, in order.

    Raises:
        SourceError: a tensor cannot be read.
        SinkError: the sink cannot be written, or a tensor gave more or fewer bytes than planned.
        UnsupportedError, TensorError: as for `converter.writing.gather.TensorBytes`.
    """
    track = WriteTrack(sink, progress)
    sink.preallocate(plan.nbytes)
    sink.write_at(0, plan.header)
    position = len(plan.header)
    track.written(position)
    short = ShortPieces(sink, track, limits)
    for run in _iter_runs(plan.entries):
        if isinstance(run, Extent) and short.take(run, position):
            position += run.nbytes
        else:
            short.flush()
            if isinstance(run, Extent):
                copy_extent(run, sink, position, track, limits)
                position += run.nbytes
            else:
                position += _write_tensor(run.tensor, sink, position, track, limits)
            track.complete_to(position)
        if position > plan.nbytes:
            break
    short.flush()
    track.finish()
    if position != plan.nbytes:
        msg = (
            f"tensors of another size than planned: {plan.file_name}: "
            f"expected {plan.nbytes} bytes, found {position} or more"
        )
        raise SinkError(msg)


def _iter_runs(entries: Sequence[EntryPlan]) -> Iterator[Extent | EntryPlan]:
    """Yield what to write next: an extent of an open file, or a tensor that needs work.

    Tensors that are neighbours in the source and in the output become one extent.
    """
    pending: Extent | None = None
    for entry in entries:
        if entry.start == entry.stop:
            continue
        extent = _extent_of(entry.tensor)
        if (
            extent is not None
            and pending is not None
            and extent.descriptor == pending.descriptor
            and extent.offset == pending.offset + pending.nbytes
        ):
            pending = Extent(pending.descriptor, pending.offset, pending.nbytes + extent.nbytes)
            continue
        if pending is not None:
            yield pending
        pending = extent
        if extent is None:
            yield entry
    if pending is not None:
        yield pending


def _extent_of(tensor: TensorRef) -> Extent | None:
    """Return where the tensor's output bytes lie unchanged in an open file, or None."""
    if tensor.storage.data is None or not (is_verbatim(tensor) and tensor.is_contiguous):
        return None
    outer = tensor.storage.data.extent()
    start, stop = tensor.byte_range
    nbytes = tensor.nbytes
    if outer is None or stop > outer.nbytes or stop - start != nbytes:
        return None
    return Extent(outer.descriptor, outer.offset + start, nbytes)


def _write_tensor(
    tensor: TensorRef, sink: Sink, position: int, track: WriteTrack, limits: Limits
) -> int:
    done = 0
    for start, piece in TensorBytes(tensor, limits).iter_placed():
        sink.write_at(position + start, piece)
        track.written(len(piece))
        done += len(piece)
    return done
