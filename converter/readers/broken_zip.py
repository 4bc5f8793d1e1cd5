"""Reads what is left of a zip archive that ends before its directory.

torch.save writes the pickle first and the storages behind it, so a download that broke off usually
holds the whole pickle: it still tells what loading would have done, and how much is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Opened
from converter.containers.zip_end import TORCH_WINDOW_NBYTES
from converter.containers.zip_structures import LOCAL, LOCAL_SIGNATURE, STORED
from converter.errors import ContainerError
from converter.inert.machine import read_graph
from converter.readers.persistent_storages import claimed_storages

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.inert.nodes import Graph
    from converter.limits import Limits

_PICKLE: Final = "/data.pkl"


def read_truncated_zip(source: ByteSource, limits: Limits) -> Opened:
    """Return the pickle at the start of a truncated archive, if one stands there, and the error."""
    opened = Opened(source, "zip")
    what, code, found = "zip archive is truncated", "zip_truncated", "the end of the file"
    first = _first_pickle(source, limits)
    if first is not None:
        name, pickle = first
        opened.graphs.append((name, pickle))
        opened.anomalies.extend(pickle.anomalies)
        if pickle.error is None:
            claims = claimed_storages(pickle, limits)
            nbytes = sum(claim.nbytes for claim in claims.values())
            missing = pickle.stop + nbytes - source.nbytes
            found += f" after {source.nbytes} bytes"
            if missing > 0:
                found += f", at least {missing} are missing"
            else:
                # Every storage may be there: the end is lost, or what stands there is not it.
                what, code = "zip archive without its directory", "zip_directory_lost"
                found = f"none in the last {min(source.nbytes, TORCH_WINDOW_NBYTES)} bytes"
    opened.error = ContainerError(
        what,
        source=source.name,
        offset=source.nbytes,
        expected="its directory, which stands at the end",
        found=found,
        code=code,
    )
    return opened


def _first_pickle(source: ByteSource, limits: Limits) -> tuple[str, Graph] | None:
    """Return name and graph of the first record, if it is an unpacked pickle of torch.save."""
    if source.nbytes < LOCAL.size:
        return None
    header = LOCAL.unpack(source.read_at(0, LOCAL.size))
    signature, method, name_nbytes, extra_nbytes = header[0], header[3], header[9], header[10]
    start = LOCAL.size + name_nbytes + extra_nbytes
    if signature != LOCAL_SIGNATURE or method != STORED or start >= source.nbytes:
        return None
    name = source.read_at(LOCAL.size, name_nbytes).decode("utf-8", "backslashreplace")
    if not name.lower().endswith(_PICKLE):
        return None
    return name, read_graph(source, start=start, record=None, limits=limits)
