"""Fuzzes parsers with atheris: coverage of the package's own code leads the mutation.

    python -m tests.fuzz.run_atheris --seconds 20            # every parser, one after the other
    python -m tests.fuzz.run_atheris --seconds 300 zip tar   # two of them, longer
    python -m tests.fuzz.run_atheris --runs 2000             # so many inputs to each

Each runs in a process of its own, from the seeds of `tests.fuzz.parsers`, under the rules of
`tests.fuzz.guard`. What breaks a rule is left as ``crash-…`` in the folder that --findings names,
and the program ends with 1; so it does where a run did not begin with all of its seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

# Memory is measured for one input in so many: measuring takes ten times as long.
_MEASURED_EACH: Final = 64
_MAX_INPUT_NBYTES: Final = 1 << 14
_RSS_MB: Final = 2_048
# What libFuzzer says at the beginning, at every new input, and at the end.
_SEEDS: Final = re.compile(r"^INFO: seed corpus: files: (\d+) ", re.MULTILINE)
_STATE: Final = re.compile(r"^#\d+\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
_EXECUTED: Final = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)
_NAMES: Final = ("machine", "zip", "legacy", "tar", "safetensors", "dcp", "file")


def main() -> int:
    """Run the fuzzer on the parsers that were asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="PARSER", help=", ".join(_NAMES))
    parser.add_argument("--seconds", type=int, default=20, help="for each parser, at most")
    parser.add_argument("--runs", type=int, default=-1, help="inputs for each parser; -1: any")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations; 0 for another")
    parser.add_argument("--findings", type=Path, help="where inputs that break a rule are left")
    parser.add_argument(
        "--if-installed", action="store_true", help="do nothing, and say so, without atheris"
    )
    chosen = parser.parse_args()
    if chosen.if_installed and importlib.util.find_spec("atheris") is None:
        sys.stdout.write("skipped: atheris is not installed, and nothing is fuzzed\n")
        return 0
    unknown = set(chosen.names) - set(_NAMES)
    if unknown:
        parser.error(f"no such parser: {', '.join(sorted(unknown))}")
    failed = [name for name in chosen.names or _NAMES if run(name, chosen) != 0]
    sys.stdout.write(f"broken rules: {', '.join(failed) or 'none'}\n")
    return 1 if failed else 0


def run(name: str, chosen: argparse.Namespace) -> int:
    """Fuzz one parser in a process of its own; return its exit code, or 1 if seeds were missed."""
    with tempfile.TemporaryDirectory(prefix="depickle-fuzz-") as folder:
        findings = chosen.findings or Path(folder)
        findings.mkdir(parents=True, exist_ok=True)
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        seeds = _write_seeds(name, corpus)
        arguments = [
            f"-max_total_time={chosen.seconds}",
            f"-runs={chosen.runs}",
            f"-seed={chosen.seed}",
            f"-max_len={_MAX_INPUT_NBYTES}",
            f"-rss_limit_mb={_RSS_MB}",
            "-timeout=60",
            f"-artifact_prefix={findings}{os.sep}",
            "-print_final_stats=1",
            str(corpus),
        ]
        command = [sys.executable, "-m", __spec__.name, "--inside", name, *arguments]
        # The order of sets decides what is covered first.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        outcome = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
    sys.stdout.write(summary(name, seeds, outcome.returncode, outcome.stderr))
    if outcome.returncode:
        # The exception stands on one stream, what libFuzzer was doing on the other.
        said = outcome.stdout.splitlines()[-40:] + outcome.stderr.splitlines()[-20:]
        sys.stdout.write("".join(f"    {line}\n" for line in said))
    return outcome.returncode or int(seeds_read(outcome.stderr) != seeds)


def _write_seeds(name: str, corpus: Path) -> int:
    """Write the inputs that a parser's mutation starts from; return how many there are."""
    from tests.fuzz.parsers import PARSERS, iter_seeds

    for content in iter_seeds(PARSERS[name]):
        if 0 < len(content) <= _MAX_INPUT_NBYTES:  # libFuzzer begins with no bytes by itself
            (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    return len(list(corpus.iterdir()))


def seeds_read(said: str) -> int:
    """Return how many seeds libFuzzer found, by what it said."""
    found = _SEEDS.search(said)
    return int(found[1]) if found else 0


def summary(name: str, seeds: int, code: int, said: str) -> str:
    """Return the line of a run.

    Args:
        name: of the parser.
        seeds: inputs that the run was given.
        code: the exit code of its process.
        said: what libFuzzer wrote: its counts are those of its last state.
    """
    executed = _EXECUTED.search(said)
    edges, features, kept = (_STATE.findall(said) or [("0", "0", "0")])[-1]
    return (
        f"{name}: {int(executed[1]) if executed else 0:,} inputs executed, "
        f"{int(edges):,} edges and {int(features):,} features covered, "
        f"{int(kept):,} inputs kept, from {seeds_read(said):,} of {seeds:,} seeds; exit {code}\n"
    )


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
    # What follows is libFuzzer's: one of the arguments is the folder with the seeds.
    if sys.argv[1:2] == ["--inside"]:
        fuzz(sys.argv[2], sys.argv[3:])
    sys.exit(main())
