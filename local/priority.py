"""Which process goes first where there is not enough CPU: the way from an exchange's socket to the topics, before all that can wait."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

BACKGROUND: Final = 10
"""Niceness of what can wait by seconds: candles, books and gaps."""
TRIES = 30


def yield_to_others(pid: int, niceness: int) -> None:
    """Let other processes go before this one, the leader of its session; `niceness` as `nice` takes it. Nothing for 0.

    Linux shares the CPU out between sessions first (man 7 sched, "The autogroup feature"): there niceness counts only among the
    processes of one session, and what counts between them is the session's own. To be second is a wish: a system without it runs on.
    """
    if not niceness:
        return
    with contextlib.suppress(ProcessLookupError):  # ended already, which its owner sees
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
    for _ in range(TRIES):
        try:
            Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
        except BlockingIOError:
            time.sleep(0.02)  # the kernel takes one such wish every 0.1 s from a user
        except OSError:
            break
        else:
            break
