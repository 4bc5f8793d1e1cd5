"""Makes a call to the operating system fail, at the moment that a test chooses.

While a fault is injected, functions of `os` are replaced in this process, so that whoever calls
them meets it: the package, pathlib, shutil. The system call that Python does not offer,
renameat2, is replaced where the package makes it.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from converter.byteio import renaming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # (the real function, its arguments) → what the caller gets instead
    Effect = Callable[..., Any]

RENAMEAT2: Final = "renameat2"
# What changes a folder or a file in it, or brings it to the disk.
CHANGING: Final = (
    "copy_file_range",
    "fsync",
    "link",
    "mkdir",
    "open",
    "posix_fallocate",
    "pwrite",
    RENAMEAT2,
    "rename",
    "replace",
    "rmdir",
    "unlink",
    "write",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong.

    Attributes:
        call: the function of `os`, or ``renameat2``.
        name: of the effect, for people.
        effect: what happens instead.
        lasts: whether it happens at every call from the chosen one on.
    """

    call: str
    name: str
    effect: Effect
    lasts: bool = False

    def __str__(self) -> str:
        """Return a text for the names of tests."""
        return f"{self.call}-{self.name}{'-lasting' if self.lasts else ''}"


@dataclass(slots=True)
class Seen:
    """How often each function was called."""

    calls: dict[str, int] = field(default_factory=dict)

    def add(self, call: str) -> int:
        """Count one call and return its number, from 1."""
        self.calls[call] = self.calls.get(call, 0) + 1
        return self.calls[call]


def fails(code: int) -> Effect:
    """Return the effect of a call that does nothing and says why."""

    def effect(*_: object, **__: object) -> object:
        raise OSError(code, os.strerror(code))

    return effect


def fails_afterwards(code: int) -> Effect:
    """Return the effect of a call that does its work and is said to have failed (NFS, close)."""

    def effect(real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        real(*arguments, **options)
        raise OSError(code, os.strerror(code))

    return effect


def gives(value: object) -> Effect:
    """Return the effect of a call that does nothing and returns a value."""

    def effect(*_: object, **__: object) -> object:
        return value

    return effect


def half_read(real: Callable[..., Any], descriptor: int, nbytes: int, offset: int) -> Any:  # noqa: ANN401 - as above
    """Read half of what pread was asked for."""
    return real(descriptor, max(1, nbytes // 2), offset)


def half_read_into(
    real: Callable[..., Any], descriptor: int, buffers: list[memoryview], offset: int
) -> Any:  # noqa: ANN401 - as above
    """Read half of what preadv was asked for."""
    (buffer,) = buffers
    return real(descriptor, [buffer[: max(1, len(buffer) // 2)]], offset)


def half_write(real: Callable[..., Any], descriptor: int, buffer: Any, *offset: int) -> Any:  # noqa: ANN401 - as above
    """Write half of what write or pwrite was given."""
    return real(descriptor, buffer[: max(1, len(buffer) // 2)], *offset)


def half_copy(real: Callable[..., Any], source: int, target: int, count: int, *offsets: int) -> Any:  # noqa: ANN401 - as above
    """Copy half of what copy_file_range was asked for."""
    return real(source, target, max(1, count // 2), *offsets)


def first(action: Callable[[], None]) -> Effect:
    """Return the effect of something that happens right before the call."""

    def effect(real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        action()
        return real(*arguments, **options)

    return effect


# A file system that can do no more than it must: other releases, FAT, FUSE, networks.
POOR: Final = (
    Fault("copy_file_range", "EXDEV", fails(errno.EXDEV), lasts=True),
    Fault("link", "EPERM", fails(errno.EPERM), lasts=True),
    Fault("posix_fallocate", "ENOTSUP", fails(errno.ENOTSUP), lasts=True),
    Fault(RENAMEAT2, "unavailable", gives(value=False), lasts=True),
)


@contextmanager
def injected(*chosen: tuple[Fault, int]) -> Iterator[Seen]:
    """Let each fault happen at the call of that number, counted from 1, inside the block."""
    seen = Seen()
    by_call: dict[str, list[tuple[Fault, int]]] = {}
    for fault, number in chosen:
        by_call.setdefault(fault.call, []).append((fault, number))
    with ExitStack() as stack:
        for call, faults in by_call.items():
            place, name = _place(call)
            replaced = _replacement(getattr(place, name), call, faults, seen)
            stack.enter_context(mock.patch.object(place, name, replaced))
        yield seen


def _replacement(
    real: Callable[..., Any], call: str, faults: list[tuple[Fault, int]], seen: Seen
) -> Callable[..., Any]:
    def function(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the real one
        number = seen.add(call)
        for fault, start in faults:
            if number == start or (fault.lasts and number > start):
                return fault.effect(real, *arguments, **options)
        return real(*arguments, **options)

    return function


def _place(call: str) -> tuple[object, str]:
    """Return the object and the attribute that a call is looked up by."""
    return (renaming, "_renameat2") if call == RENAMEAT2 else (os, call)
