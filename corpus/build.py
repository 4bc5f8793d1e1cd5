"""Makes every file of the corpus and its manifest; running it again leaves no difference.

    python -m corpus.build            # with torch 2.13.0, the release the corpus is made with

One function per file, registered by hand. Benign objects only; hostile files are written opcode
by opcode and name a tripwire that exists nowhere.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path
from typing import Final

import torch

from corpus.archive_recipes import ARCHIVES
from corpus.broken_folder_recipes import BROKEN_FOLDERS
from corpus.broken_recipes import BROKEN
from corpus.checkpoint_recipes import CHECKPOINTS
from corpus.container_recipes import CONTAINERS
from corpus.folder_recipes import FOLDERS
from corpus.hostile_recipes import HOSTILE
from corpus.manifest import (
    MANIFEST,
    Manifest,
    entry_of,
    manifest_text,
)
from corpus.recipe import Recipe

HERE: Final = Path(__file__).parent

RECIPES: Final[dict[str, Recipe]] = {
    **CHECKPOINTS,
    **CONTAINERS,
    **ARCHIVES,
    **FOLDERS,
    **BROKEN,
    **BROKEN_FOLDERS,
    **HOSTILE,
}
"""Path below the corpus → how that file is made."""


def build(root: Path) -> None:
    """Write every file, and the manifest, into a folder."""
    warnings.simplefilter("ignore")  # what is on its way out of torch is in people's files
    entries = []
    for path, recipe in sorted(RECIPES.items()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        entries.append(entry_of(root, path, recipe, recipe.write(target)))
    manifest = Manifest(torch=torch.__version__.partition("+")[0], entries=entries)
    (root / MANIFEST).write_bytes(manifest_text(manifest))


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
