"""Which zip archive is read as what, and archives that are not laid out as torch lays them out."""

from __future__ import annotations

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Opened
from converter.containers.zip_archive import read_zip
from converter.errors import FormatError
from converter.readers.zip_kinds import ZIP_KINDS, kind_of_zip
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.pickles import torch_zip
from tests.support.small_files import NUMBERS, OBJECT, npy_file
from tests.support.zip_builder import Member, ZipBuilder

KINDS = {
    "torch_save": ["r/data.pkl"],
    "torchscript": ["r/data.pkl", "r/constants.pkl"],
    "torchscript_json": ["r/model.json", "r/tensors/0"],
    "torch_package": ["r/.data/extern_modules", "r/data.pkl"],
    "torch_export": ["serialized_exported_program.json", "version"],
    "npz": ["a.npy", "b/c.npy"],
    "aborted": ["r/version", "r/byteorder", "r/.data/serialization_id"],
    "other": ["r/data.txt"],
}
TORCH = [Member("r/data.pkl", OBJECT), Member("r/data/0", NUMBERS), Member("r/version", b"3\n")]


def kind_of(names: list[str], payload: bytes = b"x") -> str:
    data = ZipBuilder([Member(name, payload) for name in names]).build()
    return kind_of_zip(read_zip(MemorySource(data, "a"))).name


@pytest.mark.parametrize("kind", KINDS)
def test_kind_by_names(kind: str) -> None:
    assert kind_of(KINDS[kind]) == kind


def test_every_kind_is_tested() -> None:
    assert {kind.name for kind in ZIP_KINDS} == {*KINDS, "distcp"}


def test_kinds_that_need_more_than_names() -> None:
    assert kind_of(["r/archive_format"], b"pt2") == "torch_export"
    assert kind_of(["r/archive_format"], b"pt") == "other"
    assert kind_of(["r/DATA.PKL"]) == "torch_save"
    # torch.load compares this name exactly, though it finds records in any case.
    assert kind_of(["r/data.pkl", "r/CONSTANTS.PKL"]) == "torch_save"
    assert kind_of([]) == "other"


def check(opened: Opened) -> set[str]:
    assert opened.error is None
    (tensor,) = tensors_of(opened).values()
    assert logical_bytes(tensor) == NUMBERS
    return {anomaly.code for anomaly in opened.anomalies}


@pytest.mark.parametrize("shifted", [False, True])
def test_bytes_before_the_archive(shifted: bool) -> None:  # noqa: FBT001
    data = ZipBuilder(TORCH, prefix=b"#!/bin/sh\n" * 7, shifted=shifted).build()
    assert "zip_prefix" in check(read_bytes(data))


def test_archive_inside_a_larger_file() -> None:
    # torch.load takes a file object that stands at the start of an archive.
    data = b"\xff" * 100 + ZipBuilder(TORCH, shifted=True).build()
    assert "zip_prefix" in check(read_bytes(data))


def test_repacked_and_deflated() -> None:
    members = [Member(member.name, member.payload, deflate=True) for member in TORCH]
    assert check(read_bytes(ZipBuilder(members).build())) == set()


def test_repacked_from_another_folder() -> None:
    members = [Member(f"./{member.name}", member.payload) for member in TORCH]
    with pytest.raises(FormatError):
        read_bytes(ZipBuilder(members).build())


def test_records_in_another_order_and_in_capitals() -> None:
    assert check(read_bytes(ZipBuilder(TORCH[::-1]).build())) == set()
    members = [Member(member.name.replace("data", "DATA"), member.payload) for member in TORCH]
    assert check(read_bytes(ZipBuilder(members).build())) == set()


def test_bytes_behind_the_archive() -> None:
    assert "zip_trailing_bytes" in check(read_bytes(torch_zip(OBJECT, {"0": NUMBERS}) + b"x" * 10))


def test_encrypted_record_beside_a_readable_pickle() -> None:
    locked = Member("r/data/0", NUMBERS, local={"flags": 1}, central={"flags": 1})
    opened = read_bytes(ZipBuilder([TORCH[0], locked]).build())
    assert str(opened.error).startswith("zip archive is encrypted: file, r/data/0")
    assert opened.graphs


def test_file_that_is_two() -> None:
    data = b"\x80\x02cos\nsystem\n." + ZipBuilder([Member("w.npy", npy_file())]).build()
    opened = read_bytes(data)
    assert opened.container == "pickle"
    assert "two_containers" in {anomaly.code for anomaly in opened.anomalies}
