"""ClickHouse's HTTP protocol in front of chdb: what clickhouse-connect and other HTTP clients speak.

    python -m local.clickhouse.http --path DIR --port N --password-file FILE

One process owns the folder; all others speak to it here. Only loopback is listened on. Users, of one password: `default` may do what the
sink needs, `reader` may only read tables; neither reaches a file or another server (local/clickhouse/permission.py, users.xml).
"""

import argparse
import asyncio
import binascii
import fcntl
import hmac
import os
import shutil
import signal
import sys
import threading
import uuid
from base64 import b64decode
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from local.clickhouse.encodings import Encoder, choose_encoding, decode_body
from local.clickhouse.errors import ClickHouseError, describe_error, underway_error
from local.clickhouse.protocol import READ_METHODS, Pieces, Request, read_form
from local.ports import HOST
from topology import http, private
from topology.memory import let_go_of

if TYPE_CHECKING:
    from local.clickhouse.engine import Engine

USERS = frozenset({"default", "reader"})
THREADS = 16
SECONDS_TO_FINISH = 10
SECONDS_BETWEEN_CANCELS = 0.2
MEDIA_TYPE = "text/plain"


@dataclass(slots=True)
class Prepared:
    """A statement that has run, or runs, as it is to be answered."""

    status: int
    headers: dict[str, str]
    content: bytes
    encoder: Encoder
    stream: Pieces | None = None


class Server:
    """The application around one engine, and its password."""

    def __init__(self, engine: "Engine", password: str) -> None:
        self._engine = engine
        self._password = password.encode()
        # Not daemon threads: leaving while one of them is in the engine crashes.
        self._threads = ThreadPoolExecutor(THREADS, "statement")
        # One of its own: where all others are busy is where something must be cancelled.
        self._cancelling = ThreadPoolExecutor(1, "cancelling")
        self._abandoned: set[asyncio.Task[None]] = set()
        self.application = http.application(http.CLICKHOUSE)
        self.application.router.add_get("/ping", self._ping)
        self.application.router.add_get("/replicas_status", self._ping)
        self.application.router.add_get("/{path:.*}", self._answer)
        self.application.router.add_post("/{path:.*}", self._answer)

    def admit(self, asked: web.Request) -> web.Response | None:
        """Return the answer to whoever does not know the password, which ends the connection: that we are there, or a refusal.

        It is asked before anything else of the request is looked at.
        """
        user, password = _credentials(asked)
        if user in USERS and hmac.compare_digest(password.encode(errors="replace"), self._password):
            return None
        if _asks_nothing(asked) and not asked.can_read_body:
            return web.Response(text="Ok.\n")
        words = (
            f"{user[:64]}: Authentication failed: password is incorrect, or there is no user with such name (default, reader). "
            "Each start makes a password, in the file clickhouse/password of the state folder (clickhouse.password_file)"
        )
        return self._failed(ClickHouseError(516, "AUTHENTICATION_FAILED", words), {})

    def close(self) -> None:
        """Wait for the statements that run, and close the engine."""
        self._threads.shutdown()
        self._cancelling.shutdown()
        self._engine.close()

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _answer(self, asked: web.Request) -> web.StreamResponse:
        if _asks_nothing(asked):
            return await self._ping(asked)
        body = await asked.read()
        token = uuid.uuid4().hex
        work = self._threads.submit(self._run, asked, body, token)
        try:
            done = await asyncio.shield(asyncio.wrap_future(work))
        except asyncio.CancelledError:  # the client has gone
            task = asyncio.create_task(self._abandon(work, token))
            self._abandoned.add(task)
            task.add_done_callback(self._abandoned.discard)
            raise
        if done.stream is None:
            return web.Response(body=done.content + done.encoder.end(), status=done.status, headers=done.headers)
        return await self._streamed(asked, done, done.stream, token)

    async def _abandon(self, work: Future[Prepared], token: str) -> None:
        """Cancel a statement that nobody waits for, until it has ended: it may be about to begin only now."""
        loop = asyncio.get_running_loop()
        if work.cancel():  # it waited for a thread
            return
        while not work.done():
            await loop.run_in_executor(self._cancelling, self._engine.cancel, token)
            await asyncio.sleep(SECONDS_BETWEEN_CANCELS)
        if work.exception() is None and (stream := work.result().stream) is not None:
            await loop.run_in_executor(self._cancelling, stream.close)

    def _end(self, stream: Pieces, token: str) -> None:
        """End a stream, and what still looks for its next piece: closing alone would wait for that."""
        self._engine.cancel(token)
        stream.close()

    def _run(self, asked: web.Request, body: bytes, token: str) -> Prepared:
        query_id = asked.query.get("query_id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Server-Display-Name": "tidewire",
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Query-Id": _one_line(query_id),
            "Content-Type": f"{MEDIA_TYPE}; charset=UTF-8",
        }
        try:
            answer = self._engine.run(_read_request(asked, body, query_id, token))
        except (ClickHouseError, RuntimeError, ValueError) as error:  # chdb raises RuntimeError and its subclasses
            failed = self._failed(error, headers)
            return Prepared(failed.status, dict(failed.headers), failed.body if isinstance(failed.body, bytes) else b"", Encoder(None))
        headers |= {name: _one_line(value) for name, value in answer.headers(query_id).items()}
        encoding = choose_encoding(asked.headers.get("accept-encoding", ""), asked.query) if answer.body else None
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        encoder = Encoder(encoding)
        return Prepared(200, headers, encoder.piece(answer.body), encoder, answer.stream)

    def _failed(self, error: Exception, headers: dict[str, str]) -> web.Response:
        status, code, text = describe_error(str(error), self._engine.version)
        return web.Response(status=status, text=text, headers={**headers, "X-ClickHouse-Exception-Code": str(code)})

    async def _streamed(self, asked: web.Request, done: Prepared, stream: Pieces, token: str) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        tag = uuid.uuid4().hex[:16]
        response = web.StreamResponse(status=done.status, headers={**done.headers, "X-ClickHouse-Exception-Tag": tag})
        response.enable_chunked_encoding()
        try:
            await response.prepare(asked)
            await response.write(done.content)
            try:
                while (piece := await loop.run_in_executor(self._threads, stream.next)) is not None:
                    await response.write(done.encoder.piece(piece))
            except RuntimeError as error:
                _, _, text = describe_error(str(error), self._engine.version)
                await response.write(done.encoder.piece(underway_error(text, tag)))
        finally:
            # Also when the client has gone: not awaited, since this task may be cancelled already.
            self._cancelling.submit(self._end, stream, token)
        await response.write_eof(done.encoder.end())
        return response


def _asks_nothing(asked: web.Request) -> bool:
    return asked.path in {"/ping", "/replicas_status"} or (not asked.query_string and asked.method in READ_METHODS)


def _one_line(text: str) -> str:
    """Return text as it may stand in a header."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _read_request(asked: web.Request, body: bytes, query_id: str, token: str) -> Request:
    parameters = dict(asked.query)
    if "1" in (parameters.get("compress"), parameters.get("decompress")):
        raise ClickHouseError(48, "NOT_IMPLEMENTED", "ClickHouse's own block compression is not spoken here: set compress=0&decompress=0")
    body = decode_body(body, asked.headers.get("content-encoding", ""), http.CLICKHOUSE.body_bytes)
    content_type = asked.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        fields, body = read_form(body, content_type)
        parameters |= fields
    query = parameters.get("query", "").encode(errors="surrogateescape")
    user, _ = _credentials(asked)
    default_format = parameters.get("default_format") or asked.headers.get("x-clickhouse-format") or "TabSeparated"
    statement = query + b"\n" + body if query and body else query or body
    return Request(statement, parameters, asked.method in READ_METHODS, user, query_id, default_format, token)


def _credentials(asked: web.Request) -> tuple[str, str]:
    """Tell user and password from Basic authentication, X-ClickHouse-User and -Key, or `user` and `password`."""
    scheme, _, encoded = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return "", ""
        return user or "default", password
    user = asked.headers.get("x-clickhouse-user") or asked.query.get("user") or "default"
    return user, asked.headers.get("x-clickhouse-key") or asked.query.get("password") or ""


def _own(folder: Path) -> None:
    """Take the folder for this process; the lock is the process's and ends with it. Exits if another has it."""
    private.folder(folder.parent)
    descriptor = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{folder} is open in another process: speak to that one over HTTP, or choose another --path.")


def _use_private_temporary_folder(folder: Path) -> None:
    """Keep the engine's temporary files apart, and sweep what a killed process left of them."""
    temporary = Path(f"{folder}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    os.environ["TMPDIR"] = str(private.folder(temporary))


def _leave_anyway() -> None:
    """Leave even while a statement does not end: what was acknowledged is on disk by now."""
    timer = threading.Timer(SECONDS_TO_FINISH, os._exit, (1,))
    timer.daemon = True
    timer.start()


async def _serve(server: Server, port: int, allowed_hosts: tuple[str, ...]) -> None:
    """Serve until SIGTERM or SIGINT, and then until all that was asked is answered."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    opened = await http.serve(server.application, http.listen(HOST, port), allowed_hosts, server.admit, SECONDS_TO_FINISH)
    await stop.wait()
    _leave_anyway()
    await opened.close()
    await asyncio.to_thread(server.close)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m local.clickhouse.http", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="folder of the database")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--password-file", type=Path, required=True, help="file with the password of both users")
    parser.add_argument("--allowed-hosts", default="", help="names of this host, beside those of loopback, that requests may use")
    options = parser.parse_args()
    private.keep()
    folder = options.path.resolve()
    _own(folder)
    _use_private_temporary_folder(folder)

    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type] # chdb goes on without it and numpy: 20 MB and half a second
    from local.clickhouse.engine import LIBRARY, Engine  # after TMPDIR is set, which chdb reads when it loads

    server = Server(Engine(str(folder)), options.password_file.read_text().strip())
    let_go_of(LIBRARY)
    asyncio.run(_serve(server, options.port, tuple(filter(None, options.allowed_hosts.split(",")))))


if __name__ == "__main__":
    main()
