"""The names in a zip file: what two readers could resolve to different records."""

from __future__ import annotations

from converter.containers.records import ascii_folded, ascii_folded_all
from converter.patterns import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from converter.containers.zip_structures import AnomalyLog

_UNSAFE: Final = lazy_pattern(
    r"^/|^[A-Za-z]:|\\|//|(?:^|/)\.{1,2}(?:/|$)|[\x00-\x1f\x7f]|^$",
)
# One of these is in every text of lines in which some line is unsafe, control characters apart.
_TELLTALES: Final = (
    "\\", ":", "//", "\n/", "\n\n", "\n./", "\n../",
    "/./", "/../", "\n.\n", "\n..\n", "/.\n", "/..\n",
)  # fmt: skip


def note_names(names: Sequence[str], log: AnomalyLog) -> None:
    """Note duplicates, case clashes, unsafe names and names outside the root folder."""
    unique = set(names)
    if len(unique) != len(names):
        _note_duplicates(names, log)
    folded = ascii_folded_all(list(names))
    if folded != names and len(set(folded)) != len(unique):
        _note_case_clashes(names, log)
    _note_unsafe(names, log)
    _note_roots(names, log)


def _note_unsafe(names: Sequence[str], log: AnomalyLog) -> None:
    """Search all names as lines of one text, and one by one only if something is there."""
    text = "\n".join(["", *names, ""])
    if "".join(names).isprintable() and not any(telltale in text for telltale in _TELLTALES):
        return
    for name in names:
        if _UNSAFE.search(name):
            detail = "the name is absolute, climbs, or is read differently by some readers"
            log.add("zip_unsafe_name", detail, record=name)


def _note_duplicates(names: Sequence[str], log: AnomalyLog) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        earlier = first.setdefault(name, index)
        if earlier != index:
            detail = f"entries {earlier} and {index} of the directory have this name"
            log.add("zip_duplicate_name", detail, record=name)


def _note_case_clashes(names: Sequence[str], log: AnomalyLog) -> None:
    first: dict[str, str] = {}
    for name in dict.fromkeys(names):
        earlier = first.setdefault(ascii_folded(name), name)
        if earlier != name:
            detail = (
                f"the name is equal to {earlier!r} but for case; torch does not tell them apart"
            )
            log.add("zip_case_clash", detail, record=name)


def _note_roots(names: Sequence[str], log: AnomalyLog) -> None:
    """Compare every name with the root, the first component of the first entry (as torch does)."""
    if not names:
        return
    root, slash, _ = names[0].partition("/")
    if not slash:
        log.add("zip_no_root", f"the first entry, {names[0]!r}, is in no folder")
        return
    prefix = root + "/"
    outside = [name for name in names if not name.startswith(prefix)]
    for name in outside:
        log.add("zip_outside_root", f"the name is not inside {prefix!r}", record=name)
    roots = dict.fromkeys(name.partition("/")[0] for name in outside if "/" in name)
    if roots:
        shown = ", ".join(repr(name) for name in [root, *list(roots)[:3]])
        log.add("zip_several_roots", f"{len(roots) + 1} root folders: {shown}")
