"""Memory of processes that hold many messages at once: Python's collector of cycles, and the C library's allocator."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

COLLECT_EVERY: Final = (50_000, 20, 50)
"""Thresholds. Each message is an object or two that it tracks: at the default of 700 it walks what is being read over and over,
a third of the time of reading with confluent-kafka and two thirds with aiokafka."""
M_ARENA_MAX: Final = -8
"""Of mallopt(3), GNU C library."""
ARENAS: Final = 2
MADV_DONTNEED: Final = 4
"""Of madvise(2), Linux."""
KILOBYTE: Final = 1024


def collect_rarely() -> None:
    """Leave what is loaded now out of all collections, and collect seldom. Call it once, after the imports."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)


def let_go_of(library: str) -> int:
    """Give back what has been read of a library's file, by the name of that file; return the bytes. On Linux; elsewhere it does nothing.

    What is still needed of it comes again at its next use, from the system's cache of files. A mapping of which any page was written to
    is left as it is, and so is what could be written to.
    """
    if sys.platform != "linux":
        return 0
    madvise = ctypes.CDLL(None).madvise
    given = 0
    for place, sizes in _mappings():
        if place.path.name != library or "w" in place.rights or sizes["Anonymous"] or sizes["Swap"]:
            continue
        if madvise(ctypes.c_void_p(place.begin), ctypes.c_size_t(place.end - place.begin), MADV_DONTNEED) == 0:
            given += sizes["Rss"] * KILOBYTE
    return given


class Mapping(NamedTuple):
    """Where in this process's memory a file lies, and what may be done with it there (`r-xp`)."""

    begin: int
    end: int
    rights: str
    path: Path


def _mappings() -> Iterator[tuple[Mapping, dict[str, int]]]:
    """Yield each mapped file with its sizes in KB, as proc(5) has them in smaps."""
    place, sizes = None, dict[str, int]()
    for line in [*Path("/proc/self/smaps").read_text().splitlines(), "0-0 end"]:
        name, *rest = line.split()
        if name.endswith(":"):
            if rest[-1] == "kB":
                sizes[name.removesuffix(":")] = int(rest[0])
            continue
        if place is not None:
            yield place, sizes
        begin, end = (int(number, 16) for number in name.split("-"))
        place, sizes = Mapping(begin, end, rest[0], Path(line[line.index("/") :])) if "/" in line else None, {}


def share_arenas() -> None:
    """Let all threads take memory from a few arenas. Call it before there are threads; it does nothing without the GNU C library.

    Else there are up to eight arenas a core, each of which keeps what threads of librdkafka and of the inserts once needed: the sink held
    1.05 GB after 300,000 hostile messages, and 0.64 with two.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(M_ARENA_MAX, ARENAS)
