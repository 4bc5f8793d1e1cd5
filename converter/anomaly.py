"""Odd but survived: what a parser noticed and did not judge."""

from __future__ import annotations

from converter.frozen import Frozen


class Anomaly(Frozen):
    """One observation about the input; rules decide what it means.

    Attributes:
        code: a stable name in snake_case, for example ``zip_local_name_differs``.
        detail: one sentence with the values involved.
        offset: absolute position in bytes inside `record` (or the source), if it has one.
        record: the record it was seen in, if any.
    """

    code: str
    detail: str
    offset: int | None = None
    record: str | None = None
