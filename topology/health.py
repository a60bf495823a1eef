"""Health of one stage over HTTP: /health (alive: its loop turns; and its faults by venue), /ready (doing its work), /metrics (Prometheus).

The address is written to <state_dir>/stages/<stage>-<pid>.json, where the live view and `tidewire doctor` find it.
"""

import asyncio
import errno
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType, TracebackType
from typing import Literal, NamedTuple, Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from topology import http, private
from topology.errors import Fatal
from topology.faults import Faults
from topology.folders import make
from topology.heartbeat import Heartbeat
from topology.http.holder import holder
from topology.settings import Settings
from topology.state_folder import STAGES, take_up


class Part(NamedTuple):
    """How one of several is that a process does the work of. `reason` is empty where it is ready."""

    status: Literal["ready", "waiting", "failed"]
    """failed: only a person can make it work."""
    reason: str


class Health:
    """Serve a stage's health while it runs. `ready` says why it is not ready, or nothing when it is.

    `parts`, by name, where a process does the work of several that could each have one of their own: /ready tells of each, and the process
    is ready when all are. The server's thread, one for all who ask, calls `ready` and `parts` at every question: they must neither wait nor
    change anything.

    /health is 503 while the work's loop hangs, which beats `heartbeat`; `longest_turn` is how many seconds one turn of it may take, where
    that is more than `health.hang_seconds`. It never depends on a server of ours: an outage must restart nobody.

    A venue on which our own code failed in the last five minutes is in `failing` of /health, which stays 200: the process is well.
    Raises Fatal where the port is taken.
    """

    def __init__(
        self,
        settings: Settings,
        stage: str,
        ready: Callable[[], str] = lambda: "",
        faults: Sequence[Faults] = (),
        longest_turn: float = 0,
        parts: Mapping[str, Callable[[], Part]] = MappingProxyType({}),
    ) -> None:
        self.stage = stage
        self.ready = ready
        self.faults = faults
        self.parts = parts
        self._longest = max(settings.health.hang_seconds, longest_turn)
        self.heartbeat = Heartbeat(self._longest)
        self._beating: dict[str, Heartbeat] = {}
        self._allowed_hosts = settings.http.allowed_hosts
        self._file = settings.state_dir / STAGES / f"{stage}-{os.getpid()}.json"
        try:
            self._socket = http.listen(settings.health.host, settings.health.port)
        except OSError as error:
            where = f"{settings.health.host}:{settings.health.port}"
            who = holder(settings.health.port) if error.errno == errno.EADDRINUSE else ""
            raise Fatal(
                f"{where} can't be opened for health pages ({os.strerror(error.errno) if error.errno else error}{who}): "
                "set health.host, health.port to a free address, or health.port to 0 for any"
            ) from error
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="health", daemon=True)
        self.server: http.Server | None = None
        """While it is open."""

    def begin_beating(self, part: str) -> Heartbeat:
        """Return the heartbeat of a part that has a loop of its own, which has begun anew: /health is 503 while it hangs. Any thread."""
        beating = self._beating[part] = Heartbeat(self._longest)
        return beating

    def end_beating(self, part: str) -> None:
        """Expect nothing more of a part's loop: it has ended. Any thread."""
        self._beating.pop(part, None)

    def _hanging(self) -> str:
        parts = (f"{part}: {reason}" for part, one in list(self._beating.items()) if (reason := one.hanging()))
        return "; ".join(filter(None, (self.heartbeat.hanging(), *parts)))

    def document(self, hanging: str = "") -> bytes:
        """Return what /health says: alive, or why it hangs; while there are faults, the venues `failing`, and each fault. Any thread."""
        red = [one for faults in self.faults for one in faults.red()]
        if not red and not hanging:
            return b'{"status":"alive"}'
        state = {"status": "hanging", "reason": hanging} if hanging else {"status": "alive"}
        return json.dumps(state | {"failing": sorted({str(one["venue"]) for one in red}), "faults": red}).encode()

    def __enter__(self) -> Self:
        take_up(self._file.parent.parent)
        make(self._file.parent, "state_dir")
        self._thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        url = f"http://{self.server.address}"
        private.write(self._file, json.dumps({"stage": self.stage, "pid": os.getpid(), "url": url}))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.server is not None:
            asyncio.run_coroutine_threadsafe(self.server.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._file.unlink(missing_ok=True)

    async def _serve(self) -> http.Server:
        made = http.application(http.HEALTH)
        made.router.add_get("/metrics", self._metrics)
        made.router.add_get("/health", self._health)
        made.router.add_get("/ready", self._ready)
        made.router.add_get("/{path:.*}", self._elsewhere)
        return await http.serve(made, self._socket, self._allowed_hosts)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _request: web.Request) -> web.Response:
        hanging = self._hanging()
        return _json(HTTPStatus.SERVICE_UNAVAILABLE if hanging else HTTPStatus.OK, self.document(hanging))

    async def _ready(self, _request: web.Request) -> web.Response:
        parts = {name: part() for name, part in self.parts.items()}
        reason = "; ".join(filter(None, (self.ready(), *(f"{name}: {part.reason}" for name, part in parts.items() if part.reason))))
        body: dict[str, object] = {"status": "waiting" if reason else "ready", "reason": reason}
        if parts:
            body["parts"] = {name: part._asdict() for name, part in parts.items()}
        return _json(HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK, json.dumps(body).encode())

    async def _elsewhere(self, _request: web.Request) -> web.Response:
        return _json(HTTPStatus.NOT_FOUND, b'{"paths":["/health","/ready","/metrics"]}')


def _json(status: HTTPStatus, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
