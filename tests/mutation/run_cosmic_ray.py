"""Mutates the package with cosmic-ray and says which mutants no test notices.

    python -m tests.mutation.run_cosmic_ray --share 0.2 zip tensors   # a fifth of each module's
    python -m tests.mutation.run_cosmic_ray --again zip               # the survivors of before

`packages.toml` says what is mutated and which tests must notice, `survivors.toml` which survivors
are no gap and why. All happens in a copy of the sources. The program ends with 1 if a mutant
survives that is not explained.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
# What the mutants and their tests need, and nothing that could be mutated by mistake.
_COPIED: Final = ("converter", "corpus", "docs", "schemas", "tests", "pyproject.toml", "README.md")
_CACHES: Final = shutil.ignore_patterns("__pycache__", ".hypothesis")


def main() -> int:
    """Try mutants of the packages that were asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="PACKAGE", help="of packages.toml")
    parser.add_argument("--share", type=float, default=0.1, help="of the mutants of each module")
    parser.add_argument("--minutes", type=float, default=60, help="at most, for each package")
    parser.add_argument("--seed", type=int, default=1, help="of the choice")
    parser.add_argument("--again", action="store_true", help="only what survived the last time")
    parser.add_argument(
        "--sessions",
        type=Path,
        default=Path(tempfile.gettempdir()) / "depickle-mutation",
        help="where cosmic-ray's sessions are kept, one a package",
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        from tests.mutation.campaign import run

        return 1 if [name for name in chosen.names if run(name, chosen)] else 0
    from tests.mutation.packages import read_packages

    known = read_packages()
    if unknown := set(chosen.names) - known.keys():
        parser.error(f"no such package: {', '.join(sorted(unknown))}")
    chosen.sessions.mkdir(parents=True, exist_ok=True)
    return _run_in_a_copy(chosen.names or list(known), chosen)


def _run_in_a_copy(names: list[str], chosen: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="depickle-mutants-") as folder:
        for name in _COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, Path(folder) / name, ignore=_CACHES)
            else:
                shutil.copy2(source, folder)
        command = [sys.executable, "-m", __spec__.name, "--inside", *names]
        command += [f"--{name}={getattr(chosen, name)}" for name in ("share", "seed", "minutes")]
        command += [f"--sessions={chosen.sessions.resolve()}", *["--again"] * chosen.again]
        environment = os.environ | {"HYPOTHESIS_PROFILE": "mutation", "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
