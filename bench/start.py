"""`make run` from a fresh checkout with nothing installed or cached, and again: seconds until every stage is ready."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.result import Result, result

FIGURES = ("start_first_s", "start_second_s")
ROOT = Path(__file__).parent.parent
READY = "every stage is ready"
LIMIT = 900.0


def checkout(target: Path) -> None:
    """Lay out what is committed."""
    target.mkdir()
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x"], cwd=target, input=packed, check=True)


def start(directory: Path, home: Path) -> float:
    """Run `make run` until it says that all stages run; return the seconds, then Ctrl-C it."""
    environment = os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "TIDEWIRE_STATE_DIR": str(directory / "state")}
    environment.pop("VIRTUAL_ENV", None)
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "run", "ARGS=--plain --simulated"],
        cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    stalled = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGINT))
    stalled.start()
    assert process.stdout is not None
    lines: list[str] = []
    ready = 0.0
    for line in process.stdout:
        lines.append(line)
        if not ready and READY in line:
            ready = time.monotonic() - began
            os.killpg(process.pid, signal.SIGINT)
    stalled.cancel()
    process.wait()
    if not ready:
        raise RuntimeError("make run did not do:\n" + "".join(lines[-30:]))
    return ready


def run(progress: Callable[[str], None]) -> list[Result]:
    """Start twice."""
    with tempfile.TemporaryDirectory(prefix="tidewire-bench-") as name:
        directory, home = Path(name) / "tidewire", Path(name) / "home"
        checkout(directory)
        home.mkdir()
        progress("first start: installs and downloads")
        first = start(directory, home)
        progress(f"{first:.1f} s; second start")
        second = start(directory, home)
    how = "`make run ARGS='--plain --simulated'` in a fresh checkout, from the command to every stage ready; "
    return [
        result("start_first_s", first, "seconds", how + "nothing installed or cached before, downloads from a near mirror"),
        result("start_second_s", second, "seconds", how + "the second time"),
    ]
