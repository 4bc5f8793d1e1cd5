"""Hostile files: ``hostile/<rule>/<class>_<what>``.

The rule is the one that has to speak, the number that of the class of attack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from corpus.hostile_archives import ARCHIVES
from corpus.hostile_evasions import EVASIONS
from corpus.hostile_pickles import PICKLES

if TYPE_CHECKING:
    from corpus.hostile_writer import Sample
    from corpus.recipe import Recipe

SAMPLES: Final[dict[str, Sample]] = {
    f"hostile/{path}": sample
    for path, sample in sorted({**PICKLES, **ARCHIVES, **EVASIONS}.items())
}
"""Path below the corpus → the sample."""

HOSTILE: Final[dict[str, Recipe]] = {path: sample.recipe for path, sample in SAMPLES.items()}
"""Path below the corpus → its recipe."""
