"""A storage: a run of bytes that tensors look into, known by where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.dtypes import DType


# Final and not frozen: see TensorRef.
@dataclass(slots=True, eq=False)
class Storage:
    """One storage of a checkpoint; two tensors share memory when they hold the same object.

    Attributes:
        key: its name in the container, for messages.
        data: its bytes; None for a storage without any (the meta device, or `left_out`).
        nbytes: length in bytes, as the pickle declares it and `data` was checked to have.
        dtype: element type of the storage class; None for an untyped storage.
        location: where it lived when it was saved (``cpu``, ``cuda:0``, …); says nothing here.
        big_endian: whether its elements are stored most significant byte first.
        left_out: whether it had bytes that a conversion did not write.
    """

    key: Final[str]
    data: Final[ByteSource | None]
    nbytes: Final[int]
    dtype: Final[DType | None]
    location: Final[str]
    big_endian: Final[bool] = False
    left_out: Final[bool] = False
