"""Tests of the plan of an output."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import ByteSource
from converter.checkpoint.tensor import TensorRef
from converter.errors import LimitError, PlanError, UnsupportedError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.writing.layout import AliasPlan, EntryPlan, FilePlan
from converter.writing.options import WriteOptions
from converter.writing.plan import plan_output
from tests.unit.writing.made import checkpoint, floats, of_components, storage, tensor, view


class Unreadable(ByteSource):
    """A source that fails the test when it is read."""

    __slots__ = ()

    def __init__(self, nbytes: int) -> None:
        self.name = "unreadable"
        self.nbytes = nbytes

    def _read(self, offset: int, nbytes: int) -> bytes:
        raise AssertionError


def test_entries_lie_side_by_side_widest_type_first() -> None:
    made = checkpoint(
        bare=True,
        model={
            "b": tensor(b"x", "bool", 1),
            "w": floats(3),
            "a": floats(1),
            "n": tensor(bytes(8), "int64"),
        },
    )
    (file,) = plan_output(made, WriteOptions(), DEFAULT_LIMITS, file_name="x.safetensors").files
    assert file.file_name == "x.safetensors"
    assert [(e.name, e.dtype, e.shape, e.start, e.stop) for e in file.entries] == [
        ("n", "I64", (), 0, 8),
        ("a", "F32", (1,), 8, 12),
        ("w", "F32", (3,), 12, 24),
        ("b", "BOOL", (1,), 24, 25),
    ]
    assert file.data_nbytes == 25
    assert file.nbytes == len(file.header) + 25
    assert dict(file.metadata) == {"format": "pt"}


def test_no_tensor_is_read() -> None:
    made = checkpoint(model={"w": view(storage(Unreadable(400)), "float32", (10, 10), (1, 10))})
    plan_output(made, WriteOptions(), DEFAULT_LIMITS)


def test_aliases_are_written_once() -> None:
    tied = floats(4)
    made = checkpoint(bare=True, model={"head.weight": tied, "embed.weight": replace(tied)})
    (file,) = plan_output(made, WriteOptions(), DEFAULT_LIMITS).files
    assert [entry.name for entry in file.entries] == ["embed.weight"]
    assert dict(file.aliases) == {"head.weight": "embed.weight"}
    assert dict(file.metadata) == {"format": "pt", "head.weight": "embed.weight"}
    assert file.alias_plans[0].tensor is tied
    assert file.data_nbytes == 16


def test_plain_writes_aliases_in_full() -> None:
    tied = floats(4)
    made = checkpoint(bare=True, model={"a": tied, "b": tied})
    (file,) = plan_output(made, WriteOptions(plain=True), DEFAULT_LIMITS).files
    assert [entry.name for entry in file.entries] == ["a", "b"]
    assert dict(file.metadata) == {"format": "pt"}
    assert file.data_nbytes == 32


def test_tensor_called_format_is_kept() -> None:
    tied = floats()
    made = checkpoint(bare=True, model={"a": tied, "format": tied})
    (file,) = plan_output(made, WriteOptions(), DEFAULT_LIMITS).files
    assert dict(file.metadata) == {"format": "pt", "a": "format"}


def test_aliases_do_not_reach_across_files() -> None:
    tied = floats()
    made = checkpoint(model={"w": tied}, ema={"w": tied})
    plan = plan_output(made, WriteOptions(folder=True), DEFAULT_LIMITS)
    assert [(f.file_name, f.components) for f in plan.files] == [
        ("model.safetensors", ("model",)),
        ("ema.safetensors", ("ema",)),
    ]
    assert all([e.name for e in f.entries] == ["w"] and not f.aliases for f in plan.files)


def test_component_without_tensors_has_no_file() -> None:
    plan = plan_output(
        checkpoint(model={"w": floats()}, scheduler={}), WriteOptions(folder=True), DEFAULT_LIMITS
    )
    assert [file.file_name for file in plan.files] == ["model.safetensors"]


def test_checkpoint_without_tensors_is_an_empty_file() -> None:
    (file,) = plan_output(checkpoint(), WriteOptions(), DEFAULT_LIMITS).files
    assert file.entries == ()
    assert file.data_nbytes == 0


def test_encodings_are_recorded_and_refused_in_plain_files() -> None:
    made = checkpoint(bare=True, model={"z": tensor(bytes(32), "complex128", 2)})
    (file,) = plan_output(made, WriteOptions(), DEFAULT_LIMITS).files
    (entry,) = file.entries
    assert (entry.dtype, entry.shape, entry.encoding) == ("F64", (2, 2), "complex128 as F64 pairs")
    with pytest.raises(PlanError, match=r"'z': found torch\.complex128"):
        plan_output(made, WriteOptions(plain=True), DEFAULT_LIMITS)


def test_names_across_components_that_collide_without_options() -> None:
    made = of_components([("a", {"b.c": floats()}), ("a.b", {"c": floats()})])
    plan = plan_output(made, WriteOptions(), DEFAULT_LIMITS)
    assert {entry.name: (entry.component, entry.key) for entry in plan.files[0].entries} == {
        "a.b.c": ("a", "b.c"),
        "a.b.c~2": ("a.b", "c"),
    }
    assert [one.name for one in plan.renamed] == ["a.b.c~2"]


def test_unsupported_tensor_is_refused_before_anything_is_written() -> None:
    made = checkpoint(model={"q": view(storage(bytes(4)), "quint4x2", (2, 2), (1, 2))})
    with pytest.raises(UnsupportedError, match=r"model\.q"):
        plan_output(made, WriteOptions(), DEFAULT_LIMITS)


def test_header_over_the_limit() -> None:
    with pytest.raises(LimitError):
        plan_output(checkpoint(model={"w": floats()}), WriteOptions(), Limits(max_header_bytes=40))


def test_document_argument_is_attached() -> None:
    plan = plan_output(checkpoint(model={}), WriteOptions(), DEFAULT_LIMITS, document="{}")
    assert plan.files[0].metadata["depickle.document"] == "{}"


def tensors_of(file: FilePlan) -> list[EntryPlan | AliasPlan]:
    return [*file.entries, *file.alias_plans]


TENSORS = st.sampled_from([floats(), floats(2), tensor(b"", "int8", 0), tensor(b"x", "bool")])
PARTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "a.b", "é"]),
        st.dictionaries(st.text("ab.~2\ud800", max_size=4), TENSORS, max_size=5),
    ),
    max_size=4,
    unique_by=lambda part: part[0],
)


@given(parts=PARTS, bare=st.booleans(), plain=st.booleans(), folder=st.booleans())
def test_every_tensor_is_in_exactly_one_place(
    parts: list[tuple[str, dict[str, TensorRef]]], *, bare: bool, plain: bool, folder: bool
) -> None:
    made = of_components(parts, bare=bare)
    plan = plan_output(made, WriteOptions(plain=plain, folder=folder), DEFAULT_LIMITS)
    placed = [(one.component, one.key) for file in plan.files for one in tensors_of(file)]
    assert sorted(placed) == sorted((name, key) for name, tensors in parts for key in tensors)
    for file in plan.files:
        names = [one.name for one in tensors_of(file)]
        assert len(set(names)) == len(names)
        stops = [0, *(entry.stop for entry in file.entries)]
        assert [entry.start for entry in file.entries] == stops[:-1]
