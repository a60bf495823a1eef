"""ClickHouse's HTTP protocol in front of chdb: what clickhouse-connect and other HTTP clients speak.

    python -m local.clickhouse.http --path DIR --port N

One process owns the folder; all others speak to it here. Only loopback is listened on. Users: `default` may do all,
reading the machine's files among it (as any SQL of this engine can); `reader` may only read tables.
"""

import argparse
import asyncio
import fcntl
import os
import shutil
import signal
import sys
import threading
import uuid
from base64 import b64decode
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from local.clickhouse.encodings import Encoder, choose_encoding, decode_body
from local.clickhouse.errors import ClickHouseError, describe_error, underway_error
from local.clickhouse.protocol import READ_METHODS, Pieces, Request, read_form

if TYPE_CHECKING:
    from local.clickhouse.engine import Engine

USERS = frozenset({"default", "reader"})
THREADS = 16
SECONDS_TO_FINISH = 10
MEDIA_TYPE = "text/plain; charset=UTF-8"
SECONDS_KEPT_ALIVE = 3600  # a client that reuses a connection just as the server drops it cannot repeat an insert


class Server:
    """The ASGI application around one engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        # Not daemon threads: leaving while one of them is in the engine crashes.
        self._threads = ThreadPoolExecutor(THREADS, "statement")
        self.application = Starlette(
            routes=[
                Route("/ping", self._ping, methods=["GET"]),
                Route("/replicas_status", self._ping, methods=["GET"]),
                Route("/{path:path}", self._answer, methods=["GET", "POST"]),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.close()

    async def _ping(self, _: HttpRequest) -> Response:
        return PlainTextResponse("Ok.\n")

    async def _answer(self, http: HttpRequest) -> Response:
        if not http.query_params and http.method in READ_METHODS:
            return PlainTextResponse("Ok.\n")
        body = await http.body()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, http, body)

    def _run(self, http: HttpRequest, body: bytes) -> Response:
        query_id = http.query_params.get("query_id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Server-Display-Name": "tidewire",
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Query-Id": query_id,
        }
        try:
            request = _read_request(http, body, query_id)
            answer = self._engine.run(request)
        except (ClickHouseError, RuntimeError, ValueError) as error:  # chdb raises RuntimeError and its subclasses
            status, code, text = describe_error(str(error), self._engine.version)
            headers["X-ClickHouse-Exception-Code"] = str(code)
            return PlainTextResponse(text, status, headers)
        headers |= answer.headers(query_id)
        encoding = choose_encoding(http.headers.get("accept-encoding", ""), http.query_params) if answer.body else None
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        encoder = Encoder(encoding)
        content = encoder.piece(answer.body)
        if answer.stream is None:
            return Response(content + encoder.end(), 200, headers, media_type=MEDIA_TYPE)
        tag = uuid.uuid4().hex[:16]
        headers["X-ClickHouse-Exception-Tag"] = tag
        return StreamingResponse(self._pieces(content, answer.stream, encoder, tag), 200, headers, media_type=MEDIA_TYPE)

    async def _pieces(self, first: bytes, stream: Pieces, encoder: Encoder, tag: str) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        try:
            yield first
            while (piece := await loop.run_in_executor(self._threads, stream.next)) is not None:
                yield encoder.piece(piece)
        except RuntimeError as error:
            _, _, text = describe_error(str(error), self._engine.version)
            yield encoder.piece(underway_error(text, tag))
        finally:
            # Also when the client has gone: not awaited, since this task may be cancelled already.
            self._threads.submit(stream.close)
        yield encoder.end()


def _read_request(http: HttpRequest, body: bytes, query_id: str) -> Request:
    parameters = dict(http.query_params)
    if "1" in (parameters.get("compress"), parameters.get("decompress")):
        raise ClickHouseError(48, "NOT_IMPLEMENTED", "ClickHouse's own block compression is not spoken here: set compress=0&decompress=0")
    body = decode_body(body, http.headers.get("content-encoding", ""))
    content_type = http.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        fields, body = read_form(body, content_type)
        parameters |= fields
    query = parameters.get("query", "").encode()
    user = _user(http, parameters)
    default_format = parameters.get("default_format") or http.headers.get("x-clickhouse-format") or "TabSeparated"
    statement = query + b"\n" + body if query and body else query or body
    return Request(statement, parameters, http.method in READ_METHODS, user, query_id, default_format)


def _user(http: HttpRequest, parameters: dict[str, str]) -> str:
    """Tell the user from Basic authentication, X-ClickHouse-User or `user`; no password is asked on loopback."""
    scheme, _, credentials = http.headers.get("authorization", "").partition(" ")
    user = http.headers.get("x-clickhouse-user") or parameters.get("user") or "default"
    if scheme.lower() == "basic":
        user = b64decode(credentials).decode().partition(":")[0] or "default"
    if user not in USERS:
        raise ClickHouseError(516, "AUTHENTICATION_FAILED", f"{user}: Authentication failed: there are only the users default and reader")
    return user


def _own(folder: Path) -> None:
    """Take the folder for this process; the lock is the process's and ends with it. Exits if another has it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{folder} is open in another process: speak to that one over HTTP, or choose another --path.")


def _use_private_temporary_folder(folder: Path) -> None:
    """Keep the engine's temporary files apart, and sweep what a killed process left of them."""
    temporary = Path(f"{folder}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    os.environ["TMPDIR"] = str(temporary)


def _leave_anyway() -> None:
    """Leave even while a statement does not end: what was acknowledged is on disk by now."""
    timer = threading.Timer(SECONDS_TO_FINISH, os._exit, (1,))
    timer.daemon = True
    timer.start()


class _Uvicorn(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        _leave_anyway()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m local.clickhouse.http", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="folder of the database")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    folder = options.path.resolve()
    _own(folder)
    _use_private_temporary_folder(folder)

    from local.clickhouse.engine import Engine  # after TMPDIR is set, which chdb reads when it loads

    server = Server(Engine(str(folder)))
    # uvicorn raises the signal once more when it has shut down; that end is an orderly one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    _Uvicorn(
        uvicorn.Config(
            server.application,
            host="127.0.0.1",
            port=options.port,
            log_level="warning",
            loop="asyncio",  # not uvloop, which may be there for others: what runs must not depend on that
            timeout_keep_alive=SECONDS_KEPT_ALIVE,
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
        )
    ).run()


if __name__ == "__main__":
    main()
