"""Written files against safetensors, gathered bytes against torch; neither oracle knows us."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME
from converter.limits import DEFAULT_LIMITS, Limits
from converter.writing.gather import TensorBytes, stream_tensor
from converter.writing.header import _ENUM, encode_header, sort_key
from converter.writing.options import WriteOptions
from converter.writing.output import write_output
from converter.writing.plan import plan_output

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental"),
]

SAVED = sorted(name for name, dtype in BY_NAME.items() if dtype.safetensors)
TINY = Limits(copy_chunk_bytes=24, gather_chunk_bytes=64)
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Stored:
    """Turns live tensors into references, one storage object per live storage."""

    def __init__(self) -> None:
        self._storages: dict[int, Storage] = {}
        self._alive: list[Any] = []

    def reference(self, live: Any) -> TensorRef:  # noqa: ANN401 - a torch.Tensor
        held = live.untyped_storage()
        self._alive.append(held)
        key = held._cdata  # noqa: SLF001 - what torch.save tells storages apart by
        if key not in self._storages:
            content = storage_bytes(live)
            source = MemorySource(content, str(key))
            self._storages[key] = Storage(str(key), source, len(content), None, "cpu")
        return TensorRef(
            self._storages[key],
            BY_NAME[str(live.dtype).removeprefix("torch.")],
            tuple(live.shape),
            tuple(live.stride()),
            live.storage_offset(),
            live.is_conj(),
            live.is_neg(),
        )


def lone(state: Mapping[str, Any]) -> Checkpoint:
    stored = Stored()
    tensors = {name: stored.reference(live) for name, live in state.items()}
    part = Component("model", ComponentKind.MODEL, (), None, tensors)
    return Checkpoint(Opened(MemorySource(b"", "live"), "zip"), "state_dict", (part,), bare=True)


def write(state: Mapping[str, Any], path: Path, options: WriteOptions) -> bytes:
    plan = plan_output(lone(state), options, DEFAULT_LIMITS, file_name=path.name)
    write_output(plan, path, replace=True, limits=TINY)
    return path.read_bytes()


def live_tensor(dtype: str, shape: list[int], seed: int) -> Any:  # noqa: ANN401
    count = BY_NAME[dtype].itemsize
    for size in shape:
        count *= size
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randint(0, 2 if dtype == "bool" else 256, (count,), generator=generator)
    return raw.to(torch.uint8).view(getattr(torch, dtype)).reshape(shape)


@st.composite
def tensors(draw: st.DrawFn) -> Any:  # noqa: ANN401
    """Return any contiguous tensor of random bits, NaN of every kind among them."""
    dtype = draw(st.sampled_from(SAVED))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    if dtype == "float4_e2m1fn_x2" and not shape:
        shape = [1]  # the reference refuses a lone pair of four-bit values
    return live_tensor(dtype, shape, draw(st.integers(0, 1000)))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
    lambda name: name != "__metadata__"
) | st.text(string.ascii_letters + '."\\/\x00\x1f\x7f\n\u2028\U0001f600', max_size=6)


@quick
@given(st.dictionaries(NAMES, tensors(), max_size=8))
def test_plain_file_is_that_of_save_file(tmp_path: Path, state: dict[str, Any]) -> None:
    expected = tmp_path / "reference"
    safetensors_torch.save_file(state, expected, metadata={"format": "pt"})
    found = write(state, tmp_path / "ours.safetensors", WriteOptions(plain=True))
    assert found == expected.read_bytes()


def test_plain_file_of_every_type_at_once(tmp_path: Path) -> None:
    state = {f"{i}.{name}": live_tensor(name, [3, 2], i) for i, name in enumerate(SAVED)}
    expected = tmp_path / "reference"
    safetensors_torch.save_file(state, expected, metadata={"format": "pt"})
    found = write(state, tmp_path / "ours.safetensors", WriteOptions(plain=True))
    assert found == expected.read_bytes()


@pytest.mark.parametrize("name", _ENUM)
def test_every_type_name_is_one_that_safetensors_knows(name: str) -> None:
    """An empty tensor of each type, read by the reference."""

    class Entry:
        dtype, shape, start, stop = name, (0,), 0, 0

    Entry.name = "w"  # type: ignore[attr-defined]
    header = encode_header([Entry()], {"format": "pt"}, DEFAULT_LIMITS)  # type: ignore[list-item]
    safetensors = pytest.importorskip("safetensors")
    ((_, found),) = safetensors.deserialize(header)
    assert found["dtype"] == name
    assert sort_key(name, "w")[0] <= 0


def test_names_are_sorted_as_the_reference_sorts_them(tmp_path: Path) -> None:
    names = ["\uffff", "\U00010000", "\ue000", "Z", "a", "", "é", "~"]
    state = {name: live_tensor("uint8", [1], i) for i, name in enumerate(names)}
    expected = tmp_path / "reference"
    safetensors_torch.save_file(state, expected, metadata={"format": "pt"})
    found = write(state, tmp_path / "ours.safetensors", WriteOptions(plain=True))
    assert found == expected.read_bytes()


def tied() -> Any:  # noqa: ANN401 - a torch.nn.Module
    """Return a model whose weights go by several names."""
    model = torch.nn.Module()
    model.embed = torch.nn.Embedding(7, 5)
    model.head = torch.nn.Linear(5, 7, bias=False)
    model.also = torch.nn.Linear(5, 7)
    model.head.weight = model.also.weight = model.embed.weight
    model.register_buffer("format", torch.arange(3))
    model.register_buffer("again", model.format)
    model.register_buffer("empty", torch.zeros(0))
    model.register_buffer("empty_again", model.empty)
    return model


def test_load_model_takes_tied_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, other = tied(), tied()
    path = tmp_path / "tied.safetensors"
    write(model.state_dict(), path, WriteOptions())
    safetensors_torch.load_model(other, path, strict=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_kept_and_dropped_names_are_those_of_save_model(tmp_path: Path) -> None:
    model = tied()
    del model.format, model.again  # save_model itself loses a tensor called "format"
    reference = tmp_path / "reference"
    safetensors_torch.save_model(model, reference, metadata={"format": "pt"})
    found = write(model.state_dict(), tmp_path / "ours.safetensors", WriteOptions())
    expected = reference.read_bytes()
    headers = [
        json.loads(one[8 : 8 + int.from_bytes(one[:8], "little")]) for one in (found, expected)
    ]
    assert headers[0] == headers[1]
    assert list(headers[0]) == list(headers[1])


def test_plain_file_of_tied_weights_loads_under_every_name(tmp_path: Path) -> None:
    model = tied()
    path = tmp_path / "plain.safetensors"
    write(model.state_dict(), path, WriteOptions(plain=True))
    loaded = safetensors_torch.load_file(path)
    assert loaded.keys() == model.state_dict().keys()


def test_encoded_types_can_be_read_back(tmp_path: Path) -> None:
    state = {
        "z": torch.randn(3, 2, dtype=torch.complex128).t(),
        "h": live_tensor("complex32", [2, 2], 1),
        "bits": live_tensor("uint8", [4], 2).view(torch.bits8),
    }
    path = tmp_path / "encoded.safetensors"
    write(state, path, WriteOptions())
    loaded = safetensors_torch.load_file(path)
    assert torch.equal(torch.view_as_complex(loaded["z"]), state["z"])
    assert torch.equal(
        loaded["h"].view(torch.int16), torch.view_as_real(state["h"]).view(torch.int16)
    )
    assert torch.equal(loaded["bits"], state["bits"].view(torch.uint8))


@st.composite
def strided(draw: st.DrawFn) -> Any:  # noqa: ANN401
    """Return a view as people make them: permuted, sliced, expanded, unfolded, in any order."""
    dtype = draw(st.sampled_from([*SAVED, "complex128", "complex32"]))
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    live = live_tensor(dtype, shape, draw(st.integers(0, 1000)))
    for step in draw(
        st.lists(st.sampled_from(["permute", "slice", "expand", "unfold"]), max_size=4)
    ):
        dimension = draw(st.integers(0, max(0, live.dim() - 1)))
        size = live.shape[dimension] if live.dim() else 0
        if step == "permute":
            live = live.permute(draw(st.permutations(range(live.dim()))))
        elif step == "slice" and size:
            start = draw(st.integers(0, size - 1))
            every = draw(st.integers(1, 3))
            live = live[(slice(None),) * dimension + (slice(start, None, every),)]
        elif step == "expand" and live.dim() < 6:
            live = live.unsqueeze(dimension).expand(
                *live.shape[:dimension], draw(st.integers(1, 4)), *live.shape[dimension:]
            )
        elif step == "unfold" and size and live.dim() < 6:
            live = live.unfold(dimension, draw(st.integers(1, size)), draw(st.integers(1, 3)))
    return live


@given(strided(), st.sampled_from([1, 16, 64, 300, 5000]))
def test_gathered_bytes_are_those_of_contiguous(live: Any, nbytes: int) -> None:  # noqa: ANN401
    limits = Limits(copy_chunk_bytes=nbytes, gather_chunk_bytes=nbytes)
    reference = Stored().reference(live)
    expected = raw_bytes(live.contiguous())
    found = bytearray()
    stream_tensor(reference, found.extend, limits)
    assert found == expected
    placed = bytearray(len(expected))
    for position, piece in TensorBytes(reference, limits).iter_placed():
        placed[position : position + len(piece)] = piece
    assert placed == expected


def raw_bytes(live: Any) -> bytes:  # noqa: ANN401
    """Return the bytes of a contiguous tensor from its storage."""
    start = live.storage_offset() * live.element_size()
    return storage_bytes(live)[start : start + live.numel() * live.element_size()]


def storage_bytes(live: Any) -> bytes:  # noqa: ANN401
    """Return all bytes of the storage that a tensor looks into."""
    whole = torch.empty(0, dtype=torch.uint8).set_(live.untyped_storage())
    content: bytes = whole.numpy().tobytes()
    return content


# Where torch agrees with itself for every bit pattern; see `converter.writing.resolving`.
@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int8", "int16", "int32", "int64", "uint8"]
)
@given(data=st.data())
def test_negated_bits_are_those_of_resolve_neg(dtype: str, data: st.DataObject) -> None:
    live = of_bits(dtype, data)
    check_resolved(torch._neg_view(live), TINY)  # noqa: SLF001 - the only way to set the bit
    check_resolved(torch._neg_view(live[::2]), TINY)  # noqa: SLF001


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@given(data=st.data())
def test_conjugated_bits_are_those_of_resolve_conj(dtype: str, data: st.DataObject) -> None:
    live = of_bits(dtype, data)
    check_resolved(live.conj(), TINY)
    check_resolved(live[::2].conj(), TINY)
    check_resolved(live.conj().imag, TINY)
    check_resolved(live.conj().real, TINY)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_negated_as_torch_negates_them_in_bulk(dtype: str) -> None:
    """All 65,536 patterns; torch's loop for the odd elements at the end changes NaN payloads."""
    live = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(getattr(torch, dtype))
    check_resolved(torch._neg_view(live), DEFAULT_LIMITS)  # noqa: SLF001


@pytest.mark.parametrize("dtype", ["complex32", "complex64", "complex128"])
def test_negated_complex_values_are_equal_to_those_of_torch(dtype: str) -> None:
    """By value: in bulk torch computes 0 - x, which loses the sign of zero."""
    half = {"complex32": torch.float16, "complex64": torch.float32}.get(dtype, torch.float64)
    live = torch.randn(128).to(half).view(getattr(torch, dtype))
    negated = torch._neg_view(live)  # noqa: SLF001
    found = bytearray()
    stream_tensor(Stored().reference(negated), found.extend, TINY)
    expected = torch.frombuffer(bytearray(raw_bytes(negated.resolve_neg())), dtype=half)
    assert torch.equal(torch.frombuffer(found, dtype=half), expected)


def of_bits(dtype: str, data: st.DataObject) -> Any:  # noqa: ANN401
    """Return a tensor of chosen bit patterns: infinities, NaN of both kinds, zeros, subnormals."""
    width = BY_NAME[dtype].swap
    special = {
        4: [0x7F800001, 0xFF800001, 0x7FC12345, 0x7F800000, 0x80000000, 1, 0],
        8: [0x7FF0000000000001, 0xFFF8000000012345, 0x7FF0000000000000, 1 << 63, 1, 0],
    }.get(width, [0])
    bits = st.sampled_from(special) | st.integers(0, (1 << (8 * width)) - 1)
    values = data.draw(st.lists(bits, min_size=2, max_size=40).filter(lambda v: len(v) % 2 == 0))
    raw = b"".join(value.to_bytes(width, "little") for value in values)
    return torch.frombuffer(bytearray(raw), dtype=getattr(torch, dtype))


def check_resolved(live: Any, limits: Limits) -> None:  # noqa: ANN401
    found = bytearray()
    stream_tensor(Stored().reference(live), found.extend, limits)
    assert found == raw_bytes(live.resolve_conj().resolve_neg().contiguous())
