"""The manifest of the corpus: its types, and how its digests are made.

Digests come from the live objects that a recipe wrote, by torch or numpy, never from a reader.
``python -m corpus.manifest schemas`` writes the schema of the manifest into a folder.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from converter.reporting.schemas import DocumentSchema, schema_text
from corpus.recipe import Verdict

if TYPE_CHECKING:
    from corpus.recipe import Contents, Recipe

MANIFEST: Final = "manifest.json"
MAX_NBYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor given by its bytes, where neither torch nor numpy would give them as they are.

    Attributes:
        dtype: as torch names it.
        shape: its sizes.
        content: its elements in row-major order, little-endian.
    """

    dtype: str
    shape: tuple[int, ...]
    content: bytes


class TensorDigest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor.

    Attributes:
        dtype: its type as torch names it, without ``torch.``.
        shape: its sizes.
        sha256: digest of its elements in row-major order, little-endian.
    """

    dtype: str
    shape: list[int]
    sha256: str


class FileDigest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file on disk.

    Attributes:
        nbytes: its length.
        sha256: digest of its content.
    """

    nbytes: int
    sha256: str


class CorpusEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One checkpoint of the corpus: a file, or a folder of them.

    Attributes:
        path: where it is, below the corpus.
        recipe: the function that makes it.
        shows: what it is there for, in one sentence.
        verdict: what is to be thought of it, where that is known.
        container: which kind of file it is found to be; null where it is refused.
        style: which style of checkpoint; null where it is refused.
        message: the sentence with which it is refused, ``@@FILE@@`` in place of its path.
        files: path below the corpus of every file of it, and what it holds.
        components: component and name of every tensor that was written, in order; null where no
            tensor is to be expected of it.
    """

    path: str
    recipe: str
    shows: str
    verdict: Verdict | None
    container: str | None
    style: str | None
    message: str | None
    files: dict[str, FileDigest]
    components: dict[str, dict[str, TensorDigest]] | None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every checkpoint of the corpus.

    Attributes:
        schema: kind and version of this document.
        torch: the release of torch that the corpus is made with.
        entries: sorted by path.
    """

    schema: Literal["depickle/corpus-manifest-v1"] = "depickle/corpus-manifest-v1"
    torch: str
    entries: list[CorpusEntry]


MANIFEST_DOCUMENT: Final = DocumentSchema(
    "corpus-manifest-v1",
    Manifest,
    "What a corpus of small checkpoints consists of, and what is expected of each.",
    examples=(
        Manifest(
            torch="2.13.0",
            entries=[
                CorpusEntry(
                    path="state_dict/linear.pt",
                    recipe="corpus.checkpoint_recipes.linear",
                    shows="One layer's weights as most people save them.",
                    verdict="safe",
                    container="zip",
                    style="state_dict",
                    message=None,
                    files={"state_dict/linear.pt": FileDigest(1_473, "0a" * 32)},
                    components={"model": {"weight": TensorDigest("float32", [2, 3], "b1" * 32)}},
                ),
                CorpusEntry(
                    path="broken/empty_file.pt",
                    recipe="corpus.broken_recipes.empty_file",
                    shows="A file without a byte.",
                    verdict="unreadable",
                    container=None,
                    style=None,
                    message="empty file: @@FILE@@",
                    files={"broken/empty_file.pt": FileDigest(0, "e3" * 32)},
                    components=None,
                ),
            ],
        ),
    ),
)
"""The manifest as a document that has a schema."""


def entry_of(root: Path, path: str, recipe: Recipe, contents: Contents | None) -> CorpusEntry:
    """Return the entry of what a recipe has just written below `root`."""
    whole = root / path
    files = sorted(whole.rglob("*")) if whole.is_dir() else [whole]
    components = None
    if contents is not None:
        components = {
            component: {name: tensor_digest(tensor) for name, tensor in tensors.items()}
            for component, tensors in contents.items()
        }
    return CorpusEntry(
        path=path,
        recipe=recipe_name(recipe),
        shows=recipe.shows,
        verdict=recipe.verdict,
        container=recipe.container,
        style=recipe.style,
        message=recipe.message,
        files={
            file.relative_to(root).as_posix(): file_digest(file) for file in files if file.is_file()
        },
        components=components,
    )


def recipe_name(recipe: Recipe) -> str:
    """Return the dotted name of the function that makes a file, or that gives one which does."""
    name = recipe.write.__qualname__.partition(".<locals>")[0]
    return f"{recipe.write.__module__}.{name}"


def file_digest(path: Path) -> FileDigest:
    """Return length and digest of a file."""
    content = path.read_bytes()
    return FileDigest(len(content), hashlib.sha256(content).hexdigest())


def tensor_digest(tensor: Any) -> TensorDigest:  # noqa: ANN401 - torch.Tensor, numpy.ndarray or Stored
    """Return type, shape and digest of a live tensor."""
    stored = tensor if isinstance(tensor, Stored) else _stored(tensor)
    digest = hashlib.sha256(stored.content).hexdigest()
    return TensorDigest(stored.dtype, list(stored.shape), digest)


def manifest_text(manifest: Manifest) -> bytes:
    """Return a manifest as it stands in its file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file."""
    return msgspec.json.decode(path.read_bytes(), type=Manifest)


def _stored(tensor: Any) -> Stored:  # noqa: ANN401 - torch.Tensor or numpy.ndarray
    import numpy as np
    import torch

    if isinstance(tensor, np.ndarray):
        plain = tensor.astype(tensor.dtype.newbyteorder("<"), order="C")
        return Stored(tensor.dtype.name, tensor.shape, plain.tobytes())
    dense = tensor.detach().resolve_conj().resolve_neg().contiguous()
    raw = dense.flatten().view(torch.uint8) if dense.numel() else dense.new_empty(0)
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Stored(dtype, tuple(tensor.shape), raw.numpy().tobytes())


if __name__ == "__main__":
    target = Path(sys.argv[1]) / f"{MANIFEST_DOCUMENT.name}.json"
    target.write_text(schema_text(MANIFEST_DOCUMENT), encoding="utf-8", newline="\n")
