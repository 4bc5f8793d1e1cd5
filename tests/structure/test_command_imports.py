"""A command brings what it needs and nothing else: most of a short run is importing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from corpus.hostile_writer import PROTO2, STOP, storage, tensor
from tests.support.pickles import torch_zip
from tests.support.small_files import zip_file

if TYPE_CHECKING:
    from pathlib import Path

# What costs more to import than Python takes to start.
WATCHED: Final = frozenset({"click", "msgspec", "numpy", "onnx", "rich", "safetensors", "torch"})
# What a scan of one file does without: click, the documents, and the readers of tensors.
UNSEEN_BY_SCAN: Final = frozenset(
    {
        *("converter.checkpoint", "converter.cli.application", "converter.conversion"),
        *(
            "converter.readers.opening",
            "converter.readers.rebuild",
            "converter.reporting.documents",
        ),
        *("hashlib", "multiprocessing", "pathlib", "tempfile", "zipfile"),
    }
)
# All that a scan of an ordinary checkpoint brings of the standard library, apart from what begins
# with an underscore. Among what is not here: `typing` and `re` take as long to import as half of
# Python to start, `dataclasses` as long as all of it, and then to define each class.
STANDARD_OF_SCAN: Final = frozenset(
    {
        *("atexit", "bisect", "collections", "collections.abc", "enum", "errno", "functools", "gc"),
        *("itertools", "keyword", "operator", "reprlib", "struct", "types", "zlib"),
    }
)
# Modules of ours, packages too; each takes a tenth of a millisecond, a hundredth of Python's start.
MOST_OF_OURS: Final = {("--version",): 4, ("scan", "{source}"): 80}
# What a command that only looks must not bring: what writes and what compares.
UNSEEN_BY_INSPECT: Final = frozenset(
    {"converter.conversion", "converter.verification", "converter.writing"}
)
# Arguments, with {source}, {folder} and {target} to fill in → which of the watched they may import.
ALLOWED: Final = {
    ("--version",): frozenset[str](),
    ("--help",): frozenset({"click", "msgspec"}),
    ("scan", "{source}"): frozenset[str](),
    ("scan", "--jobs", "1", "{source}"): frozenset({"click"}),
    ("scan", "--format", "json", "{source}"): frozenset({"click", "msgspec"}),
    ("inspect", "{source}"): frozenset({"click", "msgspec"}),
    ("inspect", "--format", "json", "{source}"): frozenset({"click", "msgspec"}),
    ("convert", "{source}", "{target}.safetensors"): frozenset({"click", "msgspec"}),
    ("verify", "{source}", "{source}"): frozenset({"click", "msgspec"}),
    ("restore", "{source}", "{target}.pth"): frozenset({"click", "msgspec"}),
    ("migrate", "{folder}", "{target}"): frozenset({"click", "msgspec"}),
}


def trained() -> bytes:
    """Return a checkpoint of one tensor as torch writes them."""
    return torch_zip(PROTO2 + tensor(storage(), [4], [1]) + STOP, {"0": bytes(16)})


def imported_by(arguments: tuple[str, ...], folder: Path, data: bytes | None = None) -> set[str]:
    """Run a command in a new interpreter and return every module that it has imported."""
    source = folder / "in" / "small.pth"
    source.parent.mkdir()
    source.write_bytes(data or zip_file())
    names = {"source": source, "folder": folder / "in", "target": folder / "target"}
    filled = [text.format(**names) for text in arguments]
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import atexit\n"
        "atexit.register(lambda: print(*sys.modules.keys() - before, file=sys.stderr))\n"
        f"sys.argv = ['depickle', *{filled!r}]\n"
        "from converter.cli.entry import main\n"
        "main()"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(outcome.stderr.split())


@pytest.mark.parametrize("arguments", ALLOWED, ids=" ".join)
def test_command_is_lean(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert imported_by(arguments, tmp_path) & WATCHED <= ALLOWED[arguments]


def test_inspect_brings_nothing_that_writes(tmp_path: Path) -> None:
    assert not imported_by(("inspect", "{source}"), tmp_path) & UNSEEN_BY_INSPECT


def test_scan_brings_nothing_that_reads_tensors(tmp_path: Path) -> None:
    assert not imported_by(("scan", "{source}"), tmp_path) & UNSEEN_BY_SCAN


def test_scan_brings_little_of_the_standard_library(tmp_path: Path) -> None:
    found = imported_by(("scan", "{source}"), tmp_path, trained())
    foreign = {name for name in found if not name.startswith(("_", "converter"))}
    assert foreign - STANDARD_OF_SCAN == set()


@pytest.mark.parametrize("arguments", MOST_OF_OURS, ids=" ".join)
def test_few_modules_are_imported(arguments: tuple[str, ...], tmp_path: Path) -> None:
    found = imported_by(arguments, tmp_path, trained())
    ours = sorted(name for name in found if name.startswith("converter"))
    assert len(ours) <= MOST_OF_OURS[arguments], ours


def test_what_is_odd_brings_what_judges_it(tmp_path: Path) -> None:
    found = imported_by(("scan", "--fail-on", "dangerous", "{source}"), tmp_path, trained() + b"?")
    assert "converter.risk.rules.zip_trailing_bytes" in found


def test_imports_of_a_command_are_seen(tmp_path: Path) -> None:
    found = imported_by(("convert", "{source}", "{target}.safetensors"), tmp_path)
    assert found >= UNSEEN_BY_INSPECT
