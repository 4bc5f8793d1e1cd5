"""What is mutated, with the tests that must notice, and what may survive: the two lists, read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent
REPOSITORY: Final = _FOLDER.parents[1]


@dataclass(frozen=True, slots=True)
class Package:
    """A part of the package that is mutated together.

    Attributes:
        modules: its sources, relative to the repository, in the order of paths.
        tests: the files and folders of tests that cover it, in groups tried one after the other.
        without: ends of test ids, before any parameters, that are too slow or too heavy.
    """

    modules: tuple[Path, ...]
    tests: tuple[tuple[str, ...], ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test can or need notice.

    Attributes:
        module: its source, relative to the repository.
        before: the lines as they are, stripped and joined by a newline.
        after: the lines as mutated, likewise.
        why: what makes it equivalent, or not worth a test.
    """

    module: str
    before: str
    after: str
    why: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells mutants apart, wherever in the module the line stands."""
        return self.module, self.before, self.after


def read_packages() -> dict[str, Package]:
    """Read ``packages.toml``.

    Raises:
        FileNotFoundError: a pattern matches no module.
    """
    listed = tomllib.loads((_FOLDER / "packages.toml").read_text(encoding="utf-8"))
    return {
        name: Package(
            modules=tuple(
                sorted(path for pattern in package["modules"] for path in _matching(pattern))
            ),
            tests=tuple(map(tuple, package["tests"])),
            without=tuple(package["without"]),
        )
        for name, package in listed.items()
    }


def read_survivors() -> list[Survivor]:
    """Read ``survivors.toml``."""
    listed = tomllib.loads((_FOLDER / "survivors.toml").read_text(encoding="utf-8"))
    return [Survivor(**one) for one in listed["survivor"]]


def _matching(pattern: str) -> list[Path]:
    found = [path.relative_to(REPOSITORY) for path in REPOSITORY.glob(pattern)]
    if not found:
        raise FileNotFoundError(pattern)
    return found
