"""Every candidate has an output of its own, under a name that people would choose."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from converter.migration.targets import SUFFIX, target_names

NAMES = st.lists(
    st.builds(
        lambda folder, stem, ending: f"{folder}{stem}{ending}",
        st.sampled_from(["", "a/", "a/b/"]),
        st.sampled_from(["x", "X", "run.1", ".pt", "x.pt", "x.safetensors"]),
        st.sampled_from(["", ".pt", ".PT", ".pth.tar", ".safetensors", ".txt"]),
    ),
    unique=True,
)


def test_endings_of_checkpoints_are_replaced() -> None:
    names = ["run.pth.tar", "b/x.PT", "c/epoch.3", "d/.pt", "model.safetensors"]
    assert list(target_names(names).values()) == [
        "run.safetensors",
        "b/x.safetensors",
        "c/epoch.3.safetensors",
        "d/.pt.safetensors",
        "model.safetensors",
    ]


def test_what_would_be_called_the_same_keeps_its_ending() -> None:
    assert target_names(["x.pt", "x.pth", "y.pt"]) == {
        "x.pt": "x.pt.safetensors",
        "x.pth": "x.pth.safetensors",
        "y.pt": "y.safetensors",
    }


@given(NAMES, NAMES)
def test_no_two_have_the_same_name(first: list[str], second: list[str]) -> None:
    earlier = target_names(first)
    later = target_names([name for name in second if name not in earlier], earlier)
    targets = [*earlier.values(), *later.values()]
    assert len(set(targets)) == len(targets)
    assert all(target.endswith(SUFFIX) for target in targets)


@given(NAMES, st.randoms())
def test_the_order_decides_nothing(names: list[str], random: Random) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)
    assert target_names(shuffled) == target_names(names)
