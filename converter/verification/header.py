"""Decode a safetensors header, strictly, with nothing of the code that writes one.

A file is an 8-byte little-endian length, a JSON object of that length, and the tensors' bytes::

    {"__metadata__": {text: text, ...},
     name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}

What this accepts, the ``safetensors`` library (0.8) accepts. What the library accepts and this
does not, because two readers could see two things or bytes could hide there:

1. a name, a metadata key or any other key twice in one object (the library takes the last one);
2. white space before the object, or anything but spaces after it;
3. ``"__metadata__": null``;
4. a tensor described by an array, ``["F32", [1], [0, 4]]``, or a dtype given as ``{"F32": null}``;
5. a header longer than `Limits.max_header_bytes`, or more tensors than `Limits.max_tensors`.

Fields beside the three of a tensor are read over, as in the library, which tries their numbers,
their strings and their depth all the same.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from converter.errors import HeaderError, LimitError
from converter.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.byteio.source import ByteSource
    from converter.limits import Limits

BITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "BOOL": 8,
        "F4": 4,
        "F6_E2M3": 6,
        "F6_E3M2": 6,
        "U8": 8,
        "I8": 8,
        "F8_E5M2": 8,
        "F8_E4M3": 8,
        "F8_E8M0": 8,
        "F8_E4M3FNUZ": 8,
        "F8_E5M2FNUZ": 8,
        "I16": 16,
        "U16": 16,
        "F16": 16,
        "BF16": 16,
        "I32": 32,
        "U32": 32,
        "F32": 32,
        "C64": 64,
        "F64": 64,
        "I64": 64,
        "U64": 64,
    }
)
"""Bits of one element, for every dtype the format names."""

METADATA_KEY: Final = "__metadata__"
_LENGTH_NBYTES: Final = 8
# The library counts in 64 bits and refuses what does not fit, at every step of a product.
_MAX_COUNT: Final = (1 << 64) - 1
# serde_json's recursion limit is 128, and the level that reaches it is refused.
_MAX_DEPTH: Final = 127
_SHOWN_CHARACTERS: Final = 60


class OutputTensor(NamedTuple):
    """One tensor of a safetensors file.

    Attributes:
        dtype: the format's name of its element type.
        shape: sizes, in elements of that type.
        start: absolute position of its first byte in the file.
        stop: absolute position after its last byte.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class OutputHeader:
    """What a safetensors header says.

    Attributes:
        tensors: name → tensor, in the order of the header.
        metadata: text → text; empty where the header has none.
        data_start: absolute position of the first byte after the header.
    """

    tensors: Mapping[str, OutputTensor]
    metadata: Mapping[str, str]
    data_start: int


def read_header(source: ByteSource, limits: Limits = DEFAULT_LIMITS) -> OutputHeader:
    """Read and check the header of a safetensors file.

    Raises:
        HeaderError: it is not what the format, or a rule of this module, demands.
        LimitError: it is longer than `limits` allow, or names more tensors.
        SourceError: the file cannot be read.
    """
    raw = _read_raw(source, limits)
    data_start = _LENGTH_NBYTES + len(raw)
    entries = _parse_json(raw, source.name)
    metadata = _metadata(entries.pop(METADATA_KEY, {}), source.name)
    if len(entries) > limits.max_tensors:
        raise LimitError(
            "max_tensors", allowed=limits.max_tensors, found=len(entries), source=source.name
        )
    tensors = {
        name: _tensor(name, entry, data_start, source.name) for name, entry in entries.items()
    }
    _check_coverage(tensors, data_start, source)
    return OutputHeader(MappingProxyType(tensors), MappingProxyType(metadata), data_start)


def _read_raw(source: ByteSource, limits: Limits) -> bytes:
    if source.nbytes < _LENGTH_NBYTES:
        raise HeaderError(
            "safetensors file too short",
            source=source.name,
            offset=0,
            expected=f"at least {_LENGTH_NBYTES} bytes",
            found=str(source.nbytes),
        )
    nbytes = int.from_bytes(source.read_at(0, _LENGTH_NBYTES), "little")
    if nbytes > source.nbytes - _LENGTH_NBYTES:
        raise HeaderError(
            "safetensors header longer than its file",
            source=source.name,
            offset=0,
            expected=f"at most {source.nbytes - _LENGTH_NBYTES} bytes",
            found=str(nbytes),
        )
    if nbytes > limits.max_header_bytes:
        raise LimitError(
            "max_header_bytes",
            allowed=limits.max_header_bytes,
            found=nbytes,
            source=source.name,
            offset=0,
        )
    return source.read_at(_LENGTH_NBYTES, nbytes)


def _parse_json(raw: bytes, where: str) -> dict[str, object]:
    """Return the JSON object, in which no object has a key twice."""
    if raw[:1] != b"{":
        _refuse("header is no JSON object", where, expected="{", found=_shown(raw[:1]))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(
            "header is not UTF-8",
            source=where,
            offset=_LENGTH_NBYTES + error.start,
            found=error.reason,
        ) from error
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda pairs: _object(pairs, where),
        parse_constant=lambda name: _refuse("header is no JSON", where, found=name),
        # Rust's JSON takes -0 for a floating-point number, which no size and no offset may be.
        parse_int=_parse_integer if "-0" in text else None,
    )
    try:
        found, stop = decoder.raw_decode(text)
    except (ValueError, RecursionError) as error:
        found_text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise HeaderError(
            "header is no JSON", source=where, offset=_LENGTH_NBYTES, found=found_text
        ) from error
    if text[stop:].strip(" "):
        _refuse("header goes on after its object", where, expected="spaces", found=text[stop:])
    if not isinstance(found, dict):
        _refuse("header is no JSON object", where, found=type(found).__name__)
    return found


def _parse_integer(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)


def _object(pairs: list[tuple[str, object]], where: str) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                _refuse("key twice in one object of the header", where, found=_shown(key))
            seen.add(key)
    return found


def _metadata(entry: object, where: str) -> dict[str, str]:
    if not isinstance(entry, dict):
        _refuse("metadata is no object", where, expected="an object", found=_shown(entry))
    for key, value in entry.items():
        _check_text(key, where)
        if not isinstance(value, str):
            _refuse(
                "metadata value is no text",
                where,
                record=f"{METADATA_KEY}.{key}",
                expected="a string",
                found=_shown(value),
            )
        _check_text(value, where)
    return entry


def _check_text(text: str, where: str) -> None:
    r"""Refuse half of a surrogate pair (``"\ud800"``), which is no text in any encoding."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        _refuse("string with half a surrogate pair in the header", where, found=_shown(text))


def _tensor(name: str, entry: object, data_start: int, where: str) -> OutputTensor:
    _check_text(name, where)
    if not isinstance(entry, dict):
        _refuse("tensor is no object", where, record=name, found=_shown(entry))
    dtype = entry.get("dtype")
    if not isinstance(dtype, str) or dtype not in BITS:
        _refuse(
            "tensor of an unknown dtype",
            where,
            record=name,
            expected="a dtype of the format",
            found=_shown(dtype),
        )
    shape = _counts(name, "shape", entry, where)
    offsets = _counts(name, "data_offsets", entry, where)
    if len(offsets) != 2:
        _refuse("data_offsets are no pair", where, record=name, found=f"{len(offsets)} numbers")
    begin, end = offsets
    nbytes = _span(name, dtype, shape, where)
    if end - begin != nbytes:
        _refuse(
            "tensor's bytes do not fit its shape",
            where,
            record=name,
            expected=f"{nbytes} bytes for {dtype} {_shown_shape(shape)}",
            found=f"{begin} to {end}",
        )
    if len(entry) > 3:
        _check_extra_fields(name, entry, where)
    return OutputTensor(dtype, shape, data_start + begin, data_start + end)


def _counts(name: str, field: str, entry: dict[str, object], where: str) -> tuple[int, ...]:
    """Return a field that is an array of 64-bit counts."""
    numbers = entry.get(field)
    if not isinstance(numbers, list):
        _refuse(
            f"{field} is no array", where, record=name, expected="an array", found=_shown(numbers)
        )
    for number in numbers:
        # bool is an int to Python, and 1.0 equals 1; neither is a count.
        if type(number) is not int or not 0 <= number <= _MAX_COUNT:
            _refuse(
                f"{field} holds what is no count",
                where,
                record=name,
                expected="a whole number from 0 to 2^64 - 1",
                found=_shown(number),
            )
    return tuple(numbers)


def _span(name: str, dtype: str, shape: tuple[int, ...], where: str) -> int:
    """Return the bytes that so many elements take."""
    count = 1
    for size in (*shape, BITS[dtype]):
        count *= size
        if count > _MAX_COUNT:
            _refuse(
                "tensor too large for the format",
                where,
                record=name,
                expected="fewer than 2^64 bits",
                found=_shown_shape(shape),
            )
    if count % 8:
        _refuse(
            "tensor does not fill its last byte",
            where,
            record=name,
            expected="a multiple of 8 bits",
            found=f"{count} bits",
        )
    return count // 8


def _check_extra_fields(name: str, entry: dict[str, object], where: str) -> None:
    """Refuse, in fields that mean nothing here, what the library cannot read either."""
    known = ("dtype", "shape", "data_offsets")
    # The fields stand two objects deep.
    pending = [(value, 3) for key, value in entry.items() if key not in known]
    for key in entry:
        _check_text(key, where)
    while pending:
        value, depth = pending.pop()
        if isinstance(value, str):
            _check_text(value, where)
        elif isinstance(value, int | float):
            _check_number(name, value, where)
        elif isinstance(value, dict | list):
            if depth > _MAX_DEPTH:
                _refuse("header is nested too deeply", where, record=name)
            if isinstance(value, dict):
                for key in value:
                    _check_text(key, where)
            members = value.values() if isinstance(value, dict) else value
            pending += [(member, depth + 1) for member in members]


def _check_number(name: str, value: float, where: str) -> None:
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        _refuse("number out of range", where, record=name)


def _check_coverage(
    tensors: Mapping[str, OutputTensor], data_start: int, source: ByteSource
) -> None:
    """Refuse bytes that belong to no tensor or to two: each must start where one ended."""
    position = data_start
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if tensor.start != position:
            raise HeaderError(
                "tensors overlap" if tensor.start < position else "hole between tensors",
                source=source.name,
                record=name,
                offset=tensor.start,
                expected=f"the first byte at {position}",
                found=str(tensor.start),
            )
        position = tensor.stop
    if position != source.nbytes:
        raise HeaderError(
            "tensors end elsewhere than their file",
            source=source.name,
            offset=position,
            expected=f"a file of {position} bytes",
            found=str(source.nbytes),
        )


def _refuse(
    what: str,
    where: str,
    *,
    record: str | None = None,
    expected: str | None = None,
    found: str | None = None,
) -> NoReturn:
    raise HeaderError(
        what, source=where, record=record, expected=expected, found=found and _cut(found)
    )


def _shown(value: object) -> str:
    """Return a value of the header for a message: short, and without following it downwards."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str | bytes):
        return repr(value[:_SHOWN_CHARACTERS])
    if isinstance(value, int) and abs(value) > _MAX_COUNT:
        return "a number beyond 64 bits"
    return "nothing" if value is None else repr(value)


def _shown_shape(shape: tuple[int, ...]) -> str:
    return _cut(f"[{', '.join(map(str, shape[:16]))}{', …' if len(shape) > 16 else ''}]")


def _cut(text: str) -> str:
    return text if len(text) <= 400 else text[:400] + "…"
