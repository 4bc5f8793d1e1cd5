"""Reads a safetensors file as a checkpoint, by the letter of the format.

The file is a length of 8 bytes, a JSON header of that length and the elements. Tensors must cover
the elements without a hole or an overlap; a key stands once. ``__metadata__`` holds texts: kept as
values, except those that name a tensor under another name of its own (``dropped -> kept``, as
``safetensors.torch.save_model`` writes them): these become the same tensor once more.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final, NoReturn

from converter.byteio.source import WindowSource
from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue
from converter.dtypes import BY_SAFETENSORS
from converter.errors import HeaderError, LimitError, UnsupportedError
from converter.readers.rebuild.numpy_values import contiguous_stride

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import Value
    from converter.dtypes import DType
    from converter.limits import Limits

METADATA: Final = "__metadata__"
_LENGTH_NBYTES: Final = 8
_FIELDS: Final = ("dtype", "shape", "data_offsets")
# Of the format's dtypes these have no equivalent in torch.
_WITHOUT_EQUIVALENT: Final = frozenset({"F6_E2M3", "F6_E3M2"})
# The one metadata key whose value means something else, whatever tensors are called.
_FORMAT: Final = "format"
_SHOWN_CHARACTERS: Final = 200
_MAX_COUNT: Final = (1 << 64) - 1


class _Header:
    """The header of one file, decoded."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        """Read it.

        Raises:
            HeaderError: it is longer than the file, or no JSON object.
            LimitError: it is longer than the limits allow.
        """
        self._source: Final = source
        head = source.read_at(0, min(_LENGTH_NBYTES, source.nbytes))
        nbytes = int.from_bytes(head, "little")
        left = source.nbytes - _LENGTH_NBYTES
        if nbytes > left:
            self.refuse(
                "safetensors file is truncated inside its header",
                f"a header of {nbytes} bytes",
                f"{max(0, left)}, {nbytes - left} are missing",
                code="safetensors_truncated",
            )
        if nbytes > limits.max_header_bytes:
            raise LimitError(
                "max_header_bytes",
                allowed=limits.max_header_bytes,
                found=nbytes,
                source=source.name,
            )
        self.data_start: Final = _LENGTH_NBYTES + nbytes
        self.entries: Final = self._parse(source.read_at(_LENGTH_NBYTES, nbytes))

    def refuse(
        self,
        what: str,
        expected: str,
        found: object,
        *,
        record: str | None = None,
        code: str = "safetensors_damaged",
    ) -> NoReturn:
        """Raise the error for a header that is wrong."""
        shown = found if isinstance(found, str) else repr(found)
        raise HeaderError(
            what,
            source=self._source.name,
            record=record,
            expected=expected,
            found=shown[:_SHOWN_CHARACTERS],
            code=code,
        )

    def _parse(self, raw: bytes) -> dict[str, object]:
        if raw[:1] != b"{":
            self.refuse("header is no JSON object", "{", raw[:1])
        decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._constant)
        try:
            entries, stop = decoder.raw_decode(text := raw.decode("utf-8"))
            if "\\u" in text:  # half of a surrogate pair is no text in any encoding
                json.dumps(entries, ensure_ascii=False).encode("utf-8")
        except (ValueError, RecursionError) as error:
            self.refuse("header is no JSON", "a JSON object in UTF-8", str(error))
        if text[stop:].strip(" ") or not isinstance(entries, dict):
            self.refuse("header goes on after its object", "spaces", text[stop:])
        return entries

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            left = dict.fromkeys(found)
            for key, _ in pairs:
                if left.pop(key, key) is not None:
                    self.refuse("key twice in the header", "each key once", key)
        return found

    def _constant(self, name: str) -> NoReturn:
        self.refuse("header is no JSON", "numbers, texts, lists and objects", name)

    def metadata(self) -> dict[str, str]:
        """Take the metadata out of the entries."""
        found = self.entries.pop(METADATA, {})
        if not isinstance(found, dict):
            self.refuse("metadata is no object", "an object of texts", found)
        for key, value in found.items():
            if not isinstance(value, str):
                self.refuse("metadata is no text", f"a text under {key!r}", value)
        return found

    def entry(self, name: str) -> dict[str, object]:
        """Return the description of a tensor."""
        found = self.entries[name]
        if not isinstance(found, dict) or not found.keys() >= set(_FIELDS):
            self.refuse("tensor is not described", ", ".join(_FIELDS), found, record=name)
        return found

    def counts(self, name: str, entry: dict[str, object], field: str) -> tuple[int, ...]:
        """Return a list of numbers from 0 up."""
        found = entry[field]
        if not isinstance(found, list):
            self.refuse(f"{field} is no list", "a list of numbers", found, record=name)
        numbers = [number for number in found if type(number) is int and 0 <= number <= _MAX_COUNT]
        if len(numbers) != len(found):
            self.refuse(f"{field} is no list of sizes", "numbers from 0 up", found, record=name)
        return tuple(numbers)


def read_safetensors(source: ByteSource, limits: Limits) -> Opened:
    """Read a safetensors file.

    Raises:
        HeaderError: the header is not what the format demands, or the file is shorter or longer
            than it says.
        UnsupportedError: a tensor has a dtype that torch has not.
        LimitError: the header is longer, or names more tensors, than the limits allow.
    """
    header = _Header(source, limits)
    metadata = header.metadata()
    if len(header.entries) > limits.max_tensors:
        raise LimitError(
            "max_tensors",
            allowed=limits.max_tensors,
            found=len(header.entries),
            source=source.name,
        )
    opened = Opened(source, "safetensors")
    entries = {name: header.entry(name) for name in header.entries}
    spans = {name: _span(header, name, entry) for name, entry in entries.items()}
    _check_coverage(header, source, spans)
    tensors = {
        name: _tensor(header, source, name, entries[name], span, limits)
        for name, span in spans.items()
    }
    opened.storages = [tensor.storage for tensor in tensors.values()]
    opened.root = _root(opened, tensors, metadata)
    return opened


def _span(header: _Header, name: str, entry: dict[str, object]) -> tuple[int, int]:
    """Return where the elements lie, counted from the first element of all."""
    offsets = header.counts(name, entry, "data_offsets")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        expected = "the first byte and the one behind the last"
        header.refuse("data_offsets are no range", expected, list(offsets), record=name)
    return offsets[0], offsets[1]


def _tensor(
    header: _Header,
    source: ByteSource,
    name: str,
    entry: dict[str, object],
    span: tuple[int, int],
    limits: Limits,
) -> TensorRef:
    shape = header.counts(name, entry, "shape")
    if len(shape) > limits.max_dims:
        raise LimitError(
            "max_dims", allowed=limits.max_dims, found=len(shape), source=source.name, record=name
        )
    dtype, shape = _dtype(header, name, entry["dtype"], shape)
    nbytes = math.prod(shape) * dtype.itemsize
    start, stop = span
    if stop - start != nbytes:
        header.refuse(
            "tensor of another length than its shape",
            f"{nbytes} bytes of {dtype.name} {list(shape)}",
            f"data_offsets {[start, stop]}",
            record=name,
        )
    data = WindowSource(source, header.data_start + start, nbytes, f"{source.name}!{name}")
    storage = Storage(name, data, nbytes, dtype, "cpu")
    return TensorRef(storage, dtype, shape, contiguous_stride(shape), 0)


def _dtype(
    header: _Header, name: str, found: object, shape: tuple[int, ...]
) -> tuple[DType, tuple[int, ...]]:
    """Return the dtype and the shape as torch has them: two F4 values are one element."""
    if isinstance(found, str) and found in _WITHOUT_EQUIVALENT:
        raise UnsupportedError("safetensors dtype that torch has not", record=name, found=found)
    dtype = BY_SAFETENSORS.get(found) if isinstance(found, str) else None
    if dtype is None:
        header.refuse("tensor of an unknown dtype", "a dtype of the format", found, record=name)
    if found != "F4":
        return dtype, shape
    if not shape or shape[-1] % 2:
        header.refuse("tensor of half bytes", "an even last size for F4", shape, record=name)
    return dtype, (*shape[:-1], shape[-1] // 2)


def _check_coverage(header: _Header, source: ByteSource, spans: dict[str, tuple[int, int]]) -> None:
    """Check that the tensors lie end to end, from the first byte of the elements to the last."""
    position = 0
    for name, (start, stop) in sorted(spans.items(), key=lambda item: item[1]):
        if start != position:
            what = "hole before a tensor" if start > position else "tensor over another"
            header.refuse(what, f"a tensor from {position}", str(start), record=name)
        position = stop
    wanted = header.data_start + position
    if wanted > source.nbytes:
        header.refuse(
            "safetensors file is truncated",
            f"{wanted} bytes",
            f"{source.nbytes}, {wanted - source.nbytes} are missing",
            code="safetensors_truncated",
        )
    if wanted < source.nbytes:
        header.refuse("bytes behind the last tensor", f"{wanted} bytes", str(source.nbytes))


def _root(opened: Opened, tensors: dict[str, TensorRef], metadata: dict[str, str]) -> Value:
    """Return the tensors by name, those with two names twice; the metadata as an attribute."""
    entries: list[tuple[Value, Value]] = list(tensors.items())
    values: list[tuple[Value, Value]] = []
    aliases = 0
    for key, text in metadata.items():
        kept = tensors.get(text)
        if kept is not None and key not in tensors and key != _FORMAT:
            entries.append((key, kept))
            aliases += 1
            continue
        values.append((key, text))
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        opened.notes.append(Note("safetensors_metadata", f"{key} = {shown!r}"))
    if aliases:
        text = f"tensors with a second name, kept in the metadata: {aliases}"
        opened.notes.append(Note("safetensors_aliases", text))
    attributes = None
    if values:
        attributes = MappingValue("dict", [(METADATA, MappingValue("dict", values))])
    return MappingValue("dict", entries, attributes=attributes)
