"""Every hole is found with its range and cause, none is invented, and each is closed by what comes."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects import notices
from processors.detect_gaps.core import Connections, Streams
from processors.detect_gaps.holes import Seen
from schemas.events import Gap

SECOND = 1_000_000


def seen(sequence: int, at: int = 0, connection: str = "a", lost: int = 0, **more: Any) -> Seen:
    """Return one trade received at `at` microseconds."""
    return Seen(sequence, sequence, connection, lost, at, more.pop("time", at), **more)


def told(gaps: list[Gap]) -> list[tuple[int | None, int | None, str, str]]:
    """Return range, cause and state of each gap event."""
    return [(gap["from_sequence"], gap["to_sequence"], gap["cause"], gap["state"]) for gap in gaps]


def feed(streams: Streams, *events: Seen) -> list[Gap]:
    """Feed trades of one symbol and return all that is told."""
    return [gap for one in events for gap in streams.see("v", "S", "trade", "live", one)]


@pytest.mark.parametrize(
    ("after", "cause"),
    [({}, "wire"), ({"lost": 2}, "ours"), ({"connection": "b"}, "reconnect"), ({"connection": "b", "lost": 1}, "reconnect")],
)
def test_a_jump_is_a_gap_with_its_cause(after: dict[str, Any], cause: str) -> None:
    """The same jump is ours when our frame counter jumped too, a reconnect's when the connection changed, else the wire's."""
    streams = Streams(SECOND)
    feed(streams, seen(5), seen(6, 10), seen(9, 20, **after))

    assert told(streams.ripen(20 + SECOND)) == [(7, 8, cause, "open")]
    assert told(streams.ripen(20 + 9 * SECOND)) == []


def test_the_first_event_opens_nothing() -> None:
    """Where a stream begins is where we begin to count; what came before, sent again, is no gap and no reset."""
    streams = Streams(0)

    assert feed(streams, seen(1000), seen(990, 1), seen(991, 2), seen(1001, 3)) == []


def test_out_of_order_is_no_gap() -> None:
    """What comes late but within the bound was only out of order."""
    streams = Streams(SECOND)
    feed(streams, seen(1), seen(4, 1), seen(3, 2), seen(2, 3), seen(5, 4))

    assert streams.ripen(10 * SECOND) == []


def test_what_comes_later_closes_the_gap() -> None:
    """A gap is filled when its last missing event is there, and says from where; each state has a higher version."""
    streams = Streams(SECOND)
    made = feed(streams, seen(1), seen(5, 10), seen(6, 2 * SECOND))
    made += feed(streams, seen(3, 3 * SECOND, "backfill"), seen(2, 3 * SECOND, "backfill"))
    assert told(made) == [(2, 4, "wire", "open")]

    made += feed(streams, seen(4, 3 * SECOND, "backfill"))

    assert told(made[1:]) == [(2, 4, "wire", "filled")]
    assert made[1]["repair"] == "filled from backfill"
    assert made[1]["gap_id"] == made[0]["gap_id"]
    assert made[1]["version"] > made[0]["version"]
    assert (made[0]["from_time"], made[0]["to_time"]) == (0, 10)


def test_what_came_late_parts_a_gap() -> None:
    """Of a hole some of which came in time, only what is missing is announced."""
    streams = Streams(SECOND)
    feed(streams, seen(1), seen(10, 1), seen(5, 2))

    assert told(streams.ripen(2 * SECOND)) == [(2, 4, "wire", "open"), (6, 9, "wire", "open")]


def test_two_connections_overlapping_leave_no_gap() -> None:
    """At rotation both connections deliver the same trades; neither order makes a gap or a reset."""
    streams = Streams(0)
    made = feed(streams, seen(1, 1), seen(2, 2), seen(2, 3, "b", time=2), seen(3, 4, "b"), seen(3, 5, time=4), seen(4, 6), seen(4, 7, "b"))

    assert made + streams.ripen(9 * SECOND) == []


def test_numbers_begun_again_are_a_reset() -> None:
    """A lower number at a later time on a new connection is a new count, not a duplicate."""
    streams = Streams(0)
    made = feed(streams, seen(900, 0), seen(1, 5 * SECOND, "b"), seen(2, 6 * SECOND, "b"))

    assert told(made) == [(1, 1, "venue_reset", "open"), (1, 1, "venue_reset", "unfillable")]


def test_a_snapshot_makes_up_for_missing_updates() -> None:
    """A hole in a book is told even when a snapshot closes it at once."""
    streams = Streams(SECOND)
    streams.see("v", "S", "book", "live", Seen(1, 5, "a", 0, 0))
    streams.see("v", "S", "book", "live", Seen(9, 12, "a", 0, 10))

    made = streams.covered("v", "S", "book", 11, 20, "snapshot")

    assert told(made) == [(6, 8, "wire", "open"), (6, 8, "wire", "filled")]
    assert streams.ripen(9 * SECOND) == []


@given(st.lists(st.integers(0, 60), min_size=1, max_size=80), st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_the_ledger_is_what_is_missing(numbers: list[int], seed: int) -> None:
    """Whatever comes in whatever order, and however often: the gaps still open are exactly the numbers that never came."""
    streams, rng, at = Streams(3), random.Random(seed), 0
    ledger: dict[str, Gap] = {}
    first = numbers[0]
    for number in numbers:
        at += rng.randint(0, 3)
        for gap in feed(streams, seen(number, at, time=0)):
            ledger[gap["gap_id"]] = gap
        if rng.random() < 0.2:  # a checkpoint and a new owner
            streams, saved = Streams(3), streams
            streams.load({name: data for name, data in saved.dump().items() if data})
            streams.load(_whole(saved))
    for gap in streams.ripen(at + 10):
        ledger[gap["gap_id"]] = gap

    missing = {
        number
        for gap in ledger.values()
        if gap["state"] == "open"
        for number in range(gap["from_sequence"] or 0, (gap["to_sequence"] or 0) + 1)
    }
    never = set(range(first, max(numbers) + 1)) - set(numbers)
    assert never <= missing
    assert all(hole.missing for counted, *_ in streams.counted.values() for hole in counted.holes)
    still = {n for counted, *_ in streams.counted.values() for hole in counted.holes for a, b in hole.missing for n in range(a, b + 1)}
    assert still == never


def _whole(streams: Streams) -> dict[str, bytes]:
    streams.changed = set(streams.counted)
    return {name: data for name, data in streams.dump().items() if data is not None}


def test_silence_is_a_gap_until_the_stream_speaks() -> None:
    """A stream that was acknowledged and says nothing is an open gap, closed when it speaks again."""
    connections = Connections(lambda _venue, _channel: True)
    streams = [("quote", "S")]
    silent = notices.decode(notices.encode("silent", streams=streams, since=5))
    resumed = notices.decode(notices.encode("resumed", streams=streams))

    opened = connections.notice("v", "a", "live", 50, silent)
    assert connections.notice("v", "a", "live", 60, silent) == []
    loaded = Connections(lambda _venue, _channel: True)
    loaded.load(connections.dump())
    closed = loaded.notice("v", "b", "live", 90, resumed)

    assert [(gap["cause"], gap["state"], gap["from_time"], gap["to_time"]) for gap in opened] == [("silence", "open", 5, None)]
    assert [(gap["gap_id"], gap["state"], gap["to_time"]) for gap in closed] == [(opened[0]["gap_id"], "filled", 90)]


def test_time_without_a_connection_is_a_gap_where_nothing_counts() -> None:
    """After a reconnect, streams without a sequence have a gap for the time away; those with one tell by it."""
    connections = Connections(lambda _venue, channel: channel == "trade")
    streams = [("trade", "S"), ("quote", "S"), ("book", "S"), ("instrument", "")]
    connected = notices.encode("connected", streams=streams, previous="a", since=7)
    assert connections.notice("v", "b", "live", 29, notices.decode(connected)) == []
    assert connections.notice("v", "b", "live", 30, notices.decode(notices.encode("confirmed", streams=[("quote", "NEW")]))) == []
    made = connections.notice("v", "b", "live", 30, notices.decode(notices.encode("confirmed", streams=streams, since=7)))

    assert [(gap["channel"], gap["state"], gap["from_time"], gap["to_time"]) for gap in made] == [
        ("quote", "open", 7, 30),
        ("quote", "unfillable", 7, 30),
        ("book", "open", 7, 30),
        ("book", "filled", 7, 30),
    ]


def test_state_is_small() -> None:
    """A stream in order costs tens of bytes in a checkpoint."""
    streams = Streams(SECOND)
    feed(streams, *(seen(number, number) for number in range(1000)))

    assert sum(len(data or b"") for data in streams.dump().values()) < 100
