"""A fault in one table, on a running sink: every other table gets its rows, and what the failing one missed is there once it is mended."""

import secrets
import threading
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from local import Addresses
from schemas import decimals
from schemas.catalogue import event
from schemas.codec import Codec
from sinks.clickhouse import ddl, lane
from sinks.clickhouse.block import Blocks
from sinks.clickhouse.writer import Writer
from tests.sinks.market import START, TRADE, encoded
from tests.sinks.stages import Run, at_work, count, dead_letters, eventually, lag, publish, stage
from tests.sinks.tables import Tables
from topology.clickhouse_reactions import Refused
from topology.errors import Retry
from topology.kafka import Publisher
from topology.metrics import faults
from topology.settings import Kafka
from topology.topics import create

QUOTE, INSTRUMENT = event("quote"), event("instrument")
EVENTS = (TRADE, QUOTE, INSTRUMENT)


@pytest.fixture
def run(store: Tables, stack_addresses: Addresses) -> Run:
    """Give a sink of trades, quotes and instruments topics, a group and empty tables."""
    name = secrets.token_hex(4)
    named = {f"{one.table}-{name}": one for one in EVENTS}
    create(Kafka(brokers=stack_addresses.kafka), named | {"dead_letters": event("dead_letter"), "gaps": event("gap")})
    for one in EVENTS:
        store.client.command(f"DROP TABLE IF EXISTS {store.settings.database}.{one.table} SYNC")
    store.writer(*EVENTS)
    addresses = (stack_addresses.kafka, stack_addresses.registry, stack_addresses.clickhouse)
    return Run(
        *addresses,
        store.settings.database,
        f"sink-{name}",
        {topic: one.name for topic, one in named.items()},
        password_file=store.settings.password_file,
    )


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a table that is held be looked at every second: who mends it here waits no minute."""
    monkeypatch.setattr(lane, "LONGEST_HOLD", 1.0)


def quote(number: int) -> dict[str, Any]:
    prices = {"bid_price": decimals.encode("1.5"), "ask_price": decimals.encode("2.5"), "bid_size": None, "ask_size": None}
    frame = {"connection_id": "binance-1", "connection_sequence": number + 1, "received_at": START + number}
    return QUOTE.defaults | {"venue": "binance", "symbol": "BTCUSDT", "origin": "live", "event_time": START + number} | frame | prices


def instrument(number: int) -> dict[str, Any]:
    frame = {"connection_id": "binance-1", "connection_sequence": number + 1, "received_at": START + number}
    own = {"base": f"B{number}", "quote": "USDT", "status": "trading"}
    empty = {field["name"]: None for field in INSTRUMENT.fields if isinstance(field["type"], list)}
    return empty | INSTRUMENT.defaults | {"venue": "binance", "symbol": f"B{number}USDT", "origin": "live"} | frame | own


def topic_of(run: Run, name: str) -> str:
    return next(topic for topic, one in run.topics.items() if one == name)


def publish_all(store: Tables, run: Run, numbers: range) -> None:
    """Publish as many trades, quotes and instruments."""
    publish(run.kafka, topic_of(run, "trade"), encoded(store, numbers))
    for one, made in ((QUOTE, quote), (INSTRUMENT, instrument)):
        codec = store.codec(one)
        publish(run.kafka, topic_of(run, one.name), [codec.encode(made(number)) for number in numbers])


def is_in(store: Tables, run: Run, name: str, rows: int) -> bool:
    """Return whether everything of an event's topic is committed, and so many rows are in its table."""
    topic = topic_of(run, name)
    return lag(run.kafka, run.group, topic, event(name).topic.partitions) == 0 and count(store.client, run, name) == rows


def others_flow(store: Tables, run: Run, rows: int) -> None:
    """Wait until all rows but the trades are in and committed, while of the trades nothing is committed."""
    for one in (QUOTE, INSTRUMENT):
        eventually(lambda name=one.name: is_in(store, run, name, rows), f"{rows} {one.table}")  # type: ignore[misc]
    assert lag(run.kafka, run.group, topic_of(run, "trade"), TRADE.topic.partitions) > 0


def counted(name: str) -> float:
    return sum(
        sample.value
        for metric in faults.collect()
        for sample in metric.samples
        if sample.labels.get("event") == name and sample.name.endswith("_total")
    )


class Bug:
    """What is broken until it is mended."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.mended = False

    def strike(self) -> None:
        """Fail, unless it is mended."""
        if not self.mended:
            raise copy(self.error)  # one raised again and again would carry all its tracebacks


@pytest.mark.parametrize("error", [KeyError("price"), ZeroDivisionError("by zero"), BaseException("a panic of the library")], ids=repr)
def test_a_bug_in_packing_one_schema(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """An exception of any type while trades are packed holds the trades, counted and told; mended, they go on, each row there once."""
    bug, pack, before = Bug(error), Blocks.pack, counted("trade")

    def packing(self: Blocks, values: Any) -> bytes:
        if self._codec.event.name == "trade":
            bug.strike()
        return pack(self, values)

    monkeypatch.setattr(Blocks, "pack", packing)
    publish_all(store, run, range(700))
    with at_work(run) as sink:
        others_flow(store, run, 700)
        eventually(lambda: topic_of(run, "trade") in sink.waiting, "the health to name the topic")
        assert type(error).__name__ in sink.waiting
        assert topic_of(run, "quote") not in sink.waiting
        publish_all(store, run, range(700, 1_000))
        others_flow(store, run, 1_000)
        assert count(store.client, run, "trade") == 0
        assert counted("trade") > before
        bug.mended = True
        eventually(lambda: is_in(store, run, "trade", 1_000), "the trades")
        assert count(store.client, run, "trade", final="") == 1_000
        eventually(lambda: sink.waiting == "", "the health to be well")
    assert dead_letters(run) == []


@pytest.mark.parametrize("error", [KeyError("price"), BaseException("a panic of the library")], ids=repr)
def test_a_bug_in_packing_one_row(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """A row that our own code fails on among others is a dead letter with the fault's name, counted; all others are in."""
    pack, before = Blocks.pack, counted("trade")
    values = encoded(store, range(1_000))

    def packing(self: Blocks, some: Any) -> bytes:
        if values[617] in some:
            raise error
        return pack(self, some)

    monkeypatch.setattr(Blocks, "pack", packing)
    with at_work(run) as sink:
        publish(run.kafka, topic_of(run, "trade"), values)
        eventually(lambda: is_in(store, run, "trade", 999), "the other trades")
        assert sink.waiting == ""
    assert counted("trade") == before + 1
    (letter,) = dead_letters(run)
    assert letter["payload"] == values[617]
    assert type(error).__name__ in letter["reason"]


def test_a_bug_in_packing_the_only_row(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that comes alone and that our own code fails on holds nobody up: the one after it is in."""
    values = encoded(store, range(2))
    pack = Blocks.pack

    def packing(self: Blocks, some: Any) -> bytes:
        if values[0] in some:
            raise ZeroDivisionError("by zero")
        return pack(self, some)

    monkeypatch.setattr(Blocks, "pack", packing)
    with at_work(run):
        publish(run.kafka, topic_of(run, "trade"), values[:1])
        eventually(lambda: is_in(store, run, "trade", 0), "the first to be given up")
        publish(run.kafka, topic_of(run, "trade"), values[1:])
        eventually(lambda: is_in(store, run, "trade", 1), "the second")
    assert [letter["payload"] for letter in dead_letters(run)] == values[:1]


def test_a_row_our_decoder_fails_on(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the search for an unreadable row meets a bug of our decoder, the rows that can be packed are in all the same."""
    values = encoded(store, range(500))
    unreadable, decode = values[3][:-1], Codec.decode

    def decoding(self: Codec, value: bytes) -> Any:
        if value == values[100]:
            raise AttributeError("nobody foresaw this")
        return decode(self, value)

    monkeypatch.setattr(Codec, "decode", decoding)
    with at_work(run):
        publish(run.kafka, topic_of(run, "trade"), [*values[:3], unreadable, *values[4:]])
        eventually(lambda: is_in(store, run, "trade", 499), "the trades")
    monkeypatch.undo()
    assert [letter["payload"] for letter in dead_letters(run)] == [unreadable]


def test_a_column_of_a_wrong_type_while_it_runs(store: Tables, run: Run) -> None:
    """A table that somebody changes under a running sink is refused; put right again, its rows go on without a restart."""
    table = f"{store.settings.database}.trades"
    with at_work(run) as sink:
        publish_all(store, run, range(300))
        eventually(lambda: is_in(store, run, "trade", 300), "the first trades")
        store.client.command(f"RENAME TABLE {table} TO {table}_aside")
        store.client.command(f"CREATE TABLE {table} (venue UInt8, received_at UInt8) ENGINE = ReplacingMergeTree ORDER BY venue")
        publish_all(store, run, range(300, 600))
        others_flow(store, run, 600)
        eventually(lambda: f"{table}, column" in sink.waiting, "the health to name table and column")
        store.client.command(f"EXCHANGE TABLES {table} AND {table}_aside")  # at once: the sink makes one that is missing
        store.client.command(f"DROP TABLE {table}_aside SYNC")
        eventually(lambda: is_in(store, run, "trade", 600), "the trades")
        assert count(store.client, run, "trade", final="") == 600


def test_a_table_that_is_dropped_is_made_again(store: Tables, run: Run) -> None:
    """A table that is gone is created by the running sink, and what comes then is in it."""
    with at_work(run) as sink:
        publish_all(store, run, range(300))
        eventually(lambda: is_in(store, run, "trade", 300), "the first trades")
        store.client.command(f"DROP TABLE {store.settings.database}.trades SYNC")
        publish(run.kafka, topic_of(run, "trade"), encoded(store, range(300, 500)))
        eventually(lambda: lag(run.kafka, run.group, topic_of(run, "trade"), TRADE.topic.partitions) == 0, "the trades")
        assert count(store.client, run, "trade") == 200
        eventually(lambda: sink.waiting == "", "the health to be well")


def test_a_table_that_cannot_be_prepared(store: Tables, run: Run) -> None:
    """One table of the wrong kind does not keep the sink from starting; moved aside, its rows are written without a restart."""
    table = f"{store.settings.database}.trades"
    store.client.command(f"DROP TABLE {table} SYNC")
    store.client.command(f"CREATE TABLE {table} (venue String) ENGINE = MergeTree ORDER BY venue")
    publish_all(store, run, range(400))
    with at_work(run) as sink:
        others_flow(store, run, 400)
        assert "must be a ReplacingMergeTree: move it aside" in sink.waiting
        store.client.command(f"DROP TABLE {table} SYNC")
        eventually(lambda: is_in(store, run, "trade", 400), "the trades")
        eventually(lambda: sink.waiting == "", "the health to be well")


def test_an_event_without_a_table_file(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An event whose table file is missing is held from the start, with the file's name; there is nothing that others wait for."""
    for one in (QUOTE, INSTRUMENT):
        (tmp_path / f"{one.name}.sql").write_text(ddl.template(one.name))
    monkeypatch.setattr(ddl, "TABLES", tmp_path)
    ddl.template.cache_clear()
    try:
        publish_all(store, run, range(200))
        with at_work(run) as sink:
            others_flow(store, run, 200)
            assert "write sinks/clickhouse/tables/trade.sql" in sink.waiting
            monkeypatch.undo()
            eventually(lambda: is_in(store, run, "trade", 200), "the trades")
    finally:
        monkeypatch.undo()
        ddl.template.cache_clear()


def test_one_table_that_must_be_waited_for(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server asks one table to wait, its rows are kept and sent again as the same insert, and no other table waits."""
    bug, block = Bug(Retry("too many parts: merges must catch up")), Writer._block
    sent: list[str] = []

    def inserting(self: Writer, table: str, blocks: Blocks, token: str, messages: Any) -> None:
        if table.endswith(".trades"):
            sent.append(f"{token}/{messages[0].partition()}/{messages[0].offset()}")
            bug.strike()
        block(self, table, blocks, token, messages)

    monkeypatch.setattr(Writer, "_block", inserting)
    with at_work(run) as sink:
        publish_all(store, run, range(300))
        others_flow(store, run, 300)
        eventually(lambda: "too many parts" in sink.waiting, "the health to say so")
        eventually(lambda: len(sent) > len(set(sent)), "the same insert again")
        bug.mended = True
        eventually(lambda: is_in(store, run, "trade", 300), "the trades")
        assert count(store.client, run, "trade", final="") == 300
        eventually(lambda: sink.waiting == "", "the health to be well")


def test_what_concerns_all_tables_ends_the_sink(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses the user ends the sink: a person must give it another, and no table could be written."""
    monkeypatch.setattr(Writer, "_block", lambda *_: Bug(Refused("wrong password (clickhouse.password)")).strike())
    publish_all(store, run, range(10))
    with pytest.raises(Refused, match=r"clickhouse\.password"):
        stage(run, threading.Event()).run()


def test_a_dead_letter_too_large_is_cut(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused message that no broker takes as a dead letter is buried with its beginning; its partition goes on."""
    with Publisher(Kafka(brokers=run.kafka)) as publisher:
        publisher.publish(topic_of(run, "trade"), b"k", b"?" * 15_999_900)
    with at_work(run):
        publish_all(store, run, range(10))
        eventually(lambda: is_in(store, run, "trade", 10), "the trades")


def test_a_flood_of_rubbish_ends(store: Tables, run: Run) -> None:
    """What was refused of a topic full of rubbish is not read again: once the flood is over, what is good behind it is in."""
    topic = topic_of(run, "trade")
    with at_work(run):
        publish(run.kafka, topic, [b"\1 rubbish"] * 3_000)
        publish(run.kafka, topic, encoded(store, range(100)))
        eventually(lambda: is_in(store, run, "trade", 100), "the good trades behind it")


def test_a_flood_that_is_the_last_of_its_topic_ends_too(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing more comes on a topic that was flooded, the health is well again by itself, and what comes later is written."""
    monkeypatch.setattr(lane, "QUIET_SECONDS", 0.5)
    with at_work(run) as sink:
        publish(run.kafka, topic_of(run, "trade"), [b"rubbish"] * 3_000)
        eventually(lambda: "messages: see dead_letters" in sink.waiting, "the health to say so")
        eventually(lambda: sink.waiting == "", "the health to be well")
        assert lag(run.kafka, run.group, topic_of(run, "trade"), TRADE.topic.partitions) == 0
        publish(run.kafka, topic_of(run, "trade"), encoded(store, range(50)))
        eventually(lambda: is_in(store, run, "trade", 50), "the trades")
