"""Rules for names: the same as the writer's, and found from the traces they leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.comparison.renaming import Rule, Rules, part_votes, rule_between, rule_votes
from converter.errors import PlanError
from converter.writing.options import WriteOptions
from converter.writing.selection import select_tensors
from tests.unit.writing.made import checkpoint, floats

WORDS = st.sampled_from(["a", "b", "module", "_orig_mod", "0"])
RUNS = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
RULES = st.builds(
    Rules,
    st.lists(WORDS, max_size=2, unique=True).map(tuple),
    st.lists(RUNS, max_size=2, unique=True).map(tuple),
    st.lists(st.builds(Rule, RUNS, RUNS), max_size=3).map(tuple),
)


@given(st.lists(RUNS, min_size=1, max_size=5, unique=True), RULES)
def test_rules_mean_what_the_writer_makes_of_them(names: list[str], rules: Rules) -> None:
    source = checkpoint(bare=True, model={name: floats() for name in names})
    options = WriteOptions(
        strip_parts=rules.parts,
        strip_prefixes=rules.prefixes,
        renames=tuple((rule.old, rule.new) for rule in rules.renames),
    )
    used = {option for name in names for option in rules.used_by(name)}
    try:
        candidates, _ = select_tensors(source, options)
    except PlanError:
        assert used != set(rules.options())
        return
    assert [one.wanted for one in candidates] == [rules.apply(name) for name in names]
    assert {option for option, _ in used} == {option for option, _ in rules.options()}


@pytest.mark.parametrize(
    ("found", "wanted", "rule"),
    [
        ("module.conv.w", "conv.w", ("module", "")),
        ("conv.w", "backbone.conv.w", ("", "backbone")),
        ("encoder.0.w", "backbone.0.w", ("encoder", "backbone")),
        ("x.model.0.w", "net.0.w", ("x.model", "net")),
        ("a", "b", ("a", "b")),
        ("a", "a", ("", "")),
    ],
)
def test_what_two_names_share_at_the_end_stays(
    found: str, wanted: str, rule: tuple[str, str]
) -> None:
    assert rule_between(found, wanted) == rule
    made = Rules(renames=(Rule(*rule),)) if all(rule) else Rules(prefixes=(rule[0],))
    if rule[0]:
        assert made.apply(found) == wanted


def test_parts_in_the_middle_are_counted() -> None:
    found = ["a._orig_mod.w", "a.b._orig_mod.w", "a.x.b.w", "_orig_mod.w"]
    assert part_votes(found, {"a.w": 1, "a.b.w": 1}) == {"_orig_mod": 2, "x": 1}


def test_endings_speak_for_rules() -> None:
    found = {"m.a.w": (1,), "m.b.w": (2,), "m.c.w": (3,)}
    wanted = {"a.w": (1,), "b.w": (2,), "other.w": (3,)}
    assert rule_votes(found, wanted) == {("m", ""): 2}


def test_shapes_must_agree() -> None:
    assert rule_votes({"m.a.w": (1,)}, {"a.w": (2,)}) == {}


def test_an_ending_of_many_says_nothing() -> None:
    """Encoder and decoder look the same: which of them is meant cannot be known from names."""
    wanted = {f"{part}.{n}.w": (4,) for part in ("encoder", "decoder") for n in range(3)}
    assert rule_votes({f"layers.{n}.w": (4,) for n in range(3)}, wanted) == {}


def test_one_lone_last_part_is_too_little() -> None:
    assert rule_votes({"fc.weight": (4,)}, {"head.weight": (4,)}) == {}
    both = {"fc.weight": (4, 4), "fc.bias": (4,)}
    assert rule_votes(both, {"head.weight": (4, 4), "head.bias": (4,)}) == {("fc", "head"): 2}
