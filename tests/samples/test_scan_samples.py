"""Files that torch, numpy and joblib wrote are neither suspicious nor dangerous."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from converter.risk.scanner import scan_file, scan_paths

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.samples

# They hold classes of their own, or of a compiler's inside.
UNKNOWN = {
    "legacy/module.pt",
    *(f"old/{release}_{kind}.pt" for release in ("t160", "t1121") for kind in ("module",)),
    *(f"old/{release}_module_zip.pt" for release in ("t160", "t1121")),
    *(f"zip/{name}.pt" for name in ("module", "module_compiled", "module_extra_state")),
    *("zip/pyobjects.pt", "zip/subclass.pt"),
}
UNREADABLE = {"zip/aborted_save.pt"}


def test_every_sample(samples: Path) -> None:
    verdicts = {
        str(report.name).removeprefix(f"{samples}/"): str(report.verdict)
        for report in scan_paths([samples])
    }
    expected = dict.fromkeys(verdicts, "safe")
    expected.update(dict.fromkeys(UNKNOWN, "unknown"), **dict.fromkeys(UNREADABLE, "unreadable"))
    assert verdicts == expected


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_weights_only_is_foretold(samples: Path) -> None:
    import torch

    told, asked = {}, {}
    for path in sorted(samples.rglob("*.p*t*")):
        if not path.is_file() or path.suffix == ".json":
            continue
        if path.parent.name == "dtensor":
            continue  # torch's answer depends on what the process has imported before
        report = scan_file(path)
        told[path.name] = bool(report.weights_only)
        try:
            torch.load(path, weights_only=True, map_location="cpu")
        except Exception:  # noqa: BLE001 - torch refuses by errors of many kinds
            asked[path.name] = False
        else:
            asked[path.name] = True
    assert told == asked
