"""One name for one market: views beside the tables, which join what instruments say."""

from typing import Any

import pytest

from schemas import decimals
from schemas.catalogue import Event, event, stored_events
from sinks.clickhouse import named
from tests.sinks.market import START, trade
from tests.sinks.tables import Tables
from topology.clickhouse import NAMES, Questions
from topology.settings import ClickHouse

EVENTS = tuple(stored_events().values())
TRADE, INSTRUMENT, CANDLE = event("trade"), event("instrument"), event("candle")


def instrument(venue: str, symbol: str, name: str | None, number: int = 1) -> dict[str, Any]:
    """Return what a venue says of an instrument, in the frame of a number."""
    return INSTRUMENT.defaults | {
        "venue": venue, "symbol": symbol, "origin": "live", "connection_id": f"{venue}-1", "connection_sequence": number,
        "received_at": START + number, "frame_index": 0, "frames_lost": 0, "event_time": None, "canonical_name": name,
    }  # fmt: skip


def minute(venue: str, symbol: str) -> dict[str, Any]:
    """Return a candle of a minute without movement."""
    price, amount = decimals.encode("100"), decimals.encode("1")
    prices, volumes = dict.fromkeys(("open", "high", "low", "close", "vwap"), price), ("volume", "quote_volume", "taker_buy_volume")
    return CANDLE.defaults | prices | dict.fromkeys(volumes, amount) | {
        "venue": venue, "symbol": symbol, "interval": "1m", "open_time": START, "close_time": START + 60_000_000, "trades": 1,
        "first_trade_id": "1", "last_trade_id": "1", "version": 1,
    }  # fmt: skip


def write(store: Tables, one: Event, records: list[dict[str, Any]], flush: int) -> None:
    """Insert events; none is refused."""
    writer = store.writer(one, emptied=False)
    assert store.insert(writer, one, [store.codec(one).encode(record) for record in records], flush) == []


@pytest.fixture(scope="module")
def viewed(store: Tables) -> Tables:
    """All tables with their views."""
    store.writer(*EVENTS, emptied=False)
    assert len(named.prepare(store.client, store.settings, EVENTS)) == 1 + sum(bool(named.view_of(one)) for one in EVENTS)
    return store


@pytest.fixture
def market(viewed: Tables) -> Tables:
    """Markets of three venues, a trade each; one of them nobody has named."""
    store = viewed
    named.prepare(store.client, store.settings, EVENTS)
    for one in (TRADE, INSTRUMENT, CANDLE):
        store.client.command(f"TRUNCATE TABLE {store.settings.database}.{one.table}")
    symbols = (("binance", "BTCUSDT"), ("binance_usdm", "BTCUSDT"), ("kraken", "BTC/USDT"), ("okx", "BTC-USDT"))
    write(store, TRADE, [trade(number, venue=venue, symbol=symbol) for number, (venue, symbol) in enumerate(symbols)], 1)
    names = [("binance", "BTCUSDT", "BTC-USDT"), ("binance_usdm", "BTCUSDT", "BTC-USDT-PERP"), ("kraken", "BTC/USDT", "BTC-USDT")]
    write(store, INSTRUMENT, [instrument(*one) for one in names], 2)
    return store


def test_markets_of_one_name_are_asked_for_by_it(market: Tables) -> None:
    """Each row has its market's name, none where nobody has said one; columns and exact values are those of the table."""
    table = f"{market.settings.database}.trades"
    rows = market.client.query(f"SELECT venue, symbol, canonical_name FROM {table}_named ORDER BY venue").result_rows
    assert rows == [
        ("binance", "BTCUSDT", "BTC-USDT"),
        ("binance_usdm", "BTCUSDT", "BTC-USDT-PERP"),
        ("kraken", "BTC/USDT", "BTC-USDT"),
        ("okx", "BTC-USDT", None),
    ]
    own = market.client.query(f"SELECT * FROM {table} FINAL WHERE venue = 'kraken'")
    columns = ", ".join(own.column_names)
    assert market.client.query(f"SELECT {columns} FROM {table}_named WHERE symbol = 'BTC/USDT'").result_rows == own.result_rows


def test_a_name_learnt_later_is_that_of_older_rows_too(market: Tables) -> None:
    """The newest that was said counts; a reply without a name takes none away."""
    write(market, INSTRUMENT, [instrument("okx", "BTC-USDT", "BTC-USDT", 2), instrument("kraken", "BTC/USDT", None, 3)], 3)
    write(market, INSTRUMENT, [instrument("binance_usdm", "BTCUSDT", "BTC-USDT-QUANTO", 4)], 4)
    sql = f"SELECT venue FROM {market.settings.database}.trades_named WHERE canonical_name = 'BTC-USDT' ORDER BY venue"
    assert [venue for (venue,) in market.client.query(sql).result_rows] == ["binance", "kraken", "okx"]
    sql = f"SELECT canonical_name FROM {market.settings.database}.trades_named WHERE venue = 'binance_usdm'"
    assert market.client.query(sql).result_rows == [("BTC-USDT-QUANTO",)]


def test_a_row_that_came_twice_is_one(market: Tables) -> None:
    """A view reads as FINAL does."""
    write(market, TRADE, [trade(0)], 5)
    sql = f"SELECT count() FROM {market.settings.database}.trades_named WHERE venue = 'binance'"
    assert market.client.query(sql).result_rows == [(1,)]


@pytest.mark.parametrize("one", EVENTS, ids=lambda one: one.name)
def test_every_table_of_a_market_has_a_view(viewed: Tables, one: Event) -> None:
    """It has the table's columns, those that a table file makes of others too, and the name before them."""
    if not (view := named.view_of(one)):
        assert {"venue", "symbol"} - {field["name"] for field in one.fields} or one.name == "instrument"
        return
    listed = viewed.client.query(f"DESCRIBE {viewed.settings.database}.{view}").result_rows
    table = viewed.client.query(f"DESCRIBE {viewed.settings.database}.{one.table}").result_rows
    assert [row[0] for row in listed] == ["canonical_name", *(row[0] for row in table)]
    assert dict(row[:2] for row in listed[1:]) == dict(row[:2] for row in table)


def test_what_is_there_is_left_alone_and_what_is_older_made_anew(market: Tables) -> None:
    """A second start says nothing; a view of another text, or one that is missing, is made."""
    assert named.prepare(market.client, market.settings, EVENTS) == ()
    database = market.settings.database
    market.client.command(f"CREATE OR REPLACE VIEW {database}.quotes_named AS SELECT 1 AS canonical_name")
    market.client.command(f"DROP VIEW {database}.gaps_named")
    made = named.prepare(market.client, market.settings, EVENTS)
    assert sorted(statement.split()[4] for statement in made) == [f"{database}.gaps_named", f"{database}.quotes_named"]
    assert named.prepare(market.client, market.settings, EVENTS) == ()


def test_without_instruments_there_is_no_view() -> None:
    """Where the settings skip them nothing says names."""
    assert named.views(ClickHouse(), [one for one in EVENTS if one.name != "instrument"]) == {}


def test_candles_are_asked_for_by_name(market: Tables) -> None:
    """A canonical name means the same market everywhere, and what nobody named by its spelling; another spelling means all spelled so."""
    keys = (("binance", "BTCUSDT"), ("binance_usdm", "BTCUSDT"), ("kraken", "BTC/USDT"), ("okx", "BTC-USDT"))
    write(market, CANDLE, [minute(venue, symbol) for venue, symbol in keys], 6)
    questions = Questions(market.settings)

    def venues(name: str) -> list[str]:
        return sorted(str(row[1]) for row in questions.candles(name, "1m", "", 10)[1])

    assert venues("BTC-USDT") == venues("btc/usdt") == ["binance", "kraken", "okx"]
    assert venues("BTC-USDT-PERP") == ["binance_usdm"]
    assert venues("BTCUSDT") == ["binance", "binance_usdm", "kraken", "okx"]
    market.client.command(f"DROP VIEW {market.settings.database}.{NAMES}")
    assert venues("BTC-USDT") == ["binance", "binance_usdm", "kraken", "okx"]
