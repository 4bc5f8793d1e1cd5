"""Which kind of folder it is, by the names in it; a table that grows by hand.

The first kind that fits is read. A folder is a checkpoint if its files are one: what lies beside
them (tokenizers, configurations, texts) is listed in a note and left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Opened
from converter.errors import UnsupportedError
from converter.readers.dcp import METADATA_NAME, SHARD_SUFFIX, read_dcp
from converter.readers.dcp_safetensors import is_dcp_safetensors, read_dcp_safetensors
from converter.readers.deepspeed import is_deepspeed, read_deepspeed
from converter.readers.folder_parts import FolderParts
from converter.readers.record_values import listed
from converter.readers.training_folders import (
    has_companions,
    model_name,
    read_model,
    read_training,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from converter.byteio.folder import FolderSource
    from converter.checkpoint.values import Value
    from converter.limits import Limits
    from converter.readers.folder_parts import FileReader


@dataclass(frozen=True, slots=True)
class FolderKind:
    """One kind of folder.

    Attributes:
        name: its short name.
        fits: whether a folder with these names in it is of this kind.
        read: returns what the folder holds.
    """

    name: str
    fits: Callable[[frozenset[str]], bool]
    read: Callable[[FolderParts], Value]


def read_folder(source: FolderSource, limits: Limits, read_file: FileReader) -> Opened:
    """Read a checkpoint that is a folder; `read_file` reads a file of any kind.

    Raises:
        SourceError: it cannot be listed, or a file of it cannot be read.
        FormatError: no reader takes it, or files are missing or not what others say of them.
    """
    names = source.list_names("", limits)
    kind = kind_of_folder(names)
    parts = FolderParts(source, limits, read_file, Opened(source, kind.name), names)
    root = kind.read(parts)
    opened = parts.finish()
    opened.root = root
    used = {name.split("/")[0] for name in source.files}
    unread = [name for name in names if name.rstrip("/") not in used]
    if unread:
        text = f"in the folder, but no part of the checkpoint: {listed(unread)}"
        parts.note("folder_names_unread", text)
    return opened


def kind_of_folder(names: list[str]) -> FolderKind:
    """Return the first kind that fits; the last one fits every folder."""
    found = frozenset(names)
    return next(kind for kind in FOLDER_KINDS if kind.fits(found))


def _is_rank_metadata(names: frozenset[str]) -> bool:
    return any(name.startswith("__") and name.endswith(METADATA_NAME) for name in names)


def _refuse_ranks(parts: FolderParts) -> NoReturn:
    raise UnsupportedError(
        "distributed checkpoint whose ranks saved each for itself",
        source=parts.source.name,
        expected=f"one file {METADATA_NAME} for all ranks",
        found=listed([name for name in parts.names if name.endswith(METADATA_NAME)]),
        code="dcp_ranks",
    )


def _refuse_unfinished(parts: FolderParts) -> NoReturn:
    raise UnsupportedError(
        "distributed checkpoint without its metadata",
        source=parts.source.name,
        expected=f"a file {METADATA_NAME}, which is written last",
        found=listed([name for name in parts.names if name.endswith(SHARD_SUFFIX)]),
        code="dcp_unfinished",
    )


def _refuse_other(parts: FolderParts) -> NoReturn:
    names = parts.names
    raise UnsupportedError(
        "folder of no known kind",
        source=parts.source.name,
        expected="a distributed checkpoint, or a model of transformers, accelerate or DeepSpeed",
        found=listed(names) if names else "an empty folder",
        code="folder_unknown",
    )


FOLDER_KINDS: Final = (
    FolderKind("dcp", lambda names: METADATA_NAME in names, read_dcp),
    FolderKind("dcp_ranks", _is_rank_metadata, _refuse_ranks),
    FolderKind("dcp_safetensors", is_dcp_safetensors, read_dcp_safetensors),
    # transformers leaves DeepSpeed's own folder beside its files; whole weights are preferred.
    FolderKind(
        "training",
        lambda names: (
            has_companions(names) and (model_name(names) is not None or not is_deepspeed(names))
        ),
        read_training,
    ),
    FolderKind("deepspeed", is_deepspeed, read_deepspeed),
    FolderKind("model", lambda names: model_name(names) is not None, read_model),
    FolderKind(
        "dcp_unfinished",
        lambda names: any(name.endswith(SHARD_SUFFIX) for name in names),
        _refuse_unfinished,
    ),
    FolderKind("other", lambda _: True, _refuse_other),
)
"""Every kind of folder, in the order in which they are tried."""
