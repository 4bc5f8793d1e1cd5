"""Planted faults are found and named; what is right is called identical."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened
from converter.checkpoint.storage import Storage
from converter.dtypes import BY_NAME
from converter.limits import Limits
from converter.progress import SilentProgress
from converter.verification.differences import DifferenceKind
from converter.verification.stored_types import stored_as
from converter.verification.verifier import (
    MAX_DIFFERENCES,
    ExpectedTensor,
    VerificationReport,
    verify_checkpoints,
    verify_output,
)
from tests.unit.verification.references import (
    counting,
    safetensors_of,
    source_of,
    storage_of,
    tensor_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from converter.checkpoint.tensor import TensorRef

A = counting(24)
B = counting(16, seed=99)
PAIR = {"a": ("F32", (2, 3), A), "b": ("I64", (2,), B)}


def expect(name: str, tensor: TensorRef, alias_of: str | None = None) -> ExpectedTensor:
    return ExpectedTensor(f"model.{name}", "f", name, tensor, alias_of)


def pair() -> list[ExpectedTensor]:
    return [
        expect("a", tensor_of(A, "float32", (2, 3))),
        expect("b", tensor_of(B, "int64", (2,))),
    ]


def verify(
    expected: list[ExpectedTensor],
    tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]],
    metadata: Mapping[str, str] | None = None,
) -> VerificationReport:
    return verify_output(expected, {"f": source_of(safetensors_of(tensors, metadata))})


def faults(report: VerificationReport) -> list[tuple[str, str, str | None, str | None]]:
    assert report.identical is (not report.differences)
    assert report.difference_count == len(report.differences)
    return [(str(d.kind), d.name, d.expected, d.found) for d in report.differences]


def test_identical() -> None:
    report = verify(pair(), PAIR, {"format": "pt"})
    assert report.identical
    assert (report.tensor_count, report.nbytes, report.differences) == (2, 40, ())
    assert not report.digests


def test_nothing_is_identical_to_nothing() -> None:
    assert verify([], {}).identical


def test_wrong_byte() -> None:
    wrong = A[:13] + bytes([A[13] ^ 4]) + A[14:]
    report = verify(pair(), PAIR | {"a": ("F32", (2, 3), wrong)})
    (found,) = report.differences
    assert (found.kind, found.name, found.file) == (DifferenceKind.BYTES, "a", "f")
    assert (found.index, found.flat_index, found.count) == ((1, 0), 3, 1)
    assert found.expected == A[12:16].hex()
    assert found.found == wrong[12:16].hex()
    raw = safetensors_of(PAIR | {"a": ("F32", (2, 3), wrong)})
    assert found.offset is not None
    assert raw[found.offset : found.offset + 4] == wrong[12:16]


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        ({"a": PAIR["a"]}, ("missing", "b", "b", None)),
        (PAIR | {"c": ("U8", (0,), b"")}, ("extra", "c", None, "c")),
        (PAIR | {"b": ("U64", (2,), B)}, ("dtype", "b", "I64", "U64")),
        (PAIR | {"a": ("F32", (3, 2), A)}, ("shape", "a", "[2, 3]", "[3, 2]")),
        (PAIR | {"a": ("F32", (6,), A)}, ("shape", "a", "[2, 3]", "[6]")),
    ],
)
def test_planted_fault(
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]], fault: tuple[str, ...]
) -> None:
    assert faults(verify(pair(), tensors)) == [fault]


def test_swapped_tensors() -> None:
    expected = [
        expect(name, tensor_of(raw, "uint8", (24,))) for name, raw in (("a", A), ("b", B + B[:8]))
    ]
    swapped = {"a": ("U8", (24,), B + B[:8]), "b": ("U8", (24,), A)}
    assert [(kind, name) for kind, name, _, _ in faults(verify(expected, swapped))] == [
        ("bytes", "a"),
        ("bytes", "b"),
    ]


def aliases() -> list[ExpectedTensor]:
    shared = storage_of(A)
    kept = tensor_of(shared, "float32", (2, 3))
    same = tensor_of(shared, "float32", (2, 3))
    equal = tensor_of(A, "float32", (2, 3))
    return [
        expect("kept", kept),
        expect("same", same, "kept"),
        expect("equal", equal, "kept"),
        expect("other", tensor_of(B, "int64", (2,))),
        expect("tied", tensor_of(B, "int64", (2,)), "other"),
    ]


ALIASED = {"kept": PAIR["a"], "other": PAIR["b"]}
LEADS = {"format": "pt", "same": "kept", "equal": "kept", "tied": "other"}


def test_aliases() -> None:
    report = verify(aliases(), ALIASED, LEADS)
    assert report.identical
    assert report.tensor_count == 5
    assert report.nbytes == 24 + 24 + 16 + 16  # what is the same view is compared once


def without(mapping: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in mapping.items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "metadata", "fault"),
    [
        (ALIASED, without(LEADS, "same"), ("alias", "same", "kept", None)),
        (ALIASED, LEADS | {"same": "other"}, ("alias", "same", "kept", "other")),
        (ALIASED, LEADS | {"more": "kept"}, ("alias", "more", None, "kept")),
        (ALIASED | {"same": PAIR["a"]}, LEADS, ("extra", "same", None, "same")),
        (ALIASED | {"pt": PAIR["a"]}, LEADS, ("extra", "pt", None, "pt")),
    ],
)
def test_planted_alias_fault(
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]],
    metadata: dict[str, str],
    fault: tuple[str, ...],
) -> None:
    assert faults(verify(aliases(), tensors, metadata)) == [fault]


def test_swapped_aliases() -> None:
    swapped = LEADS | {"same": "other", "tied": "kept"}
    assert [name for _, name, _, _ in faults(verify(aliases(), ALIASED, swapped))] == [
        "same",
        "tied",
    ]


def test_alias_of_other_bytes() -> None:
    expected = [*pair(), expect("c", tensor_of(A[:-1] + b"\xff", "float32", (2, 3)), "a")]
    (fault,) = verify(expected, PAIR, {"c": "a"}).differences
    assert (fault.kind, fault.name, fault.flat_index) == (DifferenceKind.BYTES, "c", 5)
    expected = [*pair(), expect("c", tensor_of(A, "float32", (3, 2)), "a")]
    assert faults(verify(expected, PAIR, {"c": "a"})) == [("shape", "c", "[3, 2]", "[2, 3]")]


def test_alias_of_what_is_not_there() -> None:
    expected = [*pair(), expect("c", tensor_of(A, "float32", (2, 3)), "gone")]
    assert faults(verify(expected, PAIR, {"c": "gone"})) == [("alias", "c", "gone", None)]


def test_broken_and_absent_files() -> None:
    expected = [
        *pair(),
        ExpectedTensor("x", "absent", "x", tensor_of(A, "uint8", (24,))),
        ExpectedTensor("y", "broken", "y", tensor_of(A, "uint8", (24,))),
    ]
    outputs = {"f": source_of(safetensors_of(PAIR)), "broken": source_of(b"\xff" * 20)}
    report = verify_output(expected, outputs)
    assert [(d.kind, d.file, d.name) for d in report.differences] == [
        (DifferenceKind.HEADER, "broken", ""),
        (DifferenceKind.MISSING, "absent", ""),
    ]
    assert report.tensor_count == 2


@pytest.mark.parametrize(
    "tensor",
    [
        tensor_of(Storage("0", None, 24, None, "meta"), "float32", (2, 3)),
        tensor_of(A, "float32", (2, 4)),
        tensor_of(A, "bool", (24,), neg=True),
        tensor_of(A, "quint4x2", (2,), offset=1),
    ],
)
def test_what_cannot_be_known_is_not_identical(tensor: TensorRef) -> None:
    ((kind, name, expected, found),) = faults(verify([expect("a", tensor)], {"a": PAIR["a"]}))
    assert (kind, name, expected) == ("unverifiable", "a", None)
    assert found


@pytest.mark.parametrize("dtype", sorted(BY_NAME))
@pytest.mark.parametrize("shape", [(), (3, 4), (0, 2)])
def test_every_dtype_in_its_encoding(dtype: str, shape: tuple[int, ...]) -> None:
    nbytes = tensor_of(b"", dtype, shape).nbytes
    raw = counting(nbytes)
    stored, sizes = stored_as(dtype, shape)
    expected = [expect("t", tensor_of(raw, dtype, shape))]
    assert verify(expected, {"t": (stored, sizes, raw)}).identical
    if nbytes:
        wrong = raw[:-1] + bytes([raw[-1] ^ 1])
        (found,) = verify(expected, {"t": (stored, sizes, wrong)}).differences
        unit = BY_NAME[dtype].itemsize
        last = (nbytes // unit - 1) * BY_NAME[dtype].packed
        assert (found.flat_index, found.count) == (last, 1)
        assert found.found == wrong[-unit:].hex()


def test_complex_element_is_one_element() -> None:
    raw = counting(64)
    wrong = bytearray(raw)
    wrong[16] ^= 1
    wrong[31] ^= 1
    expected = [expect("t", tensor_of(raw, "complex128", (2, 2)))]
    (found,) = verify(expected, {"t": ("F64", (2, 2, 2), bytes(wrong))}).differences
    assert (found.index, found.count) == ((0, 1), 1)


def test_differences_are_capped_and_counted() -> None:
    names = [f"t{number}" for number in range(300)]
    expected = [expect(name, tensor_of(A, "uint8", (24,))) for name in names]
    report = verify(expected, {name: ("U8", (24,), bytes(24)) for name in names[:250]})
    assert report.difference_count == 300
    assert len(report.differences) == MAX_DIFFERENCES
    assert not report.identical


def test_digests_and_progress() -> None:
    log: list[object] = []

    class _Watch(SilentProgress):
        def begin(self, label: str, total_nbytes: int) -> None:
            log.append((label, total_nbytes))

        def advance(self, nbytes: int) -> None:
            log.append(nbytes)

        def end(self) -> None:
            log.append("end")

    outputs = {"f": source_of(safetensors_of(PAIR))}
    report = verify_output(pair(), outputs, _Watch(), Limits(copy_chunk_bytes=7), digests=True)
    assert log == [("verifying", 40), 24, 16, "end"]
    assert dict(report.digests) == {
        ("f", "a"): hashlib.sha256(A).hexdigest(),
        ("f", "b"): hashlib.sha256(B).hexdigest(),
    }


def checkpoint_of(*components: Component, bare: bool = False) -> Checkpoint:
    return Checkpoint(Opened(source_of(b""), "zip"), "bundle", components, bare)


def component_of(name: str, kind: ComponentKind, **tensors: TensorRef) -> Component:
    return Component(name, kind, (name,), None, tensors)


def model(name: str = "model", raw: bytes = A) -> Component:
    return component_of(name, ComponentKind.MODEL, w=tensor_of(raw, "float32", (2, 3)))


def test_checkpoints() -> None:
    a = checkpoint_of(model())
    turned = bytes(b for i in (0, 3, 1, 4, 2, 5) for b in A[i * 4 : i * 4 + 4])
    transposed = tensor_of(turned, "float32", (2, 3), (1, 2))
    b = checkpoint_of(component_of("model", ComponentKind.MODEL, w=transposed))
    report = verify_checkpoints(a, b)
    assert report.identical
    assert (report.tensor_count, report.nbytes) == (1, 24)
    report = verify_checkpoints(a, checkpoint_of(model(raw=A[:-1] + b"\0")))
    assert [d.flat_index for d in report.differences] == [5]


def test_checkpoints_by_inner_names() -> None:
    optimizer = component_of("optimizer", ComponentKind.OPTIMIZER, m=tensor_of(B, "int64", (2,)))
    bundle = checkpoint_of(model(), optimizer)
    lone = checkpoint_of(model("anything"), bare=True)
    assert verify_checkpoints(lone, checkpoint_of(model("state_dict"))).identical
    assert faults(verify_checkpoints(bundle, lone)) == [
        ("missing", "optimizer.m", "optimizer.m", None)
    ]
    assert faults(verify_checkpoints(lone, bundle)) == [
        ("extra", "optimizer.m", None, "optimizer.m")
    ]


def test_checkpoints_that_differ() -> None:
    a = checkpoint_of(model())
    for tensor, kind in (
        (tensor_of(A, "int32", (2, 3)), "dtype"),
        (tensor_of(A, "float32", (3, 2)), "shape"),
        (tensor_of(A, "float32", (2, 3), offset=1), "unverifiable"),
    ):
        b = checkpoint_of(component_of("model", ComponentKind.MODEL, w=tensor))
        assert [fault[0] for fault in faults(verify_checkpoints(a, b))] == [kind]


MEMORY_TRIAL = """
import resource, sys
sys.path.insert(0, {root!r})
from tests.unit.verification.test_verifier import measure
measure({path!r}, {side})
"""


def measure(path: str, side: int) -> None:
    """Verify a transposed square of float32 against a file of zeros; print the peak in KiB."""
    from converter.byteio.local import FileSource

    with FileSource(path) as source:
        storage = Storage("0", source, source.nbytes, None, "cpu")
        tensor = tensor_of(storage, "float32", (side, side), (1, side))
        # Both sides are the same sparse file: its first bytes are the header.
        shifted = tensor_of(storage, "float32", (side, side - 2), (1, side), 2 * side)
        report = verify_output([expect("t", tensor), expect("u", shifted)], {"f": source})
        assert report.nbytes == tensor.nbytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak)  # noqa: T201 - read by the test


def test_memory_does_not_grow_with_the_tensor(tmp_path: Path) -> None:
    peaks = []
    for side in (1_024, 8_192):
        nbytes = side * side * 4
        path = tmp_path / f"{side}.safetensors"
        head = safetensors_of({"t": ("F32", (0,), b"")})[8:]
        head = head.replace(b'"shape": [0]', b'"shape": [%d, %d]' % (side, side))
        head = head.replace(b"[0, 0]", b"[0, %d]" % nbytes)
        with path.open("wb") as stream:
            stream.write(len(head).to_bytes(8, "little") + head)
            stream.truncate(8 + len(head) + nbytes)
        code = MEMORY_TRIAL.format(root=str(_root()), path=str(path), side=side)
        outcome = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240
        )
        peaks.append(int(outcome.stdout))
    assert peaks[1] - peaks[0] < 100_000


def _root() -> Path:
    from pathlib import Path

    return Path(__file__).parents[3]
