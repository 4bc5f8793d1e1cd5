"""Two checkpoints held against each other: which component, which tensor, how many elements."""

from __future__ import annotations

import struct

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.comparison import ChangeKind, CheckpointComparison, Magnitude, compare_checkpoints
from converter.comparison.pairing import WHOLE, paired
from tests.unit.writing.made import checkpoint, floats, storage, tensor, view

MODEL, OPTIMIZER = ComponentKind.MODEL, ComponentKind.OPTIMIZER
Named = dict[str, TensorRef]


def made(*parts: tuple[str, ComponentKind, Named], bare: bool = False) -> Checkpoint:
    components = tuple(Component(name, kind, (name,), None, held) for name, kind, held in parts)
    return Checkpoint(Opened(MemorySource(b"", "made"), "zip"), "bundle", components, bare=bare)


def kinds(found: CheckpointComparison) -> dict[str, str]:
    return {change.name: str(change.kind) for one in found.components for change in one.changes}


def test_every_kind_of_change() -> None:
    a = {
        "x": floats(4),
        "gone": floats(2),
        "shape": floats(3),
        "type": floats(1),
        "value": floats(5),
    }
    b = {
        "value": tensor(bytes(range(1, 21)), "float32", 5),
        "x": floats(4),
        "new": floats(1),
        "shape": tensor(bytes(12), "float32", 3, 1),
        "type": tensor(bytes(8), "float64", 1),
    }
    found = compare_checkpoints(checkpoint(bare=True, model=a), checkpoint(bare=True, model=b))
    (component,) = found.components
    assert not found.same
    assert [(change.name, change.kind) for change in component.changes] == [
        ("gone", ChangeKind.MISSING),
        ("shape", ChangeKind.RESHAPED),
        ("type", ChangeKind.RETYPED),
        ("value", ChangeKind.CHANGED),
        ("new", ChangeKind.UNEXPECTED),
    ]
    assert component.alike == 1


def test_names_alone_on_request() -> None:
    a, b = floats(3), tensor(bytes(12), "float32", 3)
    sides = [checkpoint(bare=True, model={"w": one}) for one in (a, b)]
    assert compare_checkpoints(*sides, values=False).same
    assert not compare_checkpoints(*sides).same


def test_elements_are_counted_and_measured() -> None:
    a = tensor(struct.pack("<4f", 1, 2, 3, 4), "float32", 2, 2)
    turned = view(
        storage(struct.pack(">4f", 1, 3, 2, 4.5), big_endian=True), "float32", (2, 2), (1, 2)
    )
    sides = [checkpoint(bare=True, model={"w": one, "tied": one}) for one in (a, turned)]
    (component,) = compare_checkpoints(*sides).components
    assert [(c.elements, c.magnitude) for c in component.changes] == [(1, Magnitude(0.5, 0))] * 2


def test_integers_are_counted_only() -> None:
    sides = [checkpoint(bare=True, model={"n": tensor(raw, "uint8", 2)}) for raw in (b"ab", b"ac")]
    (change,) = compare_checkpoints(*sides).components[0].changes
    assert (change.elements, change.magnitude) == (1, None)


def test_a_cast_is_measured() -> None:
    one = tensor(struct.pack("<f", 0.1), "float32", 1)
    other = tensor(struct.pack("<e", 0.1), "float16", 1)
    sides = [checkpoint(bare=True, model={"w": side}) for side in (one, other)]
    (change,) = compare_checkpoints(*sides).components[0].changes
    assert change.kind is ChangeKind.RETYPED
    assert change.magnitude is not None
    assert 0 < change.magnitude.max_abs < 1e-4
    (change,) = compare_checkpoints(*sides, values=False).components[0].changes
    assert change.magnitude is None


def test_without_bytes_nothing_is_the_same() -> None:
    absent = view(Storage("0", None, 8, None, "meta"), "float32", (2,))
    sides = [checkpoint(bare=True, model={"w": one}) for one in (floats(2), absent)]
    found = compare_checkpoints(*sides)
    (change,) = found.components[0].changes
    assert change.kind is ChangeKind.INCOMPARABLE
    assert change.reason
    assert not found.same


def test_empty_tensors_are_alike_wherever_they_lie() -> None:
    empty = view(Storage("0", None, 0, None, "meta"), "float32", (0, 3))
    sides = [
        checkpoint(bare=True, model={"w": one})
        for one in (empty, view(storage(b""), "float32", (0, 3)))
    ]
    assert compare_checkpoints(*sides).same


def test_what_a_conversion_left_out_is_not_there() -> None:
    gone = Storage("0", None, 8, None, "cpu", left_out=True)
    sides = [
        checkpoint(bare=True, model={"w": floats(2), "x": one})
        for one in (floats(2), view(gone, "float32", (2,)))
    ]
    assert kinds(compare_checkpoints(*sides)) == {"x": "missing"}


def test_components_meet_by_name_and_kind() -> None:
    model, state = {"w": floats(1)}, {"state.0.exp_avg": floats(2)}
    a = made(("model", MODEL, model), ("ema", MODEL, model), ("optimizer", OPTIMIZER, state))
    b = made(("optim", OPTIMIZER, state), ("ema", MODEL, model), ("model", MODEL, model))
    pairing = paired(a, b)
    assert [(one.name, other.name) for one, other in pairing.pairs] == [
        ("model", "model"),
        ("ema", "ema"),
        ("optimizer", "optim"),
    ]
    assert compare_checkpoints(a, b).same


def test_other_names_meet_by_what_they_hold() -> None:
    g, d = {"up.w": floats(1), "out.w": floats(2)}, {"down.w": floats(3)}
    a = made(("netG", MODEL, g), ("netD", MODEL, d))
    wrapped = {f"module.{name}": one for name, one in g.items()}
    b = made(("discriminator", MODEL, d), ("generator", MODEL, wrapped))
    assert [(one.name, other.name) for one, other in paired(a, b).pairs] == [
        ("netG", "generator"),
        ("netD", "discriminator"),
    ]


def test_a_lone_model_meets_that_of_a_bundle() -> None:
    model = {"w": floats(1)}
    lone = made(("model", MODEL, model), bare=True)
    bundle = made(
        ("ema", MODEL, {"z": floats(3)}),
        ("net", MODEL, model),
        ("optimizer", OPTIMIZER, {"s": floats(2)}),
    )
    for a, b in ((lone, bundle), (bundle, lone)):
        found = compare_checkpoints(a, b)
        assert found.partial
        assert found.same
        names = {one.name for one in (*found.only_a, *found.only_b)}
        assert names == {"ema", "optimizer"}


def test_a_component_too_many_is_a_difference() -> None:
    parts = [(name, MODEL, {name: floats(1)}) for name in ("a", "b", "c")]
    found = compare_checkpoints(made(*parts[:2]), made(*parts))
    assert not found.same
    assert [one.name for one in found.only_b] == ["c"]


def test_full_names_meet_where_they_fit_better() -> None:
    bundle = made(("model", MODEL, {"w": floats(1)}), ("optimizer", OPTIMIZER, {"s": floats(2)}))
    plain = made(("model", MODEL, {"model.w": floats(1), "optimizer.s": floats(2)}), bare=True)
    found = compare_checkpoints(bundle, plain)
    assert [one.a.name for one in found.components] == [WHOLE]
    assert found.same


@pytest.mark.parametrize("other", [made(), made(("extra", ComponentKind.EXTRA, {}))])
def test_nothing_to_compare(other: Checkpoint) -> None:
    assert compare_checkpoints(other, made()).same
    full = made(("model", MODEL, {"w": floats(1)}))
    assert not compare_checkpoints(full, other).same
    assert not compare_checkpoints(other, full).same


def test_many_components_are_matched_by_name_only() -> None:
    many = made(*((f"m{n}", MODEL, {f"w{n}": floats(1)}) for n in range(70)))
    assert compare_checkpoints(many, many).same
    other = made(*((f"x{n}", MODEL, {f"w{n}": floats(1)}) for n in range(70)))
    assert len(paired(many, other).pairs) == 70
