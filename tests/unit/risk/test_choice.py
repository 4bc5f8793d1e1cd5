"""A rule that is not chosen would have found nothing: judging by all rules tells no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from converter.errors import SourceError
from converter.limits import DEFAULT_LIMITS
from converter.risk import choice
from converter.risk.choice import NEEDS, OF_PICKLES, rules_for, signs_of_file, signs_of_pickle
from converter.risk.rulebook import RULES
from corpus.hostile_writer import PROTO2, STOP, storage, tensor
from tests.conftest import REPOSITORY
from tests.support.all_rules import case_of, told_by_all, told_by_chosen
from tests.support.pickles import torch_zip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


FILES: Final = sorted(
    path
    for path in (REPOSITORY / "corpus").rglob("*")
    if path.is_file() and path.suffix not in {".py", ".pyc"}
)
# Names that promise other things than those files do.
NAMES: Final = ("a.pth", "a.safetensors", "a.7z.pt", "dir.txt/a", "a.png")
SHALLOW: Final = DEFAULT_LIMITS._replace(max_depth=2, max_opcodes=200, max_line_bytes=20)


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield what is left of a file that was cut, lengthened or written over."""
    for part in (1, 2, 3):
        yield data[: len(data) * part // 4]
        yield data[len(data) * part // 4 :]
        middle = len(data) * part // 4
        yield data[:middle] + b"\x80\x02cposix\nsystem\n" + data[middle + 8 :]
    yield data + b"\0" * 9
    yield data + b"\x80\x04cos\nsystem\n."


def test_every_rule_is_in_the_table_and_in_order() -> None:
    assert list(NEEDS) == list(RULES)
    assert NEEDS.keys() > OF_PICKLES


def test_every_rule_needs_something() -> None:
    assert [rule for rule, needs in NEEDS.items() if not needs] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_rules_tell_no_more(path: Path) -> None:
    data = path.read_bytes()
    for name in (path.name, *NAMES):
        case = case_of(data, name)
        assert told_by_chosen(case) == told_by_all(case)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_rules_tell_no_more_of_what_is_over_limits(path: Path) -> None:
    case = case_of(path.read_bytes(), path.name, SHALLOW)
    assert told_by_chosen(case) == told_by_all(case)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_rules_tell_no_more_of_damaged_files(path: Path) -> None:
    for data in damaged(path.read_bytes()):
        try:
            case = case_of(data, path.name)
        except SourceError:
            continue
        assert told_by_chosen(case) == told_by_all(case)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_rules_tell_no_more_of_files_inside_checkpoints(path: Path) -> None:
    pickle = PROTO2 + tensor(storage(), [4], [1]) + STOP
    for record in ("1", "x.pt"):
        case = case_of(torch_zip(pickle, {"0": bytes(16), record: path.read_bytes()}), "a.pt")
        assert told_by_chosen(case) == told_by_all(case)


@pytest.mark.samples
def test_all_rules_tell_no_more_of_samples(samples: Path) -> None:
    for path in samples.rglob("*"):
        if path.is_file():
            case = case_of(path.read_bytes(), path.name)
            assert told_by_chosen(case) == told_by_all(case), path


def test_every_rule_speaks_and_every_sign_is_seen() -> None:
    """The comparisons above would show of any rule that it is left out."""
    told, seen = set(), set()
    for path in FILES:
        case = case_of(path.read_bytes(), path.name)
        told |= {rule for rule, judge in RULES.items() if any(judge(case))}
        seen |= set(signs_of_file(case))
        seen.update(*(signs_of_pickle(pickle) for pickle in case.pickles))
    assert told == NEEDS.keys()
    # No committed file is nested as deeply as the limit allows: a lower limit shows that one.
    assert seen | {"depth"} == set().union(*NEEDS.values())


def test_ordinary_checkpoints_need_few_rules() -> None:
    case = case_of((REPOSITORY / "corpus/state_dict/linear.pt").read_bytes(), "linear.pt")
    chosen = rules_for(case, beside_pickles=False)
    assert set(chosen) <= set(choice.usual_rules().values())


@pytest.mark.parametrize("group", [choice.usual_rules(), choice.common_rules()])
def test_rules_that_are_imported_by_themselves_are_those_of_the_rulebook(
    group: dict[str, object],
) -> None:
    assert group.items() <= RULES.items()


@pytest.mark.parametrize(
    ("rule", "sign", "stream"),
    [
        ("computed-name", "use", b"\x80\x02ccollections\nOrderedDict\n)R)R."),
        (
            "nested-pickle",
            "use",
            b"\x80\x02ctorch.storage\n_load_from_bytes\nccollections\nOrderedDict\n)R\x85R.",
        ),
    ],
)
def test_what_no_file_has_alone(rule: str, sign: str, stream: bytes) -> None:
    case = case_of(stream, "a.pt")
    signs = {*signs_of_file(case), *(s for one in case.pickles for s in signs_of_pickle(one))}
    assert signs & NEEDS[rule] == {sign}
    assert rule in {finding.rule for finding in told_by_chosen(case)}
    assert told_by_chosen(case) == told_by_all(case)
