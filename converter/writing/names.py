r"""Names that a safetensors file can hold, each once.

A name is changed for two reasons only, always in the same way, and every change is reported:

* The format cannot hold it. ``__metadata__`` is its own key and becomes ``__metadata__~2``. Lone
  surrogates, which no UTF-8 text can hold, are spelled ``\udXXX``, with the backslashes of such
  a name doubled, so that the spelling can be undone.
* Two tensors have the same name without anybody having asked for it (component ``a`` with key
  ``b.c``, component ``a.b`` with key ``c``). The first in the order of the source keeps it, the
  others become ``name~2``, ``name~3``, …, skipping names that are taken.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.errors import PlanError
from converter.writing.header import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from converter.writing.selection import Candidate

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_UNSAFE_IN_FILE_NAME: Final = re.compile(r"[^\w.\-+=@, ]", re.ASCII)
# Leaves room for endings and the rest of a temporary name within 255 bytes.
_MAX_FILE_STEM_CHARS: Final = 120


class Renamed(NamedTuple):
    """A tensor whose name the format could not hold.

    Attributes:
        source_name: its full name in the checkpoint.
        wanted: the name it should have had in its file.
        name: the name it has there.
        reason: why, in a few words.
    """

    source_name: str
    wanted: str
    name: str
    reason: str


def assign_names(candidates: Sequence[Candidate]) -> tuple[list[str], list[Renamed]]:
    """Return one name per candidate of a file, in order, and what had to be changed.

    Raises:
        PlanError: the user's options gave two tensors one name, or one a name that is reserved.
    """
    wanted = [candidate.wanted for candidate in candidates]
    if _can_be_held(wanted):
        return wanted, []
    spelled = [spell(name) for name in wanted]
    _check_collisions(candidates, spelled)
    taken = set(spelled)
    count: dict[str, int] = {}
    names: list[str] = []
    renamed: list[Renamed] = []
    for candidate, first_choice in zip(candidates, spelled, strict=True):
        name = first_choice
        number = count.get(name, 0) + 1
        reason = "the format cannot hold the name"
        if number > 1:
            while f"{first_choice}~{number}" in taken:
                number += 1
            name = f"{first_choice}~{number}"
            taken.add(name)
            reason = "another tensor has the same name"
        count[first_choice] = number
        names.append(name)
        if name != candidate.wanted:
            renamed.append(Renamed(candidate.source_name, candidate.wanted, name, reason))
    return names, renamed


def _can_be_held(names: list[str]) -> bool:
    """Return whether a file can hold all of some names as they are, each once."""
    distinct = set(names)
    if len(distinct) < len(names) or METADATA_KEY in distinct:
        return False
    return _SURROGATE.search("".join(names)) is None


def spell(name: str) -> str:
    """Return `name` as a safetensors header can hold it."""
    if name == METADATA_KEY:
        return f"{METADATA_KEY}~2"
    if _SURROGATE.search(name):
        doubled = name.replace("\\", "\\\\")
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", doubled)
    return name


def file_names(component_names: Iterable[str]) -> list[str]:
    """Return one safe, distinct file name per component, ending in ``.safetensors``.

    Component names come from the file: whatever could leave the folder, hide or clash on a file
    system that ignores case is spelled ``%XX``, shortened or numbered.
    """
    taken: set[str] = set()
    found = []
    for name in component_names:
        stem = _file_stem(name)
        choice, number = stem, 1
        while choice.casefold() in taken:
            number += 1
            choice = f"{stem}~{number}"
        taken.add(choice.casefold())
        found.append(f"{choice}.safetensors")
    return found


def _file_stem(name: str) -> str:
    stem = _UNSAFE_IN_FILE_NAME.sub(_percent, name) or "%"
    if stem[0] in ". ":
        stem = _percent_of(stem[0]) + stem[1:]
    if len(stem) > _MAX_FILE_STEM_CHARS:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        stem = f"{stem[: _MAX_FILE_STEM_CHARS - 17]}~{digest[:16]}"
    return stem


def _percent(match: re.Match[str]) -> str:
    return _percent_of(match[0])


def _percent_of(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def _check_collisions(candidates: Sequence[Candidate], spelled: Sequence[str]) -> None:
    first: dict[str, Candidate] = {}
    for candidate, name in zip(candidates, spelled, strict=True):
        if candidate.wanted == METADATA_KEY != candidate.natural:
            msg = f"name is reserved by the format: {candidate.source_name!r} as {name!r}"
            raise PlanError(msg)
        other = first.setdefault(name, candidate)
        if spell(other.natural) != spell(candidate.natural):
            msg = (
                f"two tensors would get one name: {name!r}: "
                f"{other.source_name!r} and {candidate.source_name!r}"
            )
            raise PlanError(msg)
