"""A little of everything in broker and ClickHouse, put there as stages do, so that commands have something to answer."""

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import Message

from schemas import decimals
from schemas.catalogue import event
from sinks.clickhouse.writer import Writer
from tests.sinks.market import START, trade
from topology.clickhouse import connect
from topology.faults import Faults
from topology.kafka import Publisher
from topology.registry import Registry
from topology.settings import Settings
from topology.topics import all_topics, create, register

MINUTE = 60_000_000
TRADES = [trade(number) for number in range(3)] + [trade(7, venue="kraken", symbol="BTC/USDT", event_time=None, sequence=None)]
JUNK = b"\0\0\0\0\1 \xff is no trade"


def candle(minute: int, **changes: Any) -> dict[str, Any]:
    """Return a candle of one minute on Binance, `minute` minutes after START; its close is 100.25 and the minute."""
    number = decimals.encode
    return {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "origin": "simulated",
        "interval": "1m",
        "open_time": START + minute * MINUTE,
        "close_time": START + (minute + 1) * MINUTE,
        "open": number("100"),
        "high": number("101"),
        "low": number("99.5"),
        "close": number(f"{100 + minute}.25"),
        "volume": number("3"),
        "quote_volume": number("300"),
        "trades": 2,
        "taker_buy_volume": number("1"),
        "vwap": number("100"),
        "first_trade_id": "1",
        "last_trade_id": "2",
        "state": "final",
        "revision": 0,
        "completeness": "complete",
        "missing_trades": None,
        "version": minute,
    } | changes


def gap(name: str, state: str, **changes: Any) -> dict[str, Any]:
    """Return one state of a gap of trades 5 to 9."""
    return {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "origin": "live",
        "gap_id": name,
        "channel": "trade",
        "from_sequence": 5,
        "to_sequence": 9,
        "from_time": START,
        "to_time": START + 1,
        "cause": "wire",
        "detected_at": START + 2,
        "state": state,
        "repair": None,
        "connection_id": "binance-1",
        "version": 1,
    } | changes


CANDLES = [candle(minute) for minute in range(3)] + [candle(0, venue="kraken", symbol="BTC/USDT"), candle(0, interval="1h")]
GAPS = [gap("one", "open"), gap("one", "filled", version=2, repair="5 trades over REST"), gap("two", "open", detected_at=START + 3)]
ROWS: Mapping[str, Sequence[dict[str, Any]]] = {"trade": TRADES, "candle": CANDLES, "gap": GAPS}


def fill(settings: Settings) -> None:
    """Create topics, schemas and tables; publish TRADES and, in the last place, JUNK; insert TRADES, CANDLES and GAPS."""
    topics = all_topics()
    registry = Registry(settings.registry)
    create(settings.kafka, topics)
    register(registry, topics)
    Source(settings, "trade").publish(TRADES)
    with Publisher(settings.kafka) as publisher:
        publisher.publish("trades", b"junk", JUNK)
    stored = {topic: event for topic, event in topics.items() if event.stored}
    writer = Writer(settings.clickhouse, registry, stored, 0.5, partial(connect, settings.clickhouse), Faults("tests"))
    assert writer.prepare_all()[1] == {}
    for name, records in ROWS.items():
        topic = event(name).topic.of()
        values = [registry.codec(topic, event(name)).encode(event(name).defaults | record) for record in records]
        messages: list[Any] = [
            Message(topic=topic, partition=0, offset=offset, key=b"", value=value) for offset, value in enumerate(values)
        ]
        assert writer.insert(topic, values[0][:5], messages, uuid.uuid4().int) == []


class Source:
    """Publish records of an event to its topic, keyed as its schema says."""

    def __init__(self, settings: Settings, name: str, venue: str = "") -> None:
        self._event = event(name)
        self._topic = self._event.topic.of(venue)
        self._codec = Registry(settings.registry).codec(self._topic, self._event)
        self._kafka = settings.kafka

    def publish(self, records: Sequence[dict[str, Any]]) -> None:
        """Publish records and wait until they are delivered."""
        key, encode = self._event.topic.key_of, self._codec.encode
        with Publisher(self._kafka) as publisher:
            publisher.publish_many((self._topic, key(record), encode(self._event.defaults | record)) for record in records)
