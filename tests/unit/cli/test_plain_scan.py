"""A scan without options goes past click, and must be the same scan."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from converter.cli.cmd_scan import cmd_scan
from converter.cli.entry import main
from converter.cli.scan_run import DEFAULTS
from corpus.hostile_writer import CALM, EVIL
from tests.support.command import depickle

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults_are_those_of_the_command() -> None:
    given = cmd_scan.make_context("scan", ["a.pt"]).params
    assert given == {**DEFAULTS, "paths": ("a.pt",)}


@pytest.mark.parametrize(
    "names", [("a.pt",), ("a.pt", "b.pt"), (".",), ("c.pt",), ("a.pt", "c.pt")]
)
def test_same_result_as_through_click(
    names: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.pt").write_bytes(CALM)
    (tmp_path / "b.pt").write_bytes(EVIL)
    monkeypatch.chdir(tmp_path)
    expected = depickle("scan", *names)
    monkeypatch.setattr(sys, "argv", ["depickle", "scan", *names])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err) == (
        expected.code,
        expected.out,
        expected.err,
    )
    assert expected.code in (0, 3, 13)


@pytest.mark.parametrize("arguments", [("scan",), ("scan", "--nonsense", "a.pt"), ("scan", "-")])
def test_everything_else_is_for_click(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(given: list[str]) -> int:
        asked.append(given)
        return 0

    monkeypatch.setattr("converter.cli.application.run", run)
    monkeypatch.setattr(sys, "argv", ["depickle", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert asked == [list(arguments)]
