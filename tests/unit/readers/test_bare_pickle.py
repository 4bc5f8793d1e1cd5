"""Plain pickles: their tensors and arrays, and every pickle that hides behind the first."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import pytest

from converter.checkpoint.canonical import Opened
from converter.checkpoint.values import CompositeTensor, InertValue, MappingValue, SequenceValue
from converter.limits import Limits
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.pickles import text
from tests.support.small_files import NUMBERS, blob_opcodes, numpy_pickle_file, pickle_file

EVIL = b"\x80\x02cos\nsystem\n(U\x02lstR."


def codes(opened: Opened) -> list[str]:
    return [anomaly.code for anomaly in opened.anomalies]


def names(opened: Opened) -> list[str]:
    return [name.name for _, graph in opened.graphs for name in graph.globals]


def test_torch_tensor() -> None:
    opened = read_bytes(pickle_file())
    assert (opened.container, opened.writer) == ("pickle", "pickle, protocol 3")
    (tensor,) = tensors_of(opened).values()
    assert logical_bytes(tensor) == NUMBERS
    assert opened.graphs[0][0] == "pickle"
    assert len(opened.graphs) == 6  # its own, and five of the legacy stream inside


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_array(protocol: int) -> None:
    opened = read_bytes(numpy_pickle_file(protocol))
    assert opened.error is None
    (tensor,) = tensors_of(opened).values()
    assert logical_bytes(tensor) == NUMBERS
    assert tensor.class_name == "numpy.ndarray"


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values(protocol: int) -> None:
    opened = read_bytes(pickle.dumps(OrderedDict(a=[1, 2.5, None], b=b"x", c=(True,)), protocol))
    root = opened.root
    assert isinstance(root, MappingValue)
    assert root.kind == "OrderedDict"
    assert root.find("b") == b"x"
    first = root.find("a")
    assert isinstance(first, SequenceValue)
    assert first.items == [1, 2.5, None]
    assert opened.anomalies == []


def test_python_2_strings_and_dict_arguments() -> None:
    pairs = b"(lp0\n(lp1\nS'w'\naI1\naa"
    opened = read_bytes(b"ccollections\nOrderedDict\n(" + pairs + b"tR.")
    assert isinstance(opened.root, MappingValue)
    assert list(opened.root.text_keys()) == ["w"]


def test_cloudpickle_is_recognised() -> None:
    opened = read_bytes(b"\x80\x05ccloudpickle.cloudpickle\n_make_function\n.")
    assert opened.writer == "cloudpickle"


def test_unknown_persistent_id_stays_inert() -> None:
    opened = read_bytes(b"\x80\x02K\x01Q.")
    assert isinstance(opened.root, InertValue)
    assert "persistent_id_unknown" in codes(opened)


def test_broken_pickle_keeps_its_graph() -> None:
    opened = read_bytes(EVIL[:-1])
    assert "truncated" in str(opened.error)
    assert names(opened) == ["system"]
    assert opened.root is None


def test_blob_that_is_no_legacy_stream() -> None:
    whole = blob_opcodes()
    at = whole.index(b"\x80\x02\x8a\x0a")
    opened = read_bytes(b"\x80\x03" + whole[: at + 3] + b"\xff" + whole[at + 4 :] + b".")
    assert opened.error is not None
    assert not isinstance(opened.root, CompositeTensor)


@pytest.mark.parametrize(
    "between",
    [
        b"",
        b"\n",
        b" \t\r\n",
        bytes(4096),
        bytes(70_000),
        b"junk",
        b"\x80",
        b"\xff" * 65_535,
        b"\xff" * 65_536,
        b"\xff" * 65_537,
        b"." * 10,
    ],
    ids=len,
)
def test_pickle_behind_the_first_is_seen(between: bytes) -> None:
    opened = read_bytes(pickle.dumps({"a": 1}, 2) + between + EVIL)
    assert "system" in names(opened)
    assert codes(opened)[0] == "data_after_stop"
    assert "stacked_pickle" in codes(opened)
    assert isinstance(opened.root, MappingValue)
    assert opened.notes[-1].code == "stacked_pickles"


def test_many_pickles_in_a_row() -> None:
    opened = read_bytes(b"".join(pickle.dumps(number) for number in range(50)) + EVIL)
    assert opened.root == 0
    assert len(opened.graphs) == 51
    assert codes(opened).count("stacked_pickle") == 50


def test_text_pickle_right_behind() -> None:
    assert "system" in names(read_bytes(b"N." + b"cos\nsystem\n(S'ls'\ntR."))


def test_broken_second_pickle_that_names_something() -> None:
    opened = read_bytes(b"\x80\x02N." + EVIL[:-1] + b"\xff\xff" + EVIL)
    assert names(opened) == ["system", "system"]
    assert opened.error is None


@pytest.mark.parametrize("rest", [b"\n", bytes(100), b"junk", b"\xff\x80"])
def test_other_bytes_behind_are_an_anomaly_alone(rest: bytes) -> None:
    opened = read_bytes(b"\x80\x02N." + rest)
    assert codes(opened) == ["data_after_stop"]
    assert opened.notes == []
    assert opened.error is None


def test_tries_are_limited() -> None:
    data = b"\x80\x02N." * 20
    opened = read_bytes(data, limits=Limits(max_stacked_pickles=5))
    assert "max_stacked_pickles" in str(opened.error)
    assert read_bytes(data, limits=Limits(max_stacked_pickles=19)).error is None


def test_suspected_pickle_reads_no_long_operand() -> None:
    long = b"\x80\x03cos\nsystem\nB" + (5_000).to_bytes(4, "little") + bytes(5_000) + b"."
    limits = Limits(max_small_record_bytes=1_000)
    opened = read_bytes(b"\x80\x02N.junk" + long, limits=limits)
    assert "max_string_bytes" in str(opened.graphs[1][1].error)
    assert read_bytes(b"\x80\x02N." + long, limits=limits).graphs[1][1].error is None


def test_storage_of_an_archive() -> None:
    pid = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ"
    opened = read_bytes(b"\x80\x02" + pid + b".")
    assert str(opened.error).startswith("storage that is not in this file: file, pickle")


def test_too_many_values() -> None:
    opened = read_bytes(pickle.dumps([[] for _ in range(50)]), limits=Limits(max_values=10))
    assert "max_values" in str(opened.error)
