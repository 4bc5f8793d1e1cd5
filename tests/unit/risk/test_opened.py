"""A checkpoint that was opened is judged without reading it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.limits import DEFAULT_LIMITS
from converter.readers.opening import open_checkpoint
from converter.risk.opened import judge_opened
from converter.risk.report import FileReport
from corpus.hostile_recipes import SAMPLES
from corpus.hostile_writer import CALM
from tests.conftest import REPOSITORY
from tests.support.small_files import SMALL_FILES

CORPUS = REPOSITORY / "corpus"


def judged(path: Path) -> FileReport:
    checkpoint = open_checkpoint(path)
    try:
        return judge_opened(checkpoint.opened, DEFAULT_LIMITS)
    finally:
        checkpoint.close()


@pytest.mark.parametrize("kind", SMALL_FILES)
def test_harmless_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(SMALL_FILES[kind]())
    assert judged(path).verdict == "safe"


@pytest.mark.parametrize(
    "path", [path for path in SAMPLES if path.startswith("hostile/unsafe-global/5")]
)
def test_hostile_archives(path: str) -> None:
    assert judged(CORPUS / path).verdict == "dangerous"


def test_what_follows_a_pickle(tmp_path: Path) -> None:
    for rest, verdict in ((b"\n", "safe"), (b"\xffjunk", "suspicious"), (CALM, "safe")):
        path = tmp_path / "a.pkl"
        path.write_bytes(CALM + rest)
        assert judged(path).verdict == verdict
