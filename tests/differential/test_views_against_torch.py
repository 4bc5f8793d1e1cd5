"""Views come back from a converted file as views: storages, strides, offsets as torch saved them.

The truth is ``torch.load(weights_only=True)`` of what torch saved; four ways back from the
converted file are held against it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402 - after the skip
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

import converter  # noqa: E402
from converter.writing.options import WriteOptions  # noqa: E402
from tests.support.live_equality import difference  # noqa: E402
from tests.support.temporary import folder  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def table(*shape: int) -> Any:  # noqa: ANN401 - a tensor
    return torch.randn(*shape)


def halves(count: int, axis: int) -> dict[str, Any]:
    return dict(zip("qkv", table(6, 6, 4).chunk(count, axis), strict=False))


def with_views() -> dict[str, Any]:
    base = table(4, 6)
    return {"base": base, "t": base.t(), "part": base[1:, ::2], "row": base[2], "n": base[0, 0]}


def complex_views() -> dict[str, Any]:
    base = torch.tensor([1 + 2j, -0.0 + 0j, complex("nan")])
    return {"base": base, "conj": base.conj(), "flipped": base.conj().conj()}


def flat_buffer() -> dict[str, Any]:
    flat = table(30)
    return {"a": flat[:6].view(2, 3), "b": flat[6:18].view(3, 4).t(), "c": flat[18:], "flat": flat}


def typed_storage() -> dict[str, Any]:
    base = table(3, 2)
    return {"storage": base.storage(), "rows": base[1:], "first": base[:1]}


def parameters() -> Any:  # noqa: ANN401 - a state_dict
    weight = nn.Parameter(table(3, 5).t())
    return {"w": weight, "same": weight, "view": weight.detach()[1:], "b": nn.Buffer(table(2))}


SAVED: dict[str, Callable[[], Any]] = {
    "a matrix and its views": with_views,
    "one transposed": lambda: {"w": table(4, 6).t()},
    "permuted": lambda: {"w": table(2, 3, 4).permute(2, 0, 1), "v": table(2, 1, 4).mT},
    "channels last": lambda: {"w": table(8, 3, 3, 3).to(memory_format=torch.channels_last)},
    "divided by rows": lambda: halves(3, 0),
    "divided by columns": lambda: halves(3, 1),
    "divided by the last": lambda: halves(2, 2),
    "divided and transposed": lambda: {k: v.transpose(0, 2) for k, v in halves(3, 1).items()},
    "one column and the rest": lambda: list(table(4, 6).split([1, 5], 1)),
    "flat buffer and its parts": flat_buffer,
    "expanded": lambda: {"e": table(3).expand(4, 3), "f": table(3).unsqueeze(1).expand(3, 4)},
    "windows": lambda: [
        table(10).unfold(0, 4, 2),
        table(5).unfold(0, 3, 1),
        table(6).unfold(0, 2, 2),
    ],
    "complex": complex_views,
    "half and bytes": lambda: [table(4, 4).bfloat16().t(), torch.arange(6).byte().view(2, 3).t()],
    "wide": lambda: [table(3, 2).to(torch.complex128).t(), table(3, 2).double().t()],
    "recurrent": lambda: nn.LSTM(3, 4, 2).state_dict(),
    "storage by itself": typed_storage,
    "parameters": parameters,
    "nothing in it": lambda: [table(0, 3), table(3, 0).t(), *table(2, 2).split([2, 0])],
}


def ways_back(path: Path, place: Path) -> list[Any]:
    """Return what four ways back from the converted file give."""
    converter.convert(path, place / "there.safetensors")
    converter.convert(path, place / "there", options=WriteOptions(folder=True))
    converter.restore(place / "there.safetensors", place / "back.pt")
    converter.convert(place / "there.safetensors", place / "again.safetensors")
    return [
        torch.load(place / "back.pt", weights_only=True),
        converter.open(place / "there.safetensors").to_python(),
        converter.open(place / "there").to_python(),
        converter.open(place / "again.safetensors").to_python(),
    ]


@pytest.mark.parametrize("name", SAVED)
def test_views_come_back_as_views(name: str, tmp_path: Path) -> None:
    torch.save(SAVED[name](), tmp_path / "saved.pt")
    expected = torch.load(tmp_path / "saved.pt", weights_only=True)
    for found in ways_back(tmp_path / "saved.pt", tmp_path):
        reason = difference(expected, found)
        assert reason is None


@st.composite
def views(draw: st.DrawFn) -> list[Any]:
    """Draw some views of one matrix, and the matrix itself more often than not."""
    base = torch.arange(60.0).reshape(draw(st.sampled_from([(60,), (6, 10), (3, 4, 5)])))
    found = [base] if draw(st.integers(0, 2)) else []
    for _ in range(draw(st.integers(1, 4))):
        view = base
        for axis in range(view.dim()):
            size = view.shape[axis]
            start = draw(st.integers(0, size - 1))
            stop = draw(st.integers(start + 1, size))
            step = draw(st.sampled_from([1, 1, 1, 2]))
            view = view[(slice(None),) * axis + (slice(start, stop, step),)]
        found.append(view.permute(draw(st.permutations(range(view.dim())))))
    return found


@given(views())
@settings(max_examples=60)
def test_any_views_hold_the_same_and_share_as_far_as_is_said(saved: list[Any]) -> None:
    with folder() as place:
        torch.save(saved, place / "saved.pt")
        converter.convert(place / "saved.pt", place / "there.safetensors")
        checkpoint = converter.open(place / "there.safetensors")
        found = checkpoint.to_python()
        said = {note.code for note in checkpoint.as_saved().notes}
        for one, other in zip(saved, found, strict=True):
            assert torch.equal(one, other)
        whole = [one for one in saved if one.numel() == 60]
        if whole:
            assert "views_apart" not in said
            assert difference(saved, found) is None
        pointers = {one.untyped_storage().data_ptr() for one in found}
        strides = [(one.stride(), other.stride()) for one, other in zip(saved, found, strict=True)]
        if len(saved) > 1 and "views_apart" not in said:
            assert len(pointers) == 1
            assert [(a, b) for a, b in strides if a != b] == []


def test_what_no_tensor_showed_is_left_out(tmp_path: Path) -> None:
    base = table(4, 6)
    torch.save([base[0], base[3:], base[3, 2:4]], tmp_path / "saved.pt")
    for first, last, inner in ways_back(tmp_path / "saved.pt", tmp_path):
        assert torch.equal(first, base[0])
        assert torch.equal(last, base[3:])
        first.fill_(-1.0)
        last.fill_(-2.0)
        assert inner.tolist() == [-2.0, -2.0]
        assert first.tolist() == [-1.0] * 6
        assert first.untyped_storage().nbytes() == 48


def test_tensors_that_cannot_share_again_are_said(tmp_path: Path) -> None:
    base = table(4, 6)
    torch.save({"a": base[:, :2], "b": base[:, 3:]}, tmp_path / "saved.pt")
    converter.convert(tmp_path / "saved.pt", tmp_path / "there.safetensors")
    report = converter.restore(tmp_path / "there.safetensors", tmp_path / "back.pt")
    (note,) = [note for note in report.notes if note.code == "views_apart"]
    assert note.text.endswith(": 2: a, b")
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    assert torch.equal(back["a"], base[:, :2])
    assert torch.equal(back["b"], base[:, 3:])


def test_a_file_whose_views_disagree_gives_what_it_holds(tmp_path: Path) -> None:
    """Somebody changed one of two tensors that were one memory: both values are what they are."""
    base = table(4, 6)
    torch.save({"base": base, "t": base.t(), "last": base[3]}, tmp_path / "saved.pt")
    target = tmp_path / "there.safetensors"
    converter.convert(tmp_path / "saved.pt", target)
    raw = bytearray(target.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    begin, end = json.loads(raw[8:start])["t"]["data_offsets"]
    raw[start + begin : start + end] = torch.full((6, 4), 7.0).numpy().tobytes()
    target.write_bytes(raw)
    checkpoint = converter.open(target)
    found = checkpoint.to_python()
    assert torch.equal(found["base"], base)
    assert torch.equal(found["t"], torch.full((6, 4), 7.0))
    assert found["last"].data_ptr() == found["base"][3].data_ptr()
    assert [n.code for n in checkpoint.as_saved().notes if "apart" in n.code] == ["views_apart"]


def test_left_out_tensors_do_not_come_back(tmp_path: Path) -> None:
    base = table(4, 6)
    torch.save({"a": base[:2], "b": base[2:], "t": base.t()}, tmp_path / "saved.pt")
    options = WriteOptions(exclude=("t",))
    converter.convert(tmp_path / "saved.pt", tmp_path / "there.safetensors", options=options)
    found = converter.open(tmp_path / "there.safetensors").to_python()
    assert torch.equal(found["t"], base.t())  # its bytes are there, by the others
    options = WriteOptions(exclude=("b", "t"))
    converter.convert(tmp_path / "saved.pt", tmp_path / "less.safetensors", options=options)
    with pytest.raises(converter.errors.TensorError, match="left out"):
        converter.open(tmp_path / "less.safetensors").state_dict("model")["b"]
