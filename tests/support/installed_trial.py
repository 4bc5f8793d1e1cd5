"""A trial of what is built: each wheel and sdist of a folder, installed by itself, does its work.

    python tests/support/installed_trial.py DIST

Every archive in DIST gets a new virtual environment outside the checkout. There the command says
its version, converts a checkpoint of the corpus, and verifies the result.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
CHECKPOINT: Final = REPOSITORY / "corpus" / "bundle" / "training_run.pth.tar"
SUFFIXES: Final = (".whl", ".tar.gz")
LIST_SCHEMAS: Final = """
from importlib.resources import files
folder = files("converter") / "schemas_data"
print(*sorted(item.name for item in folder.iterdir()) if folder.is_dir() else ())
"""


class TrialError(Exception):
    """An archive does not do what its users rely on."""


def run(*command: str | Path, folder: Path) -> str:
    """Run a command in a folder and return its standard output."""
    outcome = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        shown = " ".join(str(part) for part in command)
        raise TrialError(f"{shown}: exit code {outcome.returncode}\n{outcome.stdout}")
    return outcome.stdout


def try_archive(archive: Path, folder: Path) -> None:
    """Install one archive into a new environment below a folder, and use it."""
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", archive, folder=folder)
    version = archive.name.removesuffix(".tar.gz").split("-")[1]
    said = run(scripts / "depickle", "--version", folder=folder)
    if version not in said.split():
        raise TrialError(f"{archive.name}: --version: expected {version}, found {said.strip()!r}")
    output = folder / "converted.safetensors"
    run(scripts / "depickle", "convert", CHECKPOINT, output, folder=folder)
    run(scripts / "depickle", "verify", CHECKPOINT, output, folder=folder)
    listed = run(scripts / "python", "-c", LIST_SCHEMAS, folder=folder).split()
    expected = sorted(path.name for path in (REPOSITORY / "schemas").glob("*.json"))
    if listed != expected:
        raise TrialError(f"{archive.name}: schemas: expected {expected}, found {listed}")


def main(dist: str) -> None:
    """Try every archive of a folder, of which there must be a wheel and an sdist."""
    archives = sorted(
        path for path in Path(dist).resolve().iterdir() if path.name.endswith(SUFFIXES)
    )
    names = [path.name for path in archives]
    if {name.endswith(".whl") for name in names} != {True, False}:
        raise TrialError(f"{dist}: expected a wheel and an sdist, found {names}")
    for archive in archives:
        with tempfile.TemporaryDirectory() as folder:
            try_archive(archive, Path(folder))
        sys.stdout.write(f"{archive.name}: installs, converts and verifies\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
