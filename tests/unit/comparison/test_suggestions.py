"""Options that would make names agree: found, counted, and true when the writer applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.comparison import Suggestions, compare_checkpoints
from converter.writing.options import WriteOptions
from converter.writing.selection import select_tensors
from tests.unit.writing.made import checkpoint, tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef

NAMES = [
    "stem.conv.weight",
    "stem.conv.bias",
    "layers.0.attn.weight",
    "layers.0.attn.bias",
    "layers.1.attn.weight",
    "layers.1.attn.bias",
    "fc.weight",
    "fc.bias",
]


def model(names: Mapping[str, str], *, values: int = 0) -> dict[str, TensorRef]:
    """Return a tensor for each new name; its shape and values depend on the old one."""
    found = {}
    for new, old in names.items():
        size = 8 if old.endswith("weight") else 2
        raw = bytes((values + sum(old.encode()) + n) % 256 for n in range(4 * size))
        found[new] = tensor(raw, "float32", size)
    return found


def suggestions(
    a: Mapping[str, TensorRef], b: Mapping[str, TensorRef], *, values: bool = False
) -> Suggestions | None:
    target = checkpoint(bare=True, model=b)
    found = compare_checkpoints(checkpoint(bare=True, model=a), target, values=values)
    advice = found.components[0].suggestions
    if advice is not None:
        check(a, target, advice)
    return advice


def check(a: Mapping[str, TensorRef], b: Checkpoint, advice: Suggestions) -> None:
    """Apply the options as a conversion would, and count."""

    def operands(option: str) -> tuple[str, ...]:
        return tuple(one.operand for one in advice.options if one.option == option)

    renames = tuple(tuple(text.split("=", 1)) for text in operands("--rename"))
    options = WriteOptions(
        components=operands("--component") or None,
        strip_prefixes=operands("--strip-prefix"),
        strip_parts=operands("--strip-part"),
        renames=renames,  # type: ignore[arg-type]
        include=operands("--include"),
        exclude=operands("--exclude"),
    )
    candidates, _ = select_tensors(b, options)
    written = {one.wanted: one.tensor.shape for one in candidates}
    assert len(written) == len(candidates)
    wanted = {name: one.shape for name, one in a.items()}
    agreeing = sum(wanted.get(name) == shape for name, shape in written.items())
    assert agreeing == advice.after >= advice.before
    assert len(wanted.keys() - written.keys()) == advice.missing
    assert len(written.keys() - wanted.keys()) == advice.unexpected


def words(advice: Suggestions | None) -> list[str]:
    assert advice is not None
    return [f"{one.option} {one.operand} ({one.fixes})" for one in advice.options]


SAME = {name: name for name in NAMES}
CHANGES: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "wrapper": (lambda name: f"module.{name}", ["--strip-prefix module (8)"]),
    "wrappers": (
        lambda name: f"module._orig_mod.{name}",
        ["--strip-part _orig_mod (8)", "--strip-prefix module (8)"],
    ),
    "prefix of two": (lambda name: f"state.net.{name}", ["--strip-prefix state.net (8)"]),
    "wrapper inside": (
        lambda name: name.replace(".attn", "._checkpoint_wrapped_module.attn"),
        ["--strip-part _checkpoint_wrapped_module (4)"],
    ),
    "part inside": (
        lambda name: name.replace(".attn", ".inner.attn"),
        ["--strip-part inner (4)"],
    ),
    "another module": (
        lambda name: name.replace("layers", "blocks"),
        ["--rename blocks=layers (4)"],
    ),
    "two modules and a wrapper": (
        lambda name: "module." + name.replace("layers", "blocks").replace("stem", "root"),
        ["--strip-prefix module (8)", "--rename blocks=layers (4)", "--rename root=stem (2)"],
    ),
    "deeper": (
        lambda name: name.replace("layers", "encoder.layers"),
        ["--strip-prefix encoder (4)"],
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_change_is_seen_through(case: str) -> None:
    change, expected = CHANGES[case]
    advice = suggestions(model(SAME), model({change(name): name for name in NAMES}))
    assert sorted(words(advice)) == sorted(expected)
    assert advice is not None
    assert (advice.after, advice.missing, advice.unexpected) == (len(NAMES), 0, 0)


def test_a_prefix_can_be_added() -> None:
    advice = suggestions(model({f"backbone.{name}": name for name in NAMES}), model(SAME))
    assert sorted(words(advice)) == [
        "--rename fc=backbone.fc (2)",
        "--rename layers=backbone.layers (4)",
        "--rename stem=backbone.stem (2)",
    ]


def test_names_that_agree_need_nothing() -> None:
    assert suggestions(model(SAME), model(SAME)) is None
    assert suggestions(model(SAME), model({name: name for name in NAMES[:3]})) is None


def test_what_is_too_much_is_kept_out() -> None:
    more = {**SAME, "head.loss.weight": "x.weight", "head.loss.bias": "x.bias", "step": "x.bias"}
    advice = suggestions(model(SAME), model(more))
    assert words(advice) == ["--exclude head.* (2)", "--exclude step (1)"]


def test_one_of_two_models_is_kept() -> None:
    both = {f"{part}.{name}": name for part in ("model", "teacher") for name in NAMES}
    advice = suggestions(model(SAME), model(both))
    assert words(advice) == ["--strip-prefix model (8)", "--include model.* (8)"]


def test_other_models_are_left_alone() -> None:
    other = {f"{n}.{name}": name for n, name in zip("abcdefgh", NAMES, strict=True)}
    mine = {f"z.{name.replace('.', '_')}": name for name in NAMES}
    assert suggestions(model(mine), model(other)) is None


def test_values_tell_what_names_cannot() -> None:
    """Two stacks of the same shapes: only the elements know which is which."""
    mine = {
        f"{part}.{n}.weight": f"{part}{n}weight"
        for part in ("encoder", "decoder")
        for n in range(3)
    }
    theirs = {
        name.replace("encoder", "x").replace("decoder", "y"): old for name, old in mine.items()
    }
    assert suggestions(model(mine), model(theirs)) is None
    advice = suggestions(model(mine), model(theirs), values=True)
    assert sorted(words(advice)) == ["--rename x=encoder (3)", "--rename y=decoder (3)"]


def test_characters_of_patterns_stand_for_themselves() -> None:
    more = {**SAME, "a[0]*.weight": "x.weight", "a0.bias": "x.bias"}
    advice = suggestions(model({**SAME, "a0.bias": "x.bias"}), model(more))
    assert words(advice) == ["--exclude a[[]0][*].* (1)"]


def test_a_name_that_no_option_can_say_is_left() -> None:
    assert suggestions(model(SAME), model({f"x=y.{name}": name for name in NAMES})) is not None
    mine = {f"new.{name}": name for name in NAMES}
    assert suggestions(model(mine), model({f"x=y.{name}": name for name in NAMES})) is None


PARTS = st.sampled_from(["a", "b", "0", "1", "module", "model", "_orig_mod", "w", "x=", "*"])
RANDOM_NAMES = st.lists(
    st.lists(PARTS, min_size=1, max_size=5).map(".".join), min_size=1, max_size=12, unique=True
)


@given(RANDOM_NAMES, RANDOM_NAMES, st.booleans())
def test_whatever_is_suggested_is_true(mine: list[str], theirs: list[str], values: bool) -> None:  # noqa: FBT001 - Hypothesis's
    """`suggestions` itself puts it to the writer and counts."""
    suggestions(
        model({name: name for name in mine}),
        model({name: name for name in theirs}),
        values=values,
    )
