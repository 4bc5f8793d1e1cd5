"""Where the command starts; answers ``--version`` before anything heavy is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process."""
    if sys.argv[1:] == ["--version"]:
        from converter._version import __version__

        print(f"depickle {__version__}")
        return
    from converter.cli.application import run

    sys.exit(run(sys.argv[1:]))
