"""What every test may rely on: Hypothesis profiles, markers that skip, the folder of samples."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings

REPOSITORY = Path(__file__).parents[1]

# A busy machine is no failure: torch brings half of itself along when an optimizer first steps.
UNTIMED: Final[dict[str, Any]] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
# dev: quick, and different at every run. ci: the same examples at every run, so that a failure
# belongs to the change at hand. nightly: long and random. HYPOTHESIS_PROFILE chooses.
settings.register_profile("dev", **UNTIMED, max_examples=50)
settings.register_profile(
    "ci", **UNTIMED, max_examples=50, derandomize=True, database=None, print_blob=True
)
settings.register_profile("nightly", **UNTIMED, max_examples=5_000, print_blob=True)
# mutation: few examples, and no time spent on showing a failure well: each mutant meets them.
settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=20,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what a marker says this environment cannot run."""
    if item.get_closest_marker("torch") and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    if item.get_closest_marker("network") and os.environ.get("DEPICKLE_OFFLINE"):
        pytest.skip("DEPICKLE_OFFLINE is set")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of checkpoints written by many torch releases, with their manifests."""
    chosen = os.environ.get("DEPICKLE_SAMPLES")
    folder = Path(chosen) if chosen else REPOSITORY.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no folder of samples at {folder} (DEPICKLE_SAMPLES names another)")
    return folder
