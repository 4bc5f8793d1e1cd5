"""The tar layout: tensors, views of storages, module classes, and what can be wrong with it."""

from __future__ import annotations

import pickle
import struct

import pytest

from converter.checkpoint.canonical import Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import GlobalValue, InertValue, MappingValue
from converter.errors import ContainerError
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.pickles import text
from tests.support.small_files import NUMBERS, tar_members, tar_of


def opened_with(**changes: bytes) -> Opened:
    return read_bytes(tar_of({**tar_members(), **changes}))


def storages(*, count: int = 1, name: str = "FloatStorage", numel: int = 4, views: object) -> bytes:
    head = b"\x80\x02K\x07" + text("cpu") + b"ctorch\n" + name.encode() + b"\n\x87."
    data = NUMBERS[: max(0, numel) * 4]
    return pickle.dumps(count, 2) + head + struct.pack("<q", numel) + data + pickle.dumps(views, 2)


def tensor(
    key: object = 1, storage: object = 7, dims: int = 1, numbers: tuple[int, ...] = (4, 1, 0)
) -> bytes:
    head = pickle.dumps((key, storage, None), 2)
    layout = struct.pack("<i4x", dims) + struct.pack(f"<{len(numbers)}q", *numbers)
    return pickle.dumps(1, 2) + head + layout


def test_tensor() -> None:
    opened = opened_with()
    assert (opened.container, opened.writer) == ("tar", "torch before 0.1.10")
    assert opened.error is None
    assert (opened.anomalies, opened.notes) == ([], [])
    (found,) = tensors_of(opened).values()
    assert (found.shape, found.stride, found.dtype.name) == ((4,), (1,), "float32")
    assert logical_bytes(found) == NUMBERS
    labels = [label for label, _ in opened.graphs]
    assert labels[-1] == "pickle"
    assert labels[0] == "storages at 0"


def test_view_of_a_storage() -> None:
    opened = opened_with(
        storages=storages(views=[(8, 7, 1, 2)]),
        tensors=tensor(storage=8, numbers=(1, 1, 1)),
    )
    (found,) = tensors_of(opened).values()
    assert found.storage.nbytes == 8
    assert logical_bytes(found) == NUMBERS[8:12]
    assert opened.notes == []  # the storage below the view is used as well


def test_storage_and_class_as_values() -> None:
    cls = b"(ctorch.nn.modules.linear\nLinear\n" + text("linear.py") + text("class Linear") + b"tQ"
    opened = opened_with(
        pickle=b"\x80\x02}(" + text("s") + text("7") + b"Q" + text("c") + cls + b"u."
    )
    root = opened.root
    assert isinstance(root, MappingValue)
    assert isinstance(root.find("s"), Storage)
    found = root.find("c")
    assert isinstance(found, GlobalValue)
    assert (found.full_name, found.source_file) == ("torch.nn.modules.linear.Linear", "linear.py")


@pytest.mark.parametrize("pid", [b"U\x011", b"K\x01", text("1"), text("01")])
def test_ids_in_every_spelling(pid: bytes) -> None:
    opened = opened_with(pickle=b"\x80\x02" + pid + b"Q.")
    assert isinstance(opened.root, TensorRef)
    assert opened.error is None


@pytest.mark.parametrize("pid", [text("one"), b"N", b"K\x01\x85", b"G" + bytes(8)])
def test_ids_of_no_known_form(pid: bytes) -> None:
    opened = opened_with(pickle=b"\x80\x02" + pid + b"Q.")
    assert isinstance(opened.root, InertValue)
    assert "persistent_id_unknown" in {anomaly.code for anomaly in opened.anomalies}


def test_id_without_a_tensor() -> None:
    opened = opened_with(pickle=b"\x80\x02" + text("99") + b"Q.")
    assert str(opened.error).startswith("persistent id without a tensor or a storage: file, pickle")


def test_unused_storage_is_noted() -> None:
    opened = opened_with(pickle=b"\x80\x02}.")
    assert [note.code for note in opened.notes] == ["storages_unreferenced"]
    assert len(opened.storages) == 1


def test_bytes_after_the_pickle_are_noted() -> None:
    members = tar_members()
    opened = opened_with(pickle=members["pickle"] + b"rest")
    assert [note.code for note in opened.notes] == ["bytes_after_pickle"]


WRONG = {
    "storages": [
        (b"", "the stream is truncated"),
        (pickle.dumps("x", 2), "tar member of another form"),
        (pickle.dumps(-1, 2), "expected a number of entries, found -1"),
        (pickle.dumps(1, 2) + pickle.dumps((1, 2), 2), "another form"),
        (storages(count=2, views=[]), "another form"),
        (storages(name="FloatTensor", views=[]), "expected a storage class of torch"),
        (storages(name="UntypedStorage", views=[]), "expected a storage class of torch"),
        (storages(numel=-1, views=[]), "expected 0 elements or more, found -1"),
        (storages(views=[])[:-30], "tar member is truncated"),
        (storages(views={}), "expected a list of views"),
        (storages(views=[(8, 9, 0, 1)]), "key of a storage"),
        (storages(views=[(8, 7, 0)]), "key of a storage"),
        (storages(views=[(8, 7, 3, 2)]), "a view inside storage 7"),
        (storages(views=[(8, 7, -1, 2)]), "a view inside storage 7"),
        (storages(views=[(7, 7, 0, 1)]), "a view inside storage 7"),
    ],
    "tensors": [
        (tensor(storage=9), "expected the key of a storage, found 9"),
        (tensor(storage=None), "expected the key of a storage, found NoneType"),
        (tensor(key="x"), "expected a key of its own"),
        (tensor(dims=65), "expected 0 to 64 dimensions, found 65"),
        (tensor(dims=-1), "expected 0 to 64 dimensions, found -1"),
        (tensor(dims=2), "tar member is truncated"),
        (tensor(numbers=(5, 1, 0)), "tensor outside its storage"),
        (tensor(numbers=(4, -1, 3)), "negative"),
    ],
}


@pytest.mark.parametrize(
    ("member", "content", "sentence"),
    [(member, *case) for member, cases in WRONG.items() for case in cases],
)
def test_wrong_member_is_an_error_and_the_pickle_still_seen(
    member: str, content: bytes, sentence: str
) -> None:
    opened = opened_with(**{member: content})
    assert sentence in str(opened.error)
    assert opened.root is None
    assert opened.graphs[-1][0] == "pickle"
    assert opened.graphs[-1][1].persistent


def test_too_many() -> None:
    opened = opened_with(storages=pickle.dumps(10**9, 2))
    assert "max_tensors" in str(opened.error)


def test_other_tar() -> None:
    with pytest.raises(ContainerError, match="tar archive that torch did not write"):
        read_bytes(tar_of({"pickle": b"N.", "tensors": b""}))


def test_last_member_of_a_name_counts() -> None:
    first = tar_of({"pickle": b"\x80\x02cos\nsystem\n."})[:1024]
    opened = read_bytes(first + tar_of(tar_members()))
    assert "tar_duplicate_name" in {anomaly.code for anomaly in opened.anomalies}
    assert len(tensors_of(opened)) == 1
