"""Temporary names beside a target: who owns them, and which ones nobody owns any more."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import stat
from typing import TYPE_CHECKING, Final

from converter.byteio.beside import MARK, names_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPORARY_SUFFIX: Final = f"{MARK}-tmp"
# What a target is called while the new one takes its place, where two names cannot be swapped.
ASIDE_SUFFIX: Final = f"{MARK}-old"
# Leaves room for the rest of the temporary name within the 255 bytes of common file systems.
_MAX_STEM_NBYTES: Final = 180
# The temporaries of this process that are in use. Its id alone does not tell: in a container the
# process that was killed and the one that comes after it often have the same.
_IN_USE: Final[set[str]] = set()


def temporary_path(target: Path, suffix: str = TEMPORARY_SUFFIX) -> Path:
    """Return a new name ``.<name>.<pid>-<host>-<random><suffix>`` beside `target`.

    It counts as in use until `release`.
    """
    owner = f"{os.getpid()}-{_host()}-{os.urandom(6).hex()}"
    path = target.with_name(f"{_stem(target)}{owner}{suffix}")
    _IN_USE.add(path.name)
    return path


def release(path: Path) -> None:
    """Note that this process is done with a temporary: if it is still there, it is abandoned."""
    _IN_USE.discard(path.name)


def lock(descriptor: int) -> bool:
    """Mark an open temporary as in use; return False if someone else holds it.

    True as well where the file system has no locks: the process id must do there.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def iter_abandoned(target: Path, suffix: str = TEMPORARY_SUFFIX) -> Iterator[Path]:
    """Yield the temporaries of `target` that a process of this host left and nobody holds."""
    stem = _stem(target)
    try:
        names = names_beside(target)
    except OSError:
        return
    for name in names:
        if name.startswith(stem) and name.endswith(suffix):
            path = target.with_name(name)
            if _is_gone(name, name[len(stem) : -len(suffix)]) and _is_unlocked(path):
                yield path


def has_temporaries(target: Path) -> bool:
    """Return whether anything is being written to `target`, or was and was not removed.

    True as well where that cannot be seen.
    """
    stem = _stem(target)
    try:
        names = os.listdir(target.parent)  # noqa: PTH208 - names, not paths
    except OSError:
        return True
    return any(name.startswith(stem) and name.endswith(TEMPORARY_SUFFIX) for name in names)


def remove_abandoned(target: Path) -> None:
    """Remove what killed processes left behind for `target`, as far as that is certain."""
    for path in iter_abandoned(target):
        remove(path)
    for path in iter_abandoned(target, ASIDE_SUFFIX):
        if os.path.lexists(target):
            remove(path)
        else:  # killed between the two renames: the old one is all there is
            with contextlib.suppress(OSError):
                path.rename(target)


def remove(path: Path) -> None:
    """Remove a file or a folder tree, following no link; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _stem(target: Path) -> str:
    encoded = os.fsencode(target.name)
    if len(encoded) <= _MAX_STEM_NBYTES:
        return f".{target.name}."
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f".{target.name[:32]}~{digest}."


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_gone(name: str, owner: str) -> bool:
    """Return whether the owner was a process of this host that is no more, or is done with it."""
    match owner.split("-"):
        case [pid, host, _] if pid.isdecimal() and pid.isascii() and host == _host():
            if pid == str(os.getpid()):
                return name not in _IN_USE
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                return True
            except (OSError, OverflowError):
                return False
    return False


def _is_unlocked(path: Path) -> bool:
    """Return whether nobody holds the lock of a temporary."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return False
    try:
        return lock(descriptor)
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
