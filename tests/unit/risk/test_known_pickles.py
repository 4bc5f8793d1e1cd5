"""What is known of a pickle hides nothing in the files that follow."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest

from converter.byteio.local import FileSource
from converter.byteio.source import MemorySource
from converter.limits import DEFAULT_LIMITS
from converter.risk.case import Case
from converter.risk.choice import OF_PICKLES
from converter.risk.facts import Context, InputFacts, Origin, PickleFacts
from converter.risk.gathering import gather
from converter.risk.known_pickles import is_known_clean
from converter.risk.rulebook import RULES
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS
from converter.risk.scanner import judge_facts, scan_source
from corpus.hostile_recipes import SAMPLES
from corpus.hostile_writer import PROTO2, STOP, storage, tensor
from tests.conftest import REPOSITORY
from tests.support.pickles import torch_zip
from tests.support.risk_cases import scanned

if TYPE_CHECKING:
    from pathlib import Path


HOSTILE = [REPOSITORY / "corpus" / path for path in SAMPLES]
TENSOR = PROTO2 + tensor(storage(), [4], [1]) + STOP


def test_the_same_pickle_again_gives_the_same_report() -> None:
    data = torch_zip(TENSOR, {"0": bytes(16)})
    first, again = scanned(data), scanned(data)
    assert (first.verdict, first.findings, first.pickles) == ("safe", (), 1)
    assert again == first


def test_storages_are_compared_with_a_pickle_that_was_clean_before() -> None:
    assert scanned(torch_zip(TENSOR, {"0": bytes(16)})).verdict == "safe"
    report = scanned(torch_zip(TENSOR, {"0": bytes(15)}))
    assert [finding.rule for finding in report.findings] == ["tensor-metadata"]


def test_a_pickle_that_was_clean_before_is_found_where_none_should_be() -> None:
    assert scanned(torch_zip(TENSOR, {"0": bytes(16)})).verdict == "safe"
    report = scanned(torch_zip(TENSOR, {"0": bytes(16), "1": TENSOR}))
    assert {finding.rule for finding in report.findings} == {"hidden-pickle"}


def test_limits_count_for_a_pickle_that_was_clean_before() -> None:
    source = MemorySource(torch_zip(TENSOR, {"0": bytes(16)}), "a.pth")
    assert scan_source(source).verdict == "safe"
    report = scan_source(source, limits=DEFAULT_LIMITS._replace(max_opcodes=3))
    assert "over-a-limit" in {finding.rule for finding in report.findings}


def test_every_fact_is_compared_or_follows_from_the_bytes() -> None:
    follow = {"record", "graph", "survey", "census", "known"}
    others: dict[str, object] = {
        "nbytes": 7,
        "origin": Origin.NESTED,
        "context": Context.PACKAGE,
        "reached": "argument of a.b",
        "parent_offset": 7,
        "storages": {"0": 7},
    }
    assert follow | others.keys() == set(PickleFacts._fields)
    source = MemorySource(torch_zip(TENSOR, {"0": bytes(16)}), "a.pth")
    judge_facts(gather(source))
    facts = gather(source)
    assert is_known_clean(facts, DEFAULT_LIMITS, DEFAULT_SCAN_LIMITS)
    for name, other in others.items():
        changed = facts.pickles[0]._replace(**{name: other})
        around = facts._replace(pickles=(changed,))
        assert not is_known_clean(around, DEFAULT_LIMITS, DEFAULT_SCAN_LIMITS), name


def test_what_is_not_counted_by_one_scan_is_counted_by_the_next() -> None:
    own = PROTO2 + tensor(storage(), [2], [1]) + STOP  # no other test has read it before
    source = MemorySource(torch_zip(own, {"0": bytes(16)}), "a.pth")
    few = DEFAULT_SCAN_LIMITS._replace(max_census_bytes=10)
    for _ in range(2):
        assert scan_source(source, scan_limits=few).weights_only is None
        assert scan_source(source).weights_only


def facts_of(path: Path) -> InputFacts:
    with FileSource(path) as source:
        return gather(source)


@pytest.fixture(scope="module")
def hostile_facts() -> list[InputFacts]:
    return [facts_of(path) for path in HOSTILE]


def test_hostile_files_are_told_alike_at_every_reading() -> None:
    first = [judge_facts(facts_of(path)) for path in HOSTILE]
    again = [judge_facts(facts_of(path)) for path in reversed(HOSTILE)]
    assert again[::-1] == first


@pytest.mark.parametrize("rule", sorted(OF_PICKLES))
def test_rules_that_are_passed_over_look_at_each_pickle_alone(
    rule: str, hostile_facts: list[InputFacts]
) -> None:
    told = 0
    for facts in hostile_facts:
        together = list(RULES[rule](Case(facts, DEFAULT_LIMITS, DEFAULT_SCAN_LIMITS)))
        alone = [InputFacts("a", 0, pickles=(pickle,)) for pickle in facts.pickles]
        cases = [Case(one, DEFAULT_LIMITS, DEFAULT_SCAN_LIMITS) for one in alone]
        assert together == list(chain.from_iterable(map(RULES[rule], cases)))
        told += len(together)
    assert told
