"""Watches one call: what it raises, imports, opens or runs, how long it takes, what it allocates.

The bounds, for an input of n bytes:

* processor time: `SECONDS` + n × `SECONDS_PER_BYTE`
* memory: `NBYTES` + n × `NBYTES_PER_BYTE`, measured in the calls that are chosen to be measured

A pickle needs one byte to push an empty list, which is a node here, an object with a list inside;
hence the factor. What is compressed may grow by `converter.limits` first.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from converter.errors import DepickleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS: Final = 2.0
SECONDS_PER_BYTE: Final = 1e-4
NBYTES: Final = 32 << 20
NBYTES_PER_BYTE: Final = 1_000

# Audit events of CPython that reading bytes from memory has no business raising.
FORBIDDEN_EVENTS: Final = frozenset(
    {
        *("exec", "compile", "open", "pickle.find_class", "marshal.loads"),
        *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile"),
        *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.putenv"),
        *("subprocess.Popen", "socket.__new__", "socket.connect", "ctypes.dlopen"),
        *("shutil.rmtree", "tempfile.mkstemp", "webbrowser.open"),
    }
)
# What a reader may import when it is first needed.
_OWN: Final = frozenset({"converter", "numpy", "msgspec"}) | sys.stdlib_module_names


class GuardError(AssertionError):
    """A reader did what no reader may do."""


class _Watch:
    """The state of the hook, which cannot be removed once it is installed."""

    def __init__(self) -> None:
        self.active = False
        self.installed = False
        self.seen: str | None = None
        self.importing = 0

    def install(self) -> None:
        if not self.installed:
            sys.addaudithook(self.hear)
            self.installed = True

    def hear(self, event: str, args: tuple[object, ...]) -> None:
        if not self.active or self.seen is not None:
            return
        if event == "import":
            name = str(args[0])
            if name.partition(".")[0] not in _OWN:
                self.seen = f"import of {name}"
            # Loading our own module opens and executes its code.
            self.importing += 1
        elif event in FORBIDDEN_EVENTS and not self.importing and not _reads_annotations():
            self.seen = f"{event} {args[:1]!r}"


def _reads_annotations() -> bool:
    """Return whether who raised the event resolves annotations, which stand in our own code.

    msgspec has `typing` do so when a type is decoded for the first time.
    """
    caller = sys._getframe(2)  # noqa: SLF001 - the only way to know who asks
    return caller.f_globals.get("__name__") in {"typing", "annotationlib"}


_WATCH: Final = _Watch()


@contextmanager
def _watched() -> Iterator[None]:
    _WATCH.install()
    _WATCH.seen, _WATCH.importing, _WATCH.active = None, 0, True
    try:
        yield
    finally:
        _WATCH.active = False


def guarded(read: Callable[[bytes], object], content: bytes, *, measured: bool = True) -> None:
    """Call a reader on some bytes and check that it keeps to the rules.

    Args:
        read: anything that raises `DepickleError` for what it cannot read.
        content: the input.
        measured: whether memory is measured as well, which takes several times as long.

    Raises:
        GuardError: it ran something, took too long or too much.
    """
    if measured:
        tracemalloc.start()
    started = time.process_time()
    try:
        with _watched(), suppress(DepickleError):
            read(content)
        elapsed = time.process_time() - started
        peak = tracemalloc.get_traced_memory()[1] if measured else 0
    finally:
        if measured:
            tracemalloc.stop()
    if _WATCH.seen is not None:
        raise GuardError(f"forbidden: {_WATCH.seen}")
    allowed_s = SECONDS + len(content) * SECONDS_PER_BYTE
    if elapsed > allowed_s * (5 if measured else 1):
        raise GuardError(f"{elapsed:.2f} s for {len(content)} bytes; {allowed_s:.2f} allowed")
    allowed = NBYTES + len(content) * NBYTES_PER_BYTE
    if peak > allowed:
        raise GuardError(f"{peak} bytes of memory for {len(content)} bytes; {allowed} allowed")
