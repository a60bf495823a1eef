"""Where a program's work comes out, seen from outside: how much of it is there, and what of it is missing or there twice."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from bench.stage_rate import Bench
from schemas.codec import Codec
from topology.clickhouse import connect
from topology.kafka import consumer

Record = dict[str, Any]
MINUTE = 60_000_000
PARTITIONS = 4
GRACE = 12_000_000
"""Microseconds: Bytewax waits ten seconds, we two."""
NEAR = Decimal("1e-9")
"""A program may count in floats: so far, as a share, a volume may be off."""


class Failed(Exception):
    """A program did not do its job; the text says what it did."""


class Tally(NamedTuple):
    """Of what was put in: what did not come out, what came out again, and whether all that can come out has."""

    lost: int
    doubled: int
    total: int


class Outlet(Protocol):
    """A job's outcome."""

    def count(self) -> int:
        """Return how many inputs have been answered so far, cheaply; those answered twice may count twice."""

    def mark(self) -> None:
        """Let `tally` count from here on."""

    def arrivals(self, seconds: float) -> list[float]:
        """Return the times at which outputs became readable in the next `seconds`, at most."""

    def tally(self, first: int, end: int) -> Tally:
        """Return what became of inputs number `first` to `end`."""


class Topic:
    """The messages of a topic."""

    def __init__(self, bench: Bench, name: str) -> None:
        if name not in AdminClient({"bootstrap.servers": bench.kafka.brokers}).list_topics(timeout=15).topics:
            create(bench, name)
        self.name = name
        self._consumer: Consumer = consumer(bench.kafka, f"onlooker-{name}", fetch_wait_max_ms=1)
        self._partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
        self._begin = self.ends()
        self.mark()

    def ends(self) -> list[int]:
        """Return the end offset of each partition."""
        return [self._consumer.get_watermark_offsets(one, timeout=15)[1] for one in self._partitions]

    def count(self) -> int:
        """Return how many messages it has."""
        return sum(self.ends()) - sum(self._begin)

    def mark(self) -> None:
        """Read from here on."""
        self._consumer.assign([TopicPartition(self.name, number, end) for number, end in enumerate(self.ends())])

    def read(self, seconds: float) -> list[bytes]:
        """Return messages that came, waiting for the first."""
        return [value for one in self._consumer.consume(10_000, seconds) if one.error() is None and (value := one.value())]

    def arrivals(self, seconds: float) -> list[float]:
        """Return when messages came."""
        found: list[float] = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._consumer.poll(left) is not None:
                found.append(time.monotonic())
        return found


def create(bench: Bench, name: str) -> None:
    """Create a topic, and wait until its partitions are led: a client that asks before is refused."""
    admin = AdminClient({"bootstrap.servers": bench.kafka.brokers})
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1)]).values():
        future.result(30)
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call] # confluent-kafka gives it no types
    asked = {TopicPartition(name, number): latest for number in range(PARTITIONS)}
    deadline = time.monotonic() + 30
    while True:
        try:
            for answer in admin.list_offsets(asked).values():
                answer.result(10)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


class Trades(Topic):
    """Trades made of frames, each known by its id."""

    def __init__(self, bench: Bench, name: str, first_id: int, expected: Callable[[int], Record]) -> None:
        super().__init__(bench, name)
        self._codec: Codec = bench.codec("trade")
        self._first = first_id
        self._expected = expected
        self._seen: dict[int, int] = {}

    def mark(self) -> None:
        """Read and tally from here on."""
        super().mark()
        self._seen = {}

    def tally(self, first: int, end: int) -> Tally:
        """Count the trades of frames by their ids."""
        while values := self.read(0.3):
            for value in values:
                trade = self._codec.decode(value)
                number = int(trade["trade_id"]) - self._first
                if not self._seen and trade != (expected := self._expected(number)):
                    raise Failed(f"it made {trade} where a frame says {expected}")
                if first <= number < end:
                    self._seen[number] = self._seen.get(number, 0) + 1
        total = sum(self._seen.values())
        return Tally(end - first - len(self._seen), total - len(self._seen), total)


class Truth:
    """What the candles of the trades that were put in must say."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.candles: dict[tuple[str, int], list[Any]] = {}
        self.latest = 0

    def add(self, value: bytes) -> None:
        """Add a trade."""
        trade = self._codec.decode(value)
        self.latest = at = trade["event_time"]
        key, price = (trade["symbol"], at // MINUTE * MINUTE), trade["price"]
        candle = self.candles.setdefault(key, [price, price, price, price, Decimal(0), 0])
        candle[1:4] = max(candle[1], price), min(candle[2], price), price
        candle[4] += trade["size"]
        candle[5] += 1

    def closed(self) -> dict[tuple[str, int], list[Any]]:
        """Return those whose minute is over by more than any program waits for late trades."""
        return {key: candle for key, candle in self.candles.items() if key[1] + MINUTE + GRACE < self.latest}


class Candles(Topic):
    """One-minute candles that are said to be final, known by symbol and minute; answered are the trades in them."""

    def __init__(self, bench: Bench, name: str, truth: Truth, codec: Codec | None) -> None:
        super().__init__(bench, name)
        self._truth = truth
        self._codec = codec
        self._said: dict[tuple[str, int], list[Any]] = {}
        self._again = 0
        self._versions: set[Any] = set()

    def mark(self) -> None:
        """Tally repeats from here on; the candles are kept, and reading goes on."""
        if not hasattr(self, "_said"):
            super().mark()
        self._again = 0

    def _finals(self, values: list[bytes]) -> Iterator[Mapping[str, Any]]:
        for value in values:
            if self._codec is None:
                yield json.loads(value, parse_float=Decimal)
            else:
                candle = self._codec.decode(value)
                if candle["interval"] == "1m" and candle["state"] != "provisional":
                    yield candle

    def _take(self, seconds: float) -> None:
        while values := self.read(seconds):
            for candle in self._finals(values):
                key = candle["symbol"], int(candle["open_time"])
                version = (*key, candle.get("version"))
                self._again += version in self._versions
                self._versions.add(version)
                names = ("open", "high", "low", "close", "volume", "trades")
                self._said[key] = [Decimal(str(candle[name])) for name in names]

    def count(self) -> int:
        """Return how many trades are in final candles."""
        self._take(0.01)
        return int(sum(candle[5] for candle in self._said.values()))

    def tally(self, first: int, end: int) -> Tally:  # noqa: ARG002 - the trades' numbers say nothing of minutes
        """Count the candles that are missing or not the trades', and those said again."""
        self._take(0.3)
        closed = self._truth.closed()
        wrong = sum(1 for key, candle in closed.items() if key not in self._said or not _same(self._said[key], candle))
        return Tally(wrong, self._again, len(self._versions))


def _same(one: list[Any], other: list[Any]) -> bool:
    return all(abs(Decimal(a) - Decimal(b)) <= NEAR * abs(Decimal(b)) for a, b in zip(one, other, strict=True))


class Table:
    """Rows of a table that keeps every one of them: `connection_sequence` is the number of the trade, from 1."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._client = connect(bench.settings.clickhouse)
        self.name = name

    def count(self) -> int:
        """Return how many rows a query sees."""
        return int(self._client.query(f"SELECT count() FROM {self.name}").result_rows[0][0])

    def mark(self) -> None:
        """Need nothing."""

    def arrivals(self, seconds: float) -> list[float]:
        """Return when rows were first seen by a query asked 25 times a second."""
        found: list[float] = []
        before = self.count()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            new = self.count() - before - len(found)
            found += [time.monotonic()] * new
            time.sleep(0.04)
        return found

    def tally(self, first: int, end: int) -> Tally:
        """Count the rows of trades by their numbers."""
        asked = f"SELECT count(), uniqExact(connection_sequence) FROM {self.name} WHERE connection_sequence BETWEEN {first + 1} AND {end}"
        total, distinct = self._client.query(asked).result_rows[0]
        return Tally(end - first - distinct, total - distinct, total)
