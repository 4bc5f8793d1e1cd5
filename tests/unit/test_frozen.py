"""Plain values are what frozen dataclasses of the same fields are."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any, Final

import pytest

from converter.frozen import Frozen


class Place(Frozen):
    record: str | None
    offset: int
    path: str = ""

    def __post_init__(self) -> None:
        if self.offset < 0:
            msg = f"no place: {self.offset}"
            raise ValueError(msg)

    @property
    def text(self) -> str:
        return f"{self.record}+{self.offset}"


class Marked(Place):
    mark: str = "x"


class Other(Frozen):
    record: str | None
    offset: int
    path: str = ""


@dataclass(frozen=True)
class Oracle:
    record: str | None
    offset: int
    path: str = ""


CALLS: Final[list[tuple[tuple[Any, ...], dict[str, Any]]]] = [
    (("a", 1), {}),
    (("a", 1, "root"), {}),
    (("a",), {"offset": 1}),
    ((), {"record": None, "offset": 0, "path": "p"}),
    ((), {}),
    (("a",), {}),
    (("a", 1, "p", "more"), {}),
    (("a", 1), {"record": "b"}),
    (("a", 1), {"unknown": 2}),
    (("a",), {"path": "p"}),
    (("a",), {"unknown": 2}),
]


@pytest.mark.parametrize(("values", "named"), CALLS)
def test_is_made_as_a_dataclass_is(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    try:
        oracle = Oracle(*values, **named)
    except TypeError:
        with pytest.raises(TypeError, match="Place takes record, offset, path"):
            Place(*values, **named)
    else:
        made = Place(*values, **named)
        assert (made.record, made.offset, made.path) == (oracle.record, oracle.offset, oracle.path)
        assert repr(made) == repr(oracle).replace("Oracle", "Place")


def test_equal_by_class_and_fields() -> None:
    one = Place("a", 1)
    assert one == Place("a", 1, path="")
    assert hash(one) == hash(Place("a", 1))
    assert one != Place("a", 2)
    assert one != Other("a", 1)
    assert one != Marked("a", 1)
    assert one != ("a", 1, "")
    assert len({one, Place("a", 1), Place("b", 1)}) == 2


def test_is_never_changed() -> None:
    one: Any = Place("a", 1)
    with pytest.raises(AttributeError, match="Place is frozen: offset"):
        one.offset = 2
    with pytest.raises(AttributeError, match="Place is frozen: other"):
        one.other = 2
    with pytest.raises(AttributeError, match="Place is frozen: offset"):
        del one.offset
    assert one == Place("a", 1)


def test_one_with_other_fields() -> None:
    one = Place("a", 1)
    assert one._replace(offset=2, path="p") == Place("a", 2, "p")
    assert one == Place("a", 1)
    with pytest.raises(TypeError, match="takes"):
        one._replace(unknown=1)
    with pytest.raises(ValueError, match="no place: -1"):
        one._replace(offset=-1)


def test_checks_its_fields() -> None:
    with pytest.raises(ValueError, match="no place: -1"):
        Place("a", -1)


def test_fields_of_a_base_come_first() -> None:
    one = Marked("a", 1, "p", "y")
    assert (one.path, one.mark, one.text) == ("p", "y", "a+1")
    assert Marked("a", 1).mark == "x"


def test_goes_to_another_process_and_back() -> None:
    one = Marked("a", 1, "p")
    assert copy.deepcopy(one) == one
    assert pickle.dumps(one)  # what is loaded again is tried where processes scan
