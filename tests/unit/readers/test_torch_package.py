"""torch.package archives by hand: what a package may hold, and packages that lie."""

from __future__ import annotations

import struct

import pytest

from converter.checkpoint.canonical import Opened
from converter.checkpoint.values import InertValue, SequenceValue
from converter.errors import DepickleError, TensorError
from converter.limits import DEFAULT_LIMITS
from converter.readers.torch_package import read_torch_package
from tests.support.archives import content, found, read_with, tensors_of, zipped
from tests.support.pickles import tensor_opcodes, text

FOUR = struct.pack("<4f", 1, 2, 3, 4)
# The key of a storage is a number here.
TENSOR = tensor_opcodes("0", 4).replace(text("0"), b"K\x00")
SCRIPTED = b"ctorch.jit._script\nunpackage_script_module\n"
CODE = 'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n'


def reduced(identity: int, func: bytes, *args: bytes) -> bytes:
    """Return the opcodes of a ``reduce_package`` persistent id."""
    number = b"K" + bytes([identity])
    return b"(" + text("reduce_package") + number + func + b"(" + b"".join(args) + b"ttQ"


def package(**changes: bytes | str | None) -> bytes:
    """Return a small honest package, with records replaced, added or (None) left out."""
    records: dict[str, bytes | str | None] = {
        ".data/0.storage": FOUR,
        "models/a.pkl": b"\x80\x03}" + text("w") + TENSOR + b"s.",
        ".data/extern_modules": "torch\ncollections\n",
        ".data/version": "6\n",
    }
    records.update(changes)
    return zipped({name: content for name, content in records.items() if content is not None})


def read(data: bytes, **limits: int) -> Opened:
    return read_with(read_torch_package, data, DEFAULT_LIMITS._replace(**limits))


def test_storages_go_by_number() -> None:
    opened = read(package())
    assert opened.error is None
    assert opened.anomalies == []
    assert content(tensors_of(found(opened.root, "models/a.pkl"))["w"]) == FOUR


def test_pickles_are_known_by_their_bytes_too() -> None:
    opened = read(package(**{"m/weights": b"\x80\x03K\x05.", "m/old.pkl": b"I7\n."}))
    assert found(opened.root, "m/weights") == 5
    assert found(opened.root, "m/old.pkl") == 7
    assert [name for name, _ in opened.graphs] == ["r/models/a.pkl", "r/m/weights", "r/m/old.pkl"]


def test_storages_nobody_names_are_listed() -> None:
    opened = read(package(**{".data/9.storage": b"1234"}))
    assert [a.record for a in opened.anomalies] == ["r/.data/9.storage"]


def test_other_records_are_noted() -> None:
    opened = read(package(**{".data/strange": b"1", "big.txt": b"x" * 100_000}))
    assert {note.code for note in opened.notes} == {"records_unread", "resources_not_kept"}


def test_scripted_module_shares_the_packages_storages() -> None:
    module = (
        b"\x80\x02c__torch__\nNet\n)\x81}" + text("w") + tensor_opcodes("0.storage", 4) + b"sb."
    )
    records: dict[str, bytes | str] = {
        ".data/ts_code/0/data.pkl": module,
        ".data/ts_code/0/constants.pkl": b"\x80\x02).",
        ".data/ts_code/code/__torch__.py": CODE,
        "models/s.pkl": b"\x80\x03" + reduced(1, SCRIPTED, text("0")) + b".",
    }
    opened = read(package(**records))
    assert opened.error is None
    assert opened.anomalies == []
    assert opened.notes == []
    scripted = tensors_of(found(opened.root, "models/s.pkl"))["w"]
    assert scripted.storage is tensors_of(found(opened.root, "models/a.pkl"))["w"].storage


@pytest.mark.parametrize("number", ["9", "../0", "0/../0", "", "x" * 100])
def test_scripted_module_that_is_not_there(number: str) -> None:
    opened = read(
        package(**{"models/s.pkl": b"\x80\x03" + reduced(1, SCRIPTED, text(number)) + b"."})
    )
    assert opened.error is not None or "persistent_id_unknown" in [
        anomaly.code for anomaly in opened.anomalies
    ]


def test_calls_of_a_class_are_inert_and_made_once() -> None:
    call = reduced(7, b"cposix\nsystem\n", text("true"))
    opened = read(package(**{"models/c.pkl": b"\x80\x03(" + call + call + b"t."}))
    both = found(opened.root, "models/c.pkl")
    assert isinstance(both, SequenceValue)
    first, second = both.items
    assert first is second
    assert isinstance(first, InertValue)
    assert first.class_name == "posix.system"
    assert first.args == ["true"]


@pytest.mark.parametrize(
    "pid",
    [
        b"(" + text("strange") + b"NNNtQ",
        b"(" + text("reduce_package") + b"NNNtQ",
        b"(NK\x01K\x02K\x03tQ",
        reduced(1, SCRIPTED, b"N"),
        reduced(1, SCRIPTED),
        b"K\x05Q",
    ],
)
def test_ids_of_no_known_form_stay_inert(pid: bytes) -> None:
    opened = read(package(**{"models/x.pkl": b"\x80\x03" + pid + b"."}))
    assert opened.error is None
    assert "persistent_id_unknown" in [anomaly.code for anomaly in opened.anomalies]
    value = found(opened.root, "models/x.pkl")
    assert isinstance(value, InertValue)
    assert value.how == "PERSISTENT"


@pytest.mark.parametrize("name", ["models/a.pkl", "res/plain", ".data/extern_modules"])
def test_record_that_cannot_be_unpacked_is_an_error(name: str) -> None:
    data = package(**{"res/plain": b"\x80\x03N."})
    at = data.rindex(b"r/" + name.encode()) - 46
    broken = data[: at + 10] + b"\x63\0" + data[at + 12 :]
    assert isinstance(read(broken).error, DepickleError)


def test_extern_modules_and_sources_are_listed() -> None:
    root = read(package(**{"net/layers.py": "import os\n"})).root
    externs = found(root, ".data/extern_modules")
    assert isinstance(externs, SequenceValue)
    assert externs.items == ["torch", "collections"]
    sources = found(root, "python_sources")
    assert isinstance(sources, SequenceValue)
    assert sources.items == ["net/layers.py"]
    assert found(root, "net/layers.py") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"models/a.pkl": b""},
        {"models/a.pkl": b"\x80\x03"},
        {"models/a.pkl": b"nonsense"},
        {".data/0.storage": None},
        {".data/0.storage": FOUR[:-1]},
    ],
)
def test_broken_package_is_an_error_in_what_is_opened(changes: dict[str, bytes | None]) -> None:
    opened = read(package(**changes, **{"models/b.pkl": b"\x80\x03K\x01."}))
    assert isinstance(opened.error, DepickleError)
    assert found(opened.root, "models/b.pkl") == 1


def test_tensor_outside_its_storage_is_no_tensor() -> None:
    pickle = b"\x80\x03" + TENSOR.replace(b"J\x04\0\0\0\x85", b"J\x05\0\0\0\x85") + b"."
    opened = read(package(**{"models/a.pkl": pickle}))
    assert isinstance(opened.error, TensorError)
    assert isinstance(found(opened.root, "models/a.pkl"), InertValue)


def test_long_list_of_modules_is_kept_as_text() -> None:
    opened = read(package(**{".data/extern_modules": "\n" * (1 << 21)}))
    assert found(opened.root, ".data/extern_modules") == "\n" * (1 << 21)
    assert read(package(), max_small_record_bytes=5).error is not None


def test_every_truncation_is_an_error() -> None:
    data = package()
    for length in range(0, len(data), 7):
        with pytest.raises(DepickleError):
            read(data[:length])
