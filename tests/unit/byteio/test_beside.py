"""Names beside an output: listed anew each time, or once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from converter.byteio.beside import forget_listings, names_beside, remember_listings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    yield
    forget_listings()


def test_only_marked_names_are_told(tmp_path: Path) -> None:
    for name in (".a.1-2-3.depickle-tmp", "a", "a.safetensors", "a.0.depickle.json"):
        (tmp_path / name).touch()
    assert sorted(names_beside(tmp_path / "b")) == [".a.1-2-3.depickle-tmp", "a.0.depickle.json"]


def test_what_comes_later_is_seen_unless_listings_are_remembered(tmp_path: Path) -> None:
    assert names_beside(tmp_path / "a") == []
    (tmp_path / "x.depickle-tmp").touch()
    assert names_beside(tmp_path / "a") == ["x.depickle-tmp"]
    remember_listings()
    assert names_beside(tmp_path / "b") == ["x.depickle-tmp"]
    (tmp_path / "y.depickle-tmp").touch()
    remember_listings()
    assert names_beside(tmp_path / "b") == ["x.depickle-tmp"]
    forget_listings()
    assert len(names_beside(tmp_path / "b")) == 2


def test_a_folder_that_is_not_there_is_asked_for_again(tmp_path: Path) -> None:
    remember_listings()
    with pytest.raises(FileNotFoundError):
        names_beside(tmp_path / "later" / "a")
    (tmp_path / "later").mkdir()
    assert names_beside(tmp_path / "later" / "a") == []
