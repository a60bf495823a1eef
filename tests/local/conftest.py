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


def call(address: str, body: bytes | None = None, headers: dict[str, str] | None = None, /, **parameters: str | int) -> Reply:
    """Speak plain HTTP to a ClickHouse; GET without a body, POST with one."""
    request = Request(f"{address}/?{urlencode(parameters)}", data=body, headers=headers or {})
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
def clickhouse(tmp_path_factory: pytest.TempPathFactory, watchdog: Watchdog) -> Iterator[str]:
    """Start a server that lives for the run; its address."""
    server = make_clickhouse(tmp_path_factory.mktemp("clickhouse"), watchdog)
    server.start()
    yield server.address
    server.stop()


@pytest.fixture
def client(clickhouse: str) -> Iterator[Any]:
    """Connect with clickhouse-connect, on an empty table `trades`."""
    host, port = clickhouse.removeprefix("http://").split(":")
    client = clickhouse_connect.get_client(host=host, port=int(port))
    client.command("CREATE OR REPLACE TABLE trades (id UInt64, side String, price Decimal(38, 18)) ENGINE = MergeTree ORDER BY id")
    yield client
    client.close()
