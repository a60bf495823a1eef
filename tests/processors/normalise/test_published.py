"""Whose a frame's events are: its producer's, who says so, or normalise's, which leaves none out and makes none that is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialects import notices
from dialects.contract import Frame
from processors.engine.transport import Batch
from processors.normalise import published
from processors.normalise.work import WAIT_SECONDS, Normalise
from schemas.errors import InvalidDatum
from tests.examples import examples
from tests.processors.normalise.feeding import TRADE, frame


class Record(NamedTuple):
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
        self.work = Normalise(cast("Any", Plain()), self.table, lambda: self.time)

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
    log.work = Normalise(cast("Any", Plain()), {}, lambda: 0.0)
    log.fetch()
    assert log.made.trades == []


@pytest.mark.parametrize("most", [1_000, 1, 2, 3])
@pytest.mark.parametrize("later", [1, -1, 0])
def test_a_state_that_is_made_again_publishes_again(most: int, later: int) -> None:
    """All that the log held when a state was begun again with nothing is published, whoever has done so: it was deleted for that.

    However it is fetched, with what came after that or without, and whenever any clock says that it was received. What came after
    that is its producer's, who says so.
    """
    log = Log()
    log.say("a", 0)
    for trade_id in range(1, 4):
        log.trade("a", trade_id)
    log.say("a", 4)
    log.fetch()
    assert log.made.trades == []
    end = len(log.records)
    log.table, log.kept = {}, 0
    log.restart()
    log.work.remake(end)
    log.trade("a", 4)
    log.say("a", 6)
    log.records[3:] = [one._replace(value=one.value._replace(received_at=one.value.received_at + later)) for one in log.records[3:]]
    while log.read < len(log.records):
        log.fetch(most)
        log.checkpoint()
        if log.work.holds_from is None:
            log.restart()
    assert log.made.trades == [1, 2, 3]
    assert log.work.holds_from is None


def test_all_who_say_no_more_are_waited_for_at_once() -> None:
    """Where a producer of many connections is killed, the events of all are published when the wait is over, not one wait after another."""
    log, trade = Log(), 0
    for connection in "abcdef":
        log.say(connection, 0)
    for _ in range(3):
        for connection in "abcdef":
            trade += 1
            log.trade(connection, trade)
    log.fetch()
    log.wait(WAIT_SECONDS / 2)
    assert log.made.trades == []
    log.wait(WAIT_SECONDS)
    assert log.made.trades == list(range(1, trade + 1))
    assert log.work.holds_from is None


def test_who_speaks_again_is_followed_again() -> None:
    """A producer that was held up, and was given up for it, publishes as before: its later events are not made a second time."""
    log = Log()
    log.say("a", 0)
    first = log.trade("a", 1)
    log.fetch()
    log.wait(WAIT_SECONDS + 1)
    assert log.made.trades == [1]
    log.say("a", first)
    log.trade("a", 2)
    log.fetch()
    log.say("a", log.trade("a", 3))
    log.fetch()
    assert log.made.trades == [1]


def test_who_has_said_the_last_word_is_not_waited_for() -> None:
    """A producer that publishes no more of a connection leaves its frames to normalise at once."""
    log = Log()
    log.say("a", 0)
    log.say("a", log.trade("a", 1), reason="Kafka takes events slower than they come")
    log.trade("a", 2)
    log.fetch()
    assert log.made.trades == [2]


def test_nothing_is_said_of_frames_to_come() -> None:
    """A claim of frames that its connection had not had by then is one of those before it alone."""
    log = Log()
    log.say("a", 0)
    log.trade("a", 1)
    log.say("a", 1 << 62, left=[1, 1 << 62])
    log.trade("a", 2)
    log.fetch()
    assert log.made.trades == []
    log.wait(WAIT_SECONDS + 1)
    assert log.made.trades == [2]


def test_what_was_left_is_forgotten_once_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many frames a long connection leaves, little is kept of it, and it is followed on."""
    monkeypatch.setattr(published, "MOST_LEFT", 20)
    log, last = Log(), 0
    log.say("a", 0)
    for _ in range(50):
        bad = [log.write("a", b"no frame"), log.write("a", b"no frame")]
        log.say("a", bad[-1], left=bad)
        log.fetch()
    log.checkpoint()
    assert len(log.made.refused) == 100
    assert len(log.table["published\x1fa"]) < 30
    last = log.trade("a", 1)
    log.say("a", last)
    log.fetch()
    assert log.made.trades == []


def test_of_a_claim_that_leaves_too_much_all_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of what is left is bounded: beyond, all frames up to it are normalise's, and none of them is left out."""
    monkeypatch.setattr(published, "MOST_LEFT", 20)
    log = Log()
    log.say("a", 0)
    numbers = [log.trade("a", trade_id) for trade_id in range(40)]
    log.say("a", numbers[-1], left=numbers[:-5])
    log.say("a", log.trade("a", 1_000_000))
    log.fetch()
    assert log.made.trades == list(range(40))
    log.checkpoint()
    assert len(log.table["published\x1fa"]) < 30


def test_what_a_forgotten_connection_left_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a connection that was forgotten while its frames were held, and speaks again, it is not known what it left: all is published."""
    monkeypatch.setattr(published, "MOST_CONNECTIONS", 2)
    log = Log()
    log.say("dead", 0)
    log.say("a", 0)
    log.trade("dead", 1)
    left = log.trade("a", 2)
    log.say("a", log.trade("a", 3), left=[left])
    log.say("dead", 0)
    log.say("b", 0)
    log.say("dead", 0)
    log.say("a", log.trade("a", 4))
    log.say("a", log.trade("a", 5))
    log.fetch()
    log.wait(WAIT_SECONDS + 1)
    assert {1, 2} <= set(log.made.trades)
    assert 5 not in log.made.trades


SAID: dict[str, Any] = orjson.loads(notices.encode("published"))
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.sampled_from([-1, 2**63, 2**64 - 1, 7]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(SAID)[1:]), ANYTHING, max_size=3), st.booleans())
@example({"left": [1e20]}, True)
@example({"count": "x"}, True)
@example({"count": None}, True)
@example({"left": 7}, True)
def test_whatever_is_said_is_read_or_refused(fields: dict[str, Any], whole: bool) -> None:
    """A notice of any form stops neither the work nor its state, leaves no event out, and where it is none it is one dead letter."""
    log = Log()
    log.say("a", 0)
    log.trade("a", 1)
    payload = orjson.dumps(SAID | fields)
    log.write("a", payload if whole else payload[:-1], "notice")
    log.trade("a", 2)
    for _ in range(2):
        log.fetch()
        log.checkpoint()
        log.restart()
    log.fetch()
    log.wait(WAIT_SECONDS + 1)
    log.checkpoint()
    assert log.made.trades[-1] == 2
    try:
        notices.decode(log.records[2].value.payload)
    except InvalidDatum:
        assert set(log.made.refused) == {2}
        assert 1 in log.made.trades
    else:
        assert log.made.refused == []


@given(st.data())
@examples(100)
def test_nothing_is_left_out_whatever_is_forgotten(data: st.DataObject) -> None:
    """Whatever of connections must be forgotten, is waited for in vain, or comes again: each event is said to be published, or made."""
    log, trade = Log(), 0
    trades: dict[str, list[tuple[int, int]]] = {name: [] for name in "abcde"}
    said = dict.fromkeys(trades, 0)
    theirs: set[int] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "MOST_CONNECTIONS", 2)
        patch.setattr(published, "MOST_LEFT", 3)
        acts = st.sampled_from(["trade", "trade", "trade", "say", "say", "fetch", "fetch", "wait", "checkpoint", "restart", "repeat"])
        for act in data.draw(st.lists(acts, max_size=80)):
            connection = data.draw(st.sampled_from(list(trades)))
            if act == "trade":
                trade += 1
                trades[connection].append((log.trade(connection, trade), trade))
            elif act == "say":
                count = max((number for number, _ in trades[connection]), default=0)
                span = [(number, one) for number, one in trades[connection] if said[connection] < number <= count]
                left = [number for number, _ in span if data.draw(st.booleans())]
                theirs.update(one for number, one in span if number not in left)
                said[connection] = count
                log.say(connection, count, left=left, reason=data.draw(st.sampled_from(["", "", "over"])))
            elif act == "repeat" and log.records:
                one = data.draw(st.sampled_from(log.records))
                log.records.append(one._replace(offset=len(log.records)))
            elif act == "fetch":
                log.fetch(data.draw(st.integers(1, 20)))
            elif act == "wait":
                log.wait(data.draw(st.sampled_from([1.0, WAIT_SECONDS + 1])))
            elif act == "checkpoint":
                log.checkpoint()
            elif act == "restart":
                log.restart()
        log.fetch()
        log.wait(WAIT_SECONDS + 1)
    assert log.work.holds_from is None
    assert set(log.made.trades) | theirs == set(range(1, trade + 1))


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
