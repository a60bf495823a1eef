"""Health of one stage over HTTP: /health (alive: its loop turns; and its faults by venue), /ready (doing its work), /metrics (Prometheus).

The address is written to <state_dir>/stages/<stage>-<pid>.json, where the live view and `tidewire doctor` find it.
"""

import contextlib
import json
import os
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from topology.faults import Faults
from topology.folders import make
from topology.heartbeat import Heartbeat
from topology.settings import Settings

POLL_SECONDS = 0.1
"""How often the server looks whether it shall end."""


class Health:
    """Serve a stage's health while it runs. `ready` says why it is not ready, or nothing when it is.

    The server's threads call `ready` at every question: it must neither wait nor change anything.

    /health is 503 while the work's loop hangs, which beats `heartbeat`; `longest_turn` is how many seconds one turn of it may take, where
    that is more than `health.hang_seconds`. It never depends on a server of ours: an outage must restart nobody.

    A venue on which our own code failed in the last five minutes is in `failing` of /health, which stays 200: the process is well.
    """

    def __init__(
        self, settings: Settings, stage: str, ready: Callable[[], str] = lambda: "", faults: Faults | None = None, longest_turn: float = 0
    ) -> None:
        self.stage = stage
        self.ready = ready
        self.faults = faults
        self.heartbeat = Heartbeat(max(settings.health.hang_seconds, longest_turn))
        self._file = settings.state_dir / "stages" / f"{stage}-{os.getpid()}.json"
        health = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(HTTPStatus.OK, generate_latest(), CONTENT_TYPE_LATEST)
                elif self.path == "/health":
                    hanging = health.heartbeat.hanging()
                    status = HTTPStatus.SERVICE_UNAVAILABLE if hanging else HTTPStatus.OK
                    self._answer(status, health.document(hanging), "application/json")
                elif self.path == "/ready":
                    reason = health.ready()
                    status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
                    body = {"status": "waiting" if reason else "ready", "reason": reason}
                    self._answer(status, json.dumps(body).encode(), "application/json")
                else:
                    self._answer(HTTPStatus.NOT_FOUND, b'{"paths":["/health","/ready","/metrics"]}', "application/json")

            def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it
                """Say nothing: a scrape each second is no news."""

        self._server = ThreadingHTTPServer((settings.health.host, settings.health.port), Handler)
        self._server.daemon_threads = True

    def document(self, hanging: str = "") -> bytes:
        """Return what /health says: alive, or why it hangs; while there are faults, the venues `failing`, and each fault. Any thread."""
        red = self.faults.red() if self.faults is not None else []
        if not red and not hanging:
            return b'{"status":"alive"}'
        state = {"status": "hanging", "reason": hanging} if hanging else {"status": "alive"}
        return json.dumps(state | {"failing": sorted({str(one["venue"]) for one in red}), "faults": red}).encode()

    def __enter__(self) -> Self:
        make(self._file.parent, "state_dir")
        host, port = self._server.server_address[:2]
        text = json.dumps({"stage": self.stage, "pid": os.getpid(), "url": f"http://{host!s}:{port}"})
        fresh = self._file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self._file)  # who looks meanwhile sees all of it or nothing
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="health", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._file.unlink(missing_ok=True)


def running(state_dir: Path) -> list[dict[str, str | int]]:
    """Return what runs under a state directory: stage, pid, url of each process that is alive; stale and torn files are removed."""
    found: list[dict[str, str | int]] = []
    for path in sorted((state_dir / "stages").glob("*.json")):
        try:
            text, owner = path.read_text(), path.stat().st_uid
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            text, owner = "", os.geteuid()
        one = _stage_of(text)
        if one is not None and _is_alive(int(one["pid"]), owner):
            found.append(one)
        else:
            with contextlib.suppress(OSError):  # where the folder is another user's, it is theirs to clear
                path.unlink()
    return found


def _stage_of(text: str) -> dict[str, str | int] | None:
    try:
        one = json.loads(text)
        return {"stage": str(one["stage"]), "pid": int(one["pid"]), "url": str(one["url"])}
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _is_alive(pid: int, owner: int) -> bool:
    """Whether a process runs that a user has started; a number that another user's process has now is not it."""
    if pid <= 0:  # to the system this means whole groups of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return owner != os.geteuid()
    return True
