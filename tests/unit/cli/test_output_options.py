"""Every command's JSON is JSON, whatever files and tensors are called."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.command import depickle
from tests.support.small_files import zip_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("command", ["inspect", "convert", "verify", "diff", "restore", "migrate"])
def test_a_name_that_is_no_text(command: str, tmp_path: Path) -> None:
    source = tmp_path / "in" / os.fsdecode(b"w\xff.pt")
    source.parent.mkdir()
    source.write_bytes(zip_file())
    arguments = {
        "inspect": [source],
        "convert": [source, tmp_path / "out.safetensors"],
        "verify": [source, source],
        "diff": [source, source],
        "restore": [source, tmp_path / "out.pth"],
        "migrate": [source.parent, tmp_path / "out"],
    }[command]
    outcome = depickle(command, *arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    assert r"w\udcff.pt" in json.dumps(json.loads(outcome.out)).replace("\\\\", "\\")
