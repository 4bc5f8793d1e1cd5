"""One pickle of a container: from its record to a graph and from the graph to values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from converter.errors import FormatError, LimitError
from converter.inert.machine import read_graph
from converter.readers.rebuild import BUILDERS, NAMES, Rebuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from converter.byteio.source import ByteSource
    from converter.checkpoint.canonical import Opened
    from converter.checkpoint.values import Value
    from converter.inert.nodes import Graph, PersistentNode
    from converter.limits import Limits

    BlobOpener: TypeAlias = Callable[["Opened", bytes, int], Value]


def read_pickled(  # noqa: PLR0913 - what one pickle needs from its container
    opened: Opened,
    data: ByteSource,
    record: str,
    resolve: Callable[[PersistentNode, Rebuilder], Value],
    limits: Limits,
    *,
    blobs: BlobOpener,
    start: int = 0,
) -> Graph:
    """Read the main pickle of `opened` and set its root, anomalies and error.

    A broken pickle is no exception here: `opened.error` holds it, and what was understood stays.
    """
    graph = read_graph(data, start=start, record=record, limits=limits)
    opened.graphs.append((record, graph))
    opened.anomalies.extend(graph.anomalies)
    if graph.error is not None:
        opened.error = graph.error
        return graph
    opened.root = rebuild(opened, graph, record, resolve, limits, blobs=blobs)
    return graph


def rebuild(
    opened: Opened,
    graph: Graph,
    record: str,
    resolve: Callable[[PersistentNode, Rebuilder], Value],
    limits: Limits,
    *,
    blobs: BlobOpener,
) -> Value:
    """Return the value of a graph; problems on the way become `opened.error`."""
    rebuilder = Rebuilder(
        record=record,
        protocol=graph.protocol,
        builders=BUILDERS,
        names=NAMES,
        resolve=resolve,
        read_blob=lambda blob, offset: blobs(opened, blob, offset),
        limits=limits,
    )
    value: Value = None
    try:
        value = rebuilder.value_of(graph.root)
    except LimitError as error:
        opened.error = opened.error or error
    opened.anomalies.extend(rebuilder.anomalies)
    if rebuilder.problems and opened.error is None:
        opened.error = _first(rebuilder.problems, opened)
    return value


def _first(problems: list[FormatError], opened: Opened) -> FormatError:
    problem = problems[0]
    if problem.source is None:
        problem.source = opened.source.name
    return problem
