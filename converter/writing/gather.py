"""The bytes of a tensor in the form the output has them: row-major, little-endian, resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.resolving import is_verbatim, resolve
from converter.errors import TensorError
from converter.writing.encoding import check_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from converter.byteio.source import ByteSource
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits


class TensorBytes:
    """The bytes of a tensor, as an iterable of chunks.

    A chunk is a view of a buffer that is used again: it holds until the next one is asked for.
    Memory is `Limits.copy_chunk_bytes` for a contiguous tensor and `Limits.gather_chunk_bytes`
    for any other, whatever its size.
    """

    def __init__(self, tensor: TensorRef, limits: Limits) -> None:
        """Check that the tensor can be read.

        Raises:
            UnsupportedError: its bytes are not known (`check_readable`).
            TensorError: it does not lie inside its storage.
        """
        where = f"storage {tensor.storage.key}"
        check_readable(tensor, where)
        stop = tensor.byte_range[1]
        if tensor.storage.data is not None and stop > tensor.storage.data.nbytes:
            raise TensorError(
                "tensor outside its storage",
                record=where,
                expected=f"at most {tensor.storage.data.nbytes} bytes",
                found=f"an element that ends at byte {stop}",
            )
        self.tensor: Final = tensor
        self.nbytes: Final = tensor.nbytes
        self._limits: Final = limits

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the chunks from the first byte to the last; none for an empty tensor."""
        tensor, data = self.tensor, self.tensor.storage.data
        if data is None or self.nbytes == 0:
            return
        chunks = (
            _iter_contiguous(tensor, data, self._limits.copy_chunk_bytes)
            if tensor.is_contiguous
            else _iter_strided(tensor, data, self._limits.gather_chunk_bytes)
        )
        verbatim = is_verbatim(tensor)
        for chunk in chunks:
            if not verbatim:
                resolve(chunk, tensor)
            yield chunk

    def iter_placed(self) -> Iterator[tuple[int, memoryview]]:
        """Yield (position, bytes) pieces that make up the whole, each byte once, in any order.

        Positions count from the tensor's first byte. Quicker than iteration for large tensors
        whose order in the storage is far from row-major; memory is the same.
        """
        tensor, data = self.tensor, self.tensor.storage.data
        if data is not None and self.nbytes and not tensor.is_contiguous:
            from converter.writing import scattered, strided

            view = strided.reduce_view(tensor)
            working_nbytes = self._limits.gather_chunk_bytes
            if scattered.is_better_scattered(view, working_nbytes):
                verbatim = is_verbatim(tensor)
                for block in scattered.iter_blocks(data, view, working_nbytes):
                    if not verbatim:
                        resolve(block.content, tensor)
                    yield from scattered.iter_runs(view, block)
                return
        position = 0
        for chunk in self:
            yield position, chunk
            position += len(chunk)


def stream_tensor(tensor: TensorRef, write: Callable[[memoryview], object], limits: Limits) -> int:
    """Hand the bytes of `tensor` to `write`, chunk by chunk, and return how many there were.

    Raises:
        UnsupportedError, TensorError: as for `TensorBytes`.
    """
    done = 0
    for chunk in TensorBytes(tensor, limits):
        write(chunk)
        done += len(chunk)
    return done


def _iter_contiguous(
    tensor: TensorRef, data: ByteSource, chunk_nbytes: int
) -> Iterator[memoryview]:
    itemsize = tensor.dtype.itemsize
    step = max(1, chunk_nbytes // itemsize) * itemsize
    start = tensor.byte_range[0]
    nbytes = tensor.nbytes
    buffer = memoryview(bytearray(min(step, nbytes)))
    for done in range(0, nbytes, step):
        piece = buffer[: min(step, nbytes - done)]
        data.read_into(start + done, piece)
        yield piece


def _iter_strided(tensor: TensorRef, data: ByteSource, working_nbytes: int) -> Iterator[memoryview]:
    from converter.writing.strided import iter_gathered, reduce_view

    yield from iter_gathered(data, reduce_view(tensor), working_nbytes)
