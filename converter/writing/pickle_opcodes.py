"""Opcodes of protocol 2 that torch's weights-only loader knows, and the plain values among them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from converter.errors import PlanError
from converter.inert.nodes import ByteString

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from converter.checkpoint.values import Value

MARK: Final = b"("
TUPLE: Final = b"t"
REDUCE: Final = b"R"
BUILD: Final = b"b"
PERSISTENT: Final = b"Q"
EMPTY_TUPLE: Final = b")"
EMPTY_LIST: Final = b"]"
EMPTY_DICT: Final = b"}"
TUPLES: Final = {1: b"\x85", 2: b"\x86", 3: b"\x87"}
"""Length of a short tuple → the opcode that makes it of what was pushed last, without a mark."""

_MAX_TEXT_NBYTES: Final = (1 << 32) - 1


class OpcodeWriter:
    """Writes single opcodes, with a memo of what was written before."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        """Write to `write`, piece by piece."""
        self.emit: Final = write
        self._memo: Final[dict[object, int]] = {}

    # The memo: values by identity, names and texts by what they are.

    def recall(self, key: object) -> bool:
        """Fetch what was written under a key, if anything was, and say whether."""
        index = self._memo.get(key)
        if index is None:
            return False
        self.emit(b"h" + bytes((index,)) if index < 256 else b"j" + struct.pack("<I", index))
        return True

    def remember(self, key: object) -> None:
        """Keep what was written last under a key."""
        index = self._memo[key] = len(self._memo)
        self.emit(b"q" + bytes((index,)) if index < 256 else b"r" + struct.pack("<I", index))

    def global_(self, module: str, name: str) -> None:
        """Write a name; Python 2's, as protocol 2 has it."""
        if not self.recall((module, name)):
            if not all(part.isidentifier() for part in (*module.split("."), name)):
                msg = f"name that is none: {module!r}, {name!r}"
                raise PlanError(msg)
            self.emit(f"c{module}\n{name}\n".encode())
            self.remember((module, name))

    # Plain values.

    def _none(self, _: None) -> None:
        self.emit(b"N")

    def bool_(self, value: bool) -> None:  # noqa: FBT001 - the value itself
        """Write True or False."""
        self.emit(b"\x88" if value else b"\x89")

    def int_(self, value: int) -> None:
        """Write an integer of at most 255 bytes."""
        if 0 <= value < 256:
            self.emit(b"K" + bytes((value,)))
        elif 0 <= value < 65_536:
            self.emit(b"M" + struct.pack("<H", value))
        elif -(1 << 31) <= value < 1 << 31:
            self.emit(b"J" + struct.pack("<i", value))
        else:
            raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self.emit(b"\x8a" + bytes((len(raw),)) + raw)

    def _float(self, value: float) -> None:
        self.emit(b"G" + struct.pack(">d", value))

    def text(self, value: str) -> None:
        """Write a text, in full the first time.

        Raises:
            PlanError: it is longer than 4 GiB.
        """
        if self.recall(value):
            return
        raw = value.encode("utf-8", "surrogatepass")
        if len(raw) > _MAX_TEXT_NBYTES:
            msg = f"text too long for a pickle: expected at most {_MAX_TEXT_NBYTES} bytes"
            raise PlanError(msg)
        self.emit(b"X" + struct.pack("<I", len(raw)))
        self.emit(raw)
        self.remember(value)

    def _bytes(self, value: bytes) -> None:
        """Write bytes as protocol 2 does; empty ones too, unlike torch.save."""
        self.global_("_codecs", "encode")
        self.text(value.decode("latin-1"))
        self.text("latin1")
        self.emit(TUPLES[2] + REDUCE)

    def _byte_string(self, value: ByteString) -> None:
        self.emit(b"U" + bytes((len(value),)) + value)

    _ATOMS: ClassVar[dict[type, Callable[..., None]]] = {
        type(None): _none,
        bool: bool_,
        int: int_,
        float: _float,
        str: text,
        bytes: _bytes,
        ByteString: _byte_string,
    }

    def atom(self, value: Value) -> None:
        """Write a plain value."""
        self._ATOMS[type(value)](self, value)

    def ints(self, numbers: Sequence[int]) -> None:
        """Write a tuple of integers."""
        if not numbers:
            self.emit(EMPTY_TUPLE)
            return
        if len(numbers) > 3:
            self.emit(MARK)
        for number in numbers:
            self.int_(number)
        self.emit(TUPLES.get(len(numbers), TUPLE))
