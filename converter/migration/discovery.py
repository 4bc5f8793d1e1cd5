"""Finds what may be a checkpoint below a folder: single files, and folders that are one."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converter.byteio.local import source_error
from converter.readers.converted_folder import is_converted_folder
from converter.readers.folders import kind_of_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHER: Final = "other"
# Folders with a model, below which a training keeps further checkpoints in folders of their own.
_WITH_FOLDERS_INSIDE: Final = frozenset({"model", "training"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be a checkpoint.

    Attributes:
        path: where it is.
        name: the same, relative to the folder that is migrated, with slashes; empty for itself.
        is_folder: whether the folder is the checkpoint, with the files in it.
        nbytes: its size in bytes; of a folder, that of the files directly in it.
    """

    path: str
    name: str
    is_folder: bool
    nbytes: int


def find_candidates(root: Path) -> tuple[list[Candidate], dict[str, list[Candidate]]]:
    """Return what may be a checkpoint below `root`, in the order of the names.

    Links to folders are not followed, so that no loop is walked; links to files are. A folder
    that cannot be listed is a candidate: opening it says why.

    Returns:
        The candidates, and for those that are folders: path → the files directly in it. They are
        candidates only if the checkpoint turns out not to use them, or not to be readable.
    """
    found: list[Candidate] = []
    inside: dict[str, list[Candidate]] = {}
    pending = [(os.fspath(root), "", True)]
    while pending:
        path, name, with_files = pending.pop()
        try:
            files, folders = _listed(path, name)
        except OSError:
            found.append(_whole(path, name, []))
            continue
        if is_converted_folder(path):
            found.append(_whole(path, name, files))
            continue
        names = [os.path.basename(file.path) for file in files]  # noqa: PTH119 - texts, compared
        kind = kind_of_folder(sorted([*names, *(f"{folder}/" for folder in folders)])).name
        if kind != _OTHER:
            found.append(_whole(path, name, files))
            inside[path] = files
        elif with_files:
            found += files
        if kind == _OTHER or kind in _WITH_FOLDERS_INSIDE:
            # What lies loose in folders below a checkpoint belongs to it.
            inner = with_files and kind == _OTHER
            pending += [
                (os.path.join(path, folder), _joined(name, folder), inner)  # noqa: PTH118 - texts
                for folder in reversed(folders)
            ]
    return found, inside


def _whole(path: str, name: str, files: list[Candidate]) -> Candidate:
    return Candidate(path, name, is_folder=True, nbytes=sum(file.nbytes for file in files))


def _joined(name: str, inner: str) -> str:
    return f"{name}/{inner}" if name else inner


def _listed(path: str, name: str) -> tuple[list[Candidate], list[str]]:
    """Return (files, names of folders) directly in a folder, sorted."""
    with os.scandir(path) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    files = [
        Candidate(entry.path, _joined(name, entry.name), is_folder=False, nbytes=nbytes)
        for entry in entries
        if not entry.is_dir(follow_symlinks=False)
        for nbytes in _file_nbytes(entry)
    ]
    return files, folders


def _file_nbytes(entry: os.DirEntry[str]) -> Iterator[int]:
    """Yield the size of what is no folder; nothing for a link to one."""
    try:
        status = entry.stat()
    except OSError:
        yield 0  # opening it says what is wrong
        return
    if not stat.S_ISDIR(status.st_mode):
        yield status.st_size


def check_folder(root: Path) -> None:
    """Raise `SourceError` unless `root` is a folder that can be listed."""
    try:
        os.scandir(root).close()
    except (OSError, ValueError) as error:
        wrapped = error if isinstance(error, OSError) else OSError(str(error))
        raise source_error(str(root), wrapped) from error
