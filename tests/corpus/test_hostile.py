"""Every hostile file is seen for what it is, by the rule that has to, and nothing happens."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from converter.risk.rulebook import RULES
from converter.risk.scanner import scan_file
from corpus.hostile_recipes import SAMPLES
from tests.conftest import REPOSITORY

CORPUS: Final = REPOSITORY / "corpus"
CLASSES: Final = range(1, 73)
EACH: Final = pytest.mark.parametrize("path", SAMPLES)


@EACH
def test_verdict_and_rule(path: str) -> None:
    sample = SAMPLES[path]
    report = scan_file(CORPUS / path)
    assert report.verdict == sample.recipe.verdict
    assert report.verdict != "safe"
    (spoke, *_) = [found for found in report.findings if found.rule == sample.rule]
    assert spoke.location.offset <= max(report.nbytes, spoke.location.offset)
    assert spoke.message


@EACH
def test_the_folder_is_the_rule(path: str) -> None:
    assert path.split("/")[1] == SAMPLES[path].rule
    assert SAMPLES[path].rule in RULES


def test_every_rule_has_a_sample() -> None:
    spoken = {sample.rule for sample in SAMPLES.values()}
    assert set(RULES) - spoken == set()


def test_every_class_of_attack_has_a_sample() -> None:
    assert {sample.risk for sample in SAMPLES.values()} == set(CLASSES)


# Runs in a process of its own: an audit hook cannot be taken away again. Everything that the
# scanner imports lazily is imported by the first rounds; after them, nothing may be.
WATCHED: Final = """
import json, sys, tempfile
from converter.risk.scanner import scan_file

paths = json.load(sys.stdin)
for path in paths:
    scan_file(path, explained=True)
seen = []
scratch = tempfile.gettempdir() + "/depickle-"
acts = ("exec", "compile", "import", "os.", "subprocess.", "socket.", "shutil.", "ctypes.",
        "pickle.", "marshal.", "urllib.", "webbrowser.", "code.", "pty.", "signal.", "builtins.")
calm = ("os.listdir", "os.scandir", "builtins.id")

def watch(event, args):
    if event == "open":
        path, mode, flags = args
        if not str(path).startswith(scratch) and (flags & 3 or any(c in str(mode) for c in "wax+")):
            seen.append([event, str(path)])
    elif event == "os.remove" and str(args[0]).startswith(scratch):
        pass  # our own: what is unpacked lies in a file without a name
    elif event.startswith(acts) and event not in calm:
        seen.append([event, str(args)[:200]])

sys.addaudithook(watch)
verdicts = [scan_file(path, explained=True).verdict for path in paths]
json.dump({"seen": seen[:20], "verdicts": verdicts, "modules": sorted(sys.modules)}, sys.stdout)
"""


def test_nothing_is_imported_executed_written_or_started() -> None:
    paths = [str(CORPUS / path) for path in SAMPLES]
    outcome = subprocess.run(
        [sys.executable, "-c", WATCHED],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        timeout=250,
    )
    told = json.loads(outcome.stdout)
    assert told["seen"] == []
    assert "safe" not in told["verdicts"]
    loaded = set(told["modules"])
    assert not loaded & {"depickle_tripwire", "torch", "pip", "transformers", "_pickle", "asyncio"}
