"""A process that has imported what the stages import, and forks them: each starts in a part of the time, and shares what was read.

`python -m local.fork_server DESCRIPTOR`, a Unix socket to the one that asks (local/forked_process.py). A request is a line of JSON with
two descriptors: the log that becomes the output, and a pipe. The child says `I am PID` on the pipe, or the server why it does not fork,
and the child holds it open for as long as it lives; how a child ended goes back on the socket, a line of JSON. The server ends when
nobody holds the other end any more; its children stay.

A fork copies the calling thread alone: a lock that another held stays locked in the child for ever. So we fork from one thread or not
at all. Importing polars begins three threads, which is why each child imports that by itself, with the few modules that need it.
"""

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import setproctitle

PACKAGES: Final = ("schemas", "dialects", "topology", "producers", "processors", "sinks", "simulator")
BEGINS_THREADS: Final = "polars"
LONGEST_READ: Final = 65_536
DESCRIPTORS: Final = 2
"""With each request: the log and the pipe."""


class Withheld(MetaPathFinder):
    """While it is in use, a package cannot be imported: a module that needs it is left for later, and forgotten."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise ImportError for the package, before any other finder is asked."""
        if fullname.partition(".")[0] == self._package:
            raise ImportError(f"{fullname} is left to each child")
        return None


def preload(packages: Sequence[str] = PACKAGES) -> list[str]:
    """Import every module of the packages that can be without one that begins threads; return why others could not, a line each.

    Modules that are run (`__main__`) are forgotten again: what they import stays.
    """
    withheld = Withheld(BEGINS_THREADS)
    sys.meta_path.insert(0, withheld)
    failed = []
    try:
        for name in _modules(packages):
            try:
                importlib.import_module(name)
            except ImportError as error:
                failed.append(f"{name}: {error}")
            except Exception:  # noqa: BLE001 - a module that cannot be read spoils its own stage, which says so when it starts
                failed.append(f"{name}: {traceback.format_exc()}")
            if name.endswith(".__main__"):
                sys.modules.pop(name, None)
    finally:
        sys.meta_path.remove(withheld)
    return failed


def _modules(packages: Sequence[str]) -> Iterator[str]:
    for package in packages:
        yield package
        if (folder := getattr(sys.modules.get(package), "__path__", None)) is not None:
            for found in pkgutil.iter_modules(folder, f"{package}."):
                if found.ispkg:
                    yield from _modules([found.name])
                else:
                    yield found.name


class Server:
    """Forks on request until nobody asks any more; `serve` returns in each child, with what it shall run."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._buffer = b""
        self._given: list[int] = []
        self._wake, self._woken = os.pipe()
        for end in (self._wake, self._woken):
            os.set_blocking(end, False)

    def serve(self) -> dict[str, Any] | None:
        """Return the request in the child that was forked for it; None in the server, once the socket is closed."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # else nobody writes to the pipe below
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._asked.fileno(), self._wake], [], [])  # of the few that are open here, all small
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, LONGEST_READ)
            try:
                self._tell_ends()
                if self._asked.fileno() in ready and not self._read():
                    return None
            except ConnectionError:
                return None
            while (request := self._next()) is not None:
                if self._fork(request):
                    return request

    def _read(self) -> bool:
        data, descriptors, _flags, _address = socket.recv_fds(self._asked, LONGEST_READ, DESCRIPTORS)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._given += descriptors
        self._buffer += data
        return bool(data)

    def _next(self) -> dict[str, Any] | None:
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = rest
        request: dict[str, Any] = json.loads(line)
        return request

    def _fork(self, request: dict[str, Any]) -> bool:
        """Return True in the child."""
        log, pipe, *self._given = self._given
        is_child, refusal = False, ""
        if (threads := _threads()) > 1:
            refusal = f"the fork server has {threads} threads"
        else:
            sys.stdout.flush()
            sys.stderr.flush()
            try:
                is_child = os.fork() == 0
            except OSError as error:
                refusal = f"the fork server cannot fork: {error}"
        if is_child:
            self._leave_to(request, log, pipe)
            return True
        if refusal:
            os.write(pipe, f"{refusal}\n".encode())
        os.close(log)
        os.close(pipe)
        return False

    def _leave_to(self, request: dict[str, Any], log: int, pipe: int) -> None:
        """Make this child what `python -m` would be: its own session, streams, signals, environment and arguments."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.umask(request["umask"])
        self._asked.close()
        for end in (self._wake, self._woken):
            os.close(end)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(ours, theirs)
        os.close(nothing)
        os.close(log)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = [request["module"], *request["arguments"]]
        faulthandler.enable()
        setproctitle.setproctitle(" ".join([sys.executable, "-m", *sys.argv]))
        os.write(pipe, f"I am {os.getpid()}\n".encode())

    def _tell_ends(self) -> None:
        """Reap the children that have ended, and say how."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._asked.sendall(json.dumps({"pid": pid, "code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


def _threads() -> int:
    """Return how many threads this process has, those of libraries too where the system tells them."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()


def main(descriptor: int) -> None:
    """Serve; in a child, become what was asked for and return when that ends."""
    asked = socket.socket(fileno=descriptor)
    asked.set_inheritable(False)
    setproctitle.getproctitle()  # the first call finds where the title is, by the environment as it came
    for words in preload():
        print(f"left to each child: {words}", file=sys.stderr, flush=True)
    gc.collect()
    gc.freeze()  # a collection would write to every object's head, and so copy all that is shared
    request = Server(asked).serve()
    if request is not None:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
