"""Writes pickles opcode by opcode, so that nothing hostile ever exists as an object.

What they name is `TRIPWIRE`, a module that exists nowhere, or the name that a published attack
used, with the tripwire's name for its argument; nobody ever calls either.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from corpus.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from corpus.recipe import Verdict

TRIPWIRE: Final = "depickle_tripwire"
MAGIC: Final = 0x1950A86A20F9469CFC6C

# Opcodes, by their names in Lib/pickle.py.
PROTO2, PROTO3, PROTO4, PROTO5 = (b"\x80" + bytes([number]) for number in range(2, 6))
MARK, STOP, POP, POP_MARK, DUP, NONE = b"(", b".", b"0", b"1", b"2", b"N"
REDUCE, BUILD, OBJ, NEWOBJ, NEWOBJ_EX = b"R", b"b", b"o", b"\x81", b"\x92"
EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE = b"}", b"]", b")"
TUPLE, TUPLE1, TUPLE2, TUPLE3 = b"t", b"\x85", b"\x86", b"\x87"
SETITEM, SETITEMS, APPEND, BINPERSID = b"s", b"u", b"a", b"Q"
STACK_GLOBAL, MEMOIZE = b"\x93", b"\x94"


def text(value: str) -> bytes:
    """Return BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def short_text(value: str) -> bytes:
    """Return SHORT_BINUNICODE."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def blob(value: bytes) -> bytes:
    """Return BINBYTES."""
    return b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    """Return BININT."""
    return b"J" + struct.pack("<i", value)


def named(module: str, name: str) -> bytes:
    """Return GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def stacked(module: str, name: str) -> bytes:
    """Return the operands of STACK_GLOBAL, and the opcode."""
    return short_text(module) + short_text(name) + STACK_GLOBAL


def call(func: bytes, *arguments: bytes) -> bytes:
    """Return a REDUCE."""
    return func + MARK + b"".join(arguments) + TUPLE + REDUCE


def frame(body: bytes) -> bytes:
    """Return opcodes in a frame of the right length."""
    return b"\x95" + struct.pack("<Q", len(body)) + body


FIRE: Final = named(TRIPWIRE, "fire")
PAYLOAD: Final = call(FIRE, text("x"))
EVIL: Final = PROTO2 + PAYLOAD + STOP
"""The simplest hostile pickle."""

CALM: Final = PROTO2 + EMPTY_DICT + STOP
"""A pickle of an empty dict."""


def beside(payload: bytes) -> bytes:
    """Return a pickle that makes something, drops it, and gives an empty dict."""
    return PROTO2 + payload + POP + EMPTY_DICT + STOP


def storage(key: str = "0", numel: int = 4, class_: bytes | None = None) -> bytes:
    """Return a persistent id of a storage."""
    class_ = named("torch", "FloatStorage") if class_ is None else class_
    items = text("storage") + class_ + text(key) + text("cpu") + number(numel)
    return MARK + items + TUPLE + BINPERSID


def tensor(pid: bytes, sizes: list[int], strides: list[int], offset: int = 0) -> bytes:
    """Return the call that rebuilds a tensor."""
    shape = MARK + b"".join(map(_long, sizes)) + TUPLE
    stride = MARK + b"".join(map(_long, strides)) + TUPLE
    hooks = named("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE
    func = named("torch._utils", "_rebuild_tensor_v2")
    return call(func, pid, number(offset), shape, stride, b"\x89", hooks)


def _long(value: int) -> bytes:
    raw = value.to_bytes((value.bit_length() // 8) + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


@dataclass(frozen=True, slots=True)
class Sample:
    """One hostile file.

    Attributes:
        recipe: how it is made, and what is to be thought of it.
        rule: the rule that has to speak.
        risk: the number of the class of attack it stands for.
        make: gives its bytes.
    """

    recipe: Recipe
    rule: str
    risk: int
    make: Callable[[], bytes]


def sample(risk: int, rule: str, verdict: Verdict, shows: str, make: Callable[[], bytes]) -> Sample:
    """Return a sample whose bytes `make` gives."""

    def write(path: Path) -> None:
        path.write_bytes(make())

    return Sample(Recipe(write=write, shows=shows, verdict=verdict), rule, risk, make)
