"""Fuzzes parsers with atheris: coverage of the package's own code leads the mutation.

    python -m tests.fuzz.run_atheris --seconds 20            # every parser, one after the other
    python -m tests.fuzz.run_atheris --seconds 300 zip tar   # two of them, longer

Each runs in a process of its own, from the seeds of `tests.fuzz.parsers`, under the rules of
`tests.fuzz.guard`. What breaks a rule is left as ``crash-…`` in the folder that --findings names,
and the program ends with 1.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

# Memory is measured for one input in so many: measuring takes ten times as long.
_MEASURED_EACH: Final = 64
_MAX_INPUT_NBYTES: Final = 1 << 14
_RSS_MB: Final = 2_048
_NAMES: Final = ("machine", "zip", "legacy", "tar", "safetensors", "dcp", "file")


def main() -> int:
    """Run the fuzzer on the parsers that were asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="PARSER", help=", ".join(_NAMES))
    parser.add_argument("--seconds", type=int, default=20, help="for each parser")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations; 0 for another")
    parser.add_argument("--findings", type=Path, help="where inputs that break a rule are left")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    chosen, rest = parser.parse_known_args()
    if chosen.inside:
        fuzz(chosen.inside, rest)
        return 0
    unknown = set(chosen.names) - set(_NAMES)
    if unknown:
        parser.error(f"no such parser: {', '.join(sorted(unknown))}")
    failed = [name for name in chosen.names or _NAMES if run(name, chosen) != 0]
    sys.stdout.write(f"broken rules: {', '.join(failed) or 'none'}\n")
    return 1 if failed else 0


def run(name: str, chosen: argparse.Namespace) -> int:
    """Fuzz one parser in a process of its own; return its exit code."""
    with tempfile.TemporaryDirectory(prefix="depickle-fuzz-") as folder:
        findings = chosen.findings or Path(folder)
        findings.mkdir(parents=True, exist_ok=True)
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        _write_seeds(name, corpus)
        arguments = [
            f"-max_total_time={chosen.seconds}",
            f"-seed={chosen.seed}",
            f"-max_len={_MAX_INPUT_NBYTES}",
            f"-rss_limit_mb={_RSS_MB}",
            "-timeout=60",
            f"-artifact_prefix={findings}{os.sep}",
            "-print_final_stats=1",
            str(corpus),
        ]
        command = [sys.executable, "-m", __spec__.name, "--inside", name, *arguments]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stdout.write(_summary(name, outcome))
    return outcome.returncode


def _write_seeds(name: str, corpus: Path) -> None:
    from tests.fuzz.parsers import PARSERS, iter_seeds

    for content in iter_seeds(PARSERS[name]):
        if len(content) <= _MAX_INPUT_NBYTES:
            (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


def _summary(name: str, outcome: subprocess.CompletedProcess[str]) -> str:
    """Return the line of a run, and the end of what it said if it broke a rule."""
    lines = outcome.stderr.splitlines()
    counts = [line.rpartition(":")[2] for line in lines if "number_of_executed_units" in line]
    text = f"{name}: {counts[0].strip() if counts else '?'} inputs, exit {outcome.returncode}\n"
    if outcome.returncode:
        text += "".join(f"    {line}\n" for line in (outcome.stdout.splitlines() + lines)[-60:])
    return text


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one parser in this process; never returns."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["converter"]):
        import converter

        for found in pkgutil.walk_packages(converter.__path__, "converter."):
            # The command line and the strategies are no parsers.
            if not found.name.startswith(("converter.cli", "converter.__main__")):
                importlib.import_module(found.name)
        from tests.fuzz.parsers import PARSERS
    from tests.fuzz.guard import guarded

    read = PARSERS[name].read
    count = 0

    def one(content: bytes) -> None:
        nonlocal count
        count += 1
        guarded(read, content, measured=count % _MEASURED_EACH == 0)

    atheris.Setup([name, *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
