"""Fingerprints: what they are made of, and what they do not notice."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.errors import TensorError
from converter.limits import Limits
from converter.readers.layouts import WRAPPERS
from converter.verification import digests
from converter.verification.digests import (
    WRAPPER_PARTS,
    Fingerprint,
    combine,
    fingerprint_of,
    plain_name,
    tensor_digest,
    tensor_digests,
)
from tests.unit.writing.made import checkpoint, floats, of_components, storage, tensor, view

SIX = struct.pack("<6f", *range(6))


def by_hand(dtype: str, shape: list[int], values: bytes) -> str:
    head = f"depickle/tensor-v1 {dtype} {json.dumps(shape).replace(' ', '')}\n"
    return hashlib.sha256(head.encode() + values).hexdigest()


def of_model(**tensors: TensorRef) -> Fingerprint:
    return fingerprint_of(checkpoint(model=tensors)).components["model"]


def test_tensor_is_its_dtype_shape_and_values() -> None:
    assert tensor_digest(tensor(SIX, "float32", 2, 3)) == by_hand("float32", [2, 3], SIX)
    assert tensor_digest(tensor(SIX, "uint8", 24)) == by_hand("uint8", [24], SIX)
    assert tensor_digest(tensor(b"\1\0", "bool", 2)) == by_hand("bool", [2], b"\1\0")
    assert tensor_digest(tensor(SIX[:4], "float32")) == by_hand("float32", [], SIX[:4])


def test_strides_and_byte_order_are_followed() -> None:
    transposed = view(storage(SIX), "float32", (3, 2), (1, 3))
    columns = struct.pack("<6f", 0, 3, 1, 4, 2, 5)
    assert tensor_digest(transposed) == by_hand("float32", [3, 2], columns)
    turned = view(storage(struct.pack(">6f", *range(6)), big_endian=True), "float32", (6,))
    assert tensor_digest(turned) == by_hand("float32", [6], SIX)


def test_signs_are_resolved() -> None:
    raw = struct.pack("<2d", 1, 2)
    conj = replace(tensor(raw, "complex128", 1), conj=True)
    assert tensor_digest(conj) == by_hand("complex128", [1], struct.pack("<2d", 1, -2))
    neg = replace(tensor(raw, "float64", 2), neg=True)
    assert tensor_digest(neg) == by_hand("float64", [2], struct.pack("<2d", -1, -2))


def test_working_memory_changes_nothing() -> None:
    big = view(storage(bytes(range(256)) * 64), "int16", (64, 128), (1, 64))
    small = tensor_digest(big, Limits(gather_chunk_bytes=512))
    assert small == tensor_digest(big)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5)])
def test_no_elements_need_no_bytes(shape: tuple[int, ...]) -> None:
    empty = view(storage(None), "float32", shape)
    assert tensor_digest(empty) == by_hand("float32", list(shape), b"")
    assert of_model(w=empty).tensor_count == 1


def test_a_component_is_its_sorted_digests() -> None:
    a, b = tensor(SIX, "float32", 6), tensor(SIX, "float32", 2, 3)
    lines = sorted([by_hand("float32", [6], SIX), by_hand("float32", [2, 3], SIX)])
    text = "\n".join(["depickle/weights-v1", *lines]) + "\n"
    found = of_model(a=a, b=b)
    assert found.weights == hashlib.sha256(text.encode()).hexdigest()
    named = sorted(
        [f'{by_hand("float32", [6], SIX)} "a"', f'{by_hand("float32", [2, 3], SIX)} "b"']
    )
    text = "\n".join(["depickle/named-v1", *named]) + "\n"
    assert found.named == hashlib.sha256(text.encode()).hexdigest()


@given(st.permutations(range(5)))
def test_order_does_not_matter(order: list[int]) -> None:
    tensors = {f"t{n}": floats(n) for n in range(5)}
    shuffled = {f"t{n}": tensors[f"t{n}"] for n in order}
    assert of_model(**shuffled) == of_model(**tensors)


def test_names_matter_to_named_only() -> None:
    one = of_model(a=floats(1), b=floats(2))
    other = of_model(a=floats(2), b=floats(1))
    assert one.weights == other.weights
    assert one.named != other.named


def test_how_often_matters() -> None:
    assert of_model(a=floats(3)).weights != of_model(a=floats(3), b=floats(3)).weights


def test_a_lone_component_is_the_whole() -> None:
    found = fingerprint_of(checkpoint(bare=True, model={"w": floats(3)}))
    assert found.whole == found.components["model"]
    bundled = fingerprint_of(checkpoint(model={"w": floats(3)}, ema={"w": floats(2)}))
    assert bundled.components["model"] == found.components["model"]


def test_aliases_count_twice_and_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = floats(4)
    copied = of_model(a=floats(4), b=floats(4))
    calls: list[str] = []
    honest = digests.tensor_digest

    def count(one: TensorRef, limits: Limits, where: str, _: object) -> str:
        calls.append(where)
        return honest(one, limits, where)

    monkeypatch.setattr(digests, "tensor_digest", count)
    assert of_model(a=shared, b=shared) == copied
    assert calls == ["model.a"]


def test_full_names_that_collide_stay_apart() -> None:
    both = of_components([("a", {"b.c": floats(1)}), ("a.b", {"c": floats(2)})])
    found = fingerprint_of(both)
    assert found.whole.tensor_count == 2
    assert found.components["a"].weights == of_model(x=floats(1)).weights
    assert found.components["a.b"].weights == of_model(x=floats(2)).weights


def test_tensors_without_bytes_are_counted() -> None:
    absent = Storage("0", None, 16, None, "meta")
    found = of_model(a=floats(2), m=view(absent, "float32", (4,)))
    assert (found.tensor_count, found.without_bytes) == (1, 1)
    assert found.weights == of_model(a=floats(2)).weights


def test_tensor_outside_its_storage_is_an_error() -> None:
    with pytest.raises(TensorError, match=r"model\.w"):
        of_model(w=view(storage(b"\0" * 4), "float32", (2,)))


@pytest.mark.parametrize("bit", range(0, 24 * 8, 37))
def test_every_bit_counts(bit: int) -> None:
    flipped = bytearray(SIX)
    flipped[bit // 8] ^= 1 << bit % 8
    assert of_model(w=tensor(bytes(flipped), "float32", 6)) != of_model(w=tensor(SIX, "float32", 6))


def test_shape_and_dtype_count() -> None:
    found = {
        of_model(w=tensor(bytes(16), dtype, *shape)).weights
        for dtype, shape in [
            ("float32", (4,)),
            ("float32", (2, 2)),
            ("float32", (4, 1)),
            ("int32", (4,)),
            ("complex64", (2,)),
            ("complex128", (1,)),
            ("float64", (2,)),
        ]
    }
    assert len(found) == 7


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("module.conv.weight", "conv.weight"),
        ("_orig_mod.module.a._checkpoint_wrapped_module.b", "a.b"),
        ("head.module", "head.module"),
        ("modules.weight", "modules.weight"),
        ("weight", "weight"),
        ("", ""),
    ],
)
def test_wrappers_leave_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_wrappers_are_those_that_are_reported() -> None:
    """A new wrapper is for a new version of the definition."""
    assert WRAPPERS.keys() >= WRAPPER_PARTS


def test_no_name_can_imitate_another() -> None:
    """Digests are lines of a text, and a name may hold a line feed."""
    one, two = "0" * 64, "1" * 64
    pairs = [
        [("a", one), ("b", two)],
        [(f'a"\n{two} "b', one)],
        [("a\ud800", one)],
        [("a\\ud800", one)],
        [("a", one)],
    ]
    assert len({combine(pair).named for pair in pairs}) == len(pairs)


def test_two_threads_find_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [(f"t{n}", floats(n)) for n in range(20)]
    alone = tensor_digests(tensors)
    monkeypatch.setattr(digests, "_ALONE_NBYTES", 0)
    assert tensor_digests(tensors) == alone


def test_the_pinned_values() -> None:
    """Version 1 is what was published: nothing may ever change these."""
    found = of_model(**{"module.w": tensor(SIX, "float32", 2, 3), "b": tensor(b"\0", "bool", 1)})
    assert found == Fingerprint(
        weights="ef9f1cbd20ffa29a94a8dabbee14b94c6c3aafb359c034b05b19a01782dbac78",
        named="ec2beaf8a2e82064ba5f08e98c3a44a6c25ea192476c0cf932dc2599f1477399",
        tensor_count=2,
    )
