"""Stages that tests start, forked from one server for each worker of the tests: importing what they import takes a second of CPU each.

Coverage counts none of them, and what must be there before Python starts (LD_PRELOAD, PYTHONPATH) is not: those who need that begin a
server of their own.
"""

import atexit
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from local.forked_process import ForkServer, Process
from tests.uncounted import uncounted


@cache
def shared() -> ForkServer:
    """Return the server of this process, which ends with it."""
    folder = tempfile.TemporaryDirectory(prefix="forks-")
    server = ForkServer(Path(folder.name), uncounted(os.environ), print)
    atexit.register(folder.cleanup)
    atexit.register(server.close)
    return server


def forked(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> Process:
    """Start `python -m MODULE ARGUMENTS` in a session of its own, its output in a file."""
    return shared().launch([sys.executable, "-m", module, *arguments], uncounted(environment), log)
