"""A scan's names are those that CPython's unpickler asks for; torch says what was foretold.

The unpickler is one whose `find_class` only writes down what it is asked for: it gives a class that
swallows everything, so that nothing of a file is imported or called.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import pytest
from hypothesis import given, settings

from converter.byteio.source import MemorySource
from converter.risk.facts import Origin
from converter.risk.gathering import gather
from converter.risk.scanner import scan_file
from tests.conftest import REPOSITORY
from tests.support.shares import share
from tests.support.temporary import folder

torch = pytest.importorskip("torch")
from converter.strategies import CheckpointFile, checkpoint_files  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch

CORPUS = REPOSITORY / "corpus"
BENIGN = sorted(
    file
    for entry in json.loads((CORPUS / "manifest.json").read_text())["entries"]
    if entry["verdict"] in ("safe", "unknown") and not entry["path"].startswith("hostile/")
    for file in entry["files"]
)
# What a legacy stream begins with.
MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
Names = set[tuple[str, str]]


class Inert:
    """Whatever a pickle names, makes or is given from outside."""

    def __new__(cls, *_: object, **__: object) -> Self:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object) -> Inert:
        return Inert()

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, _: object, __: object) -> None:
        pass

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass

    def add(self, _: object) -> None:
        pass


class Asking(pickle.Unpickler):
    """An unpickler that imports nothing and writes down what it would have imported."""

    def __init__(self, stream: BinaryIO, names: Names) -> None:
        super().__init__(stream, encoding="latin-1")
        self.names = names

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as typeshed has it
        self.names.add((module, name))
        # A nested class is looked up in the class around it, and must be one itself.
        return (lambda *_: Inert) if name == "getattr" else Inert

    def persistent_load(self, _: object) -> type[Inert]:
        return Inert  # also where it stands for the class of a module


def asked(stream: BinaryIO, count: int = 1) -> Names:
    """Return the names that some pickles in a row look up."""
    names: Names = set()
    for _ in range(count):
        Asking(stream, names).load()
    return names


def asked_by_record(data: bytes) -> dict[str, Names]:
    """Return the names that each pickle of a file looks up, by record."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {
                name: asked(io.BytesIO(unchecked(archive, name)))
                for name in archive.namelist()
                if name.endswith(".pkl")
            }
    return {"": asked(io.BytesIO(data), 5 if MAGIC in data[:32] else 1)}


def unchecked(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a record whatever its checksum: torch can leave that out."""
    with archive.open(name) as file:
        file._expected_crc = None  # type: ignore[attr-defined]  # noqa: SLF001
        return file.read()


def reported_by_record(data: bytes) -> dict[str, Names]:
    """Return the names that a scan sees in each pickle that a loader reads, by record."""
    found: dict[str, Names] = {}
    inside = data.startswith(b"PK")
    for facts in gather(MemorySource(data, "x")).pickles:
        if facts.origin is Origin.MAIN and facts.parent_offset is None:
            names = {(node.module, node.name) for node in facts.graph.globals}
            found.setdefault((facts.record or "") if inside else "", set()).update(names)
    return found


def is_pickled(path: Path) -> bool:
    """Return whether a file is a zip archive, or pickles and nothing else but numbers behind."""
    raw = path.read_bytes()[:1]
    return (
        path.suffix in (".pt", ".pth", ".tar", ".pkl", ".metadata")
        and (raw in (b"P", b"\x80") or path.suffix == ".pkl")
        and zipfile.is_zipfile(path) == (raw == b"P")
    )


def assert_same_names(paths: list[Path], least: int) -> None:
    compared = [path for path in paths if is_pickled(path)]
    assert len(compared) >= least
    for path in compared:
        data = path.read_bytes()
        assert reported_by_record(data) == asked_by_record(data), path


def test_names_of_the_corpus() -> None:
    assert_same_names([CORPUS / path for path in BENIGN], 30)


@pytest.mark.samples
def test_names_of_the_samples(samples: Path) -> None:
    assert_same_names(sorted(path for path in samples.rglob("*") if path.is_file()), 50)


def loads_weights_only(path: Path) -> bool:
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # noqa: BLE001 - torch refuses by errors of many kinds
        return False
    return True


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint16", "uint64", "float8_e5m2"])
def test_weights_only_of_any_dtype_is_foretold(tmp_path: Path, dtype: str, *, zipped: bool) -> None:
    path = tmp_path / "a.pt"
    tensor = torch.zeros(2, dtype=getattr(torch, dtype))
    torch.save({"a": tensor}, path, _use_new_zipfile_serialization=zipped)
    assert scan_file(path).weights_only is loads_weights_only(path)


@pytest.mark.filterwarnings("ignore")
def test_weights_only_of_the_corpus_is_foretold() -> None:
    compared = 0
    for name in BENIGN:
        if name == "zip/torch_1_4.pt":
            continue  # torch 2.13 takes its pickle, and does not find its storages
        report = scan_file(CORPUS / name)
        if report.weights_only is not None and report.kind in ("torch_save", "torch_legacy"):
            compared += 1
            assert report.weights_only == loads_weights_only(CORPUS / name), name
    assert compared >= 20


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=share(8))
@given(checkpoint_files())
def test_what_torch_saves(file: CheckpointFile) -> None:
    with folder() as place:
        path = file.write(place)
        report = scan_file(path)
        assert report.verdict in ("safe", "unknown")
        assert (report.verdict == "unknown") == bool(report.imports)
        data = path.read_bytes()
        assert reported_by_record(data) == asked_by_record(data)
        if report.weights_only is not None:
            assert report.weights_only == loads_weights_only(path)
