"""Pickles in a row: plain ones, legacy streams of torch, joblib's, and those behind STOP."""

from __future__ import annotations

import struct

from converter.anomaly import Anomaly
from converter.errors import ContainerError, LimitError
from converter.inert.machine import read_graph
from converter.inert.nodes import ByteString, ListNode
from converter.patterns import lazy_pattern
from converter.readers.joblib_file import RawArrays
from converter.risk.facts import Context, Origin
from converter.risk.gathering.glance import STARTERS
from converter.risk.known_names import danger_of, safe_name
from converter.risk.survey import byte_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.inert.nodes import Graph
    from converter.risk.gathering.collector import Collector, Place

# What the five pickles of a legacy stream are.
_LEGACY: Final = ("magic number", "protocol version", "system information", "object", "keys")
_COUNT: Final = struct.Struct("<q")
_PROTO: Final = lazy_pattern(rb"\x80[\x02-\x05]")
_PROTOS: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_ZIP: Final = b"PK"
_NO_PADDING: Final = lazy_pattern(rb"[^\0 \t\r\n]")
_SEARCHED_NBYTES: Final = 1 << 16
# Storage bytes behind a broken legacy stream may be many; this much of them is searched.
_MAX_SEARCHED_NBYTES: Final = 1 << 24


def take_pickle(found: Collector, source: ByteSource, place: Place, *, start: int = 0) -> None:
    """Take a plain pickle, or a joblib file, and whatever follows it."""
    arrays = RawArrays(source, found.limits)
    graph = found.read(source, place, start=start, arrays=arrays)
    for label, nested in arrays.nested:
        found.keep(nested, source.nbytes, place.inside(label))
    if arrays.count:
        # A loader that does not know joblib takes the elements for opcodes.
        plain = read_graph(source, start=start, limits=found.peeking())
        found.keep(plain, source.nbytes, place._replace(origin=Origin.ALTERNATIVE, expected=False))
    if graph.error is None:
        take_rest(found, source, place, graph.stop)


def take_legacy(found: Collector, source: ByteSource, place: Place) -> None:
    """Take the five pickles of a legacy stream, step over its storages, and take what follows."""
    place = place._replace(context=Context.TORCH)
    position = 0
    graphs: list[Graph] = []
    for label in _LEGACY:
        if position >= source.nbytes:
            break
        here = place.inside(label) if place.record else place._replace(record=label)
        graph = found.read(source, here, start=position)
        graphs.append(graph)
        if graph.error is not None:
            return
        position = graph.stop
    if len(graphs) < len(_LEGACY):
        found.fail(_cut(source, f"no {_LEGACY[len(graphs)]}"), place, position)
        return
    stop = _storages_stop(found, source, graphs[3], graphs[4])
    if stop is None:
        found.fail(_cut(source, "not all of its storages"), place, position)
        hidden = place._replace(origin=Origin.HIDDEN, expected=False)
        take_stacked(found, source, hidden, position)
    else:
        take_rest(found, source, place, stop)


def _cut(source: ByteSource, what: str) -> ContainerError:
    return ContainerError(
        "legacy stream is truncated",
        source=source.name,
        expected=", ".join(_LEGACY) + " and storages",
        found=what,
        code="legacy_truncated",
    )


def _storages_stop(found: Collector, source: ByteSource, main: Graph, keys: Graph) -> int | None:
    """Return where the storages end; None where they do not all stand there."""
    from converter.readers.persistent_storages import claimed_storages

    position = keys.stop
    claims = claimed_storages(main, found.limits)
    for key in keys.root.items if isinstance(keys.root, ListNode) else []:
        text = key.decode("latin-1") if isinstance(key, ByteString) else key
        claim = claims.get(text) if isinstance(text, str) else None
        if claim is None or position + _COUNT.size > source.nbytes:
            return None
        (count,) = _COUNT.unpack(source.read_at(position, _COUNT.size))
        nbytes = count * (claim.dtype.itemsize if claim.dtype else 1)
        if count < 0 or position + _COUNT.size + nbytes > source.nbytes:
            return None
        position += _COUNT.size + nbytes
    return position


def take_npy(found: Collector, source: ByteSource, place: Place) -> None:
    """Take the pickle of an array of objects, and one that stands where numbers should."""
    from converter.readers.numpy_files import read_header
    from converter.readers.raw_arrays import has_objects, nbytes_of

    header, start = read_header(source, found.limits)
    if has_objects(header.description):
        found.note(Anomaly("npy_objects", "the elements are a pickle", start), place, "npy")
        take_pickle(found, source, place, start=start)
        return
    hidden = place._replace(origin=Origin.HIDDEN, expected=False)
    _take_suspected(found, source, hidden, start)
    stop = start + nbytes_of(header.description, header.shape, found.limits)
    if stop < source.nbytes:
        take_rest(found, source, hidden, stop)
    elif stop > source.nbytes:
        raise ContainerError(
            "npy file is truncated",
            source=source.name,
            offset=source.nbytes,
            expected=f"{stop} bytes",
            found=str(source.nbytes),
            code="npy_truncated",
        )


def take_rest(found: Collector, source: ByteSource, place: Place, stop: int) -> None:
    """Take every pickle behind `stop` and note what else stands there."""
    position = _find(source, _NO_PADDING, stop)
    if position is None:
        if stop < source.nbytes:
            detail = f"{source.nbytes - stop} bytes of padding follow the end"
            found.note(Anomaly("padding_after_stop", detail, stop), place)
        return
    detail = f"{source.nbytes - stop} bytes follow the end"
    found.note(Anomaly("data_after_stop", detail, position), place)
    stacked = place._replace(
        origin=Origin.HIDDEN if place.origin is Origin.HIDDEN else Origin.STACKED
    )
    take_stacked(found, source, stacked, position)


def take_stacked(found: Collector, source: ByteSource, place: Place, position: int) -> None:
    """Take the pickles from `position` on: right behind another, or behind PROTO anywhere."""
    if _is_directory(source, position):
        return
    following: int | None = position
    last = position + _MAX_SEARCHED_NBYTES
    for _ in range(found.limits.max_stacked_pickles):
        if following is None or following > last or found.is_full():
            return
        graph = suspected_graph(found, source, following)
        whole = graph.error is None and (place.expected or says_something(graph))
        if whole or is_suspected(graph):
            found.keep(graph, source.nbytes, place)
            text = "another pickle begins here"
            found.note(Anomaly("stacked_pickle", text, graph.start), place)
            position = max(graph.stop, following + 1)
        else:
            position = following + 1
        following = _find(source, _NO_PADDING if whole else _PROTO, position, last)
    found.fail(
        LimitError(
            "max_stacked_pickles",
            allowed=found.limits.max_stacked_pickles,
            found=found.limits.max_stacked_pickles + 1,
            offset=following,
        ),
        place,
    )


def _is_directory(source: ByteSource, start: int) -> bool:
    if source.nbytes - start > _SEARCHED_NBYTES or source.read_at(start, 2) != _ZIP:
        return False
    return is_directory(source.read_at(start, source.nbytes - start))


def is_directory(rest: bytes) -> bool:
    """Return whether bytes begin like a zip directory and are no pickle: most begin like that.

    To an unpickler "P" is PERSID. Its operand is a line of ASCII, and where it is the last line
    nothing follows it; any pickle behind it would begin with PROTO. Of very many that is not said.
    """
    if len(rest) > _SEARCHED_NBYTES:
        return False
    line, newline, _ = rest.partition(b"\n")
    plain = rest.startswith(_ZIP) and not (newline and line.isascii())
    return plain and not any(proto in rest for proto in _PROTOS)


def take_suspected(found: Collector, source: ByteSource, place: Place) -> None:
    """Take what stands at the start of a record that should hold no pickle, if it is one."""
    _take_suspected(found, source, place._replace(expected=False), 0)


def _take_suspected(found: Collector, source: ByteSource, place: Place, start: int) -> None:
    if start >= source.nbytes or source.read_at(start, 1) not in STARTERS:
        return
    graph = suspected_graph(found, source, start)
    if is_suspected(graph):
        found.keep(graph, source.nbytes, place)
        text = "a record that should hold no pickle begins with one"
        found.note(Anomaly("hidden_pickle", text, start), place)
        if graph.error is None:
            take_rest(found, source, place, graph.stop)


def suspected_graph(found: Collector, source: ByteSource, start: int) -> Graph:
    """Return what bytes that may be no pickle describe; read on where only a limit stopped it.

    A long operand, or a million opcodes that do nothing, must not hide what follows.
    """
    graph = read_graph(source, start=start, limits=found.peeking())
    if isinstance(graph.error, LimitError):
        graph = read_graph(source, start=start, limits=found.scan_limits.following(found.limits))
    return graph


def is_suspected(graph: Graph) -> bool:
    """Return whether bytes that may be anything are to be judged as a pickle."""
    endless = isinstance(graph.error, LimitError) and graph.opcode_count >= _MANY_OPCODES
    return endless or says_something(graph)


def says_something(graph: Graph) -> bool:
    """Return whether bytes that may be anything name or call something as pickles do.

    Numbers read as opcodes seldom get as far as a name. Text does: a word behind a "c" is the
    name of a module. So where the stream breaks off, a name must be called or be a known one.
    An extension by itself says nothing: one random record in thirty thousand is a code and STOP.
    """
    names = [node for node in graph.globals if _is_name(node.module) and _is_name(node.name)]
    if graph.error is None:
        return bool(names or graph.calls)
    named = byte_names(graph)
    if named is not None and all(map(_is_name, named)):
        return True
    called = {id(call.func) for call in graph.calls}
    return any(
        danger_of(node.module, node.name) is not None
        or safe_name(node.module, node.name) is not None
        for node in names
    ) or any(
        id(node) in called and node.module.isprintable() and node.name.isprintable()
        for node in graph.globals
    )


def _is_name(text: str) -> bool:
    parts = text.split(".")
    return len(text) > 1 and text.isascii() and all(part.isidentifier() for part in parts)


def _find(
    source: ByteSource, pattern: re.Pattern[bytes], start: int, last: int | None = None
) -> int | None:
    """Return the offset of the first match of at most two bytes from `start` on, or None."""
    end = source.nbytes if last is None else min(source.nbytes, last)
    while start < end:
        chunk = source.read_at(start, min(_SEARCHED_NBYTES, source.nbytes - start))
        match = pattern.search(chunk)
        if match is not None:
            return start + match.start()
        start += max(1, len(chunk) - 1)  # the two bytes may be cut apart by the chunk's end
    return None


# So many opcodes in a row are no accident of numbers.
_MANY_OPCODES: Final = 100_000
