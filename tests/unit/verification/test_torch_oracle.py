"""torch is asked, and its answers are values."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest

from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened
from converter.checkpoint.tensor import ARRAY_CLASS, TensorRef
from converter.limits import Limits
from converter.verification.differences import DifferenceKind
from converter.verification.torch_oracle import OracleReport, OracleVerdict, compare_with_torch
from tests.unit.verification.references import counting, source_of, storage_of, tensor_of

if TYPE_CHECKING:
    from pathlib import Path

A = counting(24)


def checkpoint_of(tensors: dict[str, TensorRef], path: tuple[str, ...] = ()) -> Checkpoint:
    component = Component("model", ComponentKind.MODEL, path, None, tensors)
    return Checkpoint(Opened(source_of(b""), "zip"), "state_dict", (component,))


def test_without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    report = compare_with_torch(tmp_path / "x.pt", checkpoint_of({}))
    assert report == OracleReport(OracleVerdict.ABSENT, "torch is not installed")


@pytest.fixture
def torch() -> Any:  # noqa: ANN401 - torch is not typed here
    return pytest.importorskip("torch")


def saved(torch: Any, value: object, folder: Path) -> Path:  # noqa: ANN401 - as above
    path = folder / "x.pt"
    torch.save(value, path)
    return path


def tensor(torch: Any) -> Any:  # noqa: ANN401 - as above
    return torch.frombuffer(bytearray(A), dtype=torch.float32).reshape(2, 3)


@pytest.mark.torch
def test_old_torch_is_not_asked(
    torch: Any,  # noqa: ANN401 - as above
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for version in ("1.13.1", "2.9.1+cpu"):
        monkeypatch.setattr(torch, "__version__", version)
        report = compare_with_torch(tmp_path / "x.pt", checkpoint_of({}))
        assert report.verdict is OracleVerdict.ABSENT
        assert "too old" in (report.reason or "")
    for version in ("2.10.0", "2.11.0a0", "3.0"):
        monkeypatch.setattr(torch, "__version__", version)
        report = compare_with_torch(tmp_path / "x.pt", checkpoint_of({}))
        assert report.verdict is OracleVerdict.REFUSED  # asked, for a file that is not there


@pytest.mark.torch
@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"\x80\x02c__builtin__\neval\n."])
def test_refusal_is_an_answer(torch: Any, raw: bytes, tmp_path: Path) -> None:  # noqa: ANN401
    assert torch
    path = tmp_path / "x.pt"
    path.write_bytes(raw)
    report = compare_with_torch(path, checkpoint_of({}))
    assert report.verdict is OracleVerdict.REFUSED
    assert (report.reason or "").startswith("torch refuses this file: ")


@pytest.mark.torch
def test_agreement(torch: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    one, two = tensor(torch), torch.view_as_complex(tensor(torch).reshape(3, 2))
    root = {
        "model": OrderedDict(w=one.t(), p=torch.nn.Parameter(one), c=two.conj()),
        "list": [{"x": one[0]}, (one[1, 1:2],)],
        7: two.clone().conj().imag,
    }
    # torch does not save two types of view of one memory.
    shared, other = storage_of(A), storage_of(A)
    checkpoint = checkpoint_of(
        {
            "model.w": tensor_of(shared, "float32", (3, 2), (1, 3)),
            "model.p": tensor_of(shared, "float32", (2, 3)),
            "model.c": tensor_of(other, "complex64", (3,), conj=True),
            "list.0.x": tensor_of(shared, "float32", (3,)),
            "list.1.0": tensor_of(shared, "float32", (1,), (1,), 4),
            "7": tensor_of(storage_of(A), "float32", (3,), (2,), 1, neg=True),
        }
    )
    report = compare_with_torch(saved(torch, root, tmp_path), checkpoint)
    assert report == OracleReport(OracleVerdict.AGREES, None, 6)


@pytest.mark.torch
def test_path_of_the_component(torch: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    path = saved(torch, {"a": {"b": {"w": tensor(torch)}}}, tmp_path)
    checkpoint = checkpoint_of({"w": tensor_of(A, "float32", (2, 3))}, ("a", "b"))
    assert compare_with_torch(path, checkpoint).verdict is OracleVerdict.AGREES
    path = saved(torch, tensor(torch), tmp_path)
    component = Component("t", ComponentKind.EXTRA, (), None, {"": tensor_of(A, "float32", (2, 3))})
    lone = Checkpoint(Opened(source_of(b""), "zip"), "tensor", (component,))
    assert compare_with_torch(path, lone).verdict is OracleVerdict.AGREES


@pytest.mark.torch
@pytest.mark.parametrize(
    ("ours", "kind"),
    [
        ({"w": tensor_of(A[:-1] + b"\0", "float32", (2, 3))}, DifferenceKind.BYTES),
        ({"w": tensor_of(A, "int32", (2, 3))}, DifferenceKind.DTYPE),
        ({"w": tensor_of(A, "float32", (3, 2))}, DifferenceKind.SHAPE),
        ({"w": tensor_of(A, "float32", (2, 3), offset=1)}, DifferenceKind.UNVERIFIABLE),
        ({"w": tensor_of(A, "float32", (2, 3), neg=True)}, DifferenceKind.BYTES),
        ({}, DifferenceKind.MISSING),
    ],
)
def test_disagreement(
    torch: Any,  # noqa: ANN401 - as above
    ours: dict[str, TensorRef],
    kind: DifferenceKind,
    tmp_path: Path,
) -> None:
    path = saved(torch, {"w": tensor(torch)}, tmp_path)
    report = compare_with_torch(path, checkpoint_of(ours), Limits())
    assert report.verdict is OracleVerdict.DIFFERS
    assert [(d.kind, d.name) for d in report.differences] == [(kind, "w")]


@pytest.mark.torch
def test_what_torch_does_not_hold(torch: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    path = saved(torch, {"w": tensor(torch), "s": tensor(torch).to_sparse()}, tmp_path)
    array = tensor_of(A, "float32", (2, 3))
    array = TensorRef(
        array.storage, array.dtype, array.shape, array.stride, 0, class_name=ARRAY_CLASS
    )
    checkpoint = checkpoint_of(
        {
            "w": tensor_of(A, "float32", (2, 3)),
            "s.values": tensor_of(A, "float32", (6,)),
            "array": array,
            "more": tensor_of(A, "float32", (2, 3)),
        }
    )
    report = compare_with_torch(path, checkpoint)
    assert report.skipped == ("s",)
    assert [(d.kind, d.name) for d in report.differences] == [(DifferenceKind.EXTRA, "more")]


@pytest.mark.torch
def test_nesting_and_cycles(
    torch: Any,  # noqa: ANN401 - as above
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    deep: Any = [tensor(torch)]
    for _ in range(100_000):
        deep = [deep]
    cycle: list[Any] = [tensor(torch)]
    cycle.append(cycle)
    monkeypatch.setattr(torch, "load", lambda *_, **__: {"deep": deep, "cycle": cycle})
    checkpoint = checkpoint_of({"cycle.0": tensor_of(A, "float32", (2, 3))})
    report = compare_with_torch(tmp_path / "x.pt", checkpoint, Limits(max_values=50))
    assert report.tensor_count in (0, 1)
    monkeypatch.setattr(torch, "load", lambda *_, **__: {"cycle": cycle})
    assert compare_with_torch(tmp_path / "x.pt", checkpoint).verdict is OracleVerdict.AGREES


@pytest.mark.torch
def test_torch_is_not_asked_what_it_reads_wrongly(
    torch: Any,  # noqa: ANN401 - as above
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    wrong = torch.tensor([256, 513], dtype=torch.uint16)
    monkeypatch.setattr(torch, "load", lambda *_, **__: {"w": wrong, "x": wrong.view(torch.int16)})
    big = storage_of(b"\0\x01\x01\x02", big_endian=True)
    ours = {"w": tensor_of(big, "uint16", (2,)), "x": tensor_of(big, "int16", (2,))}
    report = compare_with_torch(tmp_path / "x.pt", checkpoint_of(ours))
    assert report.skipped == ("w",)
    assert [(d.kind, d.name) for d in report.differences] == [(DifferenceKind.BYTES, "x")]


@pytest.mark.torch
def test_keys_that_are_tuples(torch: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    path = saved(torch, {("a", 1, (2, "b")): {"w": tensor(torch)}}, tmp_path)
    ours = {"(a, 1, (2, b)).w": tensor_of(A, "float32", (2, 3))}
    report = compare_with_torch(path, checkpoint_of(ours))
    assert report == OracleReport(OracleVerdict.AGREES, None, 1)
