"""For stages of tests: SIGALRM makes the main thread, and so its event loop, hang until the file TIDEWIRE_TEST_HANG names is there."""

import os
import signal
import time
from pathlib import Path
from types import FrameType


def hang(_number: int, _frame: FrameType | None) -> None:
    """Block."""
    while not Path(os.environ["TIDEWIRE_TEST_HANG"]).exists():
        time.sleep(0.01)


signal.signal(signal.SIGALRM, hang)
