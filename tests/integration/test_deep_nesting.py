"""Nesting as deep as a file likes never reaches Python's own stack."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.support.command import depickle
from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from pathlib import Path

DEPTH = 20_000
TENSOR = tensor_opcodes("0", 1)
SIZED = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n"
    + text("0") + text("cpu") + b"K\x01tQK\x00"
)  # fmt: skip

NESTED = {
    "lists": b"]" * DEPTH + b"a" * (DEPTH - 1),
    "lists around a tensor": b"]" * DEPTH + TENSOR + b"a" * DEPTH,
    "tuples around a tensor": TENSOR + b"\x85" * DEPTH,
    "a tuple as a key": b"}" + b")" + b"\x85" * DEPTH + TENSOR + b"s",
    "dicts in a bundle": b"}("
    + text("model")
    + (b"}" + text("a")) * DEPTH
    + TENSOR
    + b"s" * DEPTH
    + b"u",
    "calls": b"cx\ny\n(" * DEPTH + b"N" + b"tR" * DEPTH,
    "parameters": b"ctorch._utils\n_rebuild_parameter\n(" * DEPTH + TENSOR + b"\x89NtR" * DEPTH,
    "ordered dicts": b"ccollections\nOrderedDict\n(]" * DEPTH + b"tR" * DEPTH,
    "sizes": SIZED + b"ctorch\nSize\n(" * DEPTH + b")" + b"tR" * DEPTH + b"K\x01\x85\x89NtR",
    "states": b"cx\ny\n)R" * DEPTH + b"b" * (DEPTH - 1),
}


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("command", ["inspect", "convert"])
def test_deep_nesting_is_read_or_refused(name: str, command: str, tmp_path: Path) -> None:
    source = tmp_path / "deep.pt"
    source.write_bytes(torch_zip(b"\x80\x02" + NESTED[name] + b".", {"0": struct.pack("<f", 1.0)}))
    target = [tmp_path / "out.safetensors"] if command == "convert" else []
    outcome = depickle(command, source, *target)
    assert outcome.code in (0, 4, 11)  # 4: sizes that are lists are suspicious
    assert "defect" not in outcome.err
    assert "recursion" not in outcome.err
