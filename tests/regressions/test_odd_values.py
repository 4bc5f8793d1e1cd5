"""Values that no pickler writes, and a document may hold all the same."""

from __future__ import annotations

import pytest

from converter.checkpoint.live_values import InertObject, plain_value


@pytest.mark.parametrize("kind", ["datetime.datetime", "datetime.date", "datetime.time"])
@pytest.mark.parametrize("field", ["", "x", b"", b"x" * 3, b"\1" * 11, 7, None])
def test_times_that_are_not_packed_as_such_stay_inert(kind: str, field: object) -> None:
    found = plain_value(kind, (field,))
    assert isinstance(found, InertObject)
    assert found.args == (field,)
