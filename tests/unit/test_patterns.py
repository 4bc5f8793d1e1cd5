"""A pattern that is compiled late is the same pattern."""

from __future__ import annotations

import re
import subprocess
import sys

from converter.patterns import lazy_pattern


def test_is_asked_like_any_other() -> None:
    pattern = lazy_pattern(r"(?i)a+")
    for _ in range(2):
        found = pattern.match("AAb")
        assert found is not None
        assert found[0] == "AA"
        assert pattern.fullmatch("AAb") is None
        assert pattern.findall("a-A") == ["a", "A"]
    assert pattern.pattern == r"(?i)a+"
    assert pattern.flags & re.IGNORECASE


def test_bytes_too() -> None:
    pattern = lazy_pattern(rb"(?s)\x80.")
    found = pattern.search(b"1\x80\n")
    assert found is not None
    assert found.start() == 1


def test_nothing_is_imported_before() -> None:
    code = (
        "import sys\n"
        "sys.modules.pop('re', None)\n"
        "from converter.patterns import lazy_pattern\n"
        "pattern = lazy_pattern('a')\n"
        "assert 're' not in sys.modules\n"
        "assert pattern.match('a')\n"
        "assert 're' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
