"""Where the command starts; what is asked most often is answered without click.

It takes as long to import as Python to start, and a scan of a small file hardly longer.
"""

from __future__ import annotations

import atexit
import gc
import sys


def main() -> None:
    """Run the command line of this process."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from converter._version import __version__

        print(f"depickle {__version__}")
        return
    # Before it ends, Python walks all that lives once more for circles: a tenth of a short run.
    atexit.register(gc.freeze)
    sys.exit(_scanned(arguments[1:]) if _is_plain_scan(arguments) else _run(arguments))


def _is_plain_scan(arguments: list[str]) -> bool:
    """Return whether it is a scan of paths with no option to be understood."""
    paths = arguments[1:]
    return arguments[:1] == ["scan"] and bool(paths) and not any(p[:1] == "-" for p in paths)


def _scanned(paths: list[str]) -> int:
    from converter.garbage import collector_paused

    with collector_paused():  # modules are made to stay
        from converter.cli.refusals import exit_code_from
        from converter.cli.scan_run import run_scan

    return exit_code_from(lambda: run_scan(paths))


def _run(arguments: list[str]) -> int:
    from converter.cli.application import run

    return run(arguments)
