"""The only way to open a file that another file names: it cannot leave its folder."""

from __future__ import annotations

import os
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Final

from converter.byteio.local import FileSource, close_read, source_error
from converter.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_COMPONENTS: Final = 64
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STEP_FLAGS: Final = _FOLDER_FLAGS | os.O_NOFOLLOW
# O_NONBLOCK: a FIFO of that name must not hold us up.
_FILE_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def open_sibling(folder: str | Path, name: str) -> FileSource:
    """Open the regular file that is called `name` relative to `folder`.

    Every component is opened relative to the one before it and must not be a symbolic link, so
    nothing that changes meanwhile can lead elsewhere. `folder` itself was chosen by the caller
    and may be one.

    Args:
        folder: where the naming file lies.
        name: as found in that file: relative, ``/`` between components.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: the name could lead out of the folder, or the file is not a regular one.
    """
    components = _components(name)
    shown = os.path.join(os.fspath(folder), name)  # noqa: PTH118 - a text for messages
    current = _open_step(os.fspath(folder), _FOLDER_FLAGS, None, shown)
    try:
        for component in components[:-1]:
            previous = current
            current = _open_step(component, _STEP_FLAGS, previous, shown)
            close_read(previous)
        descriptor = _open_step(components[-1], _FILE_FLAGS, current, shown)
    finally:
        close_read(current)
    return FileSource.adopt(descriptor, shown)


def _components(name: str) -> list[str]:
    """Return the components of a name that cannot leave its folder on any system."""
    components = name.split("/")
    windows = PureWindowsPath(name)
    harmless = (
        not windows.drive
        and not windows.root
        and not any(character in name for character in "\\:\0")
        # Windows strips final dots and blanks, so "..." and ".. " are ways to say "..".
        and all(component.rstrip(". ") for component in components)
        and len(components) <= _MAX_COMPONENTS
    )
    if not harmless:
        msg = f"name leads out of its folder: {name!r}: expected a plain relative name"
        raise SourceError(msg)
    return components


def _open_step(name: str, flags: int, folder: int | None, shown: str) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if flags & os.O_NOFOLLOW and _is_link(name, folder):
            msg = (
                f"link in place of a file: {shown}: expected a file of the folder itself, "
                f"found that {name!r} is a symbolic link"
            )
            raise SourceError(msg, code="symbolic_link") from error
        raise source_error(shown, error) from error
    except ValueError as error:
        msg = f"cannot read: {shown!r}: {error}"
        raise SourceError(msg) from error


def _is_link(name: str, folder: int | None) -> bool:
    try:
        os.readlink(name, dir_fd=folder)
    except OSError:
        return False
    return True
