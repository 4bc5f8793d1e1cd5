"""What could not be read is freed when it is let go of, in a process that reads for days.

Fuzzing found a process that grew by some kilobytes with each broken file: an error that is kept
knows the frames it passed, they know what was being read, and that knows the error. Such circles
were declared old together with everything else, which is where the collector hardly ever looks.
"""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress

import pytest

from converter.byteio.source import MemorySource
from converter.errors import DepickleError
from converter.garbage import collector_paused
from converter.limits import DEFAULT_LIMITS
from converter.readers.opening import read_source
from tests.support.diagnosis_files import DIAGNOSES, Diagnosis


def read(content: bytes) -> None:
    with suppress(DepickleError):
        read_source(MemorySource(content, "file"), DEFAULT_LIMITS)


@pytest.mark.parametrize("diagnosis", DIAGNOSES, ids=lambda one: one.code)
def test_broken_file_leaves_no_circle(diagnosis: Diagnosis) -> None:
    content = diagnosis.make()
    read(content)  # what is made once is made now
    gc.collect()
    gc.disable()
    try:
        read(content)
        assert gc.collect() == 0
    finally:
        gc.enable()


class Circle:
    def __init__(self) -> None:
        self.me = self


def test_few_objects_stay_young() -> None:
    gc.collect()
    with collector_paused():
        alive = weakref.ref(Circle())
    gc.collect(0)
    assert alive() is None
