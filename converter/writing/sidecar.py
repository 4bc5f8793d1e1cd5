"""The document beside a single file: its name, how it appears, and when it is removed."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from typing import TYPE_CHECKING, Final

from converter.byteio import temporaries
from converter.byteio.beside import MARK, names_beside
from converter.byteio.local import FileSource
from converter.byteio.sink import AtomicFile
from converter.errors import DepickleError, SinkError, SourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from converter.limits import Limits
    from converter.writing.layout import Sidecar

SUFFIX: Final = f"{MARK}.json"
FOLDER_SIDECAR: Final = f"checkpoint{SUFFIX}"
_DIGITS: Final = 12
_CHUNK_NBYTES: Final = 1 << 20


def sidecar_name(file_name: str, sha256: str) -> str:
    """Return ``<file name>.<first digits of the document's sha256>.depickle.json``."""
    return f"{file_name}.{sha256[:_DIGITS]}{SUFFIX}"


class SidecarFile:
    """The sidecar of a single file: found in place, or published."""

    def __init__(self, sidecar: Sidecar, destination: Path, *, replace: bool) -> None:
        """Look at what is there, before the long work begins.

        Raises:
            SinkError: another file has the name, and may not be replaced.
        """
        self._path: Final = destination.with_name(sidecar.file_name)
        self._destination: Final = destination
        self._content: Final = sidecar.content
        self._replace: Final = replace
        if os.path.lexists(self._path) and not (replace or self._is_in_place()):
            msg = f"cannot write: {self._path}: it exists already"
            raise SinkError(msg)

    def publish(self) -> None:
        """Give the sidecar its name.

        Raises:
            SinkError: it cannot be written.
        """
        if self._is_in_place():
            return
        destination = self._destination
        with AtomicFile(self._path, replace=self._replace, part_of=destination) as sink:
            sink.write_at(0, self._content)

    def _is_in_place(self) -> bool:
        """Return whether its name is that of a regular file with exactly its content."""
        try:
            status = self._path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != len(self._content):
                return False
            return self._path.read_bytes() == self._content
        except OSError:
            return False


def remove_unreferenced(target: Path, published: str | None, limits: Limits) -> None:
    """Remove the sidecars of `target` that it does not refer to; what is in doubt stays.

    `published` is the name of the one that was published with it, if any.

    Several processes may write the same target at once. The order of the steps is what keeps the
    sidecar of each: its temporary is there from before its sidecar until the target refers to it.

    1. List the sidecars.
    2. Where anybody is writing the target, leave them all to him.
    3. Read which one the target refers to. If one of those listed belongs to a process that step 2
       did not see, it has either published, and is the one, or it has failed.
    """
    listed = [path for path in _iter_sidecars(target) if path.name != published]
    if not listed or temporaries.has_temporaries(target):
        return
    try:
        named = _referenced(target, limits)
    except DepickleError:
        return
    for path in listed:
        if path.name != named and _is_ours(path):
            temporaries.remove(path)


def _iter_sidecars(target: Path) -> Iterator[Path]:
    pattern = re.compile(rf"{re.escape(target.name)}\.[0-9a-f]{{{_DIGITS}}}{re.escape(SUFFIX)}")
    try:
        names = names_beside(target)
    except OSError:
        return
    for name in names:
        if pattern.fullmatch(name):
            yield target.with_name(name)


def _referenced(target: Path, limits: Limits) -> str | None:
    """Return the name of the sidecar that a file refers to.

    Raises:
        DepickleError: the file cannot be read.
    """
    try:
        source = FileSource(target)
    except SourceNotFoundError:
        return None
    from converter.readers.converted import DOCUMENT_FILE_KEY, metadata_of
    from converter.readers.safetensors_source import read_safetensors

    with source:
        return metadata_of(read_safetensors(source, limits)).get(DOCUMENT_FILE_KEY)


def _is_ours(path: Path) -> bool:
    """Return whether a file has the content that its name says."""
    digest = hashlib.sha256()
    try:
        with FileSource(path) as source:
            for offset in range(0, source.nbytes, _CHUNK_NBYTES):
                digest.update(source.read_at(offset, min(_CHUNK_NBYTES, source.nbytes - offset)))
    except DepickleError:
        return False
    return path.name.endswith(f".{digest.hexdigest()[:_DIGITS]}{SUFFIX}")
