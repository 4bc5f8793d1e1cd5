"""Reads a folder that a conversion wrote: one safetensors file per component, one document."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from converter.byteio.sibling import open_sibling
from converter.byteio.source import ByteSource
from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened
from converter.checkpoint.document import decode_document
from converter.checkpoint.values import MappingValue
from converter.errors import FormatError, LimitError, SourceError
from converter.readers.converted import (
    DOCUMENT_SHA256_KEY,
    DocumentError,
    metadata_of,
    named_files,
    own_tensors,
    read_document,
    restored_checkpoint,
    say_unusable,
)
from converter.readers.safetensors_source import read_safetensors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack

    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits
    from converter.readers.converted import Held

FOLDER_DOCUMENT: Final = "checkpoint.depickle.json"
_SUFFIX: Final = ".safetensors"


class FolderSource(ByteSource):
    """The files of a folder, as one input that is closed at once; it has no bytes of its own."""

    __slots__ = ("_files",)

    def __init__(self, name: str, files: Iterable[ByteSource]) -> None:
        """Take ownership of `files`."""
        self.name = name
        self._files: Final = list(files)
        self.nbytes = sum(file.nbytes for file in self._files)

    def _read(self, offset: int, nbytes: int) -> bytes:
        msg = f"cannot read: {self.name}: a folder has no bytes of its own"
        raise SourceError(msg)

    def check_unchanged(self) -> None:
        """Compare every file with what it was when it was opened; errors as in `FileSource`."""
        for file in self._files:
            file.check_unchanged()

    def close(self) -> None:
        """Close every file."""
        for file in self._files:
            file.close()


def is_converted_folder(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder holds the document of a conversion."""
    return os.path.isfile(os.path.join(folder, FOLDER_DOCUMENT))  # noqa: PTH113, PTH118


def read_converted_folder(folder: str | os.PathLike[str], limits: Limits) -> Checkpoint:
    """Return the checkpoint that a folder was converted from.

    Where the document cannot be used, every file is a component of its own, named for the file,
    and an anomaly says why.

    Raises:
        SourceError: a file cannot be read.
        FormatError: a file is no safetensors file.
    """
    from contextlib import ExitStack

    with ExitStack() as stack:
        checkpoint = _read(os.fspath(folder), limits, stack)
        stack.pop_all()
        return checkpoint


def _read(folder: str, limits: Limits, stack: ExitStack) -> Checkpoint:
    opened = Opened(FolderSource(folder, ()), "safetensors folder")
    try:
        text = read_document(folder, FOLDER_DOCUMENT, None, limits)
        document = decode_document(text)
        names = list(named_files(document))
    except (FormatError, SourceError) as error:
        say_unusable(opened, error)
        return _plain(opened, _read_files(folder, _files_in(folder), limits, stack))
    files = _read_files(folder, names, limits, stack)
    sha256 = _sha256(text)
    held: Held = {
        (name, file): tensor for file, one in files.items() for name, tensor in one[1].items()
    }
    _own(opened, files)
    try:
        for file, (part, _) in files.items():
            _check_same_document(part, file, sha256)
        return restored_checkpoint(opened, document, held, limits)
    except FormatError as error:
        say_unusable(opened, error)
        return _plain(opened, files)


def _read_files(
    folder: str, names: Iterable[str], limits: Limits, stack: ExitStack
) -> dict[str, tuple[Opened, dict[str, TensorRef]]]:
    files: dict[str, tuple[Opened, dict[str, TensorRef]]] = {}
    for name in names:
        if len(files) >= limits.max_folder_files:
            raise LimitError(
                "max_folder_files", allowed=limits.max_folder_files, found=len(files) + 1
            )
        source = stack.enter_context(open_sibling(folder, name))
        part = read_safetensors(source, limits)
        files[name] = (part, own_tensors(part))
    return files


def _files_in(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))  # noqa: PTH208


def _own(opened: Opened, files: dict[str, tuple[Opened, dict[str, TensorRef]]]) -> None:
    opened.source = FolderSource(opened.source.name, [part.source for part, _ in files.values()])
    opened.storages = [storage for part, _ in files.values() for storage in part.storages]


def _plain(opened: Opened, files: dict[str, tuple[Opened, dict[str, TensorRef]]]) -> Checkpoint:
    """Return the tensors of each file as a component of its own."""
    _own(opened, files)
    components = []
    root = MappingValue("dict")
    for file, (part, tensors) in files.items():
        name = file.removesuffix(_SUFFIX)
        root.entries.append((name, part.root))
        components.append(Component(name, ComponentKind.EXTRA, (name,), part.root, tensors))
    opened.root = root
    return Checkpoint(opened, "nested", tuple(components), notes=tuple(opened.notes))


def _check_same_document(part: Opened, file: str, sha256: str) -> None:
    found = metadata_of(part).get(DOCUMENT_SHA256_KEY)
    if found != sha256:
        raise DocumentError(
            "document of another folder",
            source=file,
            expected=f"sha256 {sha256} in its metadata",
            found=str(found),
            code="document_mismatch",
        )


def _sha256(text: bytes) -> str:
    import hashlib

    return hashlib.sha256(text).hexdigest()
