"""A second process that ends the stack's children when their parent dies, however it dies.

The parent holds the only write end of a pipe and names its children on it: `+PID` or `-PID`, one a line. The end of the
file is the parent's death (or its close): whoever is still named is then asked to stop, and killed after a grace.
Linux's PR_SET_PDEATHSIG would follow the parent's *thread*, and macOS has nothing like it.
Run as a script by path, isolated, so that it starts in 20 ms and needs nothing but the standard library.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time

GRACE_SECONDS = 8.0


class Watchdog:
    """The parent's end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True
        )

    def watch(self, pid: int) -> None:
        """End this process group when the parent is gone."""
        self._say(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """Let go of a process that has ended: its number may soon be another's."""
        self._say(f"-{pid}\n")

    def close(self) -> None:
        """End the watchdog, and with it whatever it still watches."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait(GRACE_SECONDS + 5)

    def _say(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the watchdog has no pipe")
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()


def group_is_alive(group: int) -> bool:
    """Whether any process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # macOS: the group is left with zombies only, or is another user's
    return True


def end_groups(groups: set[int], grace: float) -> None:
    """Ask the process groups to stop; kill those still there after `grace` seconds."""
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(group_is_alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Read names until the parent is gone, then end those that are left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watched: set[int] = set()
    for line in sys.stdin.buffer:
        pid = int(line[1:])
        if line.startswith(b"+"):
            watched.add(pid)
        else:
            watched.discard(pid)
    end_groups(watched, GRACE_SECONDS)


if __name__ == "__main__":
    main()
