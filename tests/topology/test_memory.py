"""What threads take of memory, and what is given back of a file that was read through it."""

import mmap
import re
import subprocess
import sys
from pathlib import Path

import pytest

from topology.memory import let_go_of

SIZE = 1 << 20
HOLDING = """
import ctypes, threading
from topology.memory import share_arenas
if {shared}:
    share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
all_hold = threading.Barrier(9)

def hold():
    libc.malloc(100_000)
    all_hold.wait()
    all_hold.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
all_hold.wait()
libc.malloc_stats()
all_hold.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of the GNU C library")
@pytest.mark.parametrize("shared", [True, False])
def test_threads_share_two_arenas(*, shared: bool) -> None:
    """Eight threads that hold memory at once take it from two arenas; unasked, from more."""
    ended = subprocess.run([sys.executable, "-c", HOLDING.format(shared=shared)], capture_output=True, text=True, check=True)
    arenas = len(re.findall(r"^Arena \d+:", ended.stderr, re.MULTILINE))
    assert arenas <= 2 if shared else arenas > 2


def resident(path: Path) -> int:
    """Return how many KB of a file are in this process's memory."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if not line.split()[0].endswith(":"):
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="it does nothing elsewhere")
def test_what_was_read_goes_and_what_was_written_stays(tmp_path: Path) -> None:
    """Of the named file alone, and only where nothing was written; what is asked for again is there again."""
    read, written, other = (tmp_path / name / "library.so" for name in ("read", "written", "other"))
    other = other.with_name("other.so")
    mapped = {}
    for path in (read, written, other):
        path.parent.mkdir()
        path.write_bytes(b"x" * SIZE)
        with path.open("rb") as file:
            mapped[path] = mmap.mmap(file.fileno(), SIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | (mmap.PROT_WRITE if path == written else 0))
        assert mapped[path][:] == b"x" * SIZE
    mapped[written][0] = ord("y")
    assert let_go_of("library.so") >= SIZE
    assert (resident(read), resident(other)) == (0, SIZE // 1024)
    assert mapped[written][0] == ord("y")
    assert mapped[read][:] == b"x" * SIZE
    for one in mapped.values():
        one.close()
