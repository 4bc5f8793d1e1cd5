"""Protocol 0 shows a persistent id as text; its exact shape is understood, and nothing else."""

from __future__ import annotations

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.values import InertValue
from converter.inert.machine import read_graph
from converter.limits import DEFAULT_LIMITS
from converter.readers.persistent_storages import claimed_storages
from tests.support.logical_bytes import read_bytes
from tests.support.pickles import torch_zip
from tests.support.small_files import NUMBERS, OBJECT

TEXT = "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 4)"


def root_of(pid: str) -> object:
    opened = read_bytes(torch_zip(b"P" + pid.encode() + b"\n.", {"0": NUMBERS}))
    return opened.root


@pytest.mark.parametrize(
    ("pid", "dtype"),
    [
        (TEXT, "float32"),
        (TEXT.replace("4)", "4, None)"), "float32"),
        (TEXT.replace("4)", "4L)"), "float32"),
        (TEXT.replace("Float", "Int").replace("cpu", "cuda:0"), "int32"),
        (TEXT.replace("torch.F", "torch.cuda.F"), "float32"),
    ],
)
def test_text_of_the_exact_shape(pid: str, dtype: str) -> None:
    root = root_of(pid)
    assert isinstance(root, Storage)
    assert root.dtype is not None
    assert root.dtype.name == dtype


def test_untyped_storage_counts_bytes() -> None:
    root = root_of("('storage', <class 'torch.storage.UntypedStorage'>, '0', 'cpu', 16)")
    assert isinstance(root, Storage)
    assert (root.dtype, root.nbytes) == (None, 16)


@pytest.mark.parametrize(
    "pid",
    [
        "",
        "1",
        TEXT + " ",
        TEXT.replace("'0'", '"0"'),
        TEXT.replace("'0'", r"'\x30'"),
        TEXT.replace("torch.FloatStorage", "FloatStorage"),
        TEXT.replace("torch.FloatStorage", "evil.FloatStorage"),
        TEXT.replace("torch.FloatStorage", "torch.Float Storage"),
        TEXT.replace("4)", "-4)"),
        TEXT.replace("4)", "4.0)"),
        TEXT.replace("4)", "99999999999999999999)"),
        TEXT.replace("4)", "4, ('1', 0, 2))"),
        TEXT.replace("storage'", "module'"),
    ],
)
def test_any_other_text_stays_unknown(pid: str) -> None:
    assert isinstance(root_of(pid), InertValue)


def test_first_claim_on_each_storage() -> None:
    data = b"(P" + TEXT.encode() + b"\nP" + TEXT.replace("4)", "2)").encode() + b"\nPx\nNQt."
    for pickle in (data, OBJECT):
        graph = read_graph(MemorySource(pickle, "a"))
        claims = claimed_storages(graph, DEFAULT_LIMITS)
        assert {key: (claim.numel, claim.nbytes) for key, claim in claims.items()} == {"0": (4, 16)}


def test_protocol_0_is_noted() -> None:
    opened = read_bytes(torch_zip(b"P" + TEXT.encode() + b"\n.", {"0": NUMBERS}))
    assert "protocol_0" in {note.code for note in opened.notes}
