"""Short reads of open files, many of them near each other, for the price of few.

A system call costs as much for sixteen bytes as for sixteen thousand, and a checkpoint may have a
hundred thousand tensors of sixteen.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LONGEST_SHORT_NBYTES: Final = 1 << 12
"""Reads up to this length are short."""

_BLOCK_NBYTES: Final = 1 << 14
# Tensors come in the order of their names, or of the source: with a few blocks both are near.
_MAX_BLOCKS: Final = 64


class ShortReads:
    """Serves short reads from blocks of files that stay open and as they are.

    Not to be shared between threads, nor kept longer than a walk over the tensors of a file:
    what is held is not read again.
    """

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._blocks: Final[dict[tuple[int, int], bytes]] = {}

    def read(self, descriptor: int, offset: int, nbytes: int) -> bytes | None:
        """Return the bytes of a range, or None where it is not short or cannot be read whole.

        The caller then reads by itself, and has the words for what is wrong.
        """
        if nbytes > LONGEST_SHORT_NBYTES:
            return None
        number = offset // _BLOCK_NBYTES
        block = self._blocks.get((descriptor, number))
        if block is None:
            block = self._load(descriptor, number)
        start = offset - number * _BLOCK_NBYTES
        piece = block[start : start + nbytes]
        return piece if len(piece) == nbytes else None

    def _load(self, descriptor: int, number: int) -> bytes:
        """Read a block, and so much behind it that what begins in it is short and whole."""
        try:
            block = os.pread(
                descriptor, _BLOCK_NBYTES + LONGEST_SHORT_NBYTES, number * _BLOCK_NBYTES
            )
        except OSError:
            return b""
        if len(self._blocks) >= _MAX_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[descriptor, number] = block
        return block
