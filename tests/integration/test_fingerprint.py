"""The same weights have the same fingerprint in every kind of file, by depickle and by torch."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import converter
from converter.errors import DepickleError
from tests.conftest import REPOSITORY
from tests.support.command import depickle
from tests.support.small_files import NUMBERS, SMALL_FILES

if TYPE_CHECKING:
    from pathlib import Path

    from converter.reporting.documents import FingerprintLine

RUN = REPOSITORY / "corpus" / "bundle" / "training_run.pth.tar"


def lines_of(path: Path) -> dict[str | None, FingerprintLine]:
    report = converter.inspect(path, fingerprint=True)
    return {line.component: line for line in report.fingerprints}


def whole(path: Path) -> tuple[str, str]:
    line = lines_of(path)[None]
    return line.weights, line.named


@pytest.fixture
def state_dict() -> Any:  # noqa: ANN401 - torch is optional
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return {
        "conv.weight": torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last),
        "conv.bias": torch.tensor([0.0, -0.0, float("nan"), float("inf")]),
        "tied.weight": (tied := torch.randn(5, 6).bfloat16()),
        "head.weight": tied,
        "expanded": torch.ones(1).expand(7),
        "transposed": torch.arange(12).reshape(3, 4).t(),
        "complex": torch.randn(3, dtype=torch.complex128).conj(),
        "count": torch.tensor(3),
        "empty": torch.zeros(0, 4),
    }


def repacked(source: Path, target: Path) -> None:
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))


@pytest.mark.torch
def test_every_container_has_the_same(tmp_path: Path, state_dict: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    torch.save(state_dict, tmp_path / "zip.pt")
    torch.save(state_dict, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    repacked(tmp_path / "zip.pt", tmp_path / "deflated.pt")
    (tmp_path / "zipped.pt.gz").write_bytes(gzip.compress((tmp_path / "zip.pt").read_bytes()))
    shuffled = dict(reversed(state_dict.items()))
    torch.save(shuffled, tmp_path / "shuffled.pt")
    wrapped = {f"module._orig_mod.{name}": value for name, value in state_dict.items()}
    torch.save(wrapped, tmp_path / "wrapped.pt")
    copied = {name: value.clone().contiguous() for name, value in state_dict.items()}
    torch.save(copied, tmp_path / "copied.pt")
    for target in ("one.safetensors", "folder"):
        assert depickle("convert", tmp_path / "zip.pt", tmp_path / target).code == 0
    assert (
        depickle(
            *("convert", tmp_path / "wrapped.pt", tmp_path / "stripped.safetensors"),
            *("--strip-part", "_orig_mod", "--strip-prefix", "module"),
        ).code
        == 0
    )
    expected = whole(tmp_path / "zip.pt")
    others = [path for path in sorted(tmp_path.iterdir()) if path.name != "zip.pt"]
    assert {path.name: whole(path) for path in others} == {path.name: expected for path in others}


@pytest.mark.torch
def test_shards_have_the_same(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("safetensors.torch")
    weights = {f"layer{n}.weight": torch.randn(8, 8) for n in range(6)}
    torch.save(weights, tmp_path / "whole.pt")
    for ending, save in ((".bin", torch.save), (".safetensors", reference.save_file)):
        folder = tmp_path / ending.strip(".")
        folder.mkdir()
        stem = "pytorch_model" if ending == ".bin" else "model"
        weight_map = {
            name: f"{stem}-0000{number % 3 + 1}-of-00003{ending}"
            for number, name in enumerate(weights)
        }
        for file in set(weight_map.values()):
            part = {name: weights[name] for name in weights if weight_map[name] == file}
            save(part, folder / file)
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / f"{stem}{ending}.index.json").write_text(json.dumps(index))
        assert whole(folder) == whole(tmp_path / "whole.pt")


@pytest.mark.torch
def test_plain_and_foreign_safetensors_have_the_same(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("safetensors.torch")
    model = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    torch.save(model.state_dict(), tmp_path / "tied.pt")
    reference.save_model(model, tmp_path / "foreign.safetensors")
    assert (
        depickle("convert", tmp_path / "tied.pt", tmp_path / "p.safetensors", "--plain").code == 0
    )
    expected = whole(tmp_path / "tied.pt")
    assert whole(tmp_path / "foreign.safetensors") == expected
    assert whole(tmp_path / "p.safetensors") == expected


@pytest.mark.torch
def test_any_other_weights_have_another(tmp_path: Path, state_dict: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    torch.save(state_dict, tmp_path / "a.pt")
    found = {whole(tmp_path / "a.pt")[0]}
    flipped = {**state_dict, "conv.bias": state_dict["conv.bias"].clone()}
    flipped["conv.bias"].view(torch.uint8)[0] ^= 1
    reshaped = {**state_dict, "transposed": state_dict["transposed"].reshape(12)}
    retyped = {**state_dict, "count": torch.tensor(3, dtype=torch.int32)}
    fewer = {name: value for name, value in state_dict.items() if name != "head.weight"}
    for number, other in enumerate((flipped, reshaped, retyped, fewer)):
        torch.save(other, tmp_path / f"{number}.pt")
        found.add(whole(tmp_path / f"{number}.pt")[0])
    assert len(found) == 5


@pytest.mark.torch
def test_the_program_in_the_documentation_agrees(
    tmp_path: Path, state_dict: dict[str, Any]
) -> None:
    torch = pytest.importorskip("torch")
    text = (REPOSITORY / "docs" / "fingerprint.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(program, scope)  # noqa: S102 - our own documentation
    torch.save(state_dict, tmp_path / "a.pt")
    assert scope["weights"](state_dict) == whole(tmp_path / "a.pt")[0]


def test_small_files_of_every_kind_have_the_same(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"depickle/tensor-v1 float32 [4]\n" + NUMBERS).hexdigest()
    expected = hashlib.sha256(f"depickle/weights-v1\n{digest}\n".encode()).hexdigest()
    for kind, make in SMALL_FILES.items():
        (tmp_path / kind).write_bytes(make())
        assert whole(tmp_path / kind)[0] == expected, kind


@pytest.mark.samples
def test_big_endian_sample_has_that_of_its_values(samples: Path, tmp_path: Path) -> None:
    source = samples / "handmade" / "zip_byteorder_big.pt"
    assert depickle("convert", source, tmp_path / "little.safetensors").code == 0
    assert whole(source) == whole(tmp_path / "little.safetensors")


@pytest.mark.samples
@pytest.mark.parametrize("folder", ["zip", "legacy", "old", "handmade", "pickle"])
def test_every_sample_keeps_its_fingerprints_when_converted(
    samples: Path, tmp_path: Path, folder: str
) -> None:
    count = 0
    for source in sorted((samples / folder).glob("*.p*")):
        target = tmp_path / f"{source.name}.safetensors"
        try:
            report = converter.convert(source, target)
        except DepickleError:
            continue
        before, after = lines_of(source), lines_of(target)
        if any(line.without_bytes for line in before.values()):
            continue
        assert report.left_out or before == after, source.name
        count += 1
    assert count


def test_bundle_keeps_the_fingerprints_of_its_components(tmp_path: Path) -> None:
    target = tmp_path / "run.safetensors"
    outcome = depickle("convert", RUN, target, "--fingerprint", "--format", "json")
    report = json.loads(outcome.out)
    inspected = json.loads(depickle("inspect", RUN, "--fingerprint", "--format", "json").out)
    assert report["fingerprints"] == inspected["fingerprints"]
    assert [line.get("component") for line in report["fingerprints"]] == [
        None,
        "model",
        "optimizer",
        "rng",
    ]
    only = tmp_path / "model.safetensors"
    assert depickle("convert", RUN, only, "--component", "model").code == 0
    assert lines_of(only)["model"] == lines_of(RUN)["model"]
    assert whole(only)[0] == lines_of(RUN)["model"].weights


def test_nothing_is_hashed_unasked(tmp_path: Path) -> None:
    assert "fingerprint" not in depickle("inspect", RUN).out
    assert "fingerprints" not in json.loads(depickle("inspect", RUN, "--format", "json").out)
    outcome = depickle("convert", RUN, tmp_path / "run.safetensors")
    assert "fingerprint" not in outcome.out


@pytest.mark.parametrize("definition", ["weights", "named"])
@pytest.mark.parametrize("component", [None, "model"])
def test_verify_finds_a_fingerprint(definition: str, component: str | None) -> None:
    wanted = getattr(lines_of(RUN)[component], definition)
    outcome = depickle("verify", RUN, "--fingerprint", wanted.upper(), "--format", "json")
    assert outcome.code == 0
    report = json.loads(outcome.out)
    assert report["schema"] == "depickle/fingerprint-report-v1"
    match = {"definition": definition}
    assert report["matches"] == [match if component is None else {**match, "component": component}]
    shown = depickle("verify", RUN, "--fingerprint", wanted)
    assert shown.out.startswith("verified: ")


def test_verify_says_what_it_found_instead() -> None:
    outcome = depickle("verify", RUN, "--fingerprint", "0" * 64)
    assert outcome.code == 20
    assert outcome.out.startswith("differs: ")
    assert lines_of(RUN)["model"].weights in outcome.out


def test_an_empty_component_is_nothing_to_go_by() -> None:
    nothing = hashlib.sha256(b"depickle/weights-v1\n").hexdigest()
    assert depickle("verify", RUN, "--fingerprint", nothing).code == 20


@pytest.mark.parametrize(
    "arguments",
    [
        [RUN],
        [RUN, RUN, "--fingerprint", "0" * 64],
        [RUN, "--fingerprint", "0" * 63],
        [RUN, "--fingerprint", "x" * 64],
        [RUN, "--fingerprint", "0" * 64, "--plain"],
        [RUN, "--fingerprint", "0" * 64, "--oracle", "torch"],
    ],
)
def test_wrong_arguments(arguments: list[object]) -> None:
    outcome = depickle("verify", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""


def test_unreadable_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"\x80\x02}q\x00X")
    assert depickle("verify", tmp_path / "broken.pt", "--fingerprint", "0" * 64).code == 11
    assert depickle("verify", tmp_path / "none.pt", "--fingerprint", "0" * 64).code == 3
    shown = depickle("inspect", tmp_path / "broken.pt", "--fingerprint")
    assert shown.code == 11
    assert "fingerprints" not in shown.out
