"""What tarfile lists in archives that it wrote is what is listed here."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.containers.tar_archive import read_tar

LAYOUTS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
NAMES = st.text("abé/._-", min_size=1, max_size=90).filter(lambda name: not name.endswith("/"))
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE]
)
ENTRIES = st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=1_500)), max_size=6)


def written(entries: list[tuple[str, bytes, bytes]], layout: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=layout) as archive:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "x"
            info.size = len(content) if kind not in (tarfile.SYMTYPE, tarfile.DIRTYPE) else 0
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@given(ENTRIES, LAYOUTS)
def test_same_files(entries: list[tuple[str, bytes, bytes]], layout: int) -> None:
    data = written(entries, layout)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = []
        for member in archive:
            if member.isreg():
                stream = archive.extractfile(member)
                assert stream is not None
                expected.append((member.name, member.offset_data, stream.read()))
    if not data.strip(b"\0"):
        return  # an archive without entries: there is no header to begin with
    found = [
        (record.name, record.offset, record.data.read_at(0, record.nbytes))
        for record in read_tar(MemorySource(data, "a")).records
    ]
    assert found == expected
