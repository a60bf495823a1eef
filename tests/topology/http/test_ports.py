"""Every HTTP port of ours refuses the same: each kind of port, as it is really opened, met by each kind of request, over real sockets."""

import asyncio
import gc
import gzip
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from local.clickhouse.server import ClickHouse
from local.ports import remembered_ports
from local.watchdog import Watchdog
from simulator.server import Simulator, SimulatorSettings
from tests.topology.http.raw import PATIENCE, all_of, ask, connect
from topology import http
from topology.health import Health
from topology.http import PORTS, Port, connections, server
from topology.settings import Http, Settings


@contextmanager
def health(folder: Path) -> Iterator[str]:
    """Open a stage's health pages."""
    with Health(Settings(state_dir=folder, http=Http(allowed_hosts=("elsewhere.example",))), "tested") as opened:
        assert opened.server is not None
        yield opened.server.address


@contextmanager
def simulator(name: str) -> Iterator[str]:
    """Open the simulator, in a loop of its own; its control or a venue of it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulated = Simulator(SimulatorSettings(venues=("kraken",), levels=20, allowed_hosts=("elsewhere.example",)))
    try:
        asyncio.run_coroutine_threadsafe(simulated.__aenter__(), loop).result(PATIENCE)
        yield simulated.addresses[name].removeprefix("http://")
        asyncio.run_coroutine_threadsafe(simulated.__aexit__(None, None, None), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def clickhouse(folder: Path) -> Iterator[str]:
    """Open an embedded ClickHouse."""
    watchdog = Watchdog()
    port = remembered_ports(folder / "ports.json", ("clickhouse",))["clickhouse"]
    opened = ClickHouse(folder, port, watchdog, lambda _: None, ("elsewhere.example",))
    opened.start()
    try:
        yield opened.address.removeprefix("http://")
    finally:
        opened.stop()
        watchdog.close()


OPENED: dict[str, tuple[Callable[[Path], AbstractContextManager[str]], str]] = {
    "health": (health, "/health"),
    "simulator's control": (lambda _: simulator("control"), "/status"),
    "simulated venue": (lambda _: simulator("kraken_rest"), "/0/public/SystemStatus"),
    "embedded ClickHouse": (clickhouse, "/ping"),
}
"""How each port is opened, and a page of it that anybody may see."""


@pytest.fixture(scope="module", params=PORTS, ids=lambda port: port.name)
def port(request: pytest.FixtureRequest) -> Port:
    """Return each kind of port in turn."""
    found: Port = request.param
    return found


@pytest.fixture(scope="module")
def address(port: Port, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Open it; its host:port."""
    with ExitStack() as opened:
        yield opened.enter_context(OPENED[port.name][0](tmp_path_factory.mktemp("port")))


@pytest.fixture
def page(port: Port) -> str:
    """Return a page of the port that anybody may see."""
    return OPENED[port.name][1]


def test_every_port_is_tried() -> None:
    """A port that is added is opened here too."""
    assert OPENED.keys() == {port.name for port in PORTS}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:{port}", "a.localhost", "127.0.0.1:{port}", "127.1.2.3", "[::1]:1", "elsewhere.example"]
)
def test_names_of_our_own_are_answered(address: str, page: str, host: str) -> None:
    """Loopback by any of its names, and what the setting adds."""
    name = host.format(port=address.rpartition(":")[2])
    assert ask(address, f"GET {page} HTTP/1.1", f"Host: {name}", "Connection: close").status not in {0, 400, 403}


def test_a_page_of_its_own_and_a_person_may_ask(address: str, page: str) -> None:
    """The same origin, and what was typed into the address bar, are no strangers."""
    own = (f"Host: {address}", f"Origin: http://{address}", "Sec-Fetch-Site: same-origin", "Connection: close")
    assert ask(address, f"GET {page} HTTP/1.1", *own).status != 403
    assert ask(address, f"GET {page} HTTP/1.1", f"Host: {address}", "Sec-Fetch-Site: none", "Connection: close").status != 403


BODY = "Content-Length: 4"
REFUSED: dict[str, tuple[set[int], tuple[str, ...]]] = {
    "a name that leads here": ({403}, ("GET {page} HTTP/1.1", "Host: evil.example:1")),
    "an address that is not ours": ({403}, ("GET {page} HTTP/1.1", "Host: 192.0.2.1")),
    "a name that begins like ours": ({403}, ("GET {page} HTTP/1.1", "Host: localhost.evil.example")),
    "no Host": ({400}, ("GET {page} HTTP/1.1",)),
    "two Hosts": ({400}, ("GET {page} HTTP/1.1", "Host: localhost", "Host: evil.example")),
    "a Host with a user": ({400}, ("GET {page} HTTP/1.1", "Host: localhost@evil.example")),
    "a Host that is none": ({400}, ("GET {page} HTTP/1.1", "Host: local host")),
    "a foreign Origin": ({403}, ("POST {page} HTTP/1.1", "Host: localhost", "Origin: http://evil.example", BODY)),
    "the Origin of another port": ({403}, ("POST {page} HTTP/1.1", "Host: localhost:1", "Origin: http://localhost:2", BODY)),
    "an opaque Origin": ({403}, ("GET {page} HTTP/1.1", "Host: localhost", "Origin: null")),
    "a second Origin": ({403}, ("GET {page} HTTP/1.1", "Host: localhost", "Origin: http://localhost", "Origin: http://evil.example")),
    "another site": ({403}, ("GET {page} HTTP/1.1", "Host: localhost", "Sec-Fetch-Site: cross-site")),
    "the same site": ({403}, ("GET {page} HTTP/1.1", "Host: localhost", "Sec-Fetch-Site: same-site")),
    "a preflight": (
        {403},
        ("OPTIONS {page} HTTP/1.1", "Host: localhost", "Origin: http://evil.example", "Access-Control-Request-Method: POST"),
    ),
    "a bad header": ({400}, ("GET {page} HTTP/1.1", "Host: localhost", "no header at all")),
    "a bad header name": ({400}, ("GET {page} HTTP/1.1", "Host: localhost", "a b: c")),
    "a folded header": ({400}, ("GET {page} HTTP/1.1", "Host: localhost", "A: b", " c")),
    "a bad request line": ({400}, ("rubbish",)),
    "two ways to end the body": ({400}, ("POST {page} HTTP/1.1", "Host: localhost", "Content-Length: 4", "Transfer-Encoding: chunked")),
    "two lengths": ({400}, ("POST {page} HTTP/1.1", "Host: localhost", "Content-Length: 4", "Content-Length: 5")),
    "a length that is none": ({400}, ("POST {page} HTTP/1.1", "Host: localhost", "Content-Length: -1")),
    "a length with a sign": ({400}, ("POST {page} HTTP/1.1", "Host: localhost", "Content-Length: +1")),
    "too large a body": ({413}, ("POST {page} HTTP/1.1", "Host: localhost", "Content-Length: 9999999999999")),
    "too long a line": ({400, 414, 431}, ("GET {page}?" + "a" * 70_000 + " HTTP/1.1", "Host: localhost")),
    "too long a header": ({400, 431}, ("GET {page} HTTP/1.1", "Host: localhost", "A: " + "a" * 70_000)),
    "too many headers": ({400, 431}, ("GET {page} HTTP/1.1", "Host: localhost", *(f"A{number}: b" for number in range(1000)))),
    "too long a head": ({400, 431}, ("GET {page} HTTP/1.1", "Host: localhost", *(f"A{number}: {'b' * 8000}" for number in range(20)))),
}
"""Requests, and with which status they may be refused."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(address: str, page: str, name: str) -> None:
    """Each request is refused with its status, whatever page it asks for, and the connection ends."""
    statuses, (first, *others) = REFUSED[name]
    for asked in (page, "/?query=SELECT+1"):
        assert ask(address, first.replace("{page}", asked), *others, body=b"xxxx" if first.startswith("POST") else b"").status in statuses
    assert ask(address, f"GET {page} HTTP/1.1", "Host: localhost", "Connection: close").status not in {0, 403}


def test_a_compressed_body_is_not_expanded(port: Port, address: str, page: str) -> None:
    """Where bodies may not be compressed a bomb is refused unread; where they may, whoever knows no password is."""
    bomb = gzip.compress(b" " * (10 << 20))
    lines = (f"POST {page if not port.compressed else '/?query=SELECT'} HTTP/1.1", "Host: localhost", "Content-Encoding: gzip")
    assert ask(address, *lines, f"Content-Length: {len(bomb)}", body=bomb).status == (403 if port.compressed else 415)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bounds of time be short in this process."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(server, "BODY_SECONDS", 0.3)


def test_slow_clients_are_ended(port: Port, tmp_path: Path, hasty: None) -> None:
    """A head that does not come, comes in drops or is no first one, and a body that does not come: each ends within its time."""
    make, page = OPENED[port.name]
    with ExitStack() as opened:
        address = opened.enter_context(make(tmp_path))  # ClickHouse is a process of its own, with the bounds as they are
        password = tmp_path / "clickhouse" / "password"
        key = f"X-ClickHouse-Key: {password.read_text().strip() if password.exists() else ''}"
        silent, begun, second, body, upgraded = (opened.enter_context(closing(connect(address))) for _ in range(5))
        begun.sendall(b"GET / HTTP/1.1\r\nHost: local")
        second.sendall(f"GET {page} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n\r\n".encode())
        assert second.recv(1 << 16)
        second.sendall(b"GET / HT")
        for client, more in ((body, ""), (upgraded, "Connection: Upgrade\r\nUpgrade: x\r\n")):
            client.sendall(f"POST {page} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n{more}Content-Length: 100\r\n\r\nSELECT".encode())
        for dropped in b"host\r\nA: bbbbbbbbbbbbbb":
            time.sleep(0.05)  # in drops: the client's slowness, not a wait of ours
            try:
                begun.sendall(bytes([dropped]))
            except ConnectionError:
                break
        assert all_of(silent).status == 0
        assert all_of(begun).status == 0
        assert all_of(second).status == 0
        assert all_of(body).status == 408
        upgraded.settimeout(PATIENCE)
        assert all_of(upgraded).status == 408


def test_connections_and_threads_are_bounded(port: Port, address: str, page: str) -> None:
    """More clients than the bound, all silent: the oldest end, no thread is begun for any, and who asks is answered."""
    crowd = min(port.connections, 256)
    before = threading.active_count()
    with ExitStack() as opened:
        clients = [opened.enter_context(closing(connect(address))) for _ in range(crowd + 50)]
        if port.connections == crowd:
            clients[0].settimeout(PATIENCE)
            assert all_of(clients[0]).status == 0
        assert ask(address, f"GET {page} HTTP/1.1", "Host: localhost", "Connection: close").status not in {0, 503}
        assert threading.active_count() <= before + 1


def test_whoever_has_asked_and_idles_locks_nobody_out(port: Port, address: str, page: str) -> None:
    """As many as may be have asked once and keep their connections: one more ends the one that is idle longest, and is answered."""
    if port.connections > 256:
        return  # more than this process may open; the same connections are behind it
    with ExitStack() as opened:
        clients = [opened.enter_context(closing(connect(address))) for _ in range(port.connections)]
        for client in clients:
            client.sendall(f"GET {page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(1 << 16)
        assert ask(address, f"GET {page} HTTP/1.1", "Host: localhost", "Connection: close").status not in {0, 503}
        assert all_of(clients[0]).status in {0, 200}
        if port.compressed:
            return  # of whoever gives no password no connection is kept
        clients[-1].sendall(f"GET {page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert all_of(clients[-1]).status not in {0, 503}


async def test_who_is_taken_in_as_a_port_closes_is_ended() -> None:
    """However far a connection has come by then, its socket is closed; the garbage collector finds none that is open."""
    for turns in range(server.TURNS_TO_END):
        opened = await http.serve(http.application(http.HEALTH), http.listen("127.0.0.1", 0))
        host, port = opened.address.split(":")
        clients = [socket.create_connection((host, int(port))) for _ in range(8)]
        for _ in range(turns):
            await asyncio.sleep(0)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ResourceWarning)
            await opened.close()
            gc.collect()
        for client in clients:
            client.close()
        assert [str(one.message) for one in told if "unclosed" in str(one.message)] == [], f"after {turns} turns"
