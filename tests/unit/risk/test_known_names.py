"""The tables of names: typed, sourced, exact, and true of the torch that is installed."""

from __future__ import annotations

import inspect
import re
from importlib import resources

import pytest

from converter.inert.names import canonical_name
from converter.risk.argument_checks import _CHECKS
from converter.risk.known_names import danger_of, iter_safe, rows_of, safe_name

USES = {
    *("value", "call", "state", "items", "append", "object", "storage", "rebuild"),
    *("tensor_class", "array_class", "factory", "package", "base", "bit_generator"),
}
# Names of earlier releases, and of packages that need not be there.
ELSEWHERE = ("torch.nn.backends", "torch.jit._pickle", "ml_dtypes", "joblib", "sklearn", "numpy")


SAFE_FIELDS = ["module", "names", "uses", "check", "slots", "weights_only", "source", "date"]
DANGEROUS_FIELDS = ["module", "names", "below", "family", "source", "date"]


@pytest.mark.parametrize(
    ("file", "fields", "optional", "count"),
    [
        ("safe.txt", SAFE_FIELDS, {"slots", "check", "weights_only"}, 84),
        ("safe_modules.txt", SAFE_FIELDS, {"slots", "check", "weights_only"}, 99),
        ("dangerous.txt", DANGEROUS_FIELDS, {"below"}, 261),
    ],
)
def test_every_row_has_source_and_date(
    file: str, fields: list[str], optional: set[str], count: int
) -> None:
    rows = list(rows_of(file))
    assert len(rows) >= count
    for row in rows:
        assert set(fields) - optional <= row.keys() <= set(fields)
        assert all(value and value == value.strip() for value in row.values())
        assert row["date"] >= "2026"
        assert row.get("below", "yes") == row.get("weights_only", "yes") == "yes"


@pytest.mark.parametrize("file", ["safe.txt", "safe_modules.txt", "dangerous.txt"])
def test_every_line_of_a_table_is_read(file: str) -> None:
    """A slip of the hand loses no row: what is read is what stands there."""
    text = resources.files("converter.risk.known_names").joinpath(file).read_text("ascii")
    assert text.count("\nmodule: ") == len(list(rows_of(file)))
    names = re.findall(r"^names: (.*(?:\n .*)*)", text, re.MULTILINE)
    read = " ".join(row["names"] for row in rows_of(file))
    assert sorted(" ".join(names).split()) == sorted(read.split())


def test_a_row_is_found_with_all_it_says() -> None:
    row = safe_name("torch._tensor", "_rebuild_from_type_v2")
    assert row is not None
    assert (row.module, row.name) == ("torch._tensor", "_rebuild_from_type_v2")
    assert row.uses == {"call"}
    assert row.slots == ((0, "rebuild"), (1, "tensor_class"))
    assert row.weights_only
    assert row.check is None
    checked = safe_name("_codecs", "encode")
    assert checked is not None
    assert checked.check == "codec"


def test_uses_and_checks_exist() -> None:
    for row in iter_safe():
        assert row.uses <= USES
        assert {need for _, need in row.slots} <= USES
        assert row.check is None or row.check in _CHECKS


def test_names_are_canonical() -> None:
    for row in iter_safe():
        assert canonical_name(row.module, row.name, 3) == (row.module, row.name)


def test_names_are_exact() -> None:
    assert danger_of("builtins", "eval") is not None
    assert danger_of("builtins", "evaluate_nothing") is None
    assert danger_of("functools", "p") is None
    assert danger_of("osmosis", "system") is None
    assert safe_name("collections", "OrderedDic") is None


def test_what_lies_below_a_package() -> None:
    assert danger_of("asyncio.unix_events", "_UnixSubprocessTransport") is not None
    assert danger_of("torch.fx.graph_module", "reduce_graph_module") is not None


def test_spellings_of_python_2_and_numpy_1() -> None:
    assert safe_name(*canonical_name("__builtin__", "set", 2)) is not None
    assert safe_name(*canonical_name("numpy.core.multiarray", "_reconstruct", 2)) is not None
    assert danger_of(*canonical_name("__builtin__", "eval", 2)) is not None


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_torch_has_the_names() -> None:
    import importlib

    missing = []
    for row in iter_safe():
        if row.module.startswith(ELSEWHERE) or not row.module.startswith("torch"):
            continue
        if "torch 0." in row.source or "another spelling" in row.source:
            continue
        try:
            module = inspect.importlib.import_module(row.module)  # type: ignore[attr-defined]
        except (AttributeError, ImportError):
            module = importlib.import_module(row.module)
        if not hasattr(module, row.name):
            missing.append(f"{row.module}.{row.name}")
    assert [name for name in missing if "sparse." not in name and ".cuda." not in name] == []


@pytest.mark.torch
def test_weights_only_is_torchs_own_list() -> None:
    from torch._weights_only_unpickler import (  # type: ignore[import-untyped, unused-ignore]
        _get_allowed_globals,
    )

    ours = {f"{row.module}.{row.name}" for row in iter_safe() if row.weights_only}
    registered = ("torch.nested._internal", "torch.distributed._mesh_layout")
    assert {name for name in ours if not name.startswith(registered)} == set(_get_allowed_globals())
