"""Whole files that are compressed are unpacked and judged."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib

from corpus.hostile_writer import CALM, EVIL
from tests.support.risk_cases import scanned, severities

RULE = "compressed-file"


def test_every_compression() -> None:
    for pack in (gzip.compress, bz2.compress, zlib.compress, lzma.compress):
        assert severities(RULE, pack(CALM)) == ["note"]
        assert scanned(pack(EVIL)).verdict == "dangerous"
    old = lzma.compress(EVIL, lzma.FORMAT_ALONE)
    assert scanned(old).verdict == "dangerous"


def test_a_damaged_one_is_unreadable() -> None:
    assert scanned(gzip.compress(CALM)[:-9]).verdict == "unreadable"


def test_what_runs_before_the_damage_is_judged() -> None:
    for packed in (gzip.compress(EVIL), zlib.compress(EVIL)):
        for damaged in (packed[:-1], packed[:-4] + bytes(4)):
            report = scanned(damaged)
            assert report.verdict == "dangerous"
            assert report.could_not_tell
