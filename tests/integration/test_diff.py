"""``depickle diff`` as a person uses it: text, JSON, exit codes, the names that files hold."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

import converter
from tests.conftest import REPOSITORY
from tests.support.command import depickle
from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = REPOSITORY / "corpus" / "bundle" / "training_run.pth.tar"


def saved(path: Path, **tensors: Sequence[float]) -> Path:
    """Write a state_dict of float32 vectors; ``__`` in a name stands for a dot."""
    items = b"".join(
        text(name.replace("__", ".")) + tensor_opcodes(name, len(numbers))
        for name, numbers in tensors.items()
    )
    storages = {name: struct.pack(f"<{len(n)}f", *n) for name, n in tensors.items()}
    path.write_bytes(torch_zip(b"\x80\x02}(" + items + b"u.", storages))
    return path


def checked(*arguments: object, code: int) -> dict[str, object]:
    """Run with ``--format json`` and hold the document against its schema."""
    outcome = depickle("diff", *arguments, "--format", "json")
    assert outcome.code == code
    document = json.loads(outcome.out)
    schema = json.loads((REPOSITORY / "schemas" / "diff-report-v1.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["schema"] == "depickle/diff-report-v1"
    assert isinstance(document, dict)
    return document


def test_a_conversion_is_the_same(tmp_path: Path) -> None:
    for options in ([], ["--plain"]):
        for target in ("run.safetensors", "run"):
            path = tmp_path / f"{len(options)}{target}"
            assert depickle("convert", RUN, path, *options).code == 0
            for pair in ((RUN, path), (path, RUN)):
                outcome = depickle("diff", *pair)
                if target == "run" and options:
                    continue  # the files of a plain folder are nobody's bundle
                assert outcome.code == 0, outcome.out
                assert outcome.out.endswith(
                    "same: names, shapes, dtypes and values of 28 tensors\n"
                )


def test_differences_are_listed(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.pt", fc__weight=[1, 2, 3], fc__bias=[1], gone=[1], same=[4])
    b = saved(tmp_path / "b.pt", fc__weight=[1, 2, 5], fc__bias=[1, 2], new=[1], same=[4])
    outcome = depickle("diff", a, b)
    assert outcome.code == 20
    for expected in (
        "model (model): 1 tensor alike, 1 missing, 1 unexpected, 1 reshaped, 1 changed",
        "gone  float32  1",
        "new  float32  1",
        "fc.bias  1  in B  2",
        "fc.weight  float32  1 of 3 elements  by at most 2",
        "--exclude new",
    ):
        assert expected in outcome.out, outcome.out
    document = checked(a, b, code=20)
    (component,) = document["components"]  # type: ignore[misc]
    assert component["changed"] == [  # type: ignore[has-type]
        {"name": "fc.weight", "elements": 1, "of": 3, "dtype": "float32", "max_abs_difference": 2.0}
    ]


def test_infinities_stay_out_of_numbers(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.pt", w=[1, float("inf"), float("nan"), 2])
    b = saved(tmp_path / "b.pt", w=[1, float("-inf"), float("nan"), 3])
    document = checked(a, b, code=20)
    (changed,) = document["components"][0]["changed"]  # type: ignore[index]
    assert changed["max_abs_difference"] == 1.0
    assert changed["nonfinite"] == 1
    assert changed["elements"] == 2
    assert "1 not finite" in depickle("diff", a, b).out


def test_names_alone(tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a.pt", w=[1]), saved(tmp_path / "b.pt", w=[2])
    assert depickle("diff", a, b).code == 20
    outcome = depickle("diff", a, b, "--no-values")
    assert outcome.code == 0
    assert "same: names, shapes and dtypes of 1 tensor" in outcome.out


def test_quiet_says_it_by_the_exit_code(tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a.pt", w=[1]), saved(tmp_path / "b.pt", w=[2])
    for other, code in ((a, 0), (b, 20)):
        outcome = depickle("diff", a, other, "-q")
        assert (outcome.code, outcome.out, outcome.err) == (code, "", "")


def test_long_lists_are_cut_unless_asked(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.pt", **{f"w{n}": [1.0] for n in range(50)})
    b = saved(tmp_path / "b.pt", **{f"v{n}": [1.0] for n in range(50)})
    short = depickle("diff", a, b).out
    assert "w49" not in short
    assert "30 more; --all shows them" in short
    assert "w49" in depickle("diff", a, b, "--all").out


def test_a_lone_model_against_a_bundle(tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    assert depickle("convert", RUN, model, "--component", "model").code == 0
    outcome = depickle("diff", model, RUN)
    assert outcome.code == 0
    assert "only in B, not compared" in outcome.out
    assert "optimizer" in outcome.out


def test_converted_files_are_met_by_the_names_they_hold(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.pt", conv__weight=[1, 2], conv__bias=[3])
    b = saved(tmp_path / "b.pt", net__conv__weight=[1, 2], net__conv__bias=[3])
    target = tmp_path / "b.safetensors"
    assert depickle("convert", b, target, "--strip-prefix", "net").code == 0
    assert depickle("diff", a, b).code == 20
    assert depickle("diff", a, target).code == 0
    assert depickle("diff", b, target).code == 20


def test_names_cannot_steer_the_terminal_or_the_shell(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.pt", x__weight=[1, 2], x__bias=[1])
    b = saved(
        tmp_path / "b.pt",
        **{"$(rm -rf)\x1b[31m__x__weight": [1, 2], "$(rm -rf)\x1b[31m__x__bias": [1]},
    )
    outcome = depickle("diff", a, b)
    assert "\x1b" not in outcome.out
    assert "--strip-prefix '$(rm -rf)" in outcome.out


@pytest.mark.parametrize("flip", [False, True])
def test_unreadable_and_missing(tmp_path: Path, *, flip: bool) -> None:
    good = saved(tmp_path / "a.pt", w=[1])
    broken = tmp_path / "broken.pt"
    broken.write_bytes(torch_zip(b"\x80\x02}X", {}))
    for bad, code in ((broken, 11), (tmp_path / "none.pt", 3)):
        pair = (bad, good) if flip else (good, bad)
        outcome = depickle("diff", *pair)
        assert outcome.code == code
        assert outcome.out == ""
        assert outcome.err.startswith("depickle: ")


def test_wrong_arguments() -> None:
    assert depickle("diff", RUN).code == 2
    assert depickle("diff").code == 2


def test_from_python(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.pt", w=[1, 2])
    b = saved(tmp_path / "b.pt", module__w=[1, 2])
    report = converter.diff(a, b)
    (component,) = report.components
    assert component.suggestion is not None
    assert component.suggestion.command == (
        f"depickle convert {b} OUT.safetensors --strip-prefix module"
    )
    assert [one.name for one in component.missing] == ["w"]
