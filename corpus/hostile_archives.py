"""Hostile archives, legacy streams and arrays: one at least for each class of attack on them."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from typing import TYPE_CHECKING, Final

from corpus.hostile_writer import (
    CALM,
    EMPTY_DICT,
    EVIL,
    FIRE,
    MAGIC,
    PROTO2,
    STOP,
    TUPLE1,
    Sample,
    call,
    named,
    sample,
    storage,
    tensor,
    text,
)
from tests.support.zip_builder import Member, ZipBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS: Final = struct.pack("<4f", 0, 1, 2, 3)
_EVIL_0: Final = b"cdepickle_tripwire\nfire\n(Vx\ntR."


def _members(pickle: bytes = CALM, **changes: object) -> list[Member]:
    """Return the records of torch.save."""
    return [
        Member("r/data.pkl", pickle, **changes),  # type: ignore[arg-type]
        Member("r/byteorder", b"little"),
        Member("r/data/0", _NUMBERS),
        Member("r/version", b"3\n"),
    ]


def archive_of(pickle: bytes = EVIL, **changes: object) -> Callable[[], bytes]:
    """Return what makes an archive like torch.save's, with this pickle."""
    return lambda: ZipBuilder(_members(pickle, **changes)).build()


def _with(*members: Member, pickle: bytes = CALM) -> Callable[[], bytes]:
    return lambda: ZipBuilder([*_members(pickle), *members]).build()


def _before(*members: Member, pickle: bytes = CALM) -> Callable[[], bytes]:
    return lambda: ZipBuilder([*members, *_members(pickle)]).build()


def _built(pickle: bytes = CALM, **changes: object) -> Callable[[], bytes]:
    return lambda: ZipBuilder(_members(pickle), **changes).build()  # type: ignore[arg-type]


def _all_flagged(bit: int) -> bytes:
    members = _members(EVIL)
    for member in members:
        member.local["flags"] = member.central["flags"] = bit
    return ZipBuilder(members).build()


def _bomb() -> bytes:
    return ZipBuilder(
        _members(PROTO2 + b"B" + struct.pack("<I", 1 << 25) + bytes(1 << 25) + STOP, deflate=True)
    ).build()


def script_of(code: str, constants: bytes = PROTO2 + b")" + STOP) -> Callable[[], bytes]:
    """Return what makes an archive of TorchScript, with this code."""

    def make() -> bytes:
        members = [
            Member("r/data.pkl", CALM),
            Member("r/code/__torch__.py", code.encode()),
            Member("r/constants.pkl", constants),
            Member("r/version", b"3\n"),
        ]
        return ZipBuilder(members).build()

    return make


def _tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _oldest(**changes: bytes) -> Callable[[], bytes]:
    """Return a tar checkpoint of torch before 0.1.10, with members replaced."""
    key = b"K\x07" + text("cpu") + named("torch", "FloatStorage") + b"\x87"
    members = {
        "sys_info": CALM,
        "pickle": CALM,
        "tensors": PROTO2 + b"K\x00" + STOP,
        "storages": (
            PROTO2 + b"K\x01" + STOP + PROTO2 + key + STOP
            + struct.pack("<q", 4) + _NUMBERS + PROTO2 + b"]" + STOP
        ),
    }  # fmt: skip
    return lambda: _tar({**members, **changes})


def _legacy(place: int, *, trailing: bytes = b"") -> Callable[[], bytes]:
    """Return a legacy stream with the payload in one of its five pickles."""
    magic = PROTO2 + b"\x8a\x0a" + MAGIC.to_bytes(10, "little") + STOP
    pickles = [
        magic,
        PROTO2 + b"M\xe9\x03" + STOP,
        PROTO2 + EMPTY_DICT + STOP,
        PROTO2 + tensor(storage().replace(b"tQ", b"NtQ"), [4], [1]) + STOP,
        PROTO2 + b"]" + text("0") + b"a" + STOP,
    ]
    if place:
        pickles[place - 1] = EVIL
    elements = struct.pack("<q", 4) + _NUMBERS
    return lambda: b"".join(pickles) + elements + trailing


def _npy(content: bytes, descr: str = "|O") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": (1,)}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def _safetensors(header: bytes, rest: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + rest


def _wrapped(inner: bytes, name: str = "inner.pt") -> bytes:
    return ZipBuilder([Member(name, inner)]).build()


def _overlapping() -> bytes:
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    header["v"] = {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}
    return _safetensors(json.dumps(header).encode(), bytes(12))


def _seven_zip() -> bytes:
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24) + EVIL


ARCHIVES: Final[dict[str, Sample]] = {
    "persistent-id-call/44_class.pt": sample(
        44,
        "persistent-id-call",
        "dangerous",
        "The class of a storage is a function.",
        archive_of(PROTO2 + storage(class_=FIRE) + STOP),
    ),
    "persistent-id-call/44_call.pt": sample(
        44,
        "persistent-id-call",
        "dangerous",
        "A call stands inside a persistent id.",
        archive_of(PROTO2 + storage(class_=call(FIRE, text("x"))) + STOP),
    ),
    "persistent-id-call/44_key.pt": sample(
        44,
        "persistent-id-call",
        "suspicious",
        "The key of a storage climbs out of its folder.",
        archive_of(PROTO2 + storage("../../../x") + STOP),
    ),
    "tensor-metadata/45_short_record.pt": sample(
        45,
        "tensor-metadata",
        "unreadable",
        "A storage claims more than its record has.",
        archive_of(PROTO2 + tensor(storage(numel=1 << 20), [1 << 20], [1]) + STOP),
    ),
    "zip-flags/49_all_encrypted.pt": sample(
        49,
        "zip-flags",
        "dangerous",
        "All entries are marked as encrypted and are not.",
        lambda: _all_flagged(0x1),
    ),
    "zip-flags/49_patch_data.pt": sample(
        49,
        "zip-flags",
        "dangerous",
        "The pickle is marked as patch data.",
        archive_of(EVIL, central={"flags": 0x20}, local={"flags": 0x20}),
    ),
    "zip-flags/49_strong.pt": sample(
        49,
        "zip-flags",
        "dangerous",
        "The pickle is marked as strongly encrypted.",
        archive_of(EVIL, central={"flags": 0x40}, local={"flags": 0x40}),
    ),
    "zip-flags/49_masked.pt": sample(
        49,
        "zip-flags",
        "dangerous",
        "The pickle's header is marked as masked.",
        archive_of(EVIL, central={"flags": 0x2000}, local={"flags": 0x2000}),
    ),
    "zip-flags/49_local_only.pt": sample(
        49,
        "zip-flags",
        "dangerous",
        "Only the local header says encrypted.",
        archive_of(EVIL, local={"flags": 0x1}),
    ),
    "zip-local-header/50_other_name.pt": sample(
        50,
        "zip-local-header",
        "dangerous",
        "The local header gives the pickle another name.",
        archive_of(EVIL, local={"name": b"r/data.txt"}),
    ),
    "zip-crc/51_central.pt": sample(
        51,
        "zip-crc",
        "dangerous",
        "The directory's checksum is wrong.",
        archive_of(EVIL, central={"crc": 1}),
    ),
    "zip-crc/51_both.pt": sample(
        51,
        "zip-crc",
        "dangerous",
        "Both checksums are wrong.",
        archive_of(EVIL, central={"crc": 1}, local={"crc": 1}),
    ),
    "zip-crc/51_local.pt": sample(
        51,
        "zip-crc",
        "dangerous",
        "The local checksum is wrong.",
        archive_of(EVIL, local={"crc": 1}),
    ),
    "zip-duplicate-name/52_evil_first.pt": sample(
        52,
        "zip-duplicate-name",
        "dangerous",
        "torch reads the first of two, others the last.",
        _before(Member("r/data.pkl", EVIL)),
    ),
    "zip-duplicate-name/52_evil_last.pt": sample(
        52,
        "zip-duplicate-name",
        "dangerous",
        "The other way round.",
        _with(Member("r/data.pkl", EVIL)),
    ),
    "zip-case-clash/53_upper.pt": sample(
        53,
        "zip-case-clash",
        "dangerous",
        "DATA.PKL and data.pkl are one name to torch.",
        _with(Member("r/DATA.PKL", EVIL)),
    ),
    "zip-orphan-record/54_evil.pt": sample(
        54,
        "zip-orphan-record",
        "dangerous",
        "A record that the directory does not list.",
        _with(Member("r/data.pkl", EVIL, listed=False)),
    ),
    "unsafe-global/55_descriptor.pt": sample(
        55,
        "unsafe-global",
        "dangerous",
        "The lengths stand behind the record.",
        archive_of(EVIL, descriptor=b""),
    ),
    "unsafe-global/55_zip64.pt": sample(
        55,
        "unsafe-global",
        "dangerous",
        "An archive in the form for large files.",
        _built(EVIL, zip64=True),
    ),
    "unsafe-global/55_deflated.pt": sample(
        55, "unsafe-global", "dangerous", "The pickle is deflated.", archive_of(EVIL, deflate=True)
    ),
    "zip-local-header/56_sizes.pt": sample(
        56,
        "zip-local-header",
        "dangerous",
        "The local header gives other lengths.",
        archive_of(EVIL, local={"csize": 3, "usize": 3}),
    ),
    "zip-local-header/56_method.pt": sample(
        56,
        "zip-local-header",
        "dangerous",
        "The local header gives another method.",
        archive_of(EVIL, local={"method": 8}),
    ),
    "zip-prefix/57_junk.pt": sample(
        57,
        "zip-prefix",
        "dangerous",
        "Junk before the archive.",
        _built(EVIL, prefix=b"\xff\xfe" * 100, shifted=True),
    ),
    "zip-trailing-bytes/57_kilobyte.pt": sample(
        57,
        "zip-trailing-bytes",
        "suspicious",
        "A kilobyte behind the archive.",
        _built(trailing=b"\xff" * 1024),
    ),
    "zip-second-end-record/57_far.pt": sample(
        57,
        "zip-second-end-record",
        "suspicious",
        "The end record is where few readers look.",
        _built(trailing=b"\xff" * 63_000 + b"PK\x05\x06"),
    ),
    "zip-second-end-record/57_in_comment.pt": sample(
        57,
        "zip-second-end-record",
        "suspicious",
        "An end record in the comment.",
        _built(comment=b"PK\x05\x06" + bytes(8)),
    ),
    "zip-concatenated/57_two.pt": sample(
        57,
        "zip-concatenated",
        "dangerous",
        "Two archives in a row.",
        lambda: ZipBuilder(_members(EVIL)).build() + ZipBuilder(_members()).build(),
    ),
    "two-containers/58_polyglot.pkl": sample(
        58,
        "two-containers",
        "dangerous",
        "A pickle to one reader, an archive to the other.",
        lambda: EVIL + ZipBuilder(_members()).build(),
    ),
    "unsafe-global/59_upper_case.pt": sample(
        59,
        "unsafe-global",
        "dangerous",
        "torch finds data.PKL as well.",
        lambda: ZipBuilder([Member("r/data.PKL", EVIL), Member("r/version", b"3\n")]).build(),
    ),
    "zip-root/59_two_roots.pt": sample(
        59, "zip-root", "dangerous", "Two root folders.", _with(Member("q/data.pkl", EVIL))
    ),
    "zip-unsafe-name/59_climbs.pt": sample(
        59,
        "zip-unsafe-name",
        "dangerous",
        "A record's name climbs.",
        _with(Member("r/../data.pkl", EVIL)),
    ),
    "zip-unsafe-name/59_backslash.pt": sample(
        59,
        "zip-unsafe-name",
        "dangerous",
        "A backslash in a name.",
        _with(Member("r\\data.pkl", EVIL)),
    ),
    "hidden-pickle/60_extra.pt": sample(
        60,
        "hidden-pickle",
        "dangerous",
        "A second pickle under another name.",
        _with(Member("r/extra.pkl", EVIL)),
    ),
    "hidden-pickle/60_text.pt": sample(
        60,
        "hidden-pickle",
        "dangerous",
        "A pickle called .txt.",
        _with(Member("r/extra.txt", EVIL)),
    ),
    "hidden-pickle/60_storage.pt": sample(
        60,
        "hidden-pickle",
        "dangerous",
        "A pickle of protocol 0 in a storage.",
        _with(Member("r/data/1", _EVIL_0)),
    ),
    "zip-method/61_method_99.pt": sample(
        61,
        "zip-method",
        "suspicious",
        "A method that torch does not know.",
        archive_of(b"\xffnothing", central={"method": 99}, local={"method": 99}),
    ),
    "expansion/62_bomb.pt": sample(
        62, "expansion", "unreadable", "A pickle that unpacks to a thousand times its size.", _bomb
    ),
    "unsafe-global/63_constants.pt": sample(
        63, "unsafe-global", "dangerous", "The constants of TorchScript.", script_of("", EVIL)
    ),
    "torchscript-code/63_from_file.pt": sample(
        63,
        "torchscript-code",
        "dangerous",
        "Code that opens a file.",
        script_of('def f(self):\n  return torch.from_file("depickle_tripwire", True, 1)\n'),
    ),
    "torchscript-code/63_custom.pt": sample(
        63,
        "torchscript-code",
        "unknown",
        "Code that needs somebody's own operators.",
        script_of("def f(self):\n  return ops.depickle_tripwire.fire(self)\n"),
    ),
    "packaged-code/63_package.pt": sample(
        63,
        "packaged-code",
        "unknown",
        "A package that brings a module of its own.",
        lambda: ZipBuilder(
            [
                Member("r/.data/extern_modules", b""),
                Member("r/model/model.pkl", CALM),
                Member("r/model.py", b"import depickle_tripwire\n"),
            ]
        ).build(),
    ),
    "wrong-extension/64_seven_zip.pt": sample(
        64, "wrong-extension", "suspicious", "A 7z archive called .pt.", _seven_zip
    ),
    "unsafe-global/65_tar_pickle.pt": sample(
        65,
        "unsafe-global",
        "dangerous",
        "The oldest layout, payload in the object.",
        _oldest(pickle=EVIL),
    ),
    "unsafe-global/65_tar_sys_info.pt": sample(
        65,
        "unsafe-global",
        "dangerous",
        "The oldest layout, payload in sys_info.",
        _oldest(sys_info=EVIL),
    ),
    "unsafe-global/65_tar_storages.pt": sample(
        65,
        "unsafe-global",
        "dangerous",
        "The oldest layout, payload in the storages.",
        _oldest(storages=EVIL),
    ),
    "unsafe-global/65_tar_tensors.pt": sample(
        65,
        "unsafe-global",
        "dangerous",
        "The oldest layout, payload in the tensors.",
        _oldest(tensors=EVIL),
    ),
    "tar-entry/65_twice.tar": sample(
        65,
        "tar-entry",
        "suspicious",
        "Two entries of one name.",
        lambda: _tar({"a.pkl": CALM})[:1024] + _tar({"a.pkl": CALM}),
    ),
    "archive-in-archive/66_zip_in_zip.zip": sample(
        66,
        "archive-in-archive",
        "dangerous",
        "An archive in an archive in an archive.",
        lambda: _wrapped(_wrapped(ZipBuilder(_members(EVIL)).build())),
    ),
    "archive-in-archive/66_zip_in_tar.tar": sample(
        66,
        "archive-in-archive",
        "dangerous",
        "An archive in a tar archive.",
        lambda: _tar({"inner.bin": ZipBuilder(_members(EVIL)).build()}),
    ),
    **{
        f"unsafe-global/67_legacy_{place}.pt": sample(
            67,
            "unsafe-global",
            "dangerous",
            f"A legacy stream, payload in its pickle {place}.",
            _legacy(place),
        )
        for place in (2, 3, 4, 5)
    },
    "stacked-pickle/68_magic.pt": sample(
        68,
        "stacked-pickle",
        "dangerous",
        "The magic number comes out of a call.",
        lambda: (
            PROTO2 + call(named("builtins", "eval"), text(str(MAGIC))) + STOP + _legacy(0)()[15:]
        ),
    ),
    "stacked-pickle/69_after_storages.pt": sample(
        69,
        "stacked-pickle",
        "dangerous",
        "A pickle behind the storages.",
        _legacy(0, trailing=EVIL),
    ),
    "wrong-extension/70_zip.jpg": sample(
        70, "wrong-extension", "dangerous", "An archive of torch called .jpg.", archive_of(EVIL)
    ),
    "object-array/72_array.npy": sample(
        72, "object-array", "dangerous", "An array of objects.", lambda: _npy(EVIL)
    ),
    "object-array/72_arrays.npz": sample(
        72,
        "object-array",
        "dangerous",
        "Arrays of objects in an archive.",
        lambda: ZipBuilder([Member("a.npy", _npy(EVIL))]).build(),
    ),
    "unsafe-global/72_pickle.npy": sample(
        72, "unsafe-global", "dangerous", "A plain pickle called .npy.", lambda: EVIL
    ),
    "hidden-pickle/72_lying_dtype.npy": sample(
        72,
        "hidden-pickle",
        "dangerous",
        "Numbers that are a pickle.",
        lambda: _npy(EVIL.ljust(64, b"\0"), "|S64"),
    ),
    "safetensors-header/45_overlap.safetensors": sample(
        45, "safetensors-header", "unreadable", "Two tensors over the same bytes.", _overlapping
    ),
    "zip-directory/57_count.pt": sample(
        57,
        "zip-directory",
        "suspicious",
        "The end record counts more entries than there are.",
        _built(end={"count": 9, "here": 9}),
    ),
    "zip-overlap/56_shared.pt": sample(
        56,
        "zip-overlap",
        "suspicious",
        "Two records own the same bytes.",
        _with(Member("r/data/9", b"", central={"offset": 0})),
    ),
    "zip-gap/54_between.pt": sample(
        54,
        "zip-gap",
        "suspicious",
        "Bytes between the records.",
        _with(Member("r/data/1", _NUMBERS, before=b"\xff" * 200)),
    ),
    "unreadable-input/28_nothing.pt": sample(
        28, "unreadable-input", "unreadable", "Bytes of no known kind.", lambda: b"\xff\xfe" * 50
    ),
    "callable-as-data/47_in_list.pkl": sample(
        47,
        "callable-as-data",
        "suspicious",
        "A function of torch stands as a value.",
        lambda: PROTO2 + named("torch._utils", "_rebuild_tensor_v2") + TUPLE1 + STOP,
    ),
}
"""Path below ``hostile`` → sample."""
