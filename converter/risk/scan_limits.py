"""The caps on what one scan looks at, beside those of `converter.limits`."""

from __future__ import annotations

from functools import lru_cache

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.limits import Limits


class ScanLimits(Frozen):
    """How far a scan follows what it finds.

    Attributes:
        max_levels: containers, compressed files and blobs nested in each other.
        max_pickles: pickles of one input.
        max_blobs: byte strings of one pickle that are tried as pickles.
        max_blob_bytes: what a blob may unpack to.
        max_findings: findings of one rule in one pickle that are listed.
        max_paths: values of one pickle whose way from the root is told.
        max_census_bytes: a pickle whose opcodes are counted one by one.
        max_code_bytes: one text of TorchScript code.
        peek_bytes: window over the start of a record that should hold no pickle; reading goes on
            only as far as the bytes make sense as one, up to `peek_opcodes`.
        peek_opcodes: opcodes that are followed there.
        peek_string_bytes: longest operand that is followed there.
        follow_opcodes: opcodes that are followed where the first limits were not enough.
        follow_string_bytes: longest operand that is followed there.
        max_expansion: nodes of a value as it would be written out, shared parts repeated.
    """

    max_levels: int = 8
    max_pickles: int = 1_000_000
    max_blobs: int = 100_000
    max_blob_bytes: int = 1 << 26
    max_findings: int = 50
    max_paths: int = 200
    max_census_bytes: int = 1 << 28
    max_code_bytes: int = 1 << 24
    peek_bytes: int = 512
    peek_opcodes: int = 1_000_000
    peek_string_bytes: int = 1 << 16
    follow_opcodes: int = 8_000_000
    follow_string_bytes: int = 1 << 28
    max_expansion: int = 10_000_000

    def peeking(self, limits: Limits) -> Limits:
        """Return the limits for reading what is only suspected to be a pickle."""
        return _peeking(self, limits)

    def following(self, limits: Limits) -> Limits:
        """Return the limits for reading on what has proved to be opcodes so far."""
        return limits._replace(
            max_opcodes=min(limits.max_opcodes, self.follow_opcodes),
            max_string_bytes=min(limits.max_string_bytes, self.follow_string_bytes),
            max_line_bytes=min(limits.max_line_bytes, self.follow_string_bytes),
        )


# Every file asks for them, and they are seldom others than the last time.
@lru_cache(maxsize=8)
def _peeking(scan_limits: ScanLimits, limits: Limits) -> Limits:
    return limits._replace(
        max_opcodes=min(limits.max_opcodes, scan_limits.peek_opcodes),
        max_string_bytes=min(limits.max_string_bytes, scan_limits.peek_string_bytes),
        max_line_bytes=min(limits.max_line_bytes, scan_limits.peek_string_bytes),
        max_pickle_window_bytes=scan_limits.peek_bytes,
    )


DEFAULT_SCAN_LIMITS: Final = ScanLimits()
