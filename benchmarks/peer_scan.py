"""Scans every file of a folder with another scanner, as its own documentation says.

Run by the Python of that scanner's environment: ``PYTHON peer_scan.py NAME FOLDER``. It imports
nothing of this repository. Prints how many files were scanned, and ends with an error where the
scanner says that one of them was not read.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path


def by_picklescan(folder: str) -> int:
    """Scan a folder in one call; it opens zip archives itself."""
    from picklescan.scanner import scan_directory_path

    result = scan_directory_path(folder)
    if result.scan_err:
        message = "picklescan could not read every file"
        raise SystemExit(message)
    return int(result.scanned_files)


def by_modelscan(folder: str) -> int:
    """Scan a folder in one call; it opens zip archives itself."""
    from modelscan.modelscan import ModelScan

    results = ModelScan().scan(folder)
    if results["errors"]:
        message = f"modelscan: {results['errors'][0]}"
        raise SystemExit(message)
    scanned = results["summary"]["scanned"]["scanned_files"]
    return len({name.partition(":")[0] for name in scanned})


def by_fickling(folder: str) -> int:
    """Judge the pickle of each archive: without torch it takes pickles alone, one at a time."""
    from fickling.analysis import check_safety
    from fickling.fickle import Pickled

    count = 0
    for path in sorted(Path(folder).iterdir()):
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            pickled = Pickled.load(archive.read(name))
        check_safety(pickled)
        count += 1
    return count


SCANNERS = {"picklescan": by_picklescan, "modelscan": by_modelscan, "fickling": by_fickling}


def main() -> None:
    """Scan and print the number of files."""
    name, folder = sys.argv[1:]
    count = SCANNERS[name](folder)
    expected = sum(1 for _ in Path(folder).iterdir())
    # More than that: some count pickles, and take a record of numbers for one.
    if count < expected:
        message = f"{name} scanned {count} files of {expected}"
        raise SystemExit(message)
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main()
