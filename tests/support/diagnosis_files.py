"""Files that are no checkpoint, or no longer one: a recipe and the sentence for each.

In the sentences ``@`` stands for the name of the file.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.pickles import tensor_opcodes, text, torch_zip
from tests.support.small_files import (
    NUMBERS,
    OBJECT,
    joblib_file,
    legacy_file,
    npy_file,
    pickle_file,
    safetensors_file,
    safetensors_of,
    tar_file,
    tar_of,
    zip_file,
)
from tests.support.zip_builder import Member, ZipBuilder, honest_members

if TYPE_CHECKING:
    from collections.abc import Callable

_OID: Final = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"


@dataclass(frozen=True)
class Diagnosis:
    """One kind of file and what is said about it.

    Attributes:
        code: the error's code.
        make: gives the file.
        sentence: the whole error.
        carried: whether it stands in `Opened.error`, beside what could be read.
    """

    code: str
    make: Callable[[], bytes]
    sentence: str
    carried: bool = False


def git_lfs_pointer() -> bytes:
    """Return what git leaves where git-lfs was not run."""
    lines = ("version https://git-lfs.github.com/spec/v1", f"oid sha256:{_OID}", "size 12345")
    return "".join(f"{line}\n" for line in lines).encode()


def html_page() -> bytes:
    """Return a page that a server sent instead."""
    return b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body></body></html>"


def framed_pickle() -> bytes:
    """Return a plain pickle of protocol 4, whose frame says how long it is."""
    frame = b"}" + b"\x8c\x02lr" + b"G" + struct.pack(">d", 0.1) + b"s."
    return b"\x80\x04\x95" + struct.pack("<Q", len(frame)) + frame


def truncated_zip() -> bytes:
    """Return a torch.save archive that ends inside its first storage, of 4,000 bytes."""
    pickle = b"\x80\x02}" + text("w") + tensor_opcodes("0", 1_000) + b"s."
    whole = torch_zip(pickle, {"0": NUMBERS * 250})
    return whole[: whole.index(NUMBERS) + 100]


def encrypted_zip() -> bytes:
    """Return an archive whose records are marked as encrypted."""
    members = honest_members()
    for member in members:
        member.local["flags"] = member.central["flags"] = 1
    return ZipBuilder(members).build()


def aborted_save() -> bytes:
    """Return what torch.save leaves when pickling fails."""
    return ZipBuilder([Member("r/version", b"3\n"), Member("r/byteorder", b"little")]).build()


def short_record() -> bytes:
    """Return an archive whose storage is half as long as its tensor."""
    return torch_zip(OBJECT, {"0": NUMBERS[:8]})


def shard_of_a_distributed_checkpoint() -> bytes:
    """Return two archives in a row, as a ``.distcp`` file has them."""
    return zip_file() + zip_file()


DIAGNOSES: Final = (
    Diagnosis("empty_file", bytes, "empty file: @: expected a checkpoint, found 0 bytes"),
    Diagnosis(
        "git_lfs_pointer",
        git_lfs_pointer,
        f"git-LFS pointer in place of the file: @: expected 12345 bytes with sha256 {_OID}, "
        "found 130 bytes that only name them",
    ),
    Diagnosis(
        "html_page",
        html_page,
        "web page in place of a checkpoint: @: expected a checkpoint, "
        "found a page titled 'Sign in'",
    ),
    Diagnosis(
        "html_page",
        lambda: b"<html></html>",
        "web page in place of a checkpoint: @: expected a checkpoint, found 13 bytes of HTML",
    ),
    Diagnosis(
        "text_file",
        lambda: b"Not Found",
        "text in place of a checkpoint: @: expected a checkpoint, found 'Not Found'",
    ),
    Diagnosis(
        "text_file",
        lambda: b'{"error": "no such file"}',
        "text in place of a checkpoint: @: expected a checkpoint, "
        'found \'{"error": "no such file"}\'',
    ),
    Diagnosis(
        "zeros_file",
        lambda: bytes(5_000),
        "file of zeros: @: expected a checkpoint, found zeros in its first 4096 bytes",
    ),
    Diagnosis(
        "unknown_format",
        lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF",
        "file of no known format: @: expected a checkpoint, found bytes ff d8 ff e0 00 10 4a 46",
    ),
    Diagnosis(
        "zip_truncated",
        truncated_zip,
        "zip archive is truncated: @, offset 383: expected its directory, which "
        "stands at the end, found the end of the file after 383 bytes, at least "
        "3803 are missing",
        carried=True,
    ),
    Diagnosis(
        "zip_directory_lost",
        lambda: zip_file().partition(b"PK\x01\x02")[0],
        "zip archive without its directory: @, offset 347: expected its directory, which "
        "stands at the end, found none in the last 347 bytes",
        carried=True,
    ),
    Diagnosis(
        "zip_damaged",
        lambda: zip_file().replace(b"PK\x01\x02", b"PK\x01\x00"),
        "zip central directory not found: @, offset 347: expected a directory "
        "of 246 bytes and 4 entries, found none there, and none right before "
        "the end record",
    ),
    Diagnosis(
        "zip_encrypted",
        encrypted_zip,
        "zip archive is encrypted: @, r/data.pkl: expected records that can be "
        "read without a password, found 3 of 3 marked as encrypted",
        carried=True,
    ),
    Diagnosis(
        "zip_not_torch",
        lambda: ZipBuilder([Member("a/b.txt", b"x")]).build(),
        "zip archive that torch did not write: @: expected a record "
        "<root>/data.pkl, found records: 1, first 'a/b.txt'",
    ),
    Diagnosis(
        "aborted_save",
        aborted_save,
        "aborted torch.save, nothing was pickled: @: expected a record "
        "r/data.pkl, found only byteorder, version",
    ),
    Diagnosis(
        "record_short",
        short_record,
        "record shorter than its storage: @, archive/data/0: expected 16 bytes, found 8",
        carried=True,
    ),
    Diagnosis(
        "legacy_truncated",
        lambda: legacy_file()[:-5],
        "legacy stream is truncated: @, offset 271: expected 276 bytes, found 271, 5 are missing",
        carried=True,
    ),
    Diagnosis(
        "tar_truncated",
        lambda: tar_file()[:3_640],
        "tar archive is truncated: @, storages, offset 3584: expected 69 bytes, "
        "found 56, 13 are missing",
        carried=True,
    ),
    Diagnosis(
        "tar_damaged",
        lambda: b"x" + tar_file()[1:],
        "tar header is damaged: @, offset 0: expected checksum 3921, found b'007514'",
    ),
    Diagnosis(
        "tar_not_torch",
        lambda: tar_of({"model.ckpt": b"x"}),
        "tar archive that torch did not write: @: expected the members pickle, "
        "storages and tensors, found files: 1, first 'model.ckpt'",
    ),
    Diagnosis(
        "storages_elsewhere",
        lambda: OBJECT,
        "storage that is not in this file: @, pickle, offset 97: expected the "
        "archive that this pickle was taken from, found a reference to storage "
        "0 of 16 bytes",
        carried=True,
    ),
    Diagnosis(
        "pickle_truncated",
        lambda: joblib_file()[:-8],
        "joblib array is truncated: @, offset 205: expected 16 bytes from 209, "
        "found 10, 6 are missing",
        carried=True,
    ),
    Diagnosis(
        "pickle_truncated",
        lambda: framed_pickle()[:-6],
        "the stream is truncated: @, offset 16: expected 9 more bytes, found 5 bytes",
        carried=True,
    ),
    Diagnosis(
        "compressed_truncated",
        lambda: gzip.compress(pickle_file(), 0, mtime=0)[:-20],
        "compressed file is truncated: @, offset 315: expected the end of the "
        "gzip stream, found the end of the file, after 300 unpacked bytes",
    ),
    Diagnosis(
        "compressed_damaged",
        lambda: b"\x1f\x8b\x08\x00" + b"\xff" * 30,
        "compressed file is damaged: @, offset 0: expected a gzip stream, found "
        "Error -3 while decompressing data: invalid block type",
    ),
    Diagnosis(
        "compressed_twice",
        lambda: gzip.compress(gzip.compress(pickle_file(), mtime=0), mtime=0),
        "file compressed twice: @!gzip: expected a checkpoint inside, found gzip once more",
    ),
    Diagnosis(
        "zstd_compressed",
        lambda: b"\x28\xb5\x2f\xfd\x20\x01",
        "zstd-compressed file: @: expected a checkpoint in a format that is "
        "read here, found a zstd frame",
    ),
    Diagnosis(
        "lz4_compressed",
        lambda: b"\x04\x22\x4d\x18\x64\x40\xa7",
        "lz4-compressed file: @: expected a checkpoint in a format that is read "
        "here, found an lz4 frame",
    ),
    Diagnosis(
        "seven_zip",
        lambda: b"7z\xbc\xaf\x27\x1c\0\4",
        "7z archive: @: expected a checkpoint in a format that is read here, "
        "found the signature of 7-Zip",
    ),
    Diagnosis(
        "hdf5_file",
        lambda: b"\x89HDF\r\n\x1a\n",
        "HDF5 file: @: expected a checkpoint in a format that is read here, "
        "found the signature of HDF5 (Keras, PyTables, …)",
    ),
    Diagnosis(
        "gguf_file",
        lambda: b"GGUF\3\0\0\0",
        "GGUF file: @: expected a checkpoint in a format that is read here, "
        "found the signature of GGUF (llama.cpp)",
    ),
    Diagnosis(
        "torch_preview",
        lambda: b"PYTORCH1" + bytes(8),
        "script container of a preview release of torch: @: expected a "
        "checkpoint in a format that is read here, found PYTORCH1, which no "
        "release of torch loads",
    ),
    Diagnosis(
        "safetensors_truncated",
        lambda: safetensors_file()[:-6],
        "safetensors file is truncated: @: expected 86 bytes, found 80, 6 are missing",
    ),
    Diagnosis(
        "safetensors_truncated",
        lambda: safetensors_file()[:30],
        "safetensors file is truncated inside its header: @: expected a header "
        "of 62 bytes, found 22, 40 are missing",
    ),
    Diagnosis(
        "safetensors_damaged",
        lambda: safetensors_of({}),
        "bytes behind the last tensor: @: expected 10 bytes, found 26",
    ),
    Diagnosis(
        "npy_truncated",
        lambda: npy_file()[:-2],
        "npy file is truncated: @, offset 128: expected 16 bytes of elements, "
        "found 14, 2 are missing",
    ),
    Diagnosis(
        "npy_damaged",
        lambda: npy_file().replace(b"'shape'", b"'sharp'"),
        "npy header is malformed: @: expected a dict with descr, fortran_order "
        "and shape, found \"{'descr': '<f4', 'fortran_order': False, 'sharp': "
        '(4,), }"',
    ),
)
"""One or more for each code."""
