"""Files that are no checkpoint, or no longer one, each with the sentence that says so."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from corpus.recipe import Recipe
from tests.support.diagnosis_files import DIAGNOSES

if TYPE_CHECKING:
    from pathlib import Path

    from corpus.recipe import Verdict, Write
    from tests.support.diagnosis_files import Diagnosis


# What cannot be converted may still be known to be harmless, or to hide something.
_JUDGED: Final[dict[str, Verdict]] = {
    "compressed_twice": "safe",
    # A frame that is longer than the file, whatever the reason, is a finding.
    "pickle_truncated_2": "suspicious",
    "seven_zip": "suspicious",
    "storages_elsewhere": "safe",
    "zip_encrypted": "suspicious",
    "zip_not_torch": "safe",
}


def damaged(diagnosis: Diagnosis) -> Write:
    """Return the writer of one kind of damage."""

    def write(path: Path) -> None:
        path.write_bytes(diagnosis.make())

    return write


def _recipes() -> dict[str, Recipe]:
    """Return a recipe for each diagnosis; several with one code are numbered."""
    seen: Counter[str] = Counter()
    found = {}
    for diagnosis in DIAGNOSES:
        seen[diagnosis.code] += 1
        number = seen[diagnosis.code]
        name = diagnosis.code if number == 1 else f"{diagnosis.code}_{number}"
        what, _, _ = diagnosis.sentence.partition(":")
        found[f"broken/{name}.pt"] = Recipe(
            write=damaged(diagnosis),
            shows=f"{what[0].upper()}{what[1:]}.",
            verdict=_JUDGED.get(name, "unreadable"),
            message=diagnosis.sentence.replace("@", "@@FILE@@"),
        )
    return found


BROKEN: Final[dict[str, Recipe]] = _recipes()
"""Path below the corpus → its recipe."""
