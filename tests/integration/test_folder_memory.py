"""Two gigabytes are converted in the memory of a small checkpoint: a folder, a legacy stream."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.distributed.checkpoint import metadata as dcp  # noqa: E402 - after the skip
from torch.distributed.checkpoint.filesystem import _StorageInfo  # noqa: E402 - after the skip

from tests.support.pickles import tensor_opcodes, text  # noqa: E402 - after the skip

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

RANKS = 4
ROWS, COLUMNS = 16_384, 32_768  # 2 GiB of float32; each rank holds a block of the columns
NUMEL = 1 << 29  # 2 GiB of float32 as well
MAX_RESIDENT_KIB = 200 << 10
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory of Linux")

CONVERT = """
import sys
import converter

report = converter.convert(sys.argv[1], sys.argv[2])
assert report.verification.identical
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def write_sparse(folder: Path) -> dict[int, bytes]:
    """Write a folder whose chunks are holes but for some rows; return row → its bytes."""
    own = COLUMNS // RANKS
    rows = {0: b"first", ROWS // 2 + 1: b"middle", ROWS - 1: b"last"}
    chunks, places = [], {}
    for rank in range(RANKS):
        path = folder / f"__{rank}_0.distcp"
        with torch.serialization.skip_data():
            torch.save(torch.empty(ROWS, own), path)
        start = torch._C.PyTorchFileReader(str(path)).get_record_offset("data/0")  # noqa: SLF001
        with path.open("r+b") as file:
            for row, text in rows.items():
                file.seek(start + row * own * 4)
                file.write((text * own)[: own * 4 - 1] + bytes([rank]))
        offsets = torch.Size([0, rank * own])
        chunks.append(dcp.ChunkStorageMetadata(offsets, torch.Size([ROWS, own])))
        index = dcp.MetadataIndex("w", offsets)
        places[index] = _StorageInfo(path.name, 0, path.stat().st_size)
    entry = dcp.TensorStorageMetadata(dcp.TensorProperties(), torch.Size([ROWS, COLUMNS]), chunks)
    content: Any = dcp.Metadata({"w": entry}, {"w": ("w",)}, places, None, "1.0.0")
    (folder / ".metadata").write_bytes(pickle.dumps(content))
    return {
        row: b"".join((text * own)[: own * 4 - 1] + bytes([rank]) for rank in range(RANKS))
        for row, text in rows.items()
    }


def peak_of_conversion(source: Path, output: Path) -> int:
    """Convert and verify in a process of its own; return its largest resident size in KiB."""
    found = subprocess.run(
        [sys.executable, "-c", CONVERT, source, output],
        check=True,
        capture_output=True,
        text=True,
        timeout=250,
    )
    return int(found.stdout)


@ON_LINUX
def test_two_gigabytes_in_two_hundred_megabytes(tmp_path: Path) -> None:
    folder, output = tmp_path / "dcp", tmp_path / "out.safetensors"
    folder.mkdir()
    rows = write_sparse(folder)
    try:
        assert peak_of_conversion(folder, output) < MAX_RESIDENT_KIB
        with output.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            for row, data in rows.items():
                file.seek(start + row * COLUMNS * 4)
                assert file.read(COLUMNS * 4) == data
            file.seek(start + COLUMNS * 4)
            assert file.read(COLUMNS * 4) == bytes(COLUMNS * 4)
    finally:
        output.unlink(missing_ok=True)


@ON_LINUX
def test_a_legacy_stream_of_two_gigabytes(tmp_path: Path) -> None:
    source, output = tmp_path / "legacy.pt", tmp_path / "out.safetensors"
    marks = {0: b"first", 1 << 30: b"middle", (4 * NUMEL) - 4: b"last"}
    head = legacy_head(NUMEL)
    with source.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * NUMEL)
        for place, text in marks.items():
            file.seek(len(head) + place)
            file.write(text[:4])
    try:
        assert peak_of_conversion(source, output) < MAX_RESIDENT_KIB
        with output.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            for place, text in marks.items():
                file.seek(start + place)
                assert file.read(4) == text[:4]
        assert output.stat().st_size == start + 4 * NUMEL
    finally:
        output.unlink(missing_ok=True)


def legacy_head(numel: int) -> bytes:
    """Return a legacy stream of one float32 tensor up to where its elements begin."""
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    before = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, facts)]
    tree = b"\x80\x02}" + text("w") + tensor_opcodes("0", numel) + b"s."
    # The pids of a legacy stream have one item more: there are no views.
    tree = tree.replace(b"tQ", b"NtQ")
    return b"".join([*before, tree, pickle.dumps(["0"], 2), struct.pack("<q", numel)])
