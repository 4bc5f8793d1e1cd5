"""The part of a pickle that is in memory, and how the rest comes into it.

Positions are of two kinds: an *offset* is absolute in the source, a *position* counts from the
first byte of `Window.data`. `origin` is the offset of the byte before the window, so that inside
a handler, which is given the position behind its opcode byte, ``origin + position`` is the
opcode's own offset.

To continue anywhere else a handler returns `Window.jump`: a position just behind the window that
stands for the wanted offset. Whoever reads a byte there gets an IndexError, and loads the window
again from the offset that the position stands for.
"""

from __future__ import annotations

from converter.anomaly import Anomaly
from converter.errors import LimitError, PickleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.inert.nodes import Graph
    from converter.limits import Limits

FIRST_WINDOW_BYTES: Final = 1 << 14
SMALLEST_WINDOW_BYTES: Final = 16
"""Holds any opcode together with the fixed part of its argument."""

MAX_ANOMALIES: Final = 1_000
"""An anomaly can cost the input two bytes and us three hundred; the first ones tell enough."""


class Window:
    """A movable window over a source, doubled at each move up to a limit.

    A frame (protocol 4) also ends the window, so that whatever crosses the end of a frame is
    noticed without looking at every opcode.
    """

    __slots__ = (
        "_largest_nbytes",
        "_next_nbytes",
        "data",
        "frame_stop",
        "graph",
        "limits",
        "max_string_bytes",
        "origin",
        "record",
        "source",
    )

    def __init__(
        self, source: ByteSource, graph: Graph, *, record: str | None, limits: Limits
    ) -> None:
        """Start with an empty window before `graph.start`."""
        self.source: Final = source
        self.graph: Final = graph
        self.record: Final = record
        self.limits: Final = limits
        self.max_string_bytes: Final = limits.max_string_bytes
        self.data = b""
        self.origin = graph.start - 1
        self.frame_stop: int | None = None
        self._largest_nbytes: Final = max(SMALLEST_WINDOW_BYTES, limits.max_pickle_window_bytes)
        self._next_nbytes = min(FIRST_WINDOW_BYTES, self._largest_nbytes)

    def load(self, offset: int, nbytes: int) -> None:
        """Move the window to `offset`; it will hold at least the `nbytes` bytes from there.

        Raises:
            PickleError: the source does not have them.
        """
        self.check_remains(offset, nbytes)
        self.leave_frame(offset, offset + nbytes)
        stop = min(self.source.nbytes, offset + self._next_nbytes)
        if self.frame_stop is not None:
            stop = min(stop, self.frame_stop)
        self._next_nbytes = min(2 * self._next_nbytes, self._largest_nbytes)
        self.data = self.source.read_at(offset, stop - offset)
        self.origin = offset - 1

    def jump(self, offset: int) -> int:
        """Return the position that makes the reading go on at `offset`, outside the window."""
        position = len(self.data)
        self.origin = offset - position - 1
        return position

    def check_remains(self, offset: int, nbytes: int) -> None:
        """Check that the source has `nbytes` bytes from `offset`.

        Raises:
            PickleError: it has fewer.
        """
        remaining = max(0, self.source.nbytes - offset)
        if nbytes > remaining:
            raise PickleError(
                "the stream is truncated",
                offset=offset,
                expected=f"{nbytes} more bytes",
                found=f"{remaining} bytes",
                code="pickle_truncated",
            )

    def counted(self, position: int, nbytes: int) -> tuple[bytes, int]:
        """Return an operand that the window does not hold, and the position behind it.

        Raises:
            LimitError: it is longer than `Limits.max_string_bytes`.
            PickleError: the source ends before it.
        """
        if nbytes > self.max_string_bytes:
            raise LimitError("max_string_bytes", allowed=self.max_string_bytes, found=nbytes)
        start = self.origin + 1 + position
        self.check_remains(start, nbytes)
        self.leave_frame(start, start + nbytes)
        return self.source.read_at(start, nbytes), self.jump(start + nbytes)

    def line(self, data: bytes, position: int) -> tuple[bytes, int]:
        """Return the line from `position` on, without its newline, and the position behind it.

        Raises:
            LimitError: it is longer than `Limits.max_line_bytes`.
            PickleError: there is not one byte of it.
        """
        stop = data.find(b"\n", position)
        if stop < 0:
            return self._far_line(self.origin + 1 + position)
        if stop - position > self.limits.max_line_bytes:
            raise self._line_limit(stop - position)
        return data[position:stop], stop + 1

    def _far_line(self, start: int) -> tuple[bytes, int]:
        """Return the line that starts at the offset `start` and leaves the window."""
        chunk_nbytes = SMALLEST_WINDOW_BYTES
        stop = start
        while stop < self.source.nbytes:
            chunk = self.source.read_at(stop, min(chunk_nbytes, self.source.nbytes - stop))
            newline = chunk.find(b"\n")
            stop += len(chunk) if newline < 0 else newline
            if stop - start > self.limits.max_line_bytes:
                raise self._line_limit(stop - start)
            if newline >= 0:
                self.leave_frame(start, stop + 1)
                return self.source.read_at(start, stop - start), self.jump(stop + 1)
            chunk_nbytes = min(2 * chunk_nbytes, self._largest_nbytes)
        return self._last_line(start)

    def _last_line(self, start: int) -> tuple[bytes, int]:
        """Return the unterminated line at the end of the source, less its last byte.

        CPython cuts off the last byte of a line without looking whether it is a newline, and
        executes the opcode before it finds that the stream has ended.
        """
        stop = self.source.nbytes
        self.check_remains(start, 1)
        self.note("line_not_terminated", "the stream ends inside a line", offset=start)
        self.leave_frame(start, stop)
        return self.source.read_at(start, stop - start - 1), self.jump(stop)

    def _line_limit(self, nbytes: int) -> LimitError:
        return LimitError("max_line_bytes", allowed=self.limits.max_line_bytes, found=nbytes)

    def enter_frame(self, position: int, nbytes: int) -> int:
        """Begin a frame of `nbytes` bytes at `position` and return where to go on.

        A frame is advice about buffering and changes nothing in what the opcodes mean.
        """
        start = self.origin + 1 + position
        opcode = start - 9
        if self.frame_stop is not None and opcode < self.frame_stop:
            detail = f"a frame begins before the one that ends at {self.frame_stop}"
            self.note("frame_inside_frame", detail, offset=opcode)
        if nbytes == 0:
            self.note("frame_empty", "a frame of 0 bytes", offset=opcode)
        self.frame_stop = start + nbytes
        if self.frame_stop > self.source.nbytes:
            detail = f"a frame of {nbytes} bytes, {self.source.nbytes - start} follow"
            self.note("frame_overruns_stream", detail, offset=opcode)
            self.frame_stop = None
        elif self.frame_stop < start + len(self.data) - position:
            return self.jump(start)
        return position

    def leave_frame(self, start: int, stop: int) -> None:
        """Forget the frame if the bytes from `start` to `stop` are not inside it."""
        if self.frame_stop is not None and stop > self.frame_stop:
            if start < self.frame_stop:
                detail = f"an opcode or its operand crosses the end of a frame at {self.frame_stop}"
                self.note("frame_crossed", detail, offset=start)
            self.frame_stop = None

    def note(self, code: str, detail: str, *, offset: int) -> None:
        """Add an anomaly, unless there are very many already."""
        anomalies = self.graph.anomalies
        if len(anomalies) < MAX_ANOMALIES:
            anomalies.append(Anomaly(code, detail, offset, self.record))
