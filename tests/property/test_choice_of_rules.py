"""Whatever a file holds, the rules that are chosen for it say all that all rules would."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.errors import SourceError
from converter.limits import DEFAULT_LIMITS
from converter.risk.case import Case
from converter.risk.choice import OF_PICKLES
from converter.risk.facts import InputFacts
from converter.risk.gathering import gather
from converter.risk.rulebook import RULES
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS
from corpus.hostile_recipes import SAMPLES
from tests.support.all_rules import told_by_all, told_by_chosen
from tests.support.odd_pickles import PickleWriter
from tests.support.pickles import torch_zip
from tests.support.small_files import SMALL_FILES

if TYPE_CHECKING:
    from converter.limits import Limits
    from converter.risk.scan_limits import ScanLimits

_FILES: Final = (
    *(make() for make in SMALL_FILES.values()),
    *(sample.make() for path, sample in SAMPLES.items() if "bomb" not in path),
)
_NAMES: Final = (
    *("a.pt", "a.pt", "A.PT", "a", "a.", ".pkl", "a.SafeTensors", "a.7z.pt", "x.model", "x.joblib"),
    *("d.txt/a", "a.jpg", "a.tgz", "latest", "a.npz", "a.h5", "a.distcp", "dir.jpg/", "a.pt/..png"),
)
_LIMITS: Final = (
    *(DEFAULT_LIMITS,) * 4,
    DEFAULT_LIMITS._replace(max_depth=2, max_opcodes=200, max_line_bytes=20),
    DEFAULT_LIMITS._replace(max_string_bytes=5, max_overlap_bytes=3),
)
_SCAN_LIMITS: Final = (
    *(DEFAULT_SCAN_LIMITS,) * 4,
    DEFAULT_SCAN_LIMITS._replace(max_findings=0),
    DEFAULT_SCAN_LIMITS._replace(max_findings=1, max_levels=1, max_blobs=1),
    DEFAULT_SCAN_LIMITS._replace(max_pickles=1, max_census_bytes=10, max_expansion=20),
)
# Opcodes that are odd wherever they come.
_ODD: Final = (
    *(b"cos\nsystem\n", b"\x82\x01", b"(cos\nsystem\no", b"R", b"b", b"s", b"a", b"Q", b"2", b"0"),
    *(b"q\0", b"q\1", b"r\xff\xff\xff\x7f", b"\x93", b"}", b"N", b"K\1", b".", b"t", b"(", b"\x85"),
    *(b"I 1\n", b"\x80\x02", b"\x95\3\0\0\0\0\0\0\0", b"]\x94h\0h\0\x86" * 5, b"\xff", b""),
    b"ccollections\nOrderedDict\n)R}X\5\0\0\0itemsNsb",
    b"cnumpy\ndtype\n(X\1\0\0\0OK\0K\1tR",
    b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR",
    b"ctorch._utils\n_rebuild_parameter_with_state\n(NNN}X\x07\0\0\0__abc__NstR",
)


def _odd_pickle(chance: random.Random) -> bytes:
    data = bytearray(PickleWriter(chance, tame=chance.random() < 0.3).write())
    for _ in range(chance.choice([0, 0, 1, 2, 4])):
        place = chance.randrange(2, len(data))
        data[place : place + chance.choice([0, 0, 1, 2, 8])] = chance.choice(_ODD)
    return bytes(data)


def _file(chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.3:
        return _odd_pickle(chance)
    if kind < 0.6:
        number = chance.choice([bytes(32), _odd_pickle(chance)])
        more: tuple[dict[str, bytes], ...] = (
            {},
            {"a.py": b"ops.my.x(1)"},
            {"constants.pkl": b"N."},
            {"b.pkl": b"K\1."},
        )
        extra = chance.choice(more)
        return torch_zip(_odd_pickle(chance), {"0": bytes(16), "1": number}, extra=extra)
    data = bytearray(chance.choice(_FILES))
    for _ in range(chance.choice([0, 1, 2, 4])):
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.choice([0, 1, 2, 8, 40])] = chance.choice(_ODD)
    return bytes(data)


def _compare(facts: InputFacts, limits: Limits, scan_limits: ScanLimits) -> None:
    case = Case(facts, limits, scan_limits)
    told = told_by_all(case)
    assert told_by_chosen(case) == told
    # A pickle in which nothing was found is not judged again, whatever stands beside it.
    rules = {finding.rule for finding in told}
    for rule in OF_PICKLES:
        alone = [InputFacts("b.x", 0, pickles=(pickle,)) for pickle in facts.pickles]
        cases = [Case(one, limits, scan_limits) for one in alone]
        assert any(True for one in cases for _ in RULES[rule](one)) == (rule in rules)


@given(st.integers(0, 2**32 - 1))
def test_all_rules_tell_no_more(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secrets
    for _ in range(10):
        limits, scan_limits = chance.choice(_LIMITS), chance.choice(_SCAN_LIMITS)
        source = MemorySource(_file(chance), chance.choice(_NAMES))
        try:
            facts = gather(source, limits, scan_limits)
        except SourceError:
            continue
        _compare(facts, limits, scan_limits)
