"""A ClickHouse server of this folder's own, so that tests may kill it and fill it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import clickhouse_connect
import pytest

from local.clickhouse.server import ClickHouse
from local.ports import remembered_ports
from local.watchdog import Watchdog


class Reply:
    """An HTTP reply: status, headers, body."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def summary(self) -> dict[str, str]:
        """X-ClickHouse-Summary."""
        summary: dict[str, str] = json.loads(self.headers["X-ClickHouse-Summary"])
        return summary


class Address(str):
    """The address of a server, which knows its password."""

    __slots__ = ("password",)

    password: str


def address_of(server: ClickHouse) -> Address:
    """Return where a server is, with its password."""
    address = Address(server.address)
    address.password = server.password_file.read_text().strip()
    return address


def connected(address: Address, **arguments: Any) -> Any:
    """Return a client of clickhouse-connect."""
    host, port = address.removeprefix("http://").split(":")
    return clickhouse_connect.get_client(host=host, port=int(port), password=address.password, **arguments)


def call(address: str, body: bytes | None = None, headers: dict[str, str] | None = None, /, **parameters: str | int) -> Reply:
    """Speak plain HTTP to a ClickHouse, with its password where it is known; GET without a body, POST with one."""
    known = {"X-ClickHouse-Key": address.password} if isinstance(address, Address) else {}
    request = Request(f"{address}/?{urlencode(parameters)}", data=body, headers=known | (headers or {}))
    try:
        with urlopen(request, timeout=60) as response:
            return Reply(response.status, response.headers, response.read())
    except HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())


@pytest.fixture(scope="session")
def watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog()
    yield watchdog
    watchdog.close()


def make_clickhouse(folder: Path, watchdog: Watchdog) -> ClickHouse:
    ports = remembered_ports(folder / "ports.json", ("clickhouse",))
    return ClickHouse(folder, ports["clickhouse"], watchdog, lambda _: None)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory, watchdog: Watchdog) -> Iterator[Address]:
    """Start a server that lives for the run; its address."""
    server = make_clickhouse(tmp_path_factory.mktemp("clickhouse"), watchdog)
    server.start()
    yield address_of(server)
    server.stop()


@pytest.fixture
def client(clickhouse: Address) -> Iterator[Any]:
    """Connect with clickhouse-connect, on an empty table `trades`."""
    client = connected(clickhouse)
    client.command("CREATE OR REPLACE TABLE trades (id UInt64, side String, price Decimal(38, 18)) ENGINE = MergeTree ORDER BY id")
    yield client
    client.close()
