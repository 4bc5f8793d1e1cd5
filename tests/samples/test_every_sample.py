"""Every sample, converted and verified: its bytes on disk against what its writer said of it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import safetensors

import converter
from converter.checkpoint.values import SequenceValue
from converter.errors import DepickleError
from converter.readers.module_printing import print_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from converter.checkpoint.canonical import Checkpoint, Component

pytestmark = pytest.mark.samples

Facts = dict[str, Any]

# Nothing can be converted, and the manifest says why.
REFUSED: Final = {
    "zip/aborted_save.pt": r"aborted torch\.save",
    "dcp_single/__0_0.distcp": "one file of a distributed checkpoint",
}
# Files of which no manifest tells the tensors → how many there are; other tests look at them.
UNTOLD: Final = {
    "dcp_single/.metadata": 0,
    "dtensor/rank0.pt": 6,
    "dtensor/rank1.pt": 6,
    "handmade/legacy_old_forms.pt": 4,
    "handmade/legacy_sysinfo_big.pt": 2,
    "handmade/legacy_variable.pt": 1,
    "handmade/legacy_view.pt": 4,
    "handmade/tar_handmade.pt": 5,
    "handmade/tar_handmade_module.pt": 0,
    "handmade/zip_byteorder_big.pt": 5,
    "old/t1121_optimizer_object.pt": 8,
    "old/t1121_quant.pt": 4,
    "old/t1121_sparse.pt": 2,
    "old/t160_optimizer_object.pt": 6,
    "old/t160_quant.pt": 4,
    "old/t160_sparse.pt": 2,
    "pickle/detectron2_style.pkl": 1,
    "pickle/joblib.joblib": 2,
    "pickle/joblib_zlib.joblib": 2,
    "pickle/module_proto2.pkl": 2,
    "zip/nested.pt": 4,
    "zip/numpy.pt": 5,
    "zip/numpy_proto5.pt": 2,
    "zip/pyobjects.pt": 0,
    "zip/skip_data.pt": 2,
    "zip/uninitialized.pt": 0,
}
# What `get_extra_state()` would return is nowhere in the file.
UNKNOWABLE: Final = frozenset({"_extra_state"})
# Classes of the old releases that 2.13 prints in other words: the norms have `bias=` since, texts
# have quotes, default arguments are shown, and a helper of attention has another name.
NEWER_WORDING: Final = {
    *(f"{kind}Norm{n}d" for kind in ("Batch", "Instance") for n in (1, 2, 3)),
    *("GroupNorm", "LayerNorm", "SyncBatchNorm", "GELU", "EmbeddingBag", "ParameterList"),
    *("Transformer", "TransformerDecoderLayer", "TransformerEncoderLayer"),
    *("Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"),
}
NEWER_WORDING_OF: Final = {
    "t160": NEWER_WORDING | {"Flatten", "MultiheadAttention", "ZeroPad2d"},
    "t1121": NEWER_WORDING
    | {f"Lazy{kind}Norm{n}d" for kind in ("Batch", "Instance") for n in (1, 2, 3)},
}


@pytest.fixture(scope="module")
def told(samples: Path) -> dict[str, Facts]:
    """Return name of a sample → what the manifests say of it."""
    found = dict(json.loads((samples / "manifest.json").read_text())["files"])
    for path in (samples / "old").glob("*_manifest.json"):
        manifest = json.loads(path.read_text())
        found |= {f"old/{name}": facts for name, facts in manifest["files"].items()}
    return {name: facts for name, facts in found.items() if has_tensors(facts)}


def has_tensors(facts: Facts) -> bool:
    return any(facts.get(key) is not None for key in ("tensors", "state_dict", "n"))


def names_of(samples: Path) -> list[str]:
    """Return every file but the manifests, and the one folder that is a checkpoint."""
    paths = (path.relative_to(samples).as_posix() for path in samples.rglob("*") if path.is_file())
    return sorted([*(name for name in paths if not name.endswith(".json")), "dcp_single"])


def test_each_is_told_of_or_listed_here(samples: Path, told: dict[str, Facts]) -> None:
    # Of some the manifest tells that they hold no dense tensor.
    with_tensors = {name for name, facts in told.items() if facts.get("tensors", True)}
    listed = UNTOLD.keys() | REFUSED.keys()
    assert sorted(with_tensors | listed) == names_of(samples)
    assert not with_tensors & listed


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_is_refused(name: str, samples: Path, tmp_path: Path) -> None:
    with pytest.raises(DepickleError, match=REFUSED[name]):
        converter.convert(samples / name, tmp_path / "out.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", UNTOLD)
def test_the_others_are_converted_and_verified(name: str, samples: Path, tmp_path: Path) -> None:
    held, checkpoint = converted(samples / name, tmp_path / "out.safetensors")
    assert len(checkpoint.tensors()) == UNTOLD[name]
    assert {(name, facts["dtype"]) for name, facts in held.items()} >= {
        (name, str(tensor.dtype.safetensors))
        for name, tensor in checkpoint.tensors().items()
        if name in held and tensor.dtype.safetensors is not None
    }


def test_tensors_of_manifests(samples: Path, told: dict[str, Facts], tmp_path: Path) -> None:
    compared = quantised = 0
    for number, (name, facts) in enumerate(told.items()):
        expected = facts.get("tensors") or {}
        if expected:
            held, checkpoint = converted(samples / name, tmp_path / f"{number}.safetensors")
            dense = checkpoint.tensors()
            for path, truth in expected.items():
                found = full_name(path, dense, checkpoint)
                if found in dense and truth["sha256"] is not None:
                    assert dense[found].dtype.name == truth["dtype"], (name, path)
                    assert digest(found, held) == truth["sha256"], (name, path)
                    assert list(dense[found].shape) == truth["shape"], (name, path)
                    compared += 1
                else:
                    # Sparse ones, without data, or quantised: their parts have names of their own.
                    assert found in composites(checkpoint), (name, path)
                    integers = f"{found}.int_repr"
                    # torch keeps two values of quint4x2 in a byte; the manifest's are spread out.
                    if integers in held and truth["dtype"] != "quint4x2":
                        assert digest(integers, held) == truth["sha256"], (name, path)
                        quantised += 1
    assert compared >= 150
    assert quantised == 4


def test_state_dicts_of_manifests(samples: Path, told: dict[str, Facts], tmp_path: Path) -> None:
    compared = 0
    for number, (name, facts) in enumerate(told.items()):
        expected = facts.get("state_dict")
        if expected:
            held, checkpoint = converted(samples / name, tmp_path / f"{number}.safetensors")
            model = model_with(expected, checkpoint)
            if name.startswith("export/"):
                # In the order of the program's signature: that of the state_dict is not kept.
                expected.sort(key=lambda item: list(model.tensors).index(item[0]))
            check_state_dict(expected, model, held, name)
            printed = facts.get("repr")
            if printed is not None and not name.startswith("old/"):
                assert print_module(model.value) == printed
            compared += 1
    assert compared >= 25


@pytest.mark.parametrize("release", NEWER_WORDING_OF)
def test_every_class_of_an_old_release(release: str, samples: Path, tmp_path: Path) -> None:
    text = (samples / "old" / f"{release}_manifest.json").read_text()
    classes: dict[str, Facts] = json.loads(text)["module_types"]
    path = samples / "old" / f"{release}_alltypes.pt"
    held, checkpoint = converted(path, tmp_path / "out.safetensors")
    models = [part for part in checkpoint.components if part.kind == "model"]
    pairs = checkpoint.opened.root
    assert isinstance(pairs, SequenceValue)
    differing = set()
    for pair, model in zip(pairs.items, models, strict=True):
        assert isinstance(pair, SequenceValue)
        name = str(pair.items[0])
        facts = classes.pop(name)
        check_state_dict(facts["state_dict"], model, held, name)
        if print_module(model.value) != facts["repr"]:
            differing.add(name)
    assert differing == NEWER_WORDING_OF[release]
    assert not classes


def converted(source: Path, target: Path) -> tuple[dict[str, Any], Checkpoint]:
    """Return what the safetensors library finds in the output, and the checkpoint it opens as."""
    report = converter.convert(source, target)
    assert report.verification is not None
    assert report.verification.identical
    held = dict(safetensors.deserialize(target.read_bytes()))  # type: ignore[no-untyped-call]
    held |= {dropped: held[kept] for dropped, kept in report.aliases.items()}
    again = converter.open(target)
    assert again.opened.anomalies == []
    return held, again


def check_state_dict(
    expected: list[Any], model: Component, held: dict[str, Any], sample: str
) -> None:
    """Compare names, their order, types, shapes and bytes."""
    dense = {
        name: facts
        for name, facts in expected
        if "dtype" in facts and name not in model.composites and name not in UNKNOWABLE
    }
    inside = [name for name, _ in expected if name not in dense]
    rest = [name for name in model.tensors if name not in dense]
    assert [name for name in model.tensors if name in dense] == list(dense), sample
    assert all(name.startswith(tuple(f"{one}." for one in inside)) for name in rest), sample
    for name, facts in dense.items():
        tensor = model.tensors[name]
        assert tensor.dtype.name == facts["dtype"], (sample, name)
        assert list(tensor.shape) == facts["shape"], (sample, name)
        if facts["sha256"] is not None:  # None: without elements
            found = name if name in held else f"{model.name}.{name}"
            assert digest(found, held) == facts["sha256"], (sample, name)


def digest(name: str, held: dict[str, Any]) -> str:
    return hashlib.sha256(held[name]["data"]).hexdigest()


def model_with(expected: list[Any], checkpoint: Checkpoint) -> Component:
    """Return the component that has the first of some names, or the only one."""
    parts = [part for part in checkpoint.components if expected[0][0] in part.tensors]
    return parts[0] if parts else checkpoint.components[0]


def composites(checkpoint: Checkpoint) -> set[str]:
    return {name for part in checkpoint.components for name in part.composites}


def full_name(path: str, dense: dict[str, Any], checkpoint: Checkpoint) -> str:
    """Return our name for a path of the manifest (``optimizer/state/0/step``)."""
    return next(name for name in spellings(path) if name in dense or name in composites(checkpoint))


def spellings(path: str) -> Iterator[str]:
    dotted = path.replace("/", ".")
    yield from (dotted, f"extra.{dotted}", f"model.{dotted}")
