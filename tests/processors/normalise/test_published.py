"""Whose a frame's events are: its producer's, who says so, or normalise's, which leaves none out and makes none that is published."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import notices
from processors.normalise.work import WAIT_SECONDS, Normalise
from tests.processors.normalise.raw_log import Log, Plain


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
