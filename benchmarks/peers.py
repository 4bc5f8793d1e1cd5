"""Other scanners, each in an environment of its own, at a pinned version."""

from __future__ import annotations

import subprocess
import venv
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PINS: Final = {
    "picklescan": ("picklescan==1.0.5",),
    "modelscan": ("modelscan==0.8.8",),
    # It imports typing_extensions and does not say that it needs it.
    "fickling": ("fickling==0.1.12", "typing_extensions==4.16.0"),
}
"""Scanner → what is installed for it."""


def peer_python(name: str, folder: Path) -> Path:
    """Return the Python of a scanner's environment, made in `folder` if it is not there yet.

    Raises:
        subprocess.CalledProcessError: the scanner cannot be installed.
    """
    home = folder / name
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*command, *PINS[name]], check=True)  # noqa: S603 - our own pins
    return python
