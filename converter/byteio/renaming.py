"""Renames that never replace anything unasked, and swaps, where the system offers them."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

_AT_FDCWD: Final = -100
# Flags of the system call, as the Linux header fs.h has them.
_NOREPLACE: Final = 1
_EXCHANGE: Final = 2
_UNAVAILABLE: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})


def rename_new(source: str, target: str) -> None:
    """Rename `source`; an existing `target` is an error, also if it appears meanwhile.

    Raises:
        FileExistsError: `target` exists.
        OSError: the rename failed.
    """
    if _renameat2(source, target, _NOREPLACE):
        return
    # Without the system's help a rename cannot promise this; the window is one call wide.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(source, target)  # noqa: PTH104 - paths are strings here


def exchange(first: str, second: str) -> bool:
    """Swap two names in one step; return False where the system cannot.

    Raises:
        OSError: the system can, and it failed.
    """
    return _renameat2(first, second, _EXCHANGE)


def _renameat2(source: str, target: str, flags: int) -> bool:
    """Call renameat2; return False if the system or the file system does not have it."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    result = function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flags)
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNAVAILABLE:
        return False
    raise OSError(code, os.strerror(code), target)
