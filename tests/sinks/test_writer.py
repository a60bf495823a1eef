"""Inserts: what goes in, what is refused, and what is found out on the way."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from schemas import decimals
from schemas.catalogue import Event, event
from schemas.codec import Codec
from schemas.generate import history
from sinks.clickhouse import ddl
from sinks.clickhouse.writer import Writer
from tests.sinks.market import START, TRADE, encoded, ids, trade
from tests.sinks.tables import Tables
from topology.errors import Fatal

CANDLE = event("candle")


def test_replay_changes_nothing(store: Tables) -> None:
    """The same messages again, in other blocks, leave the same rows."""
    writer = store.writer(TRADE)
    values = encoded(store, range(1_000))
    store.insert(writer, TRADE, values, flush=1)
    before = store.rows(TRADE)
    for flush, block in enumerate((values[:300], values[200:700], values[500:]), start=2):
        store.insert(writer, TRADE, block, flush)
    assert store.rows(TRADE) == before
    assert len(before) == 1_000


def test_an_insert_repeated_within_a_flush_is_forgotten(store: Tables) -> None:
    """When an answer is lost and the same insert is sent again, not even a view attached to the table would see it twice."""
    writer = store.writer(TRADE)
    values = encoded(store, range(100))
    store.insert(writer, TRADE, values, flush=1)
    store.insert(writer, TRADE, values, flush=1)
    assert len(store.rows(TRADE, final="")) == 100


def test_bad_bytes_among_a_thousand_are_found(store: Tables) -> None:
    """Messages cut short, too long, or holding a datum too many are refused with a reason; every other row is in, unshifted."""
    writer = store.writer(TRADE)
    values = encoded(store, range(1_000))
    values[17] = values[17][:-1]
    values[400] += b"\0"
    values[617] += values[618][5:]
    values[999] = values[999][:5]
    refused = store.insert(writer, TRADE, values, flush=1)
    assert [message.offset() for message, _ in refused] == [17, 400, 617, 999]
    assert "1 bytes left after a datum of trade" in refused[1][1]
    assert all("datum of trade" in reason for _, reason in refused)
    expected = [store.codec(TRADE).decode(value) for n, value in enumerate(values) if n not in (17, 400, 617, 999)]
    assert sorted(store.rows(TRADE), key=lambda row: int(row["trade_id"])) == expected


def test_a_row_the_server_refuses_is_found(store: Tables, tmp_path: Path) -> None:
    """A row against a rule that an operator gave the table is refused with the server's reason; the other 999 are in."""
    engine = clickhouse_connect.get_client(interface="chdb", path=str(tmp_path))
    own = replace(store, client=engine)
    try:
        writer = own.writer(TRADE, client=lambda: engine)
        engine.command(f"ALTER TABLE {own.settings.database}.trades ADD CONSTRAINT sized CHECK sequence != 617")
        refused = own.insert(writer, TRADE, encoded(own, range(1_000)), flush=1)
        assert [message.offset() for message, _ in refused] == [617]
        assert "sized" in refused[0][1]
        assert ids(own) == [n for n in range(1_000) if n != 617]
    finally:
        engine.close()


def test_a_table_that_refuses_every_row_is_to_blame(store: Tables) -> None:
    """Under a rule that no row keeps, none of a few is given up, since one taken before is refused too; a row alone in the wrong is."""
    writer = store.writer(TRADE)
    store.insert(writer, TRADE, encoded(store, range(10)), flush=1)
    table = f"{store.settings.database}.trades"
    store.client.command(f"ALTER TABLE {table} ADD CONSTRAINT nothing CHECK price < 0")
    with pytest.raises(Fatal, match="nothing"):
        store.insert(writer, TRADE, encoded(store, range(10, 13)), flush=2)
    store.client.command(f"ALTER TABLE {table} DROP CONSTRAINT nothing")
    assert store.insert(writer, TRADE, encoded(store, range(10, 13)), flush=3) == []
    store.client.command(f"ALTER TABLE {table} ADD CONSTRAINT few CHECK sequence < 13")
    assert [message.offset() for message, _ in store.insert(writer, TRADE, encoded(store, range(13, 14)), flush=4)] == [0]
    assert ids(store) == list(range(13))
    store.client.command(f"ALTER TABLE {table} DROP CONSTRAINT few")


@pytest.fixture
def ruled(store: Tables) -> Iterator[Callable[[str], None]]:
    """Return what alters the table of trades, which has one row; its rules `nothing` and `sized` go with the test."""
    table = f"{store.settings.database}.trades"

    def alter(change: str) -> None:
        store.client.command(f"ALTER TABLE {table} {change}")

    store.insert(store.writer(TRADE), TRADE, encoded(store, range(100, 101)), flush=1)
    yield alter
    for rule in ("nothing", "sized"):
        alter(f"DROP CONSTRAINT IF EXISTS {rule}")


@pytest.mark.parametrize("change", ["ADD CONSTRAINT nothing CHECK price < 0", "DROP CONSTRAINT nothing"])
@pytest.mark.parametrize("turn", [3, 9, 14])
def test_a_rule_that_changes_while_rows_are_taken_apart(
    store: Tables, ruled: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, change: str, turn: int
) -> None:
    """Rows that a rule refused which then went, or came in between, are not given up: in the end all are in but the one in the wrong."""
    ruled("ADD CONSTRAINT sized CHECK sequence != 17")
    if change.startswith("DROP"):
        ruled("ADD CONSTRAINT nothing CHECK price < 0")
    turns = itertools.count(1)
    block = Writer._block

    def changing(self: Writer, *arguments: Any) -> None:
        if next(turns) == turn:
            ruled(change)
        block(self, *arguments)

    monkeypatch.setattr(Writer, "_block", changing)
    writer = store.writer(TRADE, emptied=False)
    values = encoded(store, range(20))
    try:
        refused = store.insert(writer, TRADE, values, flush=2)
    except Fatal:
        ruled("DROP CONSTRAINT IF EXISTS nothing")
        refused = store.insert(writer, TRADE, values, flush=3)
    assert [message.offset() for message, _ in refused] == [17]
    assert {*range(20)} - {*ids(store)} == {17}


def test_a_table_that_takes_none_of_the_first_rows(store: Tables, ruled: Callable[[str], None]) -> None:
    """A sink that starts under such a rule, and has seen the table take no row, asks the table to take one of its own again."""
    ruled("ADD CONSTRAINT nothing CHECK price < 0")
    with pytest.raises(Fatal, match="nothing"):
        store.insert(store.writer(TRADE, emptied=False), TRADE, encoded(store, range(10, 13)), flush=2)


def test_an_unknown_schema_id_is_refused(store: Tables) -> None:
    """Messages of a schema nobody registered are refused, each with the id."""
    writer = store.writer(TRADE)
    values = [b"\0\x7f\xff\xff\xff" + value[5:] for value in encoded(store, range(3))]
    refused = store.insert(writer, TRADE, values, flush=1)
    assert len(refused) == 3
    assert "schema id 2147483647 is not in the registry" in refused[0][1]


def test_a_schema_of_another_event_is_refused(store: Tables) -> None:
    """A quote on the trades topic is no trade with most fields empty."""
    quote = event("quote")
    schema_id = store.registry.register(f"strange-{store.run}", quote)
    values = [b"\0" + schema_id.to_bytes(4, "big") + b"\0"]
    ((_, reason),) = store.insert(store.writer(TRADE), TRADE, values, flush=1)
    assert "its schema is of Quote, not of Trade" in reason


def schema_without(name: str) -> Event:
    return replace(TRADE, schema=TRADE.schema | {"fields": [field for field in TRADE.fields if field["name"] != name]})


def test_older_schemas_take_defaults(store: Tables) -> None:
    """A message written before a field was there goes in, and its column has the default of the schema."""
    older = schema_without("side")
    codec = Codec(older, store.registry.register(f"older-{store.run}", older))
    record = {name: value for name, value in trade(5).items() if name != "side"}
    assert store.insert(store.writer(TRADE), TRADE, [codec.encode(record)], flush=1) == []
    (row,) = store.rows(TRADE)
    assert row["side"] == "unknown"
    assert row["event_time"] == START + 5_000


def test_sums_of_more_than_16_bytes_go_in_exactly(store: Tables) -> None:
    """Sums past 38 digits and past 128 bits are rows as any other, in one block with small ones; one past 76 digits alone is refused."""
    sums = [0, 1, 10**38 - 1, 10**38, 2**127 - 1, 2**127, -(2**127), 10**75, 10**76 - 1, 1 - 10**76]
    codec, writer = store.codec(CANDLE), store.writer(CANDLE)
    candles = [candle(place) | {"volume": decimals.to_bytes(one)} for place, one in enumerate(sums)]
    assert store.insert(writer, CANDLE, [codec.encode(one) for one in candles[:5]], flush=1) == []
    assert store.insert(writer, CANDLE, [codec.encode(one) for one in candles[4:]], flush=2) == []
    rows = sorted(store.rows(CANDLE), key=lambda row: row["open_time"])
    assert [row["volume"] for row in rows] == [decimals.decimal(one) for one in sums]
    assert {row["vwap"] for row in rows} == {decimals.decimal(10**18)}
    beyond = codec.encode(candle(20) | {"volume": decimals.to_bytes(10**76)})
    [(_, reason)] = store.insert(writer, CANDLE, [codec.encode(candle(21)), beyond, codec.encode(candle(22))], flush=3)
    assert "more than 76 digits" in reason
    assert len(store.rows(CANDLE)) == len(sums) + 2


def test_a_table_of_before_takes_wide_sums(store: Tables) -> None:
    """A table whose sums were of 38 digits is widened at the start and keeps its rows; messages of the older schema go in too."""
    table = f"{store.settings.database}.candles"
    older = replace(CANDLE, schema=json.loads(history(CANDLE)[3].read_text()))
    writer = store.writer(CANDLE)
    for name in ("volume", "quote_volume", "taker_buy_volume"):
        store.client.command(f"ALTER TABLE {table} MODIFY COLUMN {name} Decimal(38, 18)")
    before = Codec(older, store.registry.register(f"older-candles-{store.run}", older))
    assert len(ddl.prepare(store.client, store.settings, CANDLE)) == 3
    assert store.insert(writer, CANDLE, [before.encode(candle(1))], flush=1) == []
    assert store.insert(writer, CANDLE, [store.codec(CANDLE).encode(candle(2) | {"volume": decimals.to_bytes(10**40)})], flush=2) == []
    rows = sorted(store.rows(CANDLE), key=lambda row: row["open_time"])
    assert [row["volume"] for row in rows] == [decimals.decimal(10**18), decimals.decimal(10**40)]


def candle(place: int) -> dict[str, Any]:
    """Return a candle of a second of its own; its numbers are 1."""
    one = decimals.to_bytes(10**18)
    made: dict[str, Any] = {"venue": "binance", "symbol": "BTCUSDT", "origin": "live", "interval": "1s", "state": "final"}
    made |= {
        "open_time": START + place * 1_000_000,
        "close_time": START + (place + 1) * 1_000_000,
        "version": 1,
        "trades": 1,
        "revision": 0,
    }
    made |= dict.fromkeys(("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "vwap"), one)
    made |= {"first_trade_id": "1", "last_trade_id": "1", "completeness": "unknown"}
    return made | dict.fromkeys(("missing_trades", "covered_from", "covered_to"))


def test_newer_schemas_bring_their_columns(store: Tables) -> None:
    """A field that a newer producer adds gets a column: ClickHouse alone would drop it without a word."""
    field = {"name": "liquidation", "type": "boolean", "default": False, "doc": "Forced by the venue."}
    newer = replace(TRADE, schema=TRADE.schema | {"fields": [*TRADE.fields, field]})
    codec = Codec(newer, store.registry.register(f"newer-{store.run}", newer))
    writer = store.writer(TRADE)
    assert store.insert(writer, TRADE, [codec.encode(trade(5, liquidation=True))], flush=1) == []
    assert store.insert(writer, TRADE, encoded(store, range(1)), flush=2) == []
    table = f"{store.settings.database}.trades"
    answer = store.client.query(f"SELECT sequence, liquidation FROM {table} FINAL ORDER BY sequence")
    assert answer.result_rows == [(0, False), (5, True)]
    store.client.command(f"ALTER TABLE {table} DROP COLUMN liquidation")


def test_rows_of_many_months_go_in_at_once(store: Tables) -> None:
    """A backfill of more months than the server's default allows in one insert is one insert."""
    codec = store.codec(TRADE)
    month = 31 * 86_400_000_000
    values = [codec.encode(trade(n, event_time=n * month)) for n in range(110)]
    assert store.insert(store.writer(TRADE), TRADE, values, flush=1) == []
    assert len(ids(store)) == 110
