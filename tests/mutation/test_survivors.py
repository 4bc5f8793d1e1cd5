"""The lists of the mutation check are true to the sources."""

from __future__ import annotations

import pytest

from tests.mutation.packages import REPOSITORY, Survivor, read_packages, read_survivors
from tests.mutation.sources import Source, changed_lines


def lines_of(module: str) -> str:
    text = (REPOSITORY / module).read_text(encoding="utf-8")
    return "\n".join(line.strip() for line in text.splitlines())


def test_every_package_has_modules_and_tests() -> None:
    packages = read_packages()
    for package in packages.values():
        assert package.modules
        for path in (path for group in package.tests for path in group):
            assert (REPOSITORY / path.partition("::")[0]).exists(), path
    modules = [module for package in packages.values() for module in package.modules]
    assert len(modules) == len(set(modules))


def test_every_survivor_is_a_mutant_of_a_line_that_is_there() -> None:
    survivors = read_survivors()
    modules = {path.as_posix() for one in read_packages().values() for path in one.modules}
    assert {survivor.module for survivor in survivors} <= modules
    texts = {module: lines_of(module) for module in modules}
    gone = [one for one in survivors if one.before not in texts[one.module]]
    assert gone == []
    assert all(one.why and one.after != one.before for one in survivors)
    assert len({survivor.key for survivor in survivors}) == len(survivors)


def test_a_survivor_is_known_by_its_lines() -> None:
    before = "def f(x: int) -> int:\n    if x > 1:\n        return 2\n    return x\n"
    after = before.replace("> 1", ">= 1")
    assert changed_lines(before, after) == ("if x > 1:", "if x >= 1:")
    survivor = Survivor("a.py", *changed_lines("# moved\n" + before, "# moved\n" + after), "")
    assert survivor.key == ("a.py", "if x > 1:", "if x >= 1:")


SOURCE = '''\
"""A module."""

LIMIT: int = 3


def f(x: int | None = 1) -> int | None:
    if (
        x is not None
        and x > LIMIT
    ):
        return 2
    return (lambda y: y + 1)(x)
'''


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("mutated") / "a.py"
    path.write_text(SOURCE, encoding="utf-8")
    return Source(path)


def test_annotations_are_left_out(source: Source) -> None:
    assert source.is_annotation(3, 7)
    assert source.is_annotation(6, 13)
    assert source.is_annotation(6, 32)
    assert not source.is_annotation(3, 13)
    assert not source.is_annotation(6, 22)
    assert not source.is_annotation(9, 14)


def test_lines_that_run_with_a_position(source: Source) -> None:
    assert source.lines_of(3, 13) is None
    assert source.lines_of(6, 22) is None
    assert source.lines_of(9, 14) == range(7, 11)
    assert source.lines_of(11, 15) == range(11, 12)
    assert source.lines_of(12, 26) == range(12, 13)
