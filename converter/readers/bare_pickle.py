"""Reads plain pickles: ``pickle.dump``, cloudpickle, detectron2's and Python 2's, joblib's.

A tensor in one is a whole legacy stream in the bytes of ``_load_from_bytes``; a numpy array is its
bytes, or in a joblib file stands between the opcodes. The value of the file is that of its first
pickle, which is all that a loader takes; what follows is read, kept and reported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.checkpoint.canonical import Note, Opened
from converter.errors import FormatError, LimitError, TensorError
from converter.inert.machine import read_graph
from converter.readers.joblib_file import MODULES, WRAPPER, RawArrays
from converter.readers.persistent_storages import PersistentStorages, StorageClaim
from converter.readers.rebuild import BUILDERS, NAMES, Rebuilder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import Value
    from converter.inert.nodes import Graph
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

_PROTO: Final = re.compile(rb"\x80[\x02-\x05]")
# No pickle begins with any of these.
_NO_PADDING: Final = re.compile(rb"[^\0 \t\r\n]")
_SEARCHED_NBYTES: Final = 1 << 16


class _StoragesElsewhere(PersistentStorages):
    """A plain pickle has no storages; one taken out of an archive speaks of them all the same."""

    def find(self, claim: StorageClaim, rebuilder: Rebuilder) -> NoReturn:
        """Raise: the storage is not in this file."""
        raise TensorError(
            "storage that is not in this file",
            expected="the archive that this pickle was taken from",
            found=f"a reference to storage {claim.key} of {claim.nbytes} bytes",
            code="storages_elsewhere",
        )


def read_bare_pickle(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    """Read a plain pickle or a joblib file.

    A pickle that breaks off does not raise: `Opened.error` says where.
    """
    opened = Opened(source, "pickle")
    arrays = RawArrays(source, limits)
    graph = read_graph(source, limits=limits, after_build=arrays.after_build)
    for label, found in [("pickle", graph), *arrays.nested]:
        opened.graphs.append((label, found))
        opened.anomalies.extend(found.anomalies)
    opened.writer = _writer(graph, arrays)
    if graph.error is not None:
        opened.error = graph.error
        return opened
    opened.root = _value(opened, graph, arrays, limits, blobs)
    note_rest(opened, source, graph.stop, limits)
    return opened


def _writer(graph: Graph, arrays: RawArrays) -> str:
    if arrays.count:
        return "joblib"
    if any(name.module.split(".")[0] == "cloudpickle" for name in graph.globals):
        return "cloudpickle"
    protocol = "0 or 1" if graph.protocol is None else graph.protocol
    return f"pickle, protocol {protocol}"


def _value(
    opened: Opened, graph: Graph, arrays: RawArrays, limits: Limits, blobs: BlobOpener
) -> Value:
    """Return the value of the pickle; problems on the way become `opened.error`."""
    rebuilder = Rebuilder(
        record="pickle",
        protocol=graph.protocol,
        builders={**BUILDERS, **{(module, WRAPPER): arrays.build for module in MODULES}},
        names=NAMES,
        resolve=_StoragesElsewhere().resolve,
        read_blob=lambda blob, offset: blobs(opened, blob, offset),
        limits=limits,
    )
    value: Value = None
    problems: list[FormatError] = rebuilder.problems
    try:
        value = rebuilder.value_of(graph.root)
    except LimitError as error:
        problems.insert(0, error)
    opened.anomalies.extend(rebuilder.anomalies)
    if problems and opened.error is None:
        opened.error = problems[0]
        problems[0].source = problems[0].source or opened.source.name
    return value


def note_rest(
    opened: Opened, source: ByteSource, stop: int, limits: Limits, *, record: str | None = None
) -> None:
    """Read and report what follows the pickle that ends at `stop` in `source`."""
    if stop == source.nbytes:
        return
    detail = f"{source.nbytes - stop} bytes follow the end of the pickle"
    opened.anomalies.append(Anomaly("data_after_stop", detail, stop, record))
    where = f"{record}: pickle" if record else "pickle"
    count = 0
    try:
        for graph in _iter_stacked(source, stop, limits):
            count += 1
            opened.graphs.append((f"{where} at {graph.start}", graph))
            detail = "another pickle begins here"
            opened.anomalies.append(Anomaly("stacked_pickle", detail, graph.start, record))
    except LimitError as error:
        opened.error = opened.error or error
    if count:
        text = f"pickles behind the first: {count}; loaders take the first, and so its values"
        opened.notes.append(Note("stacked_pickles", text))


def _iter_stacked(source: ByteSource, stop: int, limits: Limits) -> Iterator[Graph]:
    """Yield every further pickle that names or finishes something.

    One may stand right behind another, behind padding, or behind anything at all if it begins
    with PROTO.
    """
    # Behind other bytes a pickle is only suspected: no long operand is read on suspicion.
    longest = min(limits.max_string_bytes, limits.max_small_record_bytes)
    wary = limits._replace(max_string_bytes=longest)
    position = _find(source, _NO_PADDING, stop)
    expected = True
    for _ in range(limits.max_stacked_pickles):
        if position is None:
            return
        graph = read_graph(source, start=position, limits=limits if expected else wary)
        expected = graph.error is None
        following = position + 1
        if expected or graph.globals or graph.calls or graph.extensions:
            yield graph
            following = max(graph.stop, following)
        position = _find(source, _NO_PADDING if expected else _PROTO, following)
    if position is not None:
        raise LimitError(
            "max_stacked_pickles",
            allowed=limits.max_stacked_pickles,
            found=limits.max_stacked_pickles + 1,
            source=source.name,
            offset=position,
        )


def _find(source: ByteSource, pattern: re.Pattern[bytes], start: int) -> int | None:
    """Return the offset of the first match of at most two bytes from `start` on, or None."""
    while start < source.nbytes:
        chunk = source.read_at(start, min(_SEARCHED_NBYTES, source.nbytes - start))
        match = pattern.search(chunk)
        if match is not None:
            return start + match.start()
        # The two bytes may be cut apart by the end of the chunk.
        start += max(1, len(chunk) - 1)
    return None
