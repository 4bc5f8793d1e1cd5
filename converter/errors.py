"""The error tree: every way depickle refuses, with where it happened.

::

    DepickleError
    ├── SourceError              the input cannot be read (I/O)
    │   └── SourceNotFoundError  there is no such input
    ├── FormatError              bytes are not what their format demands
    │   ├── PickleError          … in a pickle stream
    │   ├── ContainerError       … in an archive or a stream's framing
    │   ├── TensorError          … in the description of a tensor or a storage
    │   └── HeaderError          … in a safetensors header
    ├── LimitError               a stated limit of `converter.limits` was reached
    ├── UnsupportedError         recognised, and not readable by this version
    ├── RefusedError             a policy forbids what was asked for
    ├── PlanError                what was asked for cannot be written (names collide, …)
    └── SinkError                the output cannot be written (I/O, target exists)

Messages read ``what: where: expected X, found Y``. Advice is the command line's business.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class DepickleError(Exception):
    """The root of every error that depickle raises on purpose."""


class SourceError(DepickleError):
    """The input cannot be read.

    Attributes:
        code: as in `FormatError`.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


class SourceNotFoundError(SourceError):
    """There is no such input."""


class FormatError(DepickleError):
    """Bytes are not what their format demands.

    Attributes:
        what: the thing that is wrong, in the format's own words.
        source: the file or record it stands in, if known.
        record: the name of the record inside the container, if any.
        offset: absolute position in bytes inside the record (or the source without one).
        expected: what the format asks for.
        found: what is there.
        code: a stable name in snake_case for this kind of failure, by which the command line
            finds its advice, or None.
    """

    def __init__(  # noqa: PLR0913 - the fields of a message, all by keyword
        self,
        what: str,
        *,
        source: str | None = None,
        record: str | None = None,
        offset: int | None = None,
        expected: str | None = None,
        found: str | None = None,
        code: str | None = None,
    ) -> None:
        """Keep the fields; the message is made from them."""
        super().__init__(what)
        self.what: Final = what
        self.source = source
        self.record = record
        self.offset = offset
        self.expected = expected
        self.found = found
        self.code = code

    def __str__(self) -> str:
        """Return ``what: where: expected X, found Y``."""
        where = [part for part in (self.source, self.record) if part]
        if self.offset is not None:
            where.append(f"offset {self.offset}")
        parts = [self.what]
        if where:
            parts.append(", ".join(where))
        wants = []
        if self.expected is not None:
            wants.append(f"expected {self.expected}")
        if self.found is not None:
            wants.append(f"found {self.found}")
        if wants:
            parts.append(", ".join(wants))
        return ": ".join(parts)


class PickleError(FormatError):
    """A pickle stream is malformed or truncated."""


class ContainerError(FormatError):
    """An archive, or the framing of a stream, is malformed or truncated."""


class TensorError(FormatError):
    """A tensor or storage description is impossible, or lies outside its record."""


class HeaderError(FormatError):
    """A safetensors header is malformed."""


class LimitError(FormatError):
    """A stated limit was reached; `limit` is the field's name in `converter.limits.Limits`."""

    def __init__(
        self,
        limit: str,
        *,
        allowed: int,
        found: int,
        source: str | None = None,
        record: str | None = None,
        offset: int | None = None,
    ) -> None:
        """Name the limit, what it allows and what the input asks for (same unit)."""
        super().__init__(
            f"over the limit {limit}",
            source=source,
            record=record,
            offset=offset,
            expected=f"at most {allowed}",
            found=str(found),
        )
        self.limit: Final = limit


class UnsupportedError(FormatError):
    """The input is recognised, and this version cannot read it."""


class RefusedError(DepickleError):
    """A policy forbids what was asked for.

    Attributes:
        code: which verdict it was, by which the command line finds its advice, or None.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code: Final = code


class PlanError(DepickleError):
    """What was asked for cannot be written."""


class SinkError(DepickleError):
    """The output cannot be written.

    Attributes:
        code: as in `FormatError`.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


def without_frames(error: BaseException) -> None:
    """Have an error that is kept, and those behind it, forget the frames they passed.

    Frames hold whatever was being read, which holds the error: together they would stay in memory.
    """
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is not None and one.__traceback__ is not None:
            one.__traceback__ = None
            pending += [one.__cause__, one.__context__]
