"""Tricks that are played inside a pickle; each names a tripwire that exists nowhere.

What they are called and where they were described: the tests of scanners, advisories of loaders.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from converter.strategies.operands import STOP, TRIPWIRE, name, payload, tensor, text

if TYPE_CHECKING:
    from collections.abc import Mapping

_CALL: Final = payload() + b")R"
_MODULE, _NAME = TRIPWIRE
_PROTO: Final = b"\x80\x02"


def _stack_global() -> bytes:
    return text(_MODULE) + text(_NAME) + b"\x93)R"


def _escaped() -> bytes:
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in _MODULE)
    return b"V" + spelled.encode() + b"\n" + text(_NAME) + b"\x93)R"


def _memo_confused() -> bytes:
    """Store a decoy under the index that MEMOIZE gives to the module's name."""
    return text("collections") + b"q\x00" + text(_MODULE) + b"q\x000h\x00" + text(_NAME) + b"\x93)R"


def _nested() -> bytes:
    inner = _PROTO + _CALL + STOP
    return name("_pickle", "loads") + b"B" + struct.pack("<I", len(inner)) + inner + b"\x85R"


def _planted() -> bytes:
    return name("collections", "OrderedDict") + b")R}" + text("items") + payload() + b"sb"


EXPRESSIONS: Final[Mapping[str, bytes]] = {
    "reduce": _CALL,
    "stack_global": _stack_global(),
    "inst": f"(i{_MODULE}\n{_NAME}\n".encode(),
    "obj": b"(" + payload() + b"o",
    "newobj": payload() + b")\x81",
    "newobj_ex": payload() + b")}\x92",
    "build_plants_attribute": _planted(),
    "result_popped": _CALL + b"0N",
    "escaped_module": _escaped(),
    "dotted_name": text(_MODULE) + text(f"inner.{_NAME}") + b"\x93)R",
    "noise_between_operands": text(_MODULE) + b"N0(1" + text(_NAME) + b"\x93)R",
    "memo_confused": _memo_confused(),
    "callable_as_data": name("torch._tensor", "_rebuild_from_type_v2")
    + b"("
    + payload()
    + b"N)NtR",
    "higher_order": name("builtins", "map") + payload() + b"](N" + b"e\x86R",
    "nested_pickle": _nested(),
    "extension": b"\x82\x01)R",
    "storage_class": b"(" + text("storage") + payload() + text("0") + text("cpu") + b"K\x04NtQ",
    "text_persistent_id": f"P('storage', <class '{_MODULE}.{_NAME}'>, '0', 'cpu', 4)\n".encode(),
    "set_item_on_no_dict": b"N" + text("key") + _CALL + b"s",
    "tensor_outside_storage": tensor("0", 4, size=1 << 40),
    "tensor_expanded": tensor("0", 4, size=1 << 60, stride=0),
    "storage_too_small": tensor("0", 1 << 40),
}
"""Trick → the opcodes that push one value, and would do harm on the way if they could."""

_LAUGHS: Final = b"]q\x00" + b"".join(
    b"](" + b"h" + bytes([level]) + (b"h" + bytes([level])) * 9 + b"eq" + bytes([level + 1])
    for level in range(9)
)
STREAMS: Final[Mapping[str, bytes]] = {
    "truncated_after_call": _PROTO + _CALL,
    "broken_after_call": _PROTO + _CALL + b"\xff\xff",
    "bad_text_after_call": _PROTO + _CALL + b"cos\xf8\n\xff\n.",
    "missing_memo_after_call": _PROTO + _CALL + b"h\xfe.",
    "stacked_pickle": _PROTO + b"}." + _PROTO + _CALL + STOP,
    "pickle_behind_gap": _PROTO + b"}." + bytes(4096) + _PROTO + _CALL + STOP,
    "mark_left": _PROTO + b"(" + _CALL + STOP,
    "second_proto": _PROTO + b"\x80\x04" + _CALL + STOP,
    "frame_too_long": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + _CALL + STOP,
    "frame_of_nothing": b"\x80\x04\x95" + bytes(8) + _CALL + STOP,
    "memo_index": _PROTO + b"Nr\xff\xff\xff\xff." + _CALL,
    "memo_text_index": b"Np99999999999999999999\n" + _CALL + STOP,
    "claims_many_bytes": _PROTO + b"\x8e" + struct.pack("<Q", 2**60) + b"x" + _CALL + STOP,
    "billion_laughs": _PROTO + _LAUGHS + STOP,
    "deep_lists": _PROTO + b"]" * 5_000 + b"a" * 4_999 + STOP,
    "deep_tuples": _PROTO + b")" + b"\x85" * 5_000 + STOP,
    "long_integer": _PROTO + b"L" + b"9" * 6_000 + b"L\n.",
    "negative_length": _PROTO + b"\x8b" + struct.pack("<i", -1) + _CALL + STOP,
}
"""Trick → a whole stream."""
