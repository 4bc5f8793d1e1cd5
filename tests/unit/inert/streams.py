"""Reading a stream of a test into a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph
from converter.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from converter.errors import FormatError
    from converter.inert.nodes import Graph, Node


def graph_of(stream: bytes, **limits: int) -> Graph:
    """Return the graph of `stream`, with some limits changed."""
    source = MemorySource(stream, "sample")
    return read_graph(source, record="data.pkl", limits=DEFAULT_LIMITS._replace(**limits))


def root_of(stream: bytes, **limits: int) -> Node:
    """Return what a sound stream describes."""
    graph = graph_of(stream, **limits)
    assert graph.error is None
    assert graph.anomalies == []
    assert graph.leftover == []
    assert graph.stop == len(stream)
    return graph.root


def error_of(stream: bytes, **limits: int) -> FormatError:
    """Return why a stream cannot be read to its end."""
    graph = graph_of(stream, **limits)
    assert graph.error is not None
    assert graph.root is None
    assert graph.error.offset is not None
    assert graph.error.record == "data.pkl"
    return graph.error


def anomalies_of(stream: bytes) -> list[str]:
    """Return the codes of the anomalies of a stream that can be read to its end."""
    graph = graph_of(stream)
    assert graph.error is None
    return [anomaly.code for anomaly in graph.anomalies]
