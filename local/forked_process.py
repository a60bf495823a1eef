"""Python modules run in children that a fork server makes (local/fork_server.py): what subprocess.Popen would give, sooner.

Where the server cannot be had (it died, hangs, or must not fork), a child is started as `python -m` would, and a new server is begun for
the next. What the server's death leaves running runs on; only its exit code is nobody's any more.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Protocol

from topology import private

SECONDS_TO_FORK: Final = 60.0
"""For a server that may still be importing, on a busy machine; one that takes longer is killed."""
SECONDS_TO_TELL: Final = 5.0
"""Between a child's end and the server's word on how it ended."""
ENDED_UNSEEN: Final = 256
"""The exit code of a child whose end nobody saw: no process can have it."""
POLL_SECONDS: Final = 0.02
ALIVE: Final = b"I am "


class Process(Protocol):
    """A child that runs or has ended, as subprocess.Popen."""

    @property
    def pid(self) -> int:
        """Its number, which is its group's too."""

    @property
    def returncode(self) -> int | None:
        """How it ended, as subprocess says it; None while nobody has asked since."""

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has; subprocess.TimeoutExpired where it has not within `timeout` seconds."""

    def send_signal(self, sig: int) -> None:
        """Send a signal to it alone; nothing where it is known to have ended."""


Launch = Callable[[Sequence[str], Mapping[str, str], IO[bytes]], Process]
"""Starts a command with an environment of its own, in a session of its own, with its output in a file."""


def launch(command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> Process:
    """Start a command of ours as any process is started."""
    return subprocess.Popen(  # noqa: S603 - our own stages
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=dict(environment),
        start_new_session=True,
        umask=private.UMASK,
    )


class ForkedProcess:
    """A child of a fork server. Any thread may ask; `pipe` is the end of the pipe of which the child holds the other."""

    def __init__(self, pid: int, pipe: int, server: "_Server", command: Sequence[str]) -> None:
        self.pid = pid
        self.args = list(command)
        self.returncode: int | None = None
        self._pipe = pipe
        self._server = server
        self._lock = threading.Lock()
        self._ended: float | None = None

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        with self._lock:
            if self.returncode is not None or not _is_readable(self._pipe, 0):
                return self.returncode
            if self._ended is None:
                self._ended = time.monotonic()
            code = self._server.code_of(self.pid)
            if code is None and not self._server.is_gone and time.monotonic() - self._ended < SECONDS_TO_TELL:
                return None
            self.returncode = ENDED_UNSEEN if code is None else code
            os.close(self._pipe)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has; subprocess.TimeoutExpired where it has not within `timeout` seconds."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal to it alone; nothing where it is known to have ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)


class ForkServer:
    """Starts children by forking. `say` is told when one had to be started plainly; the server's own words go to `log`."""

    def __init__(self, logs: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.log = logs / "fork_server.log"
        self._environment = dict(environment)
        self._say = say
        self._lock = threading.Lock()
        self._server = _Server(self.log, self._environment)

    @property
    def pid(self) -> int:
        """The server's number."""
        return self._server.pid

    def launch(self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> Process:
        """Start `python -m MODULE …` as a fork, anything else as it is; see Launch."""
        if list(command[:2]) != [sys.executable, "-m"]:
            return launch(command, environment, log)
        with self._lock:
            made = self._server.fork(command, environment, log)
            if isinstance(made, ForkedProcess):
                return made
            self._say(f"{command[2]} is started anew, not forked: {made} ({self.log})")
            if self._server.is_gone:
                self._server = _Server(self.log, self._environment)
        return launch(command, environment, log)

    def close(self) -> None:
        """End the server; its children stay."""
        with self._lock:
            self._server.close()


class _Server:
    """One server process, from its start to its end."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._codes: dict[int, int] = {}
        self._buffer = b""
        self._lock = threading.Lock()
        self.is_gone = False
        self._socket, theirs = socket.socketpair()
        with theirs, private.appending(log) as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "local.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**environment, "OPENBLAS_NUM_THREADS": "1"},  # numpy would begin a thread for each core
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                umask=private.UMASK,
            )
        self.pid = self._process.pid

    def fork(self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> ForkedProcess | str:
        """Return the child, or why there is none. One caller at a time."""
        ours, theirs = os.pipe()
        request = {"module": command[2], "arguments": list(command[3:]), "environment": dict(environment), "umask": private.UMASK}
        try:
            self._ask(json.dumps(request).encode() + b"\n", [log.fileno(), theirs])
        except OSError:
            self.close()
        finally:
            os.close(theirs)
        word = _line_of(ours, SECONDS_TO_FORK)
        if word is None:
            self.close()  # killed: it forks no more, but may have
            word = _line_of(ours, SECONDS_TO_TELL) or b"the fork server gave no answer"
        if not word.startswith(ALIVE):
            os.close(ours)
            if not word:
                self.close()
            return word.decode() or "the fork server has ended"
        return ForkedProcess(int(word.removeprefix(ALIVE)), ours, self, command)

    def _ask(self, line: bytes, descriptors: list[int]) -> None:
        """Send a request; OSError where it is not taken in time."""
        self._socket.settimeout(SECONDS_TO_FORK)
        sent = socket.send_fds(self._socket, [line], descriptors)
        self._socket.sendall(line[sent:])

    def code_of(self, pid: int) -> int | None:
        """Return how a child ended, once the server has said so. Any thread."""
        with self._lock:
            self._listen()
            return self._codes.pop(pid, None)

    def _listen(self) -> None:
        """Take what the server has said up to now."""
        while not self.is_gone and _is_readable(self._socket.fileno(), 0):
            try:
                data = self._socket.recv(65_536)
            except OSError:
                data = b""
            self.is_gone = not data
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                told = json.loads(line)
                self._codes[told["pid"]] = told["code"]

    def close(self) -> None:
        """End it, if it has not ended; what it said of children that ended before is kept."""
        self._process.kill()
        self._process.wait()
        with self._lock:
            self._listen()
            self.is_gone = True
            self._socket.close()


def _is_readable(descriptor: int, seconds: float) -> bool:
    """Whether something can be read within so many seconds, or the other end was closed."""
    looking = select.poll()  # select takes no number over 1,023
    looking.register(descriptor, select.POLLIN)
    return bool(looking.poll(seconds * 1000))


def _line_of(pipe: int, seconds: float) -> bytes | None:
    """Return the first line on a pipe, empty where its other end was closed without a word; None where nothing comes in so many seconds."""
    if not _is_readable(pipe, seconds):
        return None
    with contextlib.suppress(OSError):
        return os.read(pipe, 4096).rstrip(b"\n")
    return b""
