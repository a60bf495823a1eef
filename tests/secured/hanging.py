"""`python -m tests.secured.hanging MODULE …`: a stage that can be made to hang.

SIGALRM makes the main thread, and so its event loop, hang until the file TIDEWIRE_TEST_HANG names is there.
"""

import os
import runpy
import signal
import sys
import time
from pathlib import Path
from types import FrameType


def hang(_number: int, _frame: FrameType | None) -> None:
    """Block."""
    while not Path(os.environ["TIDEWIRE_TEST_HANG"]).exists():
        time.sleep(0.01)


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, hang)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
