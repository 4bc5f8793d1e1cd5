"""Whatever is damaged in an output, `verify` says so; whatever is not, it calls identical."""

from __future__ import annotations

import io
import json
import random
import struct
from typing import TYPE_CHECKING, Any

import pytest

from converter.byteio.short_reads import ShortReads
from tests.conftest import REPOSITORY
from tests.support.command import depickle
from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN = REPOSITORY / "corpus" / "bundle" / "training_run.pth.tar"
VALUES = range(4)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A bundle of two tensors, two of whose names are one, and a counter."""
    first = tensor_opcodes("0", 4)
    pickle = b"\x80\x02}(" + text("w") + first + text("tied") + first
    pickle += text("b") + tensor_opcodes("1", 4) + text("epoch") + b"K\x07u."
    path = tmp_path / "run.pt"
    data = struct.pack("<4f", *VALUES)
    path.write_bytes(torch_zip(pickle, {"0": data, "1": data[::-1]}))
    return path


@pytest.fixture
def output(source: Path, tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    assert depickle("convert", source, path).code == 0
    return path


def header_of(content: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<Q", content[:8])
    loaded: dict[str, Any] = json.loads(content[8 : 8 + length])
    return loaded


def with_header(content: bytes, header: dict[str, Any]) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw + content[8 + length :]


def test_any_flipped_bit_is_found(source: Path, output: Path) -> None:
    """One bit of every fifth byte, of the header and of the data."""
    content = output.read_bytes()
    draw = random.Random(4)  # noqa: S311 - which bit
    for index in range(0, len(content), 5):
        damaged = bytearray(content)
        damaged[index] ^= 1 << draw.randrange(8)
        output.write_bytes(damaged)
        outcome = depickle("verify", source, output)
        assert outcome.code in (11, 20), f"byte {index}: {outcome.out}"
        assert "Traceback" not in outcome.out + outcome.err
        assert "a defect" not in outcome.err


@pytest.mark.parametrize("fault", [lambda piece: piece[::-1], lambda piece: piece[1:] + piece[:1]])
def test_fault_of_the_writer_in_reading_the_source_is_found(
    fault: Callable[[bytes], bytes], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that undoes itself when it is made twice would hide where both sides read alike."""
    honest = ShortReads.read

    def wrong(self: ShortReads, descriptor: int, offset: int, nbytes: int) -> bytes | None:
        piece = honest(self, descriptor, offset, nbytes)
        return None if piece is None else fault(piece)

    monkeypatch.setattr(ShortReads, "read", wrong)
    target = tmp_path / "run.safetensors"
    assert depickle("convert", source, target).code == 20
    assert not target.exists()


@pytest.mark.parametrize("name", ["format", "depickle.document", "depickle.document.sha256"])
def test_missing_metadata_is_a_difference(name: str, source: Path, output: Path) -> None:
    header = header_of(output.read_bytes())
    del header["__metadata__"][name]
    output.write_bytes(with_header(output.read_bytes(), header))
    outcome = depickle("verify", source, output)
    assert outcome.code == 20
    assert f"{name}: metadata: " in outcome.out


def test_metadata_nobody_wrote_is_a_difference(source: Path, output: Path) -> None:
    header = header_of(output.read_bytes())
    header["__metadata__"]["note"] = "mine"
    output.write_bytes(with_header(output.read_bytes(), header))
    outcome = depickle("verify", source, output)
    assert outcome.code == 20
    assert "note: metadata: expected nothing, found mine" in outcome.out


def test_changed_value_is_found_where_the_digest_was_mended(source: Path, output: Path) -> None:
    """Who changes the document knowingly mends its digest, and is found by the source."""
    import hashlib

    header = header_of(output.read_bytes())
    changed = header["__metadata__"]["depickle.document"].replace('["epoch",7]', '["epoch",8]')
    assert changed != header["__metadata__"]["depickle.document"]
    digest = hashlib.sha256(changed.encode()).hexdigest()
    header["__metadata__"]["depickle.document"] = changed
    header["__metadata__"]["depickle.document.sha256"] = digest
    output.write_bytes(with_header(output.read_bytes(), header))
    outcome = depickle("verify", source, output)
    assert outcome.code == 20
    assert "value: expected the values of the source, found $.epoch: 7 against 8" in outcome.out


@pytest.mark.parametrize("damage", [lambda text: text.replace(b"7", b"8", 1), lambda _: None])
def test_document_of_a_folder(
    damage: Callable[[bytes], bytes | None], source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    assert depickle("convert", source, folder).code == 0
    assert depickle("verify", source, folder).code == 0
    document = folder / "checkpoint.depickle.json"
    content = damage(document.read_bytes())
    if content is None:
        document.unlink()
    else:
        document.write_bytes(content)
    outcome = depickle("verify", source, folder)
    assert outcome.code == 20
    assert "document: " in outcome.out


def test_values_are_part_of_what_is_called_identical(source: Path, output: Path) -> None:
    assert "and the other values" in depickle("verify", source, output).out
    plain = output.with_name("plain.safetensors")
    assert depickle("convert", source, plain, "--plain").code == 0
    outcome = depickle("verify", source, plain)
    assert outcome.code == 0
    assert "other values" not in outcome.out


def test_equal_tensors_of_another_checkpoint_need_no_equal_values(
    source: Path, output: Path, tmp_path: Path
) -> None:
    """The document is that of another source, which need not be like this one."""
    other = tmp_path / "other.pt"
    content = source.read_bytes().replace(b"epochK\x07", b"stepsK\x09")
    other.write_bytes(content + bytes(2))
    outcome = depickle("verify", other, output)
    assert outcome.code == 0
    assert "other values" not in outcome.out


@pytest.mark.torch
def test_any_metadata_of_others_is_theirs(source: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    loaded = torch.load(io.BytesIO(source.read_bytes()), weights_only=True)
    tensors = {name: loaded[name].clone() for name in ("w", "tied", "b")}
    safetensors.save_file(tensors, tmp_path / "theirs.safetensors", metadata={"step": "3"})
    assert depickle("verify", source, tmp_path / "theirs.safetensors").code == 0
