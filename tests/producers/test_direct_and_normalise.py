"""A producer that publishes events and the normalise that makes the rest: together they leave out none, whatever befalls either."""

import random
from collections.abc import Iterable, Mapping
from typing import Any, cast

import orjson
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import dialect
from dialects.contract import Frame
from processors.normalise.work import WAIT_SECONDS
from producers.direct import Direct
from producers.frames import Frames
from schemas.catalogue import event
from schemas.codec import Codec
from tests.examples import examples
from tests.processors.normalise.feeding import TRADE
from tests.processors.normalise.raw_log import Log, Record
from topology.errors import Reject, Retry

CODEC = Codec(event("frame"), 7)
NO_FRAME = b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"}}'
AT = 1_700_000_000_000_000


class Report:
    """What is told of a delivery: that it failed, or when it was."""

    def str(self) -> str:
        """Return why it failed."""
        return "no"

    def latency(self) -> float:
        """Return how long it took."""
        return 0.01


class Events:
    """Kafka for events: it delivers some now and some later, refuses some, and takes no more now and then."""

    def __init__(self, chance: random.Random, delivered: set[int]) -> None:
        self._chance = chance
        self._delivered = delivered
        self._waiting: list[tuple[int, Any]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def poll(self, _seconds: float) -> None:
        """Deliver some."""
        count = self._chance.randint(0, len(self._waiting))
        some, self._waiting = self._waiting[:count], self._waiting[count:]
        for trade, told in some:
            fails = self._chance.random() < 0.003
            if not fails:
                self._delivered.add(trade)
            told(Report() if fails else None, Report())

    def publish(self, _name: str, record: Mapping[str, Any], delivered: Any) -> None:
        """Take an event."""
        luck = self._chance.random()
        if luck < 0.05:
            raise Reject("too large") if luck > 0.004 else Retry("full")
        self._waiting.append((int(record["trade_id"]), delivered))

    def publish_block(self, name: str, columns: Mapping[str, Any], count: int, delivered: Any) -> list[tuple[int, str]]:
        """Take events; return those refused."""
        refused: list[tuple[int, str]] = []
        for row in range(count):
            try:
                self.publish(name, {"trade_id": columns["trade_id"][row]}, delivered)
            except Reject as error:
                refused.append((row, str(error)))
        return refused


class Capture:
    """A producer's connections and its way to the log; `start` as after a kill."""

    def __init__(self, chance: random.Random, log: Log) -> None:
        self.chance = chance
        self.log = log
        self.delivered: set[int] = set()
        self.waiting: list[tuple[bytes, bytes, Frame | None, Direct]] = []
        """Frames on their way, and who has put them."""
        self.is_full = False
        self.time = 0.0
        self._count = 0
        self.start()

    def start(self) -> None:
        """Begin with no connection; what waited is on disk."""
        kafka = cast("Any", Events(self.chance, self.delivered))
        said = cast("Any", repr)
        self.direct = Direct(
            dialect("binance"), kafka, kafka, CODEC, "t", tell=lambda error, _: said(error), now=lambda: AT, clock=lambda: self.time
        )
        self.open: list[Frames] = []

    def connect(self) -> None:
        """Open a connection, or fail to."""
        self._count += 1
        made = Frames(CODEC, "binance", "live", "rest", f"c{self._count}", self._put, self.direct)
        if self.chance.random() < 0.8:
            made.notice("connected", AT)
            self.open.append(made)

    def _put(self, key: bytes, value: bytes, frame: Frame | None) -> bool:
        if self.is_full and self.chance.random() < 0.7:
            return False
        self.waiting.append((key, value, frame, self.direct))
        return True

    def deliver(self, most: int) -> None:
        """Bring frames to the log: some had been on disk, all of an earlier start have."""
        some, self.waiting = self.waiting[:most], self.waiting[most:]
        for key, value, frame, by in some:
            self.log.records.append(Record(len(self.log.records), Frame(**CODEC.decode(value))))
            self.direct.take(key, value, frame if by is self.direct and self.chance.random() < 0.7 else None)
        self.direct.flush()

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds
        self.direct.tick()


def act(capture: Capture, log: Log, chance: random.Random, trade: int) -> int:
    """Let one thing happen; return how many trades there were."""
    luck = chance.random()
    if luck < 0.06 or not capture.open:
        capture.connect()
    elif luck < 0.5:
        trade += 1
        chance.choice(capture.open).message(TRADE % trade if chance.random() < 0.9 else NO_FRAME, AT)
    elif luck < 0.68:
        capture.deliver(chance.randint(1, 15))
    elif luck < 0.8:
        capture.pass_time(chance.choice([0.1, 0.5]))
    elif luck < 0.83:
        capture.open.pop(chance.randrange(len(capture.open))).notice("closed", AT)
    elif luck < 0.85:
        capture.is_full = not capture.is_full
    elif luck < 0.86:
        capture.waiting = chance.choice([[], capture.waiting])
        capture.start()
    elif luck < 0.93:
        log.fetch(chance.randint(1, 30))
    elif luck < 0.95:
        log.checkpoint()
    elif luck < 0.96:
        log.restart()
    else:
        log.wait(chance.choice([0.5, WAIT_SECONDS + 1]))
    return trade


def trades(frames: Iterable[Frame]) -> set[int]:
    """Return the ids of the trades in frames."""
    return {orjson.loads(one.payload)["data"]["t"] for one in frames if one.kind == "message" and one.payload != NO_FRAME}


@given(st.integers(0, 2**32), st.integers(20, 250))
@examples(200)
def test_every_event_of_every_frame_is_published(seed: int, acts: int) -> None:
    """Each trade on the raw topic is published by one or both, and nothing else; each frame that is none is one dead letter of normalise.

    Kills of either, a disk that is full, frames and notices lost with it, frames read back from disk, events that Kafka refuses, gives
    back or has no room for, connections that never open, and words that come too late.
    """
    chance, log, trade = random.Random(seed), Log(), 0
    capture = Capture(chance, log)
    for _ in range(acts):
        trade = act(capture, log, chance, trade)
    for one in capture.open if chance.random() < 0.5 else ():
        one.notice("closed", AT)
    while capture.waiting or len(capture.direct.publisher):
        capture.deliver(50)
        capture.pass_time(0.5)
    log.fetch()
    log.wait(WAIT_SECONDS + 1)
    log.wait(WAIT_SECONDS + 1)
    assert log.work.holds_from is None
    assert set(log.made.trades) | capture.delivered == trades(record.value for record in log.records)
    assert set(log.made.refused) == {record.offset for record in log.records if record.value.payload == NO_FRAME}
