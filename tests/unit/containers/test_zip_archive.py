"""Honest archives are listed in silence; every lie has its code."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.containers import zip_archive
from converter.containers.records import Archive, Record
from converter.containers.zip_archive import check_crc, read_zip
from converter.containers.zip_names import note_names
from converter.containers.zip_structures import AnomalyLog
from converter.errors import ContainerError, DepickleError, LimitError, UnsupportedError
from converter.limits import Limits
from tests.support.zip_builder import Member, ZipBuilder, honest_members

PAYLOAD = b"payload" * 20
ONES = 0xFFFF_FFFF
CRC = zlib.crc32(PAYLOAD)
# What an honest archive lacks, one builder per code; codes on the way are allowed.
LIES: dict[str, ZipBuilder] = {}


def read(data: bytes, limits: Limits | None = None) -> Archive:
    return read_zip(MemorySource(data, "a.zip"), limits or Limits())


def codes(archive: Archive) -> set[str]:
    return {anomaly.code for anomaly in archive.anomalies}


def one(member: Member) -> ZipBuilder:
    return ZipBuilder([Member("r/first", b"1"), member])


def zip_of(**changes: object) -> ZipBuilder:
    return ZipBuilder(honest_members(), **changes)  # type: ignore[arg-type]


END_IN_COMMENT = b"PK\x05\x06" + bytes(10)
WHOLE = ZipBuilder([Member("x/evil.pkl", b"evil")]).build()
ORPHAN = Member("r/orphan", PAYLOAD, listed=False)
UNICODE_PATH = struct.pack("<HHBL", 0x7075, 5 + 3, 1, 0) + b"abc"

LIES |= {
    "zip_comment": zip_of(comment=b"hello"),
    "zip_comment_cut": zip_of(end={"comment_nbytes": 9}),
    "zip_trailing_bytes": zip_of(trailing=b"junk"),
    "zip_end_far": zip_of(trailing=b"\xff" * 66_000),
    "zip_second_end_record": zip_of(comment=END_IN_COMMENT),
    "zip64_locator_differs": zip_of(zip64=True, locator_offset=3),
    "zip64_end_missing": zip_of(zip64=True, end64={"signature": b"nope"}),
    "zip64_end_differs": zip_of(zip64=True, end={"count": 2}),
    "zip_multi_disk": zip_of(end={"disk": 3}),
    "zip_entry_count_differs": zip_of(end={"count": 2, "here": 2}),
    "zip_directory_damaged": ZipBuilder(
        [*honest_members(), Member("r/last", b"", central={"signature": b"PK\x05\x05"})]
    ),
    "zip_extra_damaged": one(Member("r/a", PAYLOAD, central={"extra": b"\x01\x00\xff"})),
    "zip64_field_missing": one(Member("r/a", PAYLOAD, central={"usize": ONES})),
    "zip_unicode_path": one(Member("r/a", PAYLOAD, central={"extra": UNICODE_PATH})),
    "zip_prefix": zip_of(prefix=b"#!/bin/sh\n"),
    "zip_gap": one(Member("r/a", PAYLOAD, before=b"stray")),
    "zip_orphan_record": ZipBuilder([*honest_members(), ORPHAN]),
    "zip_concatenated": zip_of(prefix=WHOLE),
    "zip_overlap": one(Member("r/b", PAYLOAD, central={"offset": 0})),
    "zip_duplicate_name": one(Member("r/first", b"2")),
    "zip_case_clash": one(Member("r/FIRST", b"2")),
    "zip_unsafe_name": one(Member("r/../../etc/passwd", b"2")),
    "zip_name_encoding": one(Member("r/é", b"2")),
    "zip_no_root": ZipBuilder([Member("data.pkl", b"2")]),
    "zip_outside_root": one(Member("loose", b"2")),
    "zip_several_roots": one(Member("s/data.pkl", b"2")),
    "zip_folder_with_bytes": one(Member("r/folder/", b"2")),
    "zip_local_header_missing": one(Member("r/a", PAYLOAD, local={"signature": b"nope"})),
    "zip_local_name_differs": one(Member("r/a", PAYLOAD, local={"name": b"r/b"})),
    "zip_local_method_differs": one(Member("r/a", PAYLOAD, local={"method": 8})),
    "zip_local_flags_differ": one(Member("r/a", PAYLOAD, local={"flags": 1})),
    "zip_local_sizes_differ": one(Member("r/a", PAYLOAD, local={"csize": 3})),
    "zip_local_crc_differs": one(Member("r/a", PAYLOAD, local={"crc": 3})),
    "zip_descriptor_differs": one(Member("r/a", PAYLOAD, descriptor=b"PK\x07\x08" + bytes(12))),
    "zip_descriptor_missing": one(
        Member("r/a", PAYLOAD, local={"flags": 8}, central={"flags": 8})
    ),
    "zip_payload_outside": one(
        Member("r/a", PAYLOAD, central={"csize": 10_000, "usize": 10_000})
    ),
    "zip_encrypted": one(Member("r/a", PAYLOAD, local={"flags": 1}, central={"flags": 1})),
    "zip_patch_data": one(Member("r/a", PAYLOAD, central={"flags": 0x20})),
    "zip_unknown_method": one(Member("r/a", PAYLOAD, central={"method": 99})),
    "zip_stored_sizes_differ": one(Member("r/a", PAYLOAD, central={"csize": 5})),
    "zip_inflate_limit": one(Member("r/a", b"a", deflate=True, central={"usize": 1 << 30})),
}  # fmt: skip
UNREADABLE = frozenset({
    "zip64_field_missing", "zip_local_header_missing", "zip_payload_outside", "zip_encrypted",
    "zip_patch_data", "zip_unknown_method", "zip_inflate_limit",
})  # fmt: skip
ON_DEMAND = frozenset({"zip_crc_not_computed", "zip_crc_differs", "zip_deflate_leftover"})


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("descriptor", [None, b""])
@pytest.mark.parametrize("deflate", [False, True])
def test_honest_archive_has_no_anomalies(
    *, deflate: bool, descriptor: bytes | None, zip64: bool
) -> None:
    members = honest_members()
    for member in members:
        member.deflate, member.descriptor = deflate, descriptor
    archive = read(ZipBuilder(members, zip64=zip64).build())
    assert archive.anomalies == ()
    assert [record.name for record in archive.records] == [member.name for member in members]
    for record, member in zip(archive.records, members, strict=True):
        assert record.data.read_at(0, record.nbytes) == member.payload
        assert record.compressed is deflate
        assert check_crc(record) is None
        assert record.problem is None


@pytest.mark.parametrize("code", sorted(LIES))
def test_lie_is_an_anomaly_and_no_error(code: str) -> None:
    archive = read(LIES[code].build())
    assert code in codes(archive)
    assert all(anomaly.detail for anomaly in archive.anomalies)
    broken = [record for record in archive.records if record.problem is not None]
    assert bool(broken) is (code in UNREADABLE)
    for record in broken:
        assert record.problem is not None
        with pytest.raises(type(record.problem)):
            record.data.read_at(0, 0)
    for record in archive.records:
        if record.problem is None:
            assert len(record.data.read_at(0, record.nbytes)) == record.nbytes


# What the lies above are found to be: code, offset, record, and the numbers that are told. In
# `zip_of`, three records end at 1,147, the directory at 1,312; with ZIP64, its end record stands
# there, its locator at 1,368, the end record at 1,388. In `one`, the second record begins at 38.
PLACES: dict[str, list[tuple[str, int | None, str | None, str]]] = {
    "zip64_end_differs": [("zip64_end_differs", 1312, None, "2 165 1147 3 165 1147")],
    "zip64_end_missing": [
        ("zip64_end_missing", 1368, None, "1312"),
        ("zip_gap", 1312, None, "76 1312"),
    ],
    "zip64_locator_differs": [("zip64_locator_differs", 1368, None, "3 1312")],
    "zip_comment": [("zip_comment", 1334, None, "5")],
    "zip_comment_cut": [
        ("zip_comment", 1334, None, "9"),
        ("zip_comment_cut", 1334, None, "9 0"),
    ],
    "zip_concatenated": [
        ("zip_prefix", 0, None, "122 0"),
        ("zip_orphan_record", 0, None, ""),
        ("zip_concatenated", 100, None, ""),
    ],
    "zip_descriptor_differs": [("zip_descriptor_differs", None, "r/a", "")],
    "zip_descriptor_missing": [("zip_descriptor_missing", None, "r/a", "")],
    "zip_directory_damaged": [
        ("zip_directory_damaged", 1348, None, "52"),
        ("zip_entry_count_differs", 1400, None, "3 4"),
        ("zip_gap", 1147, None, "36 1147"),
        ("zip_orphan_record", 1147, None, ""),
    ],
    "zip_duplicate_name": [("zip_duplicate_name", None, "r/first", "0 1")],
    "zip_encrypted": [("zip_encrypted", None, "r/a", "0x0001")],
    "zip_end_far": [
        ("zip_trailing_bytes", 1334, None, "66000"),
        ("zip_end_far", 1312, None, "66000"),
    ],
    "zip_entry_count_differs": [("zip_entry_count_differs", 1312, None, "3 2")],
    "zip_extra_damaged": [("zip_extra_damaged", None, "r/a", "3")],
    "zip_folder_with_bytes": [("zip_folder_with_bytes", None, "r/folder/", "1")],
    "zip_gap": [("zip_gap", 38, None, "5 38")],
    "zip_inflate_limit": [
        ("zip_local_sizes_differ", None, "r/a", "3 1073741824 3 1"),
        ("zip_inflate_limit", None, "r/a", "357913942 1100"),
    ],
    "zip_local_crc_differs": [("zip_local_crc_differs", None, "r/a", f"{CRC:#x} 0x00000003")],
    "zip_local_flags_differ": [("zip_local_flags_differ", None, "r/a", "0x0000 0x0001")],
    "zip_local_header_missing": [
        ("zip_local_header_missing", None, "r/a", "38"),
        ("zip_gap", 38, None, "173 38"),
    ],
    "zip_local_method_differs": [("zip_local_method_differs", None, "r/a", "0 8")],
    "zip_local_name_differs": [("zip_local_name_differs", None, "r/a", "")],
    "zip_local_sizes_differ": [("zip_local_sizes_differ", None, "r/a", "140 140 3 140")],
    "zip_multi_disk": [("zip_multi_disk", 1312, None, "3 0 3 3")],
    "zip_orphan_record": [
        ("zip_gap", 1147, None, "178 1147"),
        ("zip_orphan_record", 1147, None, ""),
    ],
    "zip_overlap": [
        ("zip_local_name_differs", None, "r/b", ""),
        ("zip_local_crc_differs", None, "r/b", f"{CRC:#x} {zlib.crc32(b'1'):#x}"),
        ("zip_local_sizes_differ", None, "r/b", "140 140 1 1"),
        ("zip_overlap", None, "r/b", "0 38"),
        ("zip_gap", 177, None, "34 177"),
    ],
    "zip_patch_data": [
        ("zip_patch_data", None, "r/a", "0x0020"),
        ("zip_local_flags_differ", None, "r/a", "0x0020 0x0000"),
    ],
    "zip_payload_outside": [
        ("zip_local_sizes_differ", None, "r/a", "10000 10000 140 140"),
        ("zip_payload_outside", None, "r/a", "9736 10000"),
        ("zip_overlap", 211, None, "335"),
    ],
    "zip_prefix": [("zip_prefix", 0, None, "10 0")],
    "zip_second_end_record": [
        ("zip_comment", 1334, None, "14"),
        ("zip_second_end_record", 1334, None, ""),
    ],
    "zip_several_roots": [
        ("zip_outside_root", None, "s/data.pkl", ""),
        ("zip_several_roots", None, None, "2"),
    ],
    "zip_stored_sizes_differ": [("zip_stored_sizes_differ", None, "r/a", "5 140")],
    "zip_trailing_bytes": [("zip_trailing_bytes", 1334, None, "4")],
    "zip_unknown_method": [
        ("zip_unknown_method", None, "r/a", "99"),
        ("zip_local_method_differs", None, "r/a", "99 0"),
    ],
}


@pytest.mark.parametrize("code", sorted(PLACES))
def test_lie_is_told_where_it_stands(code: str) -> None:
    found = []
    for anomaly in read(LIES[code].build()).anomalies:
        told = re.sub("'.*'", "", anomaly.detail)
        numbers = " ".join(re.findall(r"\b(?:0x[0-9a-f]+|[0-9]+)\b", told))
        found.append((anomaly.code, anomaly.offset, anomaly.record, numbers))
    assert found == PLACES[code]


def test_every_code_is_documented_and_tested() -> None:
    documented = set(re.findall(r"``(zip\w+)``", zip_archive.__doc__ or ""))
    assert documented == set(LIES) | ON_DEMAND | {"zip_two_directories"}


def test_two_directories() -> None:
    inner = ZipBuilder([Member("r/seen", b"1")])
    second = ZipBuilder([Member("r/hide", b"2")]).build()
    data = bytearray(inner.build())
    first_directory = data.index(b"PK\x01\x02")
    stop = data.index(b"PK\x05\x06")
    start = second.index(b"PK\x01\x02")
    data[stop:stop] = second[start : second.index(b"PK\x05\x06")]
    archive = read(bytes(data))
    assert "zip_two_directories" in codes(archive)
    assert first_directory > 0
    assert [record.name for record in archive.records] == ["r/seen"]


@pytest.mark.parametrize("name", [
    "/etc/x", "r/../x", "..", "r\\x", "C:/x", "r//x", "r/./x", "r/a\nb", "r/a\0b", "", "r/..",
])  # fmt: skip
def test_unsafe_names(name: str) -> None:
    assert "zip_unsafe_name" in codes(read(one(Member(name, b"")).build()))


@pytest.mark.parametrize("name", ["r/...", "r/..a", "r/a..", "r/.data/x", "r/a b", "r/a:b"])
def test_harmless_names(name: str) -> None:
    assert codes(read(one(Member(name, b"")).build())) == set()


def test_prefix_with_and_without_shifted_offsets() -> None:
    for shifted in (False, True):
        for zip64 in (False, True):
            archive = read(zip_of(prefix=b"x" * 100, shifted=shifted, zip64=zip64).build())
            assert codes(archive) == {"zip_prefix"}
            assert archive.records[1].data.read_at(0, 3) == b"\0\1\2"


def test_flag_in_the_local_header_alone_hides_nothing() -> None:
    # https://github.com/advisories/GHSA-w8jq-xcqf-f792
    archive = read(LIES["zip_local_flags_differ"].build())
    assert archive.records[1].data.read_at(0, len(PAYLOAD)) == PAYLOAD


@pytest.mark.parametrize("csize", [0, 5, len(PAYLOAD) + 1])
def test_stored_record_has_the_length_that_torch_reads(csize: int) -> None:
    archive = read(one(Member("r/a", PAYLOAD, central={"csize": csize})).build())
    assert "zip_stored_sizes_differ" in codes(archive)
    assert archive.records[1].data.read_at(0, len(PAYLOAD)) == PAYLOAD


def test_encrypted_record_is_unsupported() -> None:
    record = read(LIES["zip_encrypted"].build()).records[1]
    assert isinstance(record.problem, UnsupportedError)


def test_name_that_is_not_utf8() -> None:
    raw = {"name": b"r/\xff"}
    archive = read(one(Member("r/x", b"2", local=raw, central=raw)).build())
    assert codes(archive) == {"zip_name_encoding"}
    assert archive.records[1].name == "r/\N{NO-BREAK SPACE}"


def test_marked_utf8_name_is_plain() -> None:
    flags = {"flags": 0x800}
    archive = read(one(Member("r/é", b"2", local=flags, central=flags)).build())
    assert archive.anomalies == ()


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_every_form_of_descriptor(*, wide: bool, signed: bool) -> None:
    layout = "<LQQ" if wide else "<LLL"
    form = struct.pack(layout, zlib.crc32(PAYLOAD), len(PAYLOAD), len(PAYLOAD))
    form = (b"PK\x07\x08" if signed else b"") + form
    members = [Member("r/a", PAYLOAD, descriptor=form), Member("r/b", PAYLOAD, descriptor=form)]
    assert read(ZipBuilder(members).build()).anomalies == ()


def test_zip64_fields_are_positional() -> None:
    extra = struct.pack("<HHQ", 1, 8, 0)
    first = Member("r/a", PAYLOAD, central={"offset": ONES, "extra": extra})
    both = struct.pack("<HHQQ", 1, 16, len(PAYLOAD), len(PAYLOAD))
    sizes = {"csize": ONES, "usize": ONES, "extra": both}
    archive = read(ZipBuilder([first, Member("r/b", PAYLOAD, central=sizes, local=sizes)]).build())
    assert archive.anomalies == ()
    assert archive.records[1].data.read_at(0, len(PAYLOAD)) == PAYLOAD


def test_of_equal_names_the_first_is_found() -> None:
    members = [Member("r/a", b"1"), Member("r/a", b"2"), Member("r/A", b"3")]
    archive = read(ZipBuilder(members).build())
    found = archive.find("r/a")
    assert found is not None
    assert found.data.read_at(0, 1) == b"1"
    assert len(archive.find_all("R/a")) == len(members)


def test_many_anomalies_are_counted() -> None:
    members = [Member("r/a", b"") for _ in range(150)]
    anomalies = read(ZipBuilder(members).build()).anomalies
    assert [anomaly.code for anomaly in anomalies].count("zip_duplicate_name") == 101
    assert anomalies[-1].detail == "and 49 more like the 100 listed"


def test_limits() -> None:
    data = zip_of().build()
    for limit in ("max_records", "max_directory_bytes"):
        with pytest.raises(LimitError) as caught:
            read(data, Limits(**{limit: 2}))
        assert caught.value.limit == limit
    with pytest.raises(LimitError):
        read(zip_of(end={"count": 1, "here": 1}).build(), Limits(max_records=2))
    # one more than zip can say, so the limit is lowered
    with pytest.raises(LimitError):
        read(
            one(Member("r/folder/long", b"", comment=b"c")).build(), Limits(max_record_name_bytes=8)
        )


def test_inflate_limits_make_a_record_unreadable() -> None:
    data = one(Member("r/a", bytes(100_000), deflate=True)).build()
    for limits in (Limits(max_inflated_bytes=99_999), Limits(max_inflate_ratio=10)):
        record = read(data, limits).records[1]
        assert isinstance(record.problem, LimitError)
        with pytest.raises(LimitError):
            record.data.read_at(0, 1)
    assert read(data).records[1].data.read_at(99_000, 1_000) == bytes(1_000)


def test_crc_is_checked_on_demand() -> None:
    data = bytearray(one(Member("r/a", PAYLOAD)).build())
    data[data.index(PAYLOAD)] ^= 1
    archive = read(bytes(data))
    assert archive.anomalies == ()
    for nbytes in (7, 9, 1000):  # a divisor of its length, a smaller and a larger number
        anomaly = check_crc(archive.records[1], Limits(copy_chunk_bytes=nbytes))
        assert anomaly is not None
        assert anomaly.code == "zip_crc_differs"
        assert check_crc(archive.records[0], Limits(copy_chunk_bytes=nbytes)) is None


def test_zero_crc_was_not_computed() -> None:
    zero = {"crc": 0}
    archive = read(one(Member("r/a", PAYLOAD, local=zero, central=zero)).build())
    assert archive.anomalies == ()
    record = archive.records[1]
    assert record.crc32 is None
    anomaly = check_crc(record)
    assert anomaly is not None
    assert anomaly.code == "zip_crc_not_computed"
    empty = read(one(Member("r/e", b"")).build()).records[1]
    assert check_crc(empty) is None


def test_bytes_behind_the_deflate_stream() -> None:
    builder = one(Member("r/a", PAYLOAD, deflate=True, descriptor=b"hidden"))
    packed = zlib.compressobj(wbits=-15)
    length = len(packed.compress(PAYLOAD) + packed.flush()) + len(b"hidden")
    changes = {"csize": length, "flags": 0, "crc": zlib.crc32(PAYLOAD), "usize": len(PAYLOAD)}
    builder.members[1].local = builder.members[1].central = changes
    archive = read(builder.build())
    assert archive.anomalies == ()
    anomaly = check_crc(archive.records[1])
    assert anomaly is not None
    assert anomaly.code == "zip_deflate_leftover"


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (5, "its first 17 bytes; 5 are missing"),
        (21, "a ZIP64 end record; 21 bytes are missing"),
        (22 + 4, "a ZIP64 end record; 26 bytes are missing"),
        (22 + 20 + 56 + 3, "inside its central directory"),
    ],
)
def test_truncated_archive_says_what_is_missing(cut: int, said: str) -> None:
    with pytest.raises(ContainerError, match=said):
        read(zip_of(zip64=True).build()[:-cut])


def test_archive_truncated_in_a_payload() -> None:
    data = zip_of().build()
    with pytest.raises(ContainerError, match="the last record lacks 982 bytes"):
        read(data[: data.index(b"r/data/0") + 50])
    members = [Member("r/a", PAYLOAD, descriptor=b"")]
    with pytest.raises(ContainerError, match="does not tell its length"):
        read(ZipBuilder(members).build()[:100])


def test_bytes_missing_in_the_middle_are_counted() -> None:
    data = zip_of().build()
    with pytest.raises(ContainerError, match="100 bytes missing"):
        read(data[:200] + data[300:])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all" * 100])
def test_no_zip(data: bytes) -> None:
    with pytest.raises(ContainerError):
        read(data)


def test_empty_archive() -> None:
    assert read(ZipBuilder([]).build()).records == ()


def test_payloads_are_not_read() -> None:
    class Counting(MemorySource):
        __slots__ = ("count",)
        count: int

        def _read(self, offset: int, nbytes: int) -> bytes:
            self.count += nbytes
            return super()._read(offset, nbytes)

    members = [Member(f"r/{index}", bytes(200_000), descriptor=b"") for index in range(20)]
    source = Counting(ZipBuilder(members).build(), "a.zip")
    source.count = 0
    assert read_zip(source).anomalies == ()
    assert source.count < 100_000


FOUNDATION = [
    zip_of(zip64=True).build(),
    one(Member("r/a", PAYLOAD, deflate=True, descriptor=b"")).build(),
]


def exhaust(data: bytes) -> None:
    """Do everything that can be done with an archive; only our own errors may come out."""
    try:
        archive = read(data, Limits(max_inflated_bytes=1 << 20))
    except DepickleError:
        return
    for record in archive.records:
        try:
            check_crc(record)
            record.data.read_at(0, min(record.nbytes, 4_096))
        except DepickleError:
            continue


@given(
    st.sampled_from(FOUNDATION),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 60),
)
def test_flipped_and_truncated_archives(
    data: bytes, flips: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(data)
    for position, value in flips:
        damaged[-1 - position % len(damaged)] = value
    exhaust(bytes(damaged[: len(damaged) - cut] if cut < 50 else damaged[cut:]))


@given(st.binary(max_size=200))
def test_noise_before_an_end_record(noise: bytes) -> None:
    exhaust(noise + FOUNDATION[0][-98:])


@given(st.lists(st.text("ab./\\:\n\0", max_size=6), max_size=5))
def test_names_are_searched_at_once_and_one_by_one_alike(names: list[str]) -> None:
    at_once, alone = AnomalyLog(), AnomalyLog()
    note_names(names, at_once)
    for name in names:
        note_names([name], alone)
    unsafe = [
        [anomaly.record for anomaly in log.anomalies() if anomaly.code == "zip_unsafe_name"]
        for log in (at_once, alone)
    ]
    assert unsafe[0] == unsafe[1]


def test_longer_local_name_is_seen_at_the_end_of_a_block() -> None:
    name = "r/" + "n" * 400
    longer = {"name": name.encode() + b"x" * 60_000}
    archive = read(one(Member(name, PAYLOAD, local=longer)).build())
    assert codes(archive) == {"zip_local_name_differs"}
    assert archive.records[1].data.read_at(0, len(PAYLOAD)) == PAYLOAD


def test_offset_of_a_record_behind_the_end() -> None:
    for offset in (0xFFFF_FFF0, 100_000):
        archive = read(one(Member("r/a", PAYLOAD, central={"offset": offset})).build())
        assert "zip_local_header_missing" in codes(archive)
        assert archive.records[1].offset is None


def test_directory_without_a_single_entry() -> None:
    data = bytearray(ZipBuilder([Member("r/a", PAYLOAD)]).build())
    at = data.index(b"PK\x01\x02")
    data[at + 28 : at + 30] = b"\xff\xff"  # a name longer than the directory
    with pytest.raises(ContainerError, match="cannot be read"):
        read(bytes(data))


def test_end_record_that_points_nowhere() -> None:
    with pytest.raises(ContainerError, match="not found"):
        read(zip_of(end={"offset": 3, "nbytes": 60}).build())


def test_entry_on_another_disk() -> None:
    archive = read(one(Member("r/a", PAYLOAD, central={"disk": 2})).build())
    assert codes(archive) == {"zip_multi_disk"}


def test_comment_of_an_entry() -> None:
    assert codes(read(one(Member("r/a", b"", comment=b"x")).build())) == {"zip_comment"}


def test_empty_record_marked_as_deferred_needs_no_descriptor() -> None:
    flags = {"flags": 8}
    members = [Member("r/a", b"", local=flags, central=flags), Member("r/b", b"1")]
    assert read(ZipBuilder(members).build()).anomalies == ()


def test_bytes_around_the_zip64_end_record() -> None:
    data = bytearray(zip_of(zip64=True).build())
    at = data.index(b"PK\x06\x06")
    assert codes(read(bytes(data[:at] + b"stray" + data[at:]))) >= {"zip_gap"}
    behind = bytes(data[: at + 56] + b"stray" + data[at + 56 :])
    assert codes(read(behind)) == {"zip_gap", "zip64_locator_differs"}


def test_large_gap_is_searched_at_both_ends() -> None:
    gap = bytes(300_000)
    archive = read(one(Member("r/a", PAYLOAD, before=gap)).build())
    assert codes(archive) == {"zip_gap"}
    assert "only zeros" in archive.anomalies[0].detail
    archive = read(one(Member("r/a", PAYLOAD, before=gap + WHOLE)).build())
    assert codes(archive) == {"zip_gap", "zip_orphan_record", "zip_concatenated"}


def test_many_gaps_are_counted() -> None:
    members = [Member(f"r/{index}", b"", before=b"x") for index in range(150)]
    found = [anomaly.code for anomaly in read(ZipBuilder(members).build()).anomalies]
    assert found.count("zip_gap") == 101


def test_local_zip64_without_its_field() -> None:
    sizes = {"csize": ONES, "usize": ONES}
    archive = read(one(Member("r/a", PAYLOAD, local=sizes)).build())
    assert codes(archive) == {"zip_local_sizes_differ"}


def test_wide_descriptor_that_differs() -> None:
    wrong = b"PK\x07\x08" + bytes(20)
    members = [Member("r/a", PAYLOAD, descriptor=wrong), Member("r/b", b"")]
    assert codes(read(ZipBuilder(members).build())) == {"zip_descriptor_differs"}


def test_record_of_no_bytes_needs_no_checksum() -> None:
    assert check_crc(Record("r/a", MemorySource(b"", "a"))) is None


def test_extra_block_that_is_longer_than_its_field() -> None:
    extra = {"extra": struct.pack("<HH", 0xCAFE, 50) + b"short"}
    archive = read(one(Member("r/a", PAYLOAD, central=extra)).build())
    assert codes(archive) == {"zip_extra_damaged"}


def test_archive_cut_behind_its_last_record() -> None:
    data = zip_of().build()
    with pytest.raises(ContainerError, match="none in the last"):
        read(data[: data.index(b"PK\x01\x02")])
    with pytest.raises(ContainerError, match="none in the last"):
        read(data[: data.index(b"PK\x01\x02")] + b"x" * 40)


@pytest.mark.parametrize("claimed", [CRC - 1, CRC + 1])
def test_claimed_crc_on_either_side(claimed: int) -> None:
    crc = {"crc": claimed}
    record = read(one(Member("r/a", PAYLOAD, local=crc, central=crc)).build()).records[1]
    anomaly = check_crc(record)
    assert anomaly is not None
    assert anomaly.code == "zip_crc_differs"
    assert anomaly.detail == f"the archive claims CRC {claimed:#x}, the bytes have {CRC:#x}"


@pytest.mark.parametrize("nbytes", [1, 199, 200, 201, 300])
def test_name_of_an_orphan_is_told_up_to_200_bytes(nbytes: int) -> None:
    hidden = Member("r/" + "n" * (nbytes - 2) if nbytes > 1 else "r", PAYLOAD, listed=False)
    stray = b"stray"
    archive = read(ZipBuilder([Member("r/a", b"", before=b""), hidden]).build())
    (orphan,) = [one for one in archive.anomalies if one.code == "zip_orphan_record"]
    assert f"{hidden.name[:200]!r}" in orphan.detail
    assert orphan.offset == 33
    hidden.before = stray
    archive = read(ZipBuilder([Member("r/a", b""), hidden]).build())
    (orphan,) = [one for one in archive.anomalies if one.code == "zip_orphan_record"]
    assert f"{hidden.name[:200]!r}" in orphan.detail
    assert orphan.offset == 33 + len(stray)


SEARCHED = 1 << 17


@pytest.mark.parametrize(
    ("gap", "at", "seen"),
    [
        (SEARCHED + 10, SEARCHED - 3, True),  # across the end of the first part
        (SEARCHED + 22, SEARCHED, True),
        (2 * SEARCHED + 50, SEARCHED - 4, True),
        (2 * SEARCHED + 50, SEARCHED - 3, False),
        (2 * SEARCHED + 50, SEARCHED + 49, False),
        (2 * SEARCHED + 50, SEARCHED + 50, True),
    ],
)
def test_gap_is_searched_up_to_128_kib_from_each_end(gap: int, at: int, *, seen: bool) -> None:
    before = bytearray(gap)
    before[at : at + 4] = b"PK\x05\x06"
    archive = read(one(Member("r/a", PAYLOAD, before=bytes(before))).build())
    found = [(one.code, one.offset) for one in archive.anomalies]
    expected = [("zip_gap", 38)] + [("zip_concatenated", 38 + at)] * seen
    assert found == expected


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (1, "shrink"), (6, "implode"), (9, "deflate64"), (12, "bzip2"), (14, "lzma"),
        (93, "zstd"), (95, "xz"), (99, "AES"), (2, "unknown"), (94, "unknown"),
    ],
)  # fmt: skip
def test_names_of_methods_are_those_of_the_specification(method: int, name: str) -> None:
    # APPNOTE.TXT 4.4.5
    values = {"method": method}
    archive = read(one(Member("r/a", PAYLOAD, local=values, central=values)).build())
    assert codes(archive) == {"zip_unknown_method"}
    problem = archive.records[1].problem
    assert isinstance(problem, UnsupportedError)
    assert problem.found == f"method {method} ({name})"


@pytest.mark.parametrize("kind", [0x7074, 0x7076, 0x6375, 0x5455])
def test_other_extra_fields_give_no_second_name(kind: int) -> None:
    extra = {"extra": struct.pack("<HH", kind, 5) + b"12345"}
    assert read(one(Member("r/a", PAYLOAD, central=extra, local=extra)).build()).anomalies == ()


@pytest.mark.parametrize(
    ("after", "far"),
    # zipfile looks for 22 bytes and a comment of 65,535, torch up to 69,584 from the end
    [(65_535, False), (65_536, True), (69_562, True)],
)
def test_how_far_the_end_record_may_be(after: int, *, far: bool) -> None:
    found = read(zip_of(trailing=b"\xff" * after).build()).anomalies
    expected = [("zip_trailing_bytes", 1334)] + [("zip_end_far", 1312)] * far
    assert [(one.code, one.offset) for one in found] == expected


def test_end_record_out_of_reach() -> None:
    with pytest.raises(ContainerError) as caught:
        read(zip_of(trailing=b"\xff" * 69_563).build())
    assert caught.value.what == "zip end record not found"
    assert caught.value.offset == 1334 + 69_563


def test_trailing_bytes_begin_behind_the_comment() -> None:
    found = read(zip_of(comment=b"hello", trailing=b"junk").build()).anomalies
    assert [(one.code, one.offset) for one in found] == [
        ("zip_comment", 1334),
        ("zip_trailing_bytes", 1339),
    ]
    # The comment ends where the file does: nothing follows, nothing is missing.
    end = {"comment_nbytes": 9}
    found = read(zip_of(end=end, trailing=b"junk of 9").build()).anomalies
    assert [one.code for one in found] == ["zip_comment"]
    found = read(zip_of(end=end, trailing=b"junk of_10").build()).anomalies
    assert [(one.code, one.offset) for one in found][1:] == [("zip_trailing_bytes", 1343)]
    found = read(zip_of(end=end, trailing=b"8 bytes.").build()).anomalies
    assert [one.code for one in found] == ["zip_comment", "zip_comment_cut"]


@pytest.mark.parametrize("missing", [1, 20, 149])
def test_last_record_that_lacks_bytes_behind_others_with_extra_fields(missing: int) -> None:
    extra = {"extra": struct.pack("<HH", 0x5455, 5) + b"12345"}
    members = [
        Member("r/first", b"first", local=extra | {"flags": 8}),
        Member("r/second", b"", local=extra),
        Member("r/third", PAYLOAD, local=extra),
    ]
    data = ZipBuilder(members).build()
    stop = data.index(PAYLOAD) + len(PAYLOAD)
    with pytest.raises(ContainerError, match=f"the last record lacks {missing} bytes"):
        read(data[: stop - missing])
    with pytest.raises(ContainerError, match="none in the last 69,584 bytes"):
        read(data[:stop])


def test_directory_on_either_side_of_where_it_is_stated() -> None:
    data = zip_of().build()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    # Bytes between the directory and the end record: the stated place counts.
    archive = read(data[:end] + b"stray" + data[end:])
    assert [(one.code, one.offset) for one in archive.anomalies] == [("zip_gap", end)]
    assert len(archive.records) == 3
    # Bytes before it all: what precedes the end record counts, and everything is shifted.
    archive = read(b"stray" + data)
    assert [(one.code, one.offset) for one in archive.anomalies] == [("zip_prefix", 0)]
    assert [record.header_offset for record in archive.records] == [5, 49, 1111]
    with pytest.raises(ContainerError) as caught:
        read(data[:44] + data[49:])
    assert caught.value.found == "5 bytes missing before the end record"
    assert (caught.value.offset, start) == (end - 5, 1147)


@pytest.mark.parametrize("part", ["disk", "first_disk", "here"])
@pytest.mark.parametrize("zip64", [False, True])
def test_each_sign_of_several_disks(part: str, *, zip64: bool) -> None:
    changes = {("end64" if zip64 else "end"): {part: 1}, "zip64": zip64}
    found = read(zip_of(**changes).build()).anomalies
    assert [(one.code, one.offset) for one in found] == [("zip_multi_disk", 1312)]


@pytest.mark.parametrize(
    ("field", "value"), [("count", 2), ("nbytes", 164), ("offset", 1146), ("nbytes", 166)]
)
def test_each_field_in_which_the_zip64_end_record_may_differ(field: str, value: int) -> None:
    found = read(zip_of(zip64=True, end={field: value}).build()).anomalies
    assert [(one.code, one.offset) for one in found] == [("zip64_end_differs", 1312)]
    ones = 0xFFFF if field == "count" else ONES
    assert read(zip_of(zip64=True, end={field: ones}).build()).anomalies == ()


@pytest.mark.parametrize("more", [b"", b"12345"])
def test_zip64_end_record_with_room_for_all_that_follows_it(more: bytes) -> None:
    data = zip_of(zip64=True, end={"signature": b"nope"}, trailing=more).build()
    with pytest.raises(ContainerError, match="none in the last 69,584 bytes"):
        read(data)


def test_empty_archive_with_zip64_records() -> None:
    assert read(ZipBuilder([], zip64=True).build()).anomalies == ()


def test_empty_directory_behind_the_end_of_the_file() -> None:
    with pytest.raises(ContainerError, match="978 bytes missing before the end record"):
        read(ZipBuilder([], end={"offset": 978}).build())


def test_directory_that_reaches_behind_the_end_of_the_file() -> None:
    for nbytes in (1334 - 1147 + 1, 10_000):
        with pytest.raises(ContainerError, match=f"a central directory of {nbytes} bytes at 1147"):
            read(zip_of(end={"nbytes": nbytes}).build())


def test_comment_of_an_archive_at_an_odd_place() -> None:
    builder = one(Member("r/a", PAYLOAD))  # its end record stands at 313
    builder.end = {"comment_nbytes": 9}
    found = [(anomaly.code, anomaly.offset) for anomaly in read(builder.build()).anomalies]
    assert found == [("zip_comment", 335), ("zip_comment_cut", 335)]
    builder.trailing = b"12345PK\x05\x06"
    found = [(anomaly.code, anomaly.offset) for anomaly in read(builder.build()).anomalies]
    assert found == [("zip_comment", 335), ("zip_second_end_record", 340)]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("payload", [b"", PAYLOAD])
def test_descriptor_ends_where_it_ends(payload: bytes, *, wide: bool) -> None:
    layout = "<4sLQQ" if wide else "<4sLLL"
    form = struct.pack(layout, b"PK\x07\x08", zlib.crc32(payload), len(payload), len(payload))
    last = Member("r/z", b"z")
    members = [Member("r/a", payload, descriptor=form), last]
    assert read(ZipBuilder(members).build()).anomalies == ()
    members[0].descriptor = form + b"junk"
    (gap,) = read(ZipBuilder(members).build()).anomalies
    # Of an empty record, the short form is the beginning of the long one.
    nbytes = 33 + len(payload) + (16 if wide and not payload else len(form))
    assert (gap.code, gap.offset) == ("zip_gap", nbytes)


def test_empty_deferred_record_far_from_the_start() -> None:
    flags = {"flags": 8}
    members = [Member("r/first", PAYLOAD * 9), Member("r/a", b"", local=flags, central=flags)]
    assert read(ZipBuilder(members).build()).anomalies == ()


@pytest.mark.parametrize(("usize", "nbytes"), [(ONES, 16), (ONES + 1, 24)])
def test_descriptor_is_wide_behind_four_gigabytes(usize: int, nbytes: int) -> None:
    big = {"usize": ONES, "extra": struct.pack("<HHQ", 1, 8, usize)}
    wrong = b"PK\x07\x08" + bytes(nbytes - 4)
    member = Member("r/a", PAYLOAD, deflate=True, descriptor=wrong, central=big)
    found = codes(read(ZipBuilder([member, Member("r/b", b"2")]).build()))
    assert found == {"zip_descriptor_differs", "zip_inflate_limit"}


def test_what_both_searched_parts_hold_is_told_once() -> None:
    before = bytearray(SEARCHED + 100)
    before[200:204] = b"PK\x05\x06"
    archive = read(one(Member("r/a", PAYLOAD, before=bytes(before))).build())
    assert [one.code for one in archive.anomalies] == ["zip_gap", "zip_concatenated"]


@pytest.mark.parametrize("before_the_end", [1, 29, 30])
def test_header_that_would_reach_behind_the_end_of_the_file(before_the_end: int) -> None:
    member = Member("r/a", PAYLOAD)
    member.central = {"offset": len(one(member).build()) - before_the_end}
    archive = read(one(member).build())
    assert "zip_local_header_missing" in codes(archive)
    assert archive.records[1].offset is None


def test_every_root_folder_is_counted() -> None:
    names = ["r/data.pkl", "s/a", "t/b", "s/c", "u/d"]
    found = read(ZipBuilder([Member(name, b"") for name in names]).build()).anomalies
    (told,) = [one.detail for one in found if one.code == "zip_several_roots"]
    assert told == "4 root folders: 'r', 's', 't', 'u'"


def test_zip64_values_are_found_behind_other_extra_fields() -> None:
    stamp = struct.pack("<HH", 0x5455, 5) + b"12345"
    both = struct.pack("<HHQQ", 1, 16, len(PAYLOAD), len(PAYLOAD))
    sizes = {"csize": ONES, "usize": ONES, "extra": stamp + both}
    archive = read(one(Member("r/a", PAYLOAD, central=sizes, local=sizes)).build())
    assert archive.anomalies == ()
    assert archive.records[1].data.read_at(0, len(PAYLOAD)) == PAYLOAD


@pytest.mark.parametrize(("nbytes", "whole"), [(8, False), (15, False), (16, True), (24, True)])
def test_zip64_field_holds_all_the_values_it_must(nbytes: int, *, whole: bool) -> None:
    values = struct.pack("<QQQ", len(PAYLOAD), len(PAYLOAD), 38)[:nbytes]
    extra = struct.pack("<HH", 1, nbytes) + values
    sizes = {"csize": ONES, "usize": ONES, "extra": extra}
    archive = read(one(Member("r/a", PAYLOAD, central=sizes)).build())
    assert ("zip64_field_missing" not in codes(archive)) is whole
    assert (archive.records[1].problem is None) is whole
