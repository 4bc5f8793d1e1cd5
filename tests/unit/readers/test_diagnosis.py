"""Each kind of broken file gets its own sentence, and a code."""

from __future__ import annotations

import re

import pytest

from converter.byteio.source import MemorySource
from converter.errors import FormatError
from converter.limits import DEFAULT_LIMITS
from converter.readers.opening import read_source
from tests.support.diagnosis_files import DIAGNOSES, Diagnosis
from tests.support.logical_bytes import read_bytes
from tests.support.pickles import torch_zip
from tests.support.small_files import NUMBERS, SMALL_FILES, safetensors_file
from tests.support.zip_builder import Member, ZipBuilder

NAMES = [f"{item.code}-{index}" for index, item in enumerate(DIAGNOSES)]


@pytest.mark.parametrize("diagnosis", DIAGNOSES, ids=NAMES)
def test_one_sentence(diagnosis: Diagnosis) -> None:
    data = diagnosis.make()
    error: BaseException | None
    if diagnosis.carried:
        error = read_bytes(data, "@").error
    else:
        with pytest.raises(FormatError) as caught:
            read_bytes(data, "@")
        error = caught.value
    assert isinstance(error, FormatError)
    assert str(error) == diagnosis.sentence
    assert error.code == diagnosis.code


def test_shard_of_a_distributed_checkpoint() -> None:
    data = SMALL_FILES["zip"]() * 2
    with pytest.raises(FormatError, match="one file of a distributed checkpoint") as caught:
        read_source(MemorySource(data, "__0_0.distcp"), DEFAULT_LIMITS)
    assert caught.value.code == "distcp_shard"


def test_truncated_zip_keeps_its_pickle() -> None:
    whole = torch_zip(b"\x80\x02cos\nsystem\n(U\x02lstR.", {"0": NUMBERS})
    opened = read_bytes(whole[: whole.index(NUMBERS)])
    ((label, graph),) = opened.graphs
    assert label == "archive/data.pkl"
    assert [(name.module, name.name) for name in graph.globals] == [("os", "system")]
    assert opened.error is not None


def test_what_is_appended_to_a_zip_is_not_called_missing() -> None:
    opened = read_bytes(SMALL_FILES["zip"]() + b"\0" * 70_000)
    assert isinstance(opened.error, FormatError)
    assert opened.error.code == "zip_directory_lost"
    assert opened.error.found == "none in the last 69584 bytes"


def test_zip_cut_inside_its_pickle() -> None:
    opened = read_bytes(SMALL_FILES["zip"]()[:80])
    assert len(opened.graphs) == 1
    assert isinstance(opened.error, FormatError)
    assert opened.error.code == "zip_truncated"


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("safetensors", "a.ckpt", "the name ends in .ckpt and the bytes are safetensors"),
        ("npy", "a.pt", "the name ends in .pt and the bytes are a numpy array"),
        ("zip", "a.npz", "the name ends in .npz and the bytes are a zip archive of torch"),
        ("legacy", "A.JOBLIB", "the name ends in .joblib and the bytes are a legacy stream"),
    ],
)
def test_other_name_is_noted(kind: str, name: str, text: str) -> None:
    opened = read_bytes(SMALL_FILES[kind](), name)
    (note,) = [note for note in opened.notes if note.code == "wrong_extension"]
    assert note.text.startswith(text)
    assert opened.error is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("zip", "run.pth.tar"),
        ("legacy", "run.pkl"),
        ("pickle", "a.bin"),
        ("gzip", "a.pt.gz"),
        ("safetensors", "a.safetensors"),
        ("npz", "a.npz"),
        ("zip", "no_suffix"),
    ],
)
def test_usual_name_is_not_noted(kind: str, name: str) -> None:
    notes = read_bytes(SMALL_FILES[kind](), name).notes
    assert all(note.code != "wrong_extension" for note in notes)


def test_pickle_called_safetensors_is_an_anomaly() -> None:
    opened = read_bytes(SMALL_FILES["pickle"](), "model.safetensors")
    assert "pickle_under_other_name" in {anomaly.code for anomaly in opened.anomalies}


def test_weak_claim_that_names_something_stays_a_pickle() -> None:
    opened = read_bytes(b"cos\nsystem\n(S'ls'\ntR\xff")
    assert opened.error is not None
    assert [name.name for name in opened.graphs[0][1].globals] == ["system"]


def test_header_length_is_no_safetensors_by_chance() -> None:
    data = bytes.fromhex("ffffffffffffffff") + b'{"'
    with pytest.raises(FormatError) as caught:
        read_bytes(data)
    assert caught.value.code == "unknown_format"


def test_every_sentence_is_one_line_and_names_the_file() -> None:
    for item in DIAGNOSES:
        assert re.fullmatch(r"[^\n]+: @[^\n]*", item.sentence), item.code


def test_cut_safetensors_is_no_text() -> None:
    with pytest.raises(FormatError) as caught:
        read_bytes(safetensors_file()[:20])
    assert caught.value.code == "safetensors_truncated"


@pytest.mark.parametrize(
    ("rest", "codes"), [(SMALL_FILES["legacy"](), ["second_stream"]), (bytes(100), [])]
)
def test_what_follows_a_legacy_stream(rest: bytes, codes: list[str]) -> None:
    opened = read_bytes(SMALL_FILES["legacy"]() + rest)
    assert [one.code for one in opened.anomalies] == ["trailing_bytes"]
    assert [note.code for note in opened.notes] == codes
    assert opened.error is None


def test_records_packed_by_other_methods_have_advice() -> None:
    member = Member("r/data.pkl", b"\x80\x02N.", central={"method": 12}, local={"method": 12})
    with pytest.raises(FormatError, match="method 12") as caught:
        read_bytes(ZipBuilder([member]).build())
    assert caught.value.code == "zip_packed"
