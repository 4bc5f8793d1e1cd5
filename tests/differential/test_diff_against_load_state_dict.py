"""Missing, unexpected and reshaped tensors, as ``load_state_dict`` itself reports them.

Known divergences, both in favour of very old files:

* torch takes a tensor of one dimension for a scalar, as files from before 0.4 had it; none is
  drawn here;
* torch does not miss ``num_batches_tracked`` where the module has no version, or one from before
  0.4.1; `forgiven` takes it out.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import converter
from tests.support.command import depickle

if TYPE_CHECKING:
    from converter.reporting.diff_documents import ComponentDiff

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch

LAYERS = {
    "linear": lambda size: nn.Linear(size, 2 * size),
    "plain": lambda size: nn.Linear(size, 3, bias=False),
    "conv": lambda size: nn.Conv2d(size, 2, 3),
    "norm": nn.BatchNorm1d,
    "layer norm": lambda size: nn.LayerNorm((size, 2)),
    "embedding": lambda size: nn.Embedding(5, size),
    "lstm": lambda size: nn.LSTM(size, 2),
    "attention": lambda size: nn.MultiheadAttention(2 * size, 2),
    "nested": lambda size: nn.Sequential(nn.Linear(2, size), nn.ReLU(), nn.PReLU(size)),
}
MODELS = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(st.sampled_from(sorted(LAYERS)), st.integers(1, 3)),
    min_size=1,
)


def built(spec: dict[str, tuple[str, int]]) -> Any:  # noqa: ANN401 - a torch.nn.Module
    torch.manual_seed(0)
    return nn.ModuleDict({name: LAYERS[kind](size) for name, (kind, size) in spec.items()})


def compared(mine: Any, state_dict: Any) -> ComponentDiff:  # noqa: ANN401 - torch's
    with tempfile.TemporaryDirectory() as folder:
        a, b = Path(folder, "a.pt"), Path(folder, "b.pt")
        torch.save(mine.state_dict(), a)
        torch.save(state_dict, b)
        (component,) = converter.diff(a, b).components
        return component


def forgiven(found: ComponentDiff, state_dict: Any) -> list[str]:  # noqa: ANN401 - torch's
    """Return the missing names without those that torch puts up with."""

    def is_counted(name: str) -> bool:
        module, _, own = name.rpartition(".")
        version = state_dict._metadata.get(module, {}).get("version")  # noqa: SLF001 - torch's own
        return own != "num_batches_tracked" or (version is not None and version >= 2)

    return [one.name for one in found.missing if is_counted(one.name)]


def names_in(message: str, title: str) -> set[str]:
    found = re.search(rf'{title}: ((?:"[^"]+"(?:, )?)+)', message)
    return set(re.findall(r'"([^"]+)"', found[1])) if found else set()


@given(MODELS, MODELS)
@settings(max_examples=60)
def test_messages_of_torch(
    mine: dict[str, tuple[str, int]], theirs: dict[str, tuple[str, int]]
) -> None:
    model, other = built(mine), built(theirs).state_dict()
    found = compared(model, other)
    message = ""
    try:
        model.load_state_dict(other)
    except RuntimeError as error:
        message = str(error)
    missing = forgiven(found, other)
    unexpected = {one.name for one in found.unexpected}
    assert names_in(message, r"Missing key\(s\) in state_dict") == set(missing)
    assert names_in(message, r"Unexpected key\(s\) in state_dict") == unexpected
    sizes = re.findall(
        r"size mismatch for (\S+): .*?torch\.Size\((\[.*?\])\) from checkpoint, .*?"
        r"torch\.Size\((\[.*?\])\)",
        message,
    )
    assert {name: (b, a) for name, b, a in sizes} == {
        one.name: (str(one.b), str(one.a)) for one in found.reshaped
    }


@given(MODELS, MODELS)
@settings(max_examples=30)
def test_keys_of_a_loose_load(
    mine: dict[str, tuple[str, int]], theirs: dict[str, tuple[str, int]]
) -> None:
    model, other = built(mine), built(theirs).state_dict()
    found = compared(model, other)
    if found.reshaped:
        with pytest.raises(RuntimeError, match="size mismatch"):
            model.load_state_dict(other, strict=False)
        return
    keys = model.load_state_dict(other, strict=False)
    assert forgiven(found, other) == keys.missing_keys
    assert {one.name for one in found.unexpected} == set(keys.unexpected_keys)


@given(MODELS, st.sampled_from([torch.float16, torch.bfloat16, torch.float64]), st.data())
@settings(max_examples=30)
def test_values_against_torch(spec: dict[str, tuple[str, int]], dtype: Any, data: Any) -> None:  # noqa: ANN401 - torch's, Hypothesis's
    """Noise on one tensor, and another cast: counts and distances as torch computes them."""
    model = built(spec)
    mine, other = model.state_dict(), built(spec).state_dict()
    floating = sorted(name for name, tensor in mine.items() if tensor.is_floating_point())
    changed = data.draw(st.sampled_from(floating))
    other[changed] = mine[changed] + torch.rand_like(mine[changed]).round(decimals=1)
    cast = data.draw(st.sampled_from(floating))
    if cast != changed:
        other[cast] = mine[cast].to(dtype)
    found = compared(model, other)
    count = int((mine[changed] != other[changed]).sum())
    by = float((mine[changed].double() - other[changed].double()).abs().max())
    assert [(one.name, one.elements, one.max_abs_difference) for one in found.changed] == (
        [(changed, count, by)] if count else []
    )
    if cast != changed:
        by = float((mine[cast].double() - other[cast].double()).abs().max())
        assert [(one.name, one.max_abs_difference) for one in found.retyped] == [(cast, by)]


def wrapped(state_dict: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {f"{prefix}{name}": tensor for name, tensor in state_dict.items()}


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda sd: wrapped(sd, "module."), ["--strip-prefix", "module"]),
        (
            lambda sd: wrapped(sd, "_orig_mod.module."),
            ["--strip-part", "_orig_mod", "--strip-prefix", "module"],
        ),
        (
            lambda sd: {
                "state_dict": {**wrapped(sd, "model."), "loss.weight": torch.ones(3)},
                "epoch": 3,
                "optimizer_states": [{"state": {0: {"m": torch.ones(2)}}, "param_groups": []}],
            },
            ["--component", "model", "--strip-prefix", "model", "--exclude", "loss.*"],
        ),
        (
            lambda sd: {name.replace("a.", "first."): tensor for name, tensor in sd.items()},
            ["--rename", "first=a"],
        ),
        (lambda sd: {**sd, "extra.weight": torch.ones(2)}, ["--exclude", "extra.*"]),
    ],
)
def test_suggested_conversion_loads_strictly(
    tmp_path: Path,
    make: Any,  # noqa: ANN401 - a lambda
    options: list[str],
) -> None:
    """The command that is suggested, run as it stands, gives what torch takes without a word."""
    import shlex

    reference = pytest.importorskip("safetensors.torch")
    model = built({"a": ("linear", 2), "b": ("norm", 3), "c": ("lstm", 2)})
    torch.save(model.state_dict(), tmp_path / "a.pt")
    torch.save(make(model.state_dict()), tmp_path / "b.pt")
    report = converter.diff(tmp_path / "a.pt", tmp_path / "b.pt")
    assert not report.same
    (component,) = report.components
    assert component.suggestion is not None
    words = shlex.split(component.suggestion.command)
    assert words[:2] == ["depickle", "convert"]
    assert words[4:] == options
    target = tmp_path / "out.safetensors"
    assert words[3] == "OUT.safetensors"
    assert depickle("convert", words[2], target, *words[4:]).code == 0
    assert (
        str(model.load_state_dict(reference.load_file(target))) == "<All keys matched successfully>"
    )
    assert converter.diff(tmp_path / "a.pt", target).same
    assert component.suggestion.missing_after == component.suggestion.unexpected_after == 0
    assert component.suggestion.agreeing_after == len(model.state_dict())
