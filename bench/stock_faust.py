"""The peers: the same work on stock Faust, one event at a time. `python -m bench.stock_faust normalise|candles|books`."""

import asyncio
import logging
import sys
from typing import Any

import faust

from dialects.catalogue import all_dialects, rule_of
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser
from processors.engine.messages import Messages
from processors.engine.output import Output
from processors.rebuild_books.core import Book, BookSettings
from schemas.catalogue import event
from topology import metrics
from topology.health import Health
from topology.registry import Registry
from topology.settings import Settings, load


def application(settings: Settings, name: str, tables: str = "raw") -> faust.App:
    """Return a stock app: Faust's own transport and settings; `tables` is the form of their values."""
    return faust.App(
        f"stock.{name}",
        broker=f"kafka://{settings.kafka.brokers}",
        store="memory://",
        web_enabled=False,
        topic_partitions=4,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        value_serializer=tables,
        key_serializer="raw",
        datadir=str(settings.state_dir / f"stock-{name}"),
    )


def normalise(settings: Settings, registry: Registry) -> faust.App:
    """Make events of raw frames as processors.normalise does, with the same dialects, codec and publisher."""
    app = application(settings, "normalise")
    output = Output(settings, registry, "stock_normalise")
    messages = Messages(event("frame"), registry)
    core = Normaliser(all_dialects())
    count = metrics.events_in.labels("stock_normalise", "raw.binance")

    @app.agent(app.topic("raw.binance", value_type=bytes, key_type=bytes))
    async def agent(stream: Any) -> None:
        async for one in stream.events():
            record = next(messages.records([one.value]))
            assert isinstance(record, dict)
            for made in core.apply([(one.message.offset + (one.message.partition << 48), Frame(**record))]):
                assert isinstance(made, NormalisedEvent)
                output.publish(made.name, made.record)
            count.inc()

    return app


def candles(settings: Settings, registry: Registry) -> faust.App:
    """Keep a one-second and a one-minute candle per symbol: one table update per trade and interval."""
    app = application(settings, "candles", tables="json")
    messages = Messages(event("trade"), registry)
    table = app.Table("candles", key_type=bytes, value_type=list, partitions=4)
    count = metrics.events_in.labels("stock_candles", "trades")

    @app.agent(app.topic("trades", value_type=bytes, key_type=bytes, value_serializer="raw"))
    async def agent(stream: Any) -> None:
        async for one in stream.events():
            trade = next(messages.records([one.value]))
            assert isinstance(trade, dict)
            key = f"{trade['symbol']}|{trade['event_time'] // 60_000_000}".encode()
            price, size = str(trade["price"]), str(trade["size"])
            before = table.get(key)
            if before is None:
                table[key] = [price, price, price, price, size, 1]
            else:
                high, low = max(before[1], price), min(before[2], price)
                table[key] = [before[0], high, low, price, size, before[5] + 1]
            count.inc()

    return app


def books(settings: Settings, registry: Registry) -> faust.App:
    """Apply deltas as processors.rebuild_books does, with the same books and publisher, one by one and with no state kept."""
    app = application(settings, "books")
    output = Output(settings, registry, "stock_books")
    messages = Messages(event("book_delta"), registry, bytes)
    held: dict[str, Book] = {}
    count = metrics.events_in.labels("stock_books", "book_deltas")

    @app.agent(app.topic("book_deltas", value_type=bytes, key_type=bytes))
    async def agent(stream: Any) -> None:
        async for one in stream.events():
            delta: Any = next(messages.records([one.value]))
            book = held.get(delta["symbol"])
            if book is None:
                book = held[delta["symbol"]] = Book(BookSettings(), rule_of(delta["venue"], "book"))
            for made in book.apply(delta):
                output.publish(*made)
            count.inc()

    return app


def main() -> None:
    """Run one peer until it is stopped."""
    name = sys.argv[1]
    settings = load()
    app = {"normalise": normalise, "candles": candles, "books": books}[name](settings, Registry(settings.registry))
    with Health(settings, f"stock_{name}"):
        worker = faust.Worker(app, quiet=True, loglevel=logging.WARNING, redirect_stdouts=False)
        asyncio.set_event_loop(worker.loop)
        worker.execute_from_commandline()


if __name__ == "__main__":
    main()
