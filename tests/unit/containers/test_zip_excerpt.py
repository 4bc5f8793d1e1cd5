"""Whatever is left out of a zip archive, its records are found in what is left."""

from __future__ import annotations

import pytest

from converter.byteio.source import MemorySource
from converter.containers.zip_archive import read_zip
from converter.containers.zip_excerpt import ZipExcerpt, excerpt_of
from converter.containers.zip_structures import CENTRAL_SIGNATURE, END_SIGNATURE, LOCAL_SIGNATURE
from tests.support.pickles import torch_zip

LONG = bytes(range(256)) * 60
DATA = torch_zip(b"\x80\x02N.", {"0": LONG, "1": b"short", "2": LONG[::-1]})
HEADS = {"archive/data/0": 300, "archive/data/1": 300, "archive/data/2": 7}
LEFT_OUT = 2 * len(LONG) - 307


def excerpt(
    data: bytes, heads: dict[str, int] = HEADS, most_nbytes: int = 10_000
) -> ZipExcerpt | None:
    source = MemorySource(data, "a.pt")
    return excerpt_of(source, read_zip(source), heads, most_nbytes)


def test_records_are_where_it_is_said() -> None:
    found = excerpt(DATA)
    assert found is not None
    assert len(found.data) == found.cut.nbytes == len(DATA) - LEFT_OUT
    records = read_zip(MemorySource(DATA, "a.pt")).records
    for record, places in zip(records, found.records, strict=True):
        assert found.data.startswith(CENTRAL_SIGNATURE, places.central)
        assert found.data.startswith(LOCAL_SIGNATURE, places.local)
        assert places.payload is not None
        whole = record.data.read_at(0, record.nbytes)
        assert found.data[places.payload] == whole[: HEADS.get(record.name)]
    assert found.data.startswith(CENTRAL_SIGNATURE, found.stop)


def test_of_records_that_are_not_named_everything_is_left() -> None:
    found = excerpt(DATA, {}, len(DATA))
    assert found is not None
    assert found.data == DATA


def test_excerpt_may_be_as_long_as_is_said() -> None:
    nbytes = len(DATA) - LEFT_OUT
    assert excerpt(DATA, most_nbytes=nbytes) is not None
    assert excerpt(DATA, most_nbytes=nbytes - 1) is None


@pytest.mark.parametrize("data", [DATA[:-2] + b"\1\0c", DATA + b"?"], ids=["comment", "more"])
def test_archives_that_end_otherwise_have_none(data: bytes) -> None:
    assert excerpt(data) is None


def test_archive_with_more_between_directory_and_end_has_none() -> None:
    end = DATA.rindex(END_SIGNATURE)
    assert excerpt(DATA[:end] + b"more" + DATA[end:]) is None
