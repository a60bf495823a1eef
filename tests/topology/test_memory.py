"""What threads take of memory."""

import re
import subprocess
import sys

import pytest

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
