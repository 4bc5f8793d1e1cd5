"""The README shows what the commands print, and names the commands that there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from converter.cli.application import application
from converter.cli.exit_codes import ExitCode
from tests.conftest import REPOSITORY
from tests.support.command import depickle

if TYPE_CHECKING:
    from pathlib import Path

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CUT = "(…)"


def sessions() -> list[tuple[list[str], list[str]]]:
    """Return (arguments, lines shown) of every command in a session on files of the corpus."""
    found = []
    for block in re.findall(r"^```\n(\$ .*?)^```$", README, re.MULTILINE | re.DOTALL):
        for part in block.split("$ depickle ")[1:]:
            command, *shown = part.splitlines()
            if "corpus/" in command:
                found.append((command.partition(";")[0].split(), shown))
    return found


def test_there_is_a_session() -> None:
    assert [arguments[0] for arguments, _ in sessions()] == ["scan", "convert"]


@pytest.mark.parametrize(("arguments", "shown"), sessions(), ids=lambda part: part[0])
def test_the_session_is_what_is_printed(
    arguments: list[str], shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus").symlink_to(REPOSITORY / "corpus")
    monkeypatch.chdir(tmp_path)
    outcome = depickle(*arguments)
    printed = [*outcome.out.splitlines(), f"exit {outcome.code}"]
    position = 0
    for line in shown:
        start = line.partition(CUT)[0] if line.endswith(CUT) else line
        matching = [
            index
            for index, text in enumerate(printed)
            if index >= position
            and (text.startswith(start) if line.endswith(CUT) else text == line)
        ]
        assert matching, f"{line!r} is not printed: {printed}"
        position = matching[0] + 1


def test_every_command_is_named() -> None:
    named = re.findall(r"^\| `depickle (\w+) ", README, re.MULTILINE)
    commands = application.list_commands(None)  # type: ignore[arg-type]
    assert sorted(set(named)) == sorted(commands)


def test_every_exit_code_is_explained() -> None:
    table = README[README.index("| exit | meaning |") :].partition("\n\n")[0]
    named = {int(cell) for cell in re.findall(r"\| (\d+) \|", table)}
    assert named == {int(code) for code in ExitCode}
