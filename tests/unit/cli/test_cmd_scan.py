"""``depickle scan`` as a person uses it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import jsonschema
import pytest

from corpus.hostile_writer import (
    CALM,
    EMPTY_TUPLE,
    EVIL,
    NEWOBJ,
    PROTO2,
    PROTO4,
    REDUCE,
    STOP,
    named,
)
from tests.conftest import REPOSITORY
from tests.support.command import depickle

if TYPE_CHECKING:
    from pathlib import Path

MODEL = PROTO2 + named("mymodel", "Net") + EMPTY_TUPLE + NEWOBJ + STOP
FILES = {
    "safe": CALM,
    "unknown": MODEL,
    "unreadable": b"\xff" * 50,
    "suspicious": CALM + b"\xffjunk",
    "dangerous": EVIL,
}


def written(folder: Path, verdict: str) -> Path:
    path = folder / f"{verdict}.pt"
    path.write_bytes(FILES[verdict])
    return path


@pytest.mark.parametrize(
    ("verdict", "codes"),
    [
        ("safe", (0, 0, 0)),
        ("unknown", (11, 0, 0)),
        ("unreadable", (11, 11, 11)),
        ("suspicious", (12, 12, 0)),
        ("dangerous", (13, 13, 13)),
    ],
)
def test_exit_codes(verdict: str, codes: tuple[int, ...], tmp_path: Path) -> None:
    path = written(tmp_path, verdict)
    levels = ("unknown", "suspicious", "dangerous")
    found = tuple(depickle("scan", "--fail-on", level, path).code for level in levels)
    assert found == codes
    assert depickle("scan", path).code == codes[0]


def test_text_says_what_and_where_and_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path, "unknown")
    outcome = depickle("scan", path)
    assert outcome.out.splitlines() == [
        f"{path}: UNKNOWN (pickle, {len(MODEL)} bytes, 1 pickle)",
        "  unknown: unknown-global: mymodel.Net is called by NEWOBJ: code that is on no list",
        f"    at offset {len(MODEL) - 2}, root; executable",
        "  loading it would import: mymodel.Net",
        "  torch.load(weights_only=True) would refuse: mymodel.Net",
        f"  without running any of it: depickle convert {path} OUT.safetensors",
    ]
    assert outcome.err == ""


def test_a_folder_is_summed_up(tmp_path: Path) -> None:
    for verdict in FILES:
        written(tmp_path, verdict)
    outcome = depickle("scan", tmp_path)
    assert outcome.code == 13
    assert outcome.out.splitlines()[-1].startswith("5 files: 1 dangerous, 1 safe")


def test_json_follows_its_schema(tmp_path: Path) -> None:
    outcome = depickle("scan", written(tmp_path, "dangerous"), "--format", "json", "--explain")
    document = json.loads(outcome.out)
    schema = json.loads((REPOSITORY / "schemas" / "scan-report-v1.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["schema"] == "depickle/scan-report-v1"
    (file,) = document["files"]
    assert file["verdict"] == document["verdict"] == "dangerous"
    assert file["explanation"][1].endswith("v0 = depickle_tripwire.fire('x')")


def test_sarif(tmp_path: Path) -> None:
    outcome = depickle("scan", written(tmp_path, "dangerous"), "--format", "sarif")
    assert json.loads(outcome.out)["version"] == "2.1.0"


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_names_that_are_no_text(form: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9.pt")
    operands = b"\x8c\x03\xed\xa0\x80\x8c\x04call\x93"  # a module called by half a character
    path.write_bytes(PROTO4 + operands + EMPTY_TUPLE + REDUCE + STOP)
    outcome = depickle("scan", path, "--explain", "--format", form)
    assert outcome.code == 11
    outcome.out.encode()
    assert r"\ud800" in outcome.out
    if form == "json":
        (file,) = json.loads(outcome.out)["files"]
        assert file["name"].endswith(r"\udce9.pt")


def test_quiet(tmp_path: Path) -> None:
    outcome = depickle("scan", "-q", written(tmp_path, "dangerous"))
    assert (outcome.code, outcome.out, outcome.err) == (13, "", "")


def test_nothing_to_scan(tmp_path: Path) -> None:
    assert depickle("scan", tmp_path / "nowhere.pt").code == 3
    assert depickle("scan", tmp_path).code == 3
    assert depickle("scan").code == 2


def test_text_of_the_file_steers_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(MODEL.replace(b"Net", b"N\x1b[2Jt"))
    assert "\x1b" not in depickle("scan", path, "--explain").out


def test_convert_refuses_and_can_be_told_to_go_on(tmp_path: Path) -> None:
    source, target = written(tmp_path, "dangerous"), tmp_path / "out.safetensors"
    outcome = depickle("convert", source, target)
    assert outcome.code == 4
    assert "dangerous" in outcome.err
    assert not target.exists()
    assert depickle("convert", "--allow", "suspicious", source, target).code == 4
    assert depickle("convert", "--allow", "dangerous", source, target).code == 0
