"""ClickHouse: the one way to connect, a read-only client, and the questions the command line and the live view put to it."""

import logging
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dialects.symbols import plain
from schemas.catalogue import events
from topology.addresses import ensure_named
from topology.errors import Fatal
from topology.settings import ClickHouse
from topology.tls import distrust, trusting

DATABASE_ERROR_LENGTH = 2_000
INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
"""Lengths of candles (schemas/avro/candle.avsc)."""
NAMES = "instrument_names"
"""The view that says which market of a venue has which canonical name (sinks/clickhouse/named.py)."""
TOLD_BY_US = {"clickhouse_connect": logging.CRITICAL, "urllib3.connectionpool": logging.ERROR}
"""Loggers that say beforehand what is then raised; it is told once, in our words (topology/clickhouse_reactions.py)."""


def connect(settings: ClickHouse, seconds: float = 60.0) -> Any:
    """Return a client of the server at clickhouse.url with connections of its own, so that no other client can keep it waiting.

    `seconds` bounds each answer. Raises Retry where no server answers, Refused where it refuses the user, Fatal where it says what
    nobody has yet met, or its certificate is signed by another CA than clickhouse.ssl_ca.
    """
    import clickhouse_connect

    from topology.clickhouse_reactions import reaction

    for name, level in TOLD_BY_US.items():
        logging.getLogger(name).setLevel(level)

    ensure_named(settings.url, "clickhouse.url")
    address = urlsplit(settings.url)
    if address.scheme == "https":
        trusting(settings.ssl_ca, "clickhouse.ssl_ca")
    try:
        return clickhouse_connect.get_client(
            host=address.hostname or "localhost",
            port=address.port or (8443 if address.scheme == "https" else 8123),
            secure=address.scheme == "https",
            ca_cert=settings.ssl_ca or None,
            username=settings.user,
            password=password_of(settings),
            autogenerate_session_id=False,
            dedicated_pool=True,
            connect_timeout=5,
            send_receive_timeout=seconds,
        )
    except Exception as error:
        if (words := distrust(error, "clickhouse.ssl_ca")) is not None:
            raise Fatal(f"ClickHouse at {settings.url}: {words}") from error
        raise reaction(error, settings.url) from error


def password_of(settings: ClickHouse) -> str:
    """Return the password: of the file, where one is set. Raises Fatal where it can't be read."""
    if not settings.password_file:
        return settings.password.get_secret_value()
    try:
        return Path(settings.password_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise Fatal(f"clickhouse.password_file {settings.password_file} can't be read: {error}") from error


class Questions:
    """A read-only client of our database (`readonly=1`: nothing it is asked can change a row or a setting)."""

    def __init__(self, clickhouse: ClickHouse, seconds: float = 60.0) -> None:
        self.database = clickhouse.database
        self._client = connect(clickhouse, seconds)

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Return the names of the columns and the rows; Fatal, in ClickHouse's words, where it refuses."""
        return self._ask(sql, parameters, {"database": self.database})

    def ask_bytes(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Do the same, and return texts as the bytes that they are: not every one is UTF-8."""
        return self._ask(sql, None, {"database": self.database}, {"String": "bytes"})

    def _ask(
        self, sql: str, parameters: Mapping[str, Any] | None, settings: Mapping[str, Any], formats: Mapping[str, str] | None = None
    ) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            answer = self._client.query(
                sql, parameters=dict(parameters or {}), settings={"readonly": 1, **settings}, query_formats=dict(formats or {})
            )
        except ClickHouseError as error:
            raise Fatal(words(error)) from error
        return answer.column_names, answer.result_rows

    def _ask_system(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return rows about our database, given as {database:String}; it need not be there yet: the sink makes it."""
        return self._ask(sql, {"database": self.database}, {})[1]

    def rows(self) -> dict[str, int]:
        """Return how many rows each table holds, rows not yet merged away included: cheap, from the tables' metadata.

        A table that is spread over a cluster has no rows of its own: its shards are asked, each for its metadata.
        """
        sql = "SELECT name, total_rows, engine FROM system.tables WHERE database = {database:String}"
        found = {name: (count, engine) for name, count, engine in self._ask_system(sql)}
        return {table: self._count(table, *found[table]) for event in events().values() if (table := event.table) in found}

    def _count(self, table: str, count: int | None, engine: str) -> int:
        return int(self.ask(f"SELECT count() FROM {table}")[1][0][0] if engine == "Distributed" else count or 0)  # noqa: S608 - our table

    def distinct_rows(self) -> dict[str, int]:
        """Return how many rows each table holds, each identity once."""
        return {table: int(self.ask(f"SELECT count() FROM {table} FINAL")[1][0][0]) for table in self.rows()}  # noqa: S608

    def open_gaps(self) -> dict[str, int]:
        """Return how many gaps are open or being filled, by venue."""
        sql = "SELECT venue, count() FROM gaps FINAL WHERE state IN ('open', 'filling') GROUP BY venue ORDER BY venue"
        return {venue: int(count) for venue, count in self.ask(sql)[1]}

    def columns(self) -> dict[str, dict[str, str]]:
        """Return the type of each column of each table."""
        sql = "SELECT table, name, type FROM system.columns WHERE database = {database:String} ORDER BY table, position"
        found: dict[str, dict[str, str]] = {}
        for table, name, kind in self._ask_system(sql):
            found.setdefault(table, {})[name] = kind
        return found

    def gaps(self, *, only_open: bool, limit: int) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Return the ledger of gaps, newest first."""
        where = "WHERE state IN ('open', 'filling')" if only_open else ""
        return self.ask(
            "SELECT detected_at, venue, symbol, channel, cause, state, from_sequence, to_sequence, from_time, to_time, repair "  # noqa: S608
            f"FROM gaps FINAL {where} ORDER BY detected_at DESC LIMIT {limit:d}"
        )

    def candles(self, symbol: str, interval: str, venue: str, limit: int) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Return the newest candles of a market on every venue (or one), oldest first.

        Where venues have a market of that canonical name (BTC-USDT, BTC-USDT-PERP; written with `-`, `/`, `_` or `:`), those are meant, and
        markets that nobody has named and that are spelled so; else all that are spelled so, in any way.
        """
        named = self._markets_named(symbol)
        spelled = "replaceRegexpAll(upper(symbol), '[-/_: ]', '') = {symbol:String}"
        if named:
            nameless = f"(venue, symbol) NOT IN (SELECT venue, symbol FROM {NAMES})"  # noqa: S608 - a name of our own
            spelled = f"((venue, symbol) IN {{named:Array(Tuple(String, String))}} OR {spelled} AND {nameless})"
        sql = (
            "SELECT * FROM (SELECT open_time, venue, symbol, open, high, low, close, volume, trades, vwap, state, completeness, "  # noqa: S608
            f"missing_trades, covered_from, covered_to, origin FROM candles FINAL WHERE {spelled} AND interval = {{interval:String}} "
            "AND ({venue:String} = '' OR venue = {venue:String}) ORDER BY open_time DESC, venue LIMIT {limit:UInt32}) "
            "ORDER BY open_time, venue"
        )
        return self.ask(sql, {"symbol": plain(symbol), "interval": interval, "venue": venue, "limit": limit, "named": named})

    def _markets_named(self, name: str) -> list[tuple[str, str]]:
        """Return venue and symbol of the markets of a canonical name; none where no view says names yet."""
        there = self._ask_system("SELECT name FROM system.tables WHERE database = {database:String}")
        if not any(table == NAMES for (table,) in there):
            return []
        canonical = re.sub("[/_: ]", "-", name.strip().upper())
        sql = f"SELECT venue, symbol FROM {NAMES} WHERE upper(canonical_name) = {{name:String}}"  # noqa: S608 - a name of our own
        _, rows = self.ask(sql, {"name": canonical})
        return [(str(venue), str(symbol)) for venue, symbol in rows]

    def markets(self) -> list[tuple[str, str]]:
        """Return venue and symbol of each market of which there are trades."""
        _, rows = self.ask("SELECT DISTINCT venue, symbol FROM trades ORDER BY venue, symbol")
        return [(str(venue), str(symbol)) for venue, symbol in rows]


def words(error: Exception) -> str:
    """Return what ClickHouse said, without what its client puts around it."""
    text = re.sub(r"^Received ClickHouse exception, code: \d+, server response: ", "ClickHouse: ", str(error))
    return re.sub(r" \(for url [^)]*\)$", "", text)[:DATABASE_ERROR_LENGTH]


def shown(value: Any) -> str:
    r"""Return a value as people read it: exact decimals without the zeros that say nothing, null as nothing, bytes as UTF-8 or `\xff`."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value)
