"""Whose a frame's events are: its producer's, who says so, or normalise's, which leaves none out and makes none that is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from dialects import notices
from dialects.contract import Frame
from processors.engine.transport import Batch
from processors.normalise.work import WAIT_SECONDS, Normalise
from tests.processors.normalise.feeding import TRADE, frame

BEGUN = 1_600_000_000_000_000
"""When a state is begun."""


@dataclass(frozen=True)
class Record:
    """A frame on the log."""

    offset: int
    value: Frame
    timestamp: int = 0
    timestamp_type: int = 0
    key: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()


class Plain:
    """Messages that are frames already."""

    def columns(self, values: Sequence[Frame], _fields: object) -> list[list[Any]]:
        """Return them as columns."""
        return [list(column) for column in zip(*values, strict=True)]


@dataclass
class Made:
    """Where the work publishes to: the ids of trades, and the offsets of frames refused."""

    trades: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def publish(self, name: str, record: Mapping[str, Any]) -> None:
        """Take an event; that frames came is no event of theirs."""
        if name != "frame_run":
            self.trades.append(int(record["trade_id"]))

    def publish_block(self, _name: str, columns: Mapping[str, Any], _count: int) -> list[tuple[int, str]]:
        """Take events."""
        self.trades += map(int, columns["trade_id"])
        return []

    def refuse(self, _batch: Batch, offset: int, _reason: str) -> None:
        """Take a refusal."""
        self.refused.append(offset)


class Log:
    """One raw partition, and the work that reads it; `restart` as after a kill."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.made = Made()
        self.time = 0.0
        self.table: dict[str, bytes] = {"applied": b"-1"}
        self.read = self.kept = 0
        self._numbers: dict[str, int] = {}
        self._begin()

    def _begin(self) -> None:
        self.work = Normalise(cast("Any", Plain()), self.table, lambda: self.time, BEGUN)

    def write(self, connection: str, payload: bytes, kind: str = "message") -> int:
        """Append a frame of a connection; return its number there."""
        number = self._numbers[connection] = self._numbers.get(connection, 0) + 1
        self.records.append(Record(len(self.records), frame(number, payload, connection=connection, kind=kind)))
        return number

    def trade(self, connection: str, trade_id: int) -> int:
        """Append a frame of one trade."""
        return self.write(connection, TRADE % trade_id)

    def say(self, connection: str, count: int, *, left: list[int] | None = None, reason: str = "") -> None:
        """Append the remark that events are published."""
        self.write(connection, notices.encode("published", count=count, left=left, reason=reason), "notice")

    def fetch(self, most: int = 1_000_000) -> None:
        """Let the work read on."""
        records = self.records[self.read : self.read + most]
        if records:
            end = records[-1].offset + 1
            batch = Batch(cast("Any", records), topic="raw.binance", partition=0, first=records[0].offset, end=end, generation=1)
            self.work.apply(batch, cast("Any", self.made))
            batch.clear()
            self.read = end

    def checkpoint(self) -> None:
        """Keep the state, and up to where the log need not be read again."""
        for name, data in self.work.dump().items():
            if data is None:
                self.table.pop(name, None)
            else:
                self.table[name] = data
        held = self.work.holds_from
        self.kept = self.read if held is None else held

    def restart(self) -> None:
        """Begin again from the last checkpoint."""
        self.read = self.kept
        self._begin()

    def wait(self, seconds: float) -> None:
        """Let time pass, with nothing left to read."""
        self.time += seconds
        self.work.tick(0, cast("Any", self.made))


def test_a_producer_that_says_nothing_leaves_all_to_normalise() -> None:
    """Events of frames come at once where nobody has said that they are published."""
    log = Log()
    log.trade("a", 1)
    log.trade("a", 2)
    log.fetch()
    assert log.made.trades == [1, 2]
    assert log.work.holds_from is None


def test_what_is_published_is_not_published_again() -> None:
    """Frames of a connection whose producer publishes are held until it says how far it is; those it says are passed over."""
    log = Log()
    log.say("a", 0)
    first = log.trade("a", 1)
    last = log.trade("a", 2)
    log.trade("b", 10)
    log.fetch()
    assert log.work.holds_from == 1
    log.say("a", first)
    log.fetch()
    assert log.made.trades == []
    assert log.work.holds_from == 2
    log.say("a", last)
    log.fetch()
    assert log.made.trades == [10]
    assert log.work.holds_from is None


def test_what_a_producer_leaves_is_published() -> None:
    """A frame that the producer could not read is normalise's, which says what is wrong with it; so are all after its last word."""
    log = Log()
    log.say("a", 0)
    log.trade("a", 1)
    bad = log.write("a", b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"}}')
    log.trade("a", 2)
    last = log.trade("a", 3)
    log.trade("a", 4)
    log.say("a", last, left=[bad], reason="the connection has ended")
    log.trade("a", 5)
    log.write("a", notices.encode("closed"), "notice")
    log.fetch()
    assert log.made.trades == [4, 5]
    assert log.made.refused == [2]
    log.checkpoint()
    assert not [name for name in log.table if name.startswith("published")]


def test_what_nobody_says_anything_of_is_published_in_the_end() -> None:
    """A producer that was killed says no more: its last frames are normalise's after a while, and so is what waited behind them."""
    log = Log()
    log.say("a", 0)
    log.trade("a", 1)
    log.trade("b", 10)
    log.fetch()
    log.wait(WAIT_SECONDS / 2)
    assert log.made.trades == []
    log.wait(WAIT_SECONDS)
    assert log.made.trades == [1, 10]
    log.trade("a", 2)
    log.fetch()
    assert log.made.trades == [1, 10, 2]


def test_what_is_held_is_bounded() -> None:
    """Where more waits than may be held, the oldest is published rather than kept."""
    log = Log()
    log.say("a", 0)
    for number in range(60_000):
        log.trade("a", number)
    log.fetch(30_000)
    assert log.made.trades == []
    log.fetch()
    assert log.made.trades == list(range(60_000))


def test_a_first_state_publishes_nothing_again() -> None:
    """What was received before the first state of all was begun is its producer's, who says so."""
    log = Log()
    log.say("a", 0)
    first = log.trade("a", 1)
    log.say("a", first)
    log.work = Normalise(cast("Any", Plain()), {}, lambda: 0.0, log.records[-1].value.received_at + 1)
    log.fetch()
    assert log.made.trades == []


def test_a_state_that_is_made_again_publishes_again() -> None:
    """What was received before a state was begun again with nothing is published, whoever has done so: it was deleted for that."""
    log = Log()
    log.say("a", 0)
    first = log.trade("a", 1)
    log.say("a", first)
    log.fetch()
    assert log.made.trades == []
    begun = log.records[-1].value.received_at + 1
    log.work = Normalise(cast("Any", Plain()), {}, lambda: 0.0, begun)
    log.work.remake()
    log.read = 0
    log.fetch()
    assert log.made.trades == [1]
    log.checkpoint()
    log.restart()
    log.records.append(Record(3, log.records[1].value._replace(connection_sequence=4, received_at=begun, payload=TRADE % 2)))
    log.fetch()
    assert log.made.trades == [1]
    assert log.work.holds_from == 3


@given(st.data())
def test_nothing_is_left_out_and_nothing_said_is_made(data: st.DataObject) -> None:
    """However frames, what producers say of them, fetches, checkpoints and kills follow one another: just what is not said is made."""
    log, trade = Log(), 0
    trades: dict[str, list[tuple[int, int]]] = {"a": [], "b": [], "c": []}
    said: dict[str, int] = {}
    published: set[int] = set()
    for connection in ("a", "b"):
        log.say(connection, 0)
        said[connection] = 0

    def say(connection: str, reason: str) -> None:
        count = data.draw(st.integers(said[connection], max((number for number, _ in trades[connection]), default=0)))
        span = [(number, one) for number, one in trades[connection] if said[connection] < number <= count]
        left = [number for number, _ in span if data.draw(st.booleans())]
        published.update(one for number, one in span if number not in left)
        said[connection] = max(count, said[connection])
        log.say(connection, count, left=left, reason=reason)

    for act in data.draw(st.lists(st.sampled_from(["trade", "trade", "trade", "say", "fetch", "checkpoint", "restart"]), max_size=60)):
        connection = data.draw(st.sampled_from(["a", "b", "c"]))
        if act == "trade":
            trade += 1
            trades[connection].append((log.trade(connection, trade), trade))
        elif act == "say" and connection in said:
            say(connection, "")
        elif act == "fetch":
            log.fetch(data.draw(st.integers(1, 20)))
        elif act == "checkpoint":
            log.checkpoint()
        elif act == "restart":
            log.restart()
    for connection in said:
        say(connection, "the connection has ended")
    log.fetch()
    assert log.work.holds_from is None
    made = set(log.made.trades)
    assert made | published == set(range(1, trade + 1))
    assert not made & published
