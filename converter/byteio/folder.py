"""A folder as a source: the files that were opened in it, kept open and closed together."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from converter.byteio.local import FileSource, source_error
from converter.byteio.sibling import open_sibling
from converter.byteio.source import ByteSource
from converter.errors import LimitError, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from converter.limits import Limits


class FolderSource(ByteSource):
    """A folder; has no bytes of its own.

    Files are opened below the folder only, never through symbolic links, and stay open until
    `close`. `nbytes` is the sum of those that were opened so far.
    """

    __slots__ = ("_files",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Stand for `path`.

        Raises:
            SourceNotFoundError: there is nothing of that name.
            SourceError: it is no folder.
        """
        self.name = os.fspath(path)
        self.nbytes = 0
        self._files: Final[dict[str, FileSource]] = {}
        try:
            mode = os.stat(self.name).st_mode  # noqa: PTH116 - the name may be any path-like
        except (OSError, ValueError) as error:
            raise _reading_error(self.name, error) from error
        if not stat.S_ISDIR(mode):
            msg = f"not a folder: {self.name}"
            raise SourceError(msg)

    @property
    def files(self) -> Mapping[str, FileSource]:
        """Return name below the folder → file, of those that were opened."""
        return self._files

    def open_file(self, name: str) -> FileSource:
        """Return the regular file called `name` below the folder; the folder owns it.

        Raises:
            SourceNotFoundError: there is no such file.
            SourceError: the name could lead out of the folder, is that of a symbolic link or of
                no regular file, or the file may not be read.
        """
        known = self._files.get(name)
        if known is not None:
            return known
        found = open_sibling(self.name, name)
        self._files[name] = found
        self.nbytes += found.nbytes
        return found

    def list_names(self, below: str, limits: Limits) -> list[str]:
        """Return the names in the folder, or in its subfolder `below`, sorted; folders end in /.

        Symbolic links are listed as files: opening one says what it is.

        Raises:
            SourceError: it cannot be listed, or `below` is no folder directly in this one.
            LimitError: it holds more than `Limits.max_records` names.
        """
        place = os.path.join(self.name, below)  # noqa: PTH118 - a text for messages
        if below and f"{below}/" not in self.list_names("", limits):
            msg = f"no folder of that name: {place}"
            raise SourceError(msg)
        names = []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    slash = "/" if entry.is_dir(follow_symlinks=False) else ""
                    names.append(entry.name + slash)
                    if len(names) > limits.max_records:
                        raise LimitError(
                            "max_records",
                            allowed=limits.max_records,
                            found=len(names),
                            source=place,
                        )
        except (OSError, ValueError) as error:
            raise _reading_error(place, error) from error
        return sorted(names)

    def read_at(self, offset: int, nbytes: int) -> NoReturn:
        """Raise `SourceError`: only the files in it have bytes."""
        self._read(offset, nbytes)

    def _read(self, offset: int, nbytes: int) -> NoReturn:
        msg = f"read from a folder: {self.name}: expected a file in it"
        raise SourceError(msg)

    def check_unchanged(self) -> None:
        """Compare every file that was opened with what it was then; errors as in `FileSource`."""
        for file in self._files.values():
            file.check_unchanged()

    def close(self) -> None:
        """Close every file; harmless when repeated."""
        for file in self._files.values():
            file.close()


def _reading_error(name: str, error: OSError | ValueError) -> SourceError:
    if isinstance(error, OSError):
        return source_error(name, error)
    return SourceError(f"cannot read: {name!r}: {error}")
