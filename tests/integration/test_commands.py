"""The commands as a person uses them: results, streams and exit codes."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import jsonschema
import pytest
import safetensors.numpy

from tests.conftest import REPOSITORY
from tests.support.command import depickle
from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from pathlib import Path

RUN = REPOSITORY / "corpus" / "bundle" / "training_run.pth.tar"


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    target = tmp_path / "run.safetensors"
    assert depickle("convert", RUN, target).code == 0
    return target


def test_convert_verifies_and_says_so(tmp_path: Path) -> None:
    outcome = depickle("convert", RUN, tmp_path / "run.safetensors")
    assert outcome.code == 0
    assert "verified: identical, bit for bit (28 tensors" in outcome.out
    assert outcome.err == ""


def test_folder_output_has_a_file_for_each_component(tmp_path: Path) -> None:
    assert depickle("convert", RUN, tmp_path / "run").code == 0
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == [
        "checkpoint.depickle.json",
        "model.safetensors",
        "optimizer.safetensors",
        "rng.safetensors",
    ]
    assert depickle("verify", RUN, tmp_path / "run").code == 0
    model = safetensors.numpy.load_file(tmp_path / "run" / "model.safetensors")
    assert "0.weight" in model


def test_verify_locates_a_flipped_bit(converted: Path) -> None:
    content = bytearray(converted.read_bytes())
    content[-3] ^= 0x10
    converted.write_bytes(content)
    outcome = depickle("verify", RUN, converted)
    assert outcome.code == 20
    assert "differs: 1 difference" in outcome.out
    assert f"at byte {len(content) - 3}" in outcome.out


def test_damaged_header_is_a_difference_and_no_traceback(converted: Path) -> None:
    content = bytearray(converted.read_bytes())
    content[10] ^= 0xFF
    converted.write_bytes(content)
    outcome = depickle("verify", RUN, converted)
    assert outcome.code in (11, 20)
    assert "Traceback" not in outcome.out + outcome.err
    assert "header" in outcome.out + outcome.err


def test_only_one_component_under_its_own_names(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    options = (
        "--component",
        "model",
        "--strip-prefix",
        "4",
        "--exclude",
        "0.*",
        "--exclude",
        "1.*",
    )
    assert depickle("convert", RUN, target, *options).code == 0
    assert sorted(safetensors.numpy.load_file(target)) == ["bias", "weight"]
    assert depickle("verify", RUN, target, *options).code == 0


def test_collision_made_by_options_is_an_error(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    outcome = depickle(
        "convert", RUN, target, "--component", "model", "--rename", "0.weight=4.weight"
    )
    assert outcome.code == 2
    assert "4.weight" in outcome.err
    assert not target.exists()


def test_option_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    outcome = depickle("convert", RUN, tmp_path / "x.safetensors", "--component", "modle")
    assert outcome.code == 2
    assert "modle" in outcome.err


def test_existing_output_is_not_replaced_unasked(converted: Path) -> None:
    assert "--replace" in depickle("convert", RUN, converted).err
    before = converted.read_bytes()
    outcome = depickle("convert", RUN, converted)
    assert outcome.code == 1
    assert converted.read_bytes() == before
    assert depickle("convert", RUN, converted, "--replace").code == 0
    assert converted.read_bytes() == before


def test_plain_output_says_that_values_are_left_out(tmp_path: Path) -> None:
    plain = depickle("convert", RUN, tmp_path / "plain.safetensors", "--plain").out
    assert "a plain output holds tensors only: the other values are left out" in plain
    linear = REPOSITORY / "corpus" / "state_dict" / "linear.pt"
    assert "left out" not in depickle("convert", linear, tmp_path / "l.safetensors", "--plain").out


def test_plain_file_has_only_the_format_in_its_metadata(tmp_path: Path) -> None:
    target = tmp_path / "plain.safetensors"
    assert depickle("convert", RUN, target, "--plain").code == 0
    with safetensors.safe_open(target, "numpy") as opened:
        assert opened.metadata() == {"format": "pt"}


@pytest.mark.torch
def test_plain_state_dict_equals_the_reference_writer(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("safetensors.torch")
    state_dict = torch.nn.TransformerEncoderLayer(8, 2, 16).state_dict()
    torch.save(state_dict, tmp_path / "model.pt")
    assert (
        depickle("convert", tmp_path / "model.pt", tmp_path / "a.safetensors", "--plain").code == 0
    )
    reference.save_file(state_dict, tmp_path / "b.safetensors", metadata={"format": "pt"})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.torch
def test_tied_weights_load_with_load_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("safetensors.torch")
    model = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    torch.save(model.state_dict(), tmp_path / "tied.pt")
    assert depickle("convert", tmp_path / "tied.pt", tmp_path / "tied.safetensors").code == 0
    fresh = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False))
    fresh[1].weight = fresh[0].weight
    reference.load_model(fresh, tmp_path / "tied.safetensors")
    assert torch.equal(fresh[1].weight, model[0].weight)


def test_inspect_as_json_is_one_document() -> None:
    outcome = depickle("inspect", RUN, "--format", "json")
    assert outcome.code == 0
    document = json.loads(outcome.out)
    assert document["schema"] == "depickle/inspection-report-v1"
    assert {line["name"] for line in document["components"]} >= {"model", "optimizer"}


def test_table_of_many_tensors_stays_readable(tmp_path: Path) -> None:
    items = b"".join(text(f"layer{n}.weight") + tensor_opcodes("0", 1) for n in range(10_000))
    source = tmp_path / "many.pt"
    source.write_bytes(torch_zip(b"\x80\x02}(" + items + b"u.", {"0": struct.pack("<f", 1.0)}))
    outcome = depickle("inspect", source)
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) < 70
    assert "layer9999.weight" in outcome.out
    assert len(depickle("inspect", source, "--all").out.splitlines()) > 10_000


def test_names_from_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    source = tmp_path / "escape.pt"
    name = "\x1b[31mred\u202e"
    pickle = b"\x80\x02}(" + text(name) + tensor_opcodes("0", 1) + b"u."
    source.write_bytes(torch_zip(pickle, {"0": struct.pack("<f", 1.0)}))
    outcome = depickle("inspect", source)
    assert "\\x1b[31mred\\u202e" in outcome.out
    assert "\x1b" not in outcome.out


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", 11), (b"not a checkpoint", 11), (torch_zip(b"\x80\x02}X", {}), 11), (None, 3)],
    ids=["empty", "text", "broken pickle", "missing"],
)
def test_bad_input_gets_one_sentence(tmp_path: Path, content: bytes | None, code: int) -> None:
    source = tmp_path / "bad.pt"
    if content is not None:
        source.write_bytes(content)
    outcome = depickle("convert", source, tmp_path / "out.safetensors")
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.err.startswith("depickle: ")
    sentence, *advice = outcome.err.splitlines()
    assert str(source) in sentence
    assert len(advice) <= 1
    assert all(line.startswith("  ") for line in advice)
    assert not (tmp_path / "out.safetensors").exists()


def test_broken_pickle_is_still_shown(tmp_path: Path) -> None:
    source = tmp_path / "broken.pt"
    source.write_bytes(torch_zip(b"\x80\x02cposix\nmkdir\n(X", {}))
    outcome = depickle("inspect", source)
    assert outcome.code == 11
    assert "posix.mkdir" in outcome.out
    assert "error: " in outcome.out


def test_wrong_arguments() -> None:
    assert depickle("convert", RUN).code == 2
    assert depickle("nonsense").code == 2
    assert depickle("convert", RUN, "x.safetensors", "--rename", "no-equals-sign").code == 2


def test_output_that_differs_never_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that garbles what is written is simulated where the last bytes go out."""
    from converter.byteio.sink import AtomicFile

    honest = AtomicFile.write_at

    def garble(self: AtomicFile, offset: int, buffer: bytes) -> None:
        honest(self, offset, bytes(buffer).replace(b'"F32"', b'"I32"'))

    monkeypatch.setattr(AtomicFile, "write_at", garble)
    outcome = depickle("convert", RUN, tmp_path / "run.safetensors")
    assert outcome.code == 20
    assert "differs" in outcome.out
    assert list(tmp_path.iterdir()) == []


def test_all_that_is_printed_as_json_has_a_schema_and_follows_it(
    converted: Path, tmp_path: Path
) -> None:
    weights = "0" * 64
    commands = [
        ("inspect", RUN, "--fingerprint"),
        ("inspect", converted),
        ("scan", RUN, REPOSITORY / "corpus" / "hostile" / "unsafe-global"),
        ("scan", REPOSITORY / "corpus" / "broken" / "empty_file.pt", "--explain"),
        ("convert", RUN, tmp_path / "again.safetensors", "--fingerprint"),
        ("convert", RUN, tmp_path / "folder"),
        ("verify", RUN, converted),
        ("verify", RUN, REPOSITORY / "corpus" / "state_dict" / "linear.pt"),
        ("verify", RUN, "--fingerprint", weights),
        ("diff", RUN, REPOSITORY / "corpus" / "state_dict" / "linear.pt"),
        ("restore", converted, tmp_path / "again.pth", "--allow-unsupported"),
        ("migrate", REPOSITORY / "corpus" / "optimizer", tmp_path / "migrated"),
    ]
    printed = set()
    for command in commands:
        document = json.loads(depickle(*command, "--format", "json").out)
        name = document["schema"].removeprefix("depickle/")
        schema = json.loads((REPOSITORY / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(document)
        printed.add(name)
    documents = {path.stem for path in (REPOSITORY / "schemas").glob("*-report-v1.json")}
    assert printed == documents
