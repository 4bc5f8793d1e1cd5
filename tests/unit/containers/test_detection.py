"""Every format is recognised, and two at once are noticed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.containers.detection import KINDS, Detection, detect
from tests.support.zip_builder import ZipBuilder, honest_members

MAGIC = 0x1950A86A20F9469CFC6C
ZIP = ZipBuilder(honest_members()).build()


def detected(data: bytes) -> Detection:
    return detect(MemorySource(data, "file"))


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"))
    return stream.getvalue()


def safetensors(nbytes: int) -> bytes:
    return nbytes.to_bytes(8, "little") + b"{" + b" " * (nbytes - 2) + b"}"


CASES = [
    ("zip", ZIP),
    ("zip", ZipBuilder([]).build()),
    ("torch_preview", b"PYTORCH1" + bytes(8)),
    ("tar", tar()),
    ("safetensors", safetensors(100)),
    ("safetensors", safetensors(0x0280)),  # the length looks like PROTO 2
    ("safetensors", safetensors(0x950480)),  # … like PROTO 4, FRAME
    ("npy", b"\x93NUMPY\x01\x00"),
    ("gzip", gzip.compress(b"x", mtime=0)),
    ("bzip2", bz2.compress(b"x")),
    ("bzip2", bz2.compress(b"")),
    ("xz", lzma.compress(b"x")),
    ("zstd", b"\x28\xb5\x2f\xfd\x20\x01"),
    *(("zlib", zlib.compress(b"x", level)) for level in (0, 1, 6, 9)),
    ("seven_zip", b"7z\xbc\xaf\x27\x1c\0\4"),
    ("hdf5", b"\x89HDF\r\n\x1a\n"),
    ("gguf", b"GGUF\3\0\0\0"),
    ("git_lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    ("html", b"<!DOCTYPE html><html>"),
    ("html", b"\n <HTML>"),
    ("empty", b""),
    ("unknown", b"\0\0\0"),
    ("unknown", b"Import this\n"),
]


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_one_claim(kind: str, data: bytes) -> None:
    detection = detected(data)
    assert detection.kind == kind
    assert kind in KINDS
    assert detection.anomalies == ()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [{}, {"a": [1.5, None, "x"]}, (1, 2), "text", 3, b"", len, True])
def test_pickles_of_every_protocol(value: object, protocol: int) -> None:
    detection = detected(pickle.dumps(value, protocol))
    assert detection.kind == "pickle"
    assert detection.protocol == (protocol if protocol > 1 else 0)


@pytest.mark.parametrize("nbytes", [12, 200, 999])
def test_pickle_that_ends_inside_its_frame(nbytes: int) -> None:
    detection = detected(pickle.dumps([*range(1_000)], 4)[:nbytes])
    assert (detection.kind, detection.protocol) == ("pickle", 4)


@pytest.mark.parametrize("protocol", range(6))
def test_torch_legacy_of_every_protocol(protocol: int) -> None:
    detection = detected(pickle.dumps(MAGIC, protocol) + pickle.dumps(1001, protocol))
    assert detection.kind == "torch_legacy"
    assert detection.protocol == (protocol if protocol > 1 else 0)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (pickle.dumps({}), "pickle"),
        (pickle.dumps(MAGIC, 2), "torch_legacy"),
        (tar(), "tar"),
        (safetensors(64), "safetensors"),
        (b"\x93NUMPY\x01\x00", "npy"),
    ],
)
def test_zip_behind_something_else_is_two_containers(head: bytes, kind: str) -> None:
    detection = detected(head + ZIP)
    assert [claim.kind for claim in detection.claims] == [kind, "zip"]
    assert [anomaly.code for anomaly in detection.anomalies] == ["two_containers"]


def test_zip_in_front_of_a_tar_header_is_two_containers() -> None:
    data = bytearray(ZIP)
    data[257:262] = b"ustar"
    detection = detected(bytes(data))
    assert [claim.kind for claim in detection.claims] == ["zip", "tar"]


def test_zip_behind_a_pickle_without_header_is_two_containers() -> None:
    detection = detected(b"cos\nsystem\n(S'x'\ntR." + ZIP)
    assert [claim.kind for claim in detection.claims] == ["pickle", "zip"]
    assert [anomaly.code for anomaly in detection.anomalies] == ["two_containers"]


def test_zip_behind_a_script_is_a_zip() -> None:
    detection = detected(b"#!/bin/sh\nexit\n" + ZIP)
    assert detection.kind == "zip"
    assert detection.anomalies == ()


@given(st.binary(max_size=600))
def test_anything_has_a_claim(data: bytes) -> None:
    assert detected(data).kind in KINDS


def test_end_record_that_cannot_be_one_is_no_claim() -> None:
    impossible = b"PK\x05\x06" + bytes(4) + b"\x7f" * 12 + bytes(2)
    assert detected(pickle.dumps({}) + impossible).anomalies == ()
