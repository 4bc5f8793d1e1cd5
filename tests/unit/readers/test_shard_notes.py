"""What is said of tensors that are one rank's part of larger ones."""

from __future__ import annotations

import pytest

from converter.checkpoint.canonical import Component, ComponentKind
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    InertValue,
    MappingValue,
    SequenceValue,
    Value,
)
from converter.dtypes import BY_NAME
from converter.readers.shard_notes import shard_facts, shard_notes

FLOAT = BY_NAME["float32"]


def tensor(*shape: int) -> TensorRef:
    """Return a tensor whose bytes are nowhere."""
    return TensorRef(Storage("0", None, 0, FLOAT, "cpu"), FLOAT, shape, (1,) * len(shape), 0)


def inert(name: str, **attributes: Value) -> InertValue:
    """Return an object of a class with attributes."""
    return InertValue(name, "NEWOBJ", states=[MappingValue("dict", list(attributes.items()))])


def dtensor(
    local: Value, placements: list[str], mesh: Value, shape: tuple[int, ...]
) -> CompositeTensor:
    """Return a DTensor; a placement is a class, and a dimension after a colon."""
    found: list[Value] = []
    for text in placements:
        name, _, dim = text.partition(":")
        found.append(inert(f"torch.x.{name}", **({"dim": int(dim)} if dim else {})))
    spec = inert("torch.x.DTensorSpec", mesh=mesh, placements=SequenceValue("tuple", found))
    state = MappingValue("dict", [("_local_tensor", local), ("_spec", spec)])
    whole = SequenceValue("tuple", [None, state])
    return CompositeTensor(
        "wrapper", FLOAT, shape, (("(state)", whole),), class_name="torch.x.DTensor"
    )


def ranks(count: int) -> InertValue:
    """Return a mesh of so many ranks."""
    return inert("DeviceMesh", _flatten_rank_map=SequenceValue("tuple", list(range(count))))


@pytest.mark.parametrize(
    ("composite", "text"),
    [
        (
            dtensor(tensor(3, 3), ["Shard:0"], ranks(2), (5, 3)),
            "one shard of 2: global shape 5 x 3, local shape 3 x 3 (Shard(0))",
        ),
        (
            dtensor(tensor(3, 2), ["Shard:0", "Shard:1"], ranks(4), (5, 3)),
            "one shard on a mesh of 4: global shape 5 x 3, local shape 3 x 2 (Shard(0), Shard(1))",
        ),
        (dtensor(tensor(4), ["Replicate"], ranks(2), (4,)), "whole, replicated on each of 2"),
        (dtensor(tensor(4), ["Shard:0"], ranks(1), (4,)), "whole"),
        (
            dtensor(tensor(), ["Partial"], inert("DeviceMesh", mesh=tensor(8)), ()),
            "one shard of 8: global shape scalar, local shape scalar (Partial)",
        ),
        (
            dtensor(tensor(2), ["Shard:0"], inert("DeviceMesh", _rank_map=tensor(2, 3)), (9,)),
            "one shard of 6: global shape 9, local shape 2 (Shard(0))",
        ),
        (
            dtensor(tensor(2), ["Shard:0"], None, (9,)),
            "one shard: global shape 9, local shape 2 (Shard(0))",
        ),
    ],
)
def test_dtensors(composite: CompositeTensor, text: str) -> None:
    assert str(shard_facts(composite)) == text


def sharded(shards: list[Value], metadata: Value) -> CompositeTensor:
    """Return a ShardedTensor."""
    state = SequenceValue("tuple", [SequenceValue("list", shards), metadata, None])
    return CompositeTensor(
        "wrapper", FLOAT, (6, 2), (("(state)", state),), class_name="torch.x.ShardedTensor"
    )


def test_sharded_tensors() -> None:
    metadata = inert("Metadata", shards_metadata=SequenceValue("list", [None] * 3))
    one = inert("Shard", tensor=tensor(2, 2))
    assert str(shard_facts(sharded([one], metadata))) == (
        "one shard of 3: global shape 6 x 2, local shape 2 x 2"
    )
    assert str(shard_facts(sharded([one, one], metadata))) == (
        "2 shards of 3: global shape 6 x 2, local shape 2 x 2 and 2 x 2"
    )
    assert str(shard_facts(sharded([], None))) == "0 shards: global shape 6 x 2, local shape none"


@pytest.mark.parametrize(
    "composite",
    [
        CompositeTensor("sparse_coo", FLOAT, (2,)),
        CompositeTensor("wrapper", FLOAT, (2,), class_name="torchao.Int8Tensor"),
        CompositeTensor("wrapper", FLOAT, (2,), class_name="torch.x.DTensor"),
        CompositeTensor("wrapper", FLOAT, (2,), class_name="torch.x.ShardedTensor"),
        CompositeTensor(
            "wrapper",
            FLOAT,
            (2,),
            (("(state)", SequenceValue("tuple", [1, 2])),),
            class_name="torch.x.ShardedTensor",
        ),
    ],
)
def test_anything_else_is_no_shard(composite: CompositeTensor) -> None:
    assert shard_facts(composite) is None


def test_many_are_summed_up() -> None:
    composite = dtensor(tensor(4), ["Replicate"], ranks(2), (4,))
    composites = {f"w{number}": composite for number in range(10)}
    component = Component("model", ComponentKind.MODEL, (), None, {}, composites)
    (note,) = shard_notes([component])
    assert note.code == "tensor_shards"
    assert note.text.startswith("one rank's tensors, 10 in all: model: w0: whole, replicated")
    assert note.text.endswith("and 2 more")
    assert shard_notes([Component("model", ComponentKind.MODEL, (), None, {})]) == []
