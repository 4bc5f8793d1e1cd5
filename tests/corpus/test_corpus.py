"""Files, manifest and recipes agree; what is in the files is what the manifest says."""

from __future__ import annotations

import filecmp
import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import jsonschema
import pytest

from converter.byteio.folder import FolderSource
from converter.byteio.local import FileSource
from converter.containers.zip_archive import read_zip
from converter.conversion import convert_checkpoint
from converter.errors import FormatError
from converter.limits import DEFAULT_LIMITS
from converter.readers.folders import FOLDER_KINDS, kind_of_folder
from converter.readers.opening import open_checkpoint
from converter.readers.zip_kinds import ZIP_KINDS, kind_of_zip
from converter.writing.gather import TensorBytes
from corpus.manifest import (
    MANIFEST,
    MAX_NBYTES,
    CorpusEntry,
    TensorDigest,
    file_digest,
    manifest_text,
    read_manifest,
)
from tests.conftest import REPOSITORY
from tests.support.command import depickle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from converter.checkpoint.canonical import Checkpoint

CORPUS = REPOSITORY / "corpus"
WRITTEN = read_manifest(CORPUS / MANIFEST)
READABLE = [entry for entry in WRITTEN.entries if entry.container is not None]
REFUSED = [entry for entry in WRITTEN.entries if entry.message is not None]
# What no recipe makes.
SOURCES = {"README.md", ".gitattributes"}


def by_path(entry: CorpusEntry) -> str:
    return entry.path


def described(checkpoint: Checkpoint) -> dict[str, dict[str, TensorDigest]]:
    """Return component → name → digest, without components that hold no tensor."""
    found = {}
    for component in checkpoint.components:
        if component.tensors:
            found[component.name] = {
                name: TensorDigest(
                    tensor.dtype.name,
                    list(tensor.shape),
                    hashlib.sha256(
                        b"".join(bytes(piece) for piece in TensorBytes(tensor, DEFAULT_LIMITS))
                    ).hexdigest(),
                )
                for name, tensor in component.tensors.items()
            }
    return found


def in_order(components: dict[str, dict[str, TensorDigest]]) -> list[tuple[str, str]]:
    return [(component, name) for component, tensors in components.items() for name in tensors]


def iter_made(root: Path) -> Iterator[str]:
    """Yield every file below a corpus that a recipe must have made, or the builder."""
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and path.suffix not in {".py", ".pyc"} and name not in SOURCES:
            yield name


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    listed = [name for entry in WRITTEN.entries for name in entry.files]
    assert len(listed) == len(set(listed))
    assert sorted([*listed, MANIFEST]) == sorted(iter_made(CORPUS))


STYLES = {
    *("state_dict", "module", "bundle", "multi_model", "nested"),
    *("optimizer", "scheduler", "tensor", "values", "object"),
}
FILES = {"zip", "legacy", "tar", "pickle", "safetensors", "npy", "npz"}


def test_every_style_and_every_kind_of_file_is_there() -> None:
    assert {entry.style for entry in READABLE} == STYLES
    folders = {entry.container for entry in READABLE if (CORPUS / entry.path).is_dir()}
    assert {entry.container for entry in READABLE} == FILES | folders


def test_every_kind_of_folder_is_there() -> None:
    kinds = set()
    for entry in WRITTEN.entries:
        if (CORPUS / entry.path).is_dir():
            with FolderSource(CORPUS / entry.path) as source:
                kinds.add(kind_of_folder(source.list_names("", DEFAULT_LIMITS)).name)
    assert kinds == {kind.name for kind in FOLDER_KINDS}


def test_every_kind_of_zip_archive_is_there() -> None:
    kinds = set()
    for entry in WRITTEN.entries:
        if (CORPUS / entry.path).is_file() and not entry.path.startswith("hostile/"):
            with FileSource(CORPUS / entry.path) as source:
                if source.read_at(0, min(2, source.nbytes)) == b"PK":
                    with suppress(FormatError):
                        kinds.add(kind_of_zip(read_zip(source)).name)
    assert kinds == {kind.name for kind in ZIP_KINDS}


@pytest.mark.parametrize("entry", WRITTEN.entries, ids=by_path)
def test_files_are_small_and_as_they_were_made(entry: CorpusEntry) -> None:
    assert entry.files
    for name, digest in entry.files.items():
        assert file_digest(CORPUS / name) == digest
    assert sum(digest.nbytes for digest in entry.files.values()) <= MAX_NBYTES
    assert entry.shows.endswith(".")


def test_manifest_follows_its_schema() -> None:
    path = REPOSITORY / "schemas" / "corpus-manifest-v1.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads((CORPUS / MANIFEST).read_text()))
    assert manifest_text(WRITTEN) == (CORPUS / MANIFEST).read_bytes()


@pytest.mark.torch
def test_building_again_leaves_no_difference(tmp_path: Path) -> None:
    if importlib.metadata.version("torch").partition("+")[0] != WRITTEN.torch:
        pytest.skip(f"the corpus is made with torch {WRITTEN.torch}")
    subprocess.run(
        [sys.executable, "-m", "corpus.build", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    names = sorted(iter_made(tmp_path))
    assert names == sorted(iter_made(CORPUS))
    _, differing, failed = filecmp.cmpfiles(CORPUS, tmp_path, names, shallow=False)
    assert (differing, failed) == ([], []), "run: python -m corpus.build"


@pytest.mark.parametrize("entry", READABLE, ids=by_path)
def test_tensors_are_those_that_were_written(entry: CorpusEntry) -> None:
    checkpoint = open_checkpoint(CORPUS / entry.path)
    assert checkpoint.opened.error is None
    assert (checkpoint.opened.container, checkpoint.style) == (entry.container, entry.style)
    assert entry.components is not None
    found = described(checkpoint)
    checkpoint.close()
    assert found == entry.components
    assert in_order(found) == in_order(entry.components)


@pytest.mark.parametrize("entry", READABLE, ids=by_path)
def test_conversion_holds_the_same_tensors(entry: CorpusEntry, tmp_path: Path) -> None:
    target = tmp_path / "converted.safetensors"
    report = convert_checkpoint(CORPUS / entry.path, target)
    assert report.verification is not None
    assert report.verification.identical
    checkpoint = open_checkpoint(target)
    found = described(checkpoint)
    checkpoint.close()
    assert found == entry.components
    assert checkpoint.style == entry.style


@pytest.mark.parametrize("entry", REFUSED, ids=by_path)
def test_refusal_is_one_sentence(entry: CorpusEntry, tmp_path: Path) -> None:
    path = tmp_path / "a" / CORPUS.joinpath(entry.path).name
    path.parent.mkdir()
    original = CORPUS / entry.path
    (shutil.copytree if original.is_dir() else shutil.copyfile)(original, path)
    with pytest.raises(FormatError) as caught:
        convert_checkpoint(path, tmp_path / "x.safetensors")
    message = str(caught.value).replace(str(path), "@@FILE@@")
    assert message == entry.message
    assert "\n" not in message
    assert [found.name for found in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("entry", WRITTEN.entries, ids=by_path)
def test_scanner_reaches_the_verdict(entry: CorpusEntry) -> None:
    outcome = depickle("scan", "--format", "json", CORPUS / entry.path)
    assert json.loads(outcome.out)["verdict"] == entry.verdict


@pytest.mark.torch
def test_manifest_repeats_what_the_recipes_say() -> None:
    from corpus.build import RECIPES
    from corpus.manifest import recipe_name

    said = {
        path: (recipe_name(one), one.shows, one.verdict, one.container, one.style, one.message)
        for path, one in RECIPES.items()
    }
    assert said == {
        entry.path: (
            entry.recipe,
            entry.shows,
            entry.verdict,
            entry.container,
            entry.style,
            entry.message,
        )
        for entry in WRITTEN.entries
    }
