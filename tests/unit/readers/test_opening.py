"""The registry of readers, and files that are compressed as a whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING

import pytest

from converter.errors import FormatError, LimitError, SourceNotFoundError
from converter.limits import Limits
from converter.readers.opening import open_checkpoint
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.small_files import NUMBERS, SMALL_FILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
CONTAINERS = {
    "zip": "zip",
    "legacy": "legacy",
    "tar": "tar",
    "pickle": "pickle",
    "numpy_pickle": "pickle",
    "joblib": "pickle",
    "npy": "npy",
    "npz": "npz",
    "safetensors": "safetensors",
    "gzip": "zip",
}


@pytest.mark.parametrize("kind", SMALL_FILES)
def test_every_kind_from_a_path(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(SMALL_FILES[kind]())
    checkpoint = open_checkpoint(path)
    assert checkpoint.opened.container == CONTAINERS[kind]
    (tensor,) = checkpoint.tensors().values()
    assert logical_bytes(tensor) == NUMBERS
    assert checkpoint.source.name == str(path)
    checkpoint.close()


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("kind", [kind for kind in SMALL_FILES if kind != "gzip"])
def test_compressed_whole(kind: str, packer: str) -> None:
    packed = PACKERS[packer](SMALL_FILES[kind]())
    opened = read_bytes(packed)
    (tensor,) = tensors_of(opened).values()
    assert logical_bytes(tensor) == NUMBERS
    assert "compressed_whole" in {note.code for note in opened.notes}
    assert "compressed_whole" in {anomaly.code for anomaly in opened.anomalies}
    assert (opened.source.name, opened.source.nbytes) == ("file", len(packed))


def test_bytes_behind_a_compressed_file() -> None:
    opened = read_bytes(gzip.compress(SMALL_FILES["zip"]()) + b"more")
    assert "compressed_trailing_bytes" in {anomaly.code for anomaly in opened.anomalies}


def test_compressed_error_names_both() -> None:
    with pytest.raises(FormatError, match="file of zeros: file!gzip"):
        read_bytes(gzip.compress(bytes(100)))


def test_growth_is_limited() -> None:
    with pytest.raises(LimitError, match="max_decompressed_bytes"):
        read_bytes(gzip.compress(bytes(5_000)), limits=Limits(max_decompressed_bytes=1_000))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        open_checkpoint(tmp_path / "none")
