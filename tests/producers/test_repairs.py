"""Every gap that is open has an answer: by its channel, its cause, and what is known when it is looked at."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.contract import Dialect
from dialects.stream import Stream
from producers import repairs
from producers.repairs import End, Fetch, Leave, Repair, Resync, Situation, repair
from schemas.events import Gap

BINANCE, KRAKEN = all_dialects()["binance"], all_dialects()["kraken"]
FOLLOWED = frozenset(Stream(channel, "S") for channel in ("trade", "book", "quote"))
HERE = Situation(FOLLOWED, lambda connection_id, _: connection_id in {None, "open"}, lambda _, since: since == 7)
"""Streams of S are followed, one connection is open, and what is silent is so since 7."""
ALONE = Situation(FOLLOWED, lambda *_: False, lambda *_: False)
"""No connection is open."""


def gap(channel: str, cause: str = "wire", **fields: Any) -> Gap:
    """Return a gap of S."""
    record = {
        "channel": channel,
        "symbol": "S",
        "cause": cause,
        "from_sequence": 3,
        "to_sequence": 5,
        "from_time": 7,
        "connection_id": "open",
    }
    return cast("Gap", record | fields)


BOOK, GONE = Resync(Stream("book", "S")), End("closed", repairs.BOOK_GONE, is_final=False)
FORGOTTEN = End("closed", repairs.FORGOTTEN, is_final=False)
NOT_FOLLOWED = End("closed", repairs.NOT_FOLLOWED, is_final=False)

TABLE: list[tuple[str, Gap, Dialect, Situation, Repair]] = [
    ("trades by sequence", gap("trade"), BINANCE, HERE, Fetch(3, 5)),
    ("ours, and while nothing is connected", gap("trade", "ours"), KRAKEN, ALONE, Fetch(3, 5)),
    ("trades of a symbol that is followed no longer", gap("trade", symbol="OLD"), BINANCE, HERE, Fetch(3, 5)),
    ("a fault of ours in a processor", gap("trade", "fault"), BINANCE, HERE, Fetch(3, 5)),
    ("trades without a first", gap("trade", from_sequence=None), BINANCE, HERE, End("unfillable", repairs.NO_SEQUENCE)),
    ("trades without a last", gap("trade", to_sequence=None), BINANCE, HERE, End("unfillable", repairs.NO_SEQUENCE)),
    ("our own counter", gap("frame", "ours", symbol=""), BINANCE, HERE, End("unfillable", repairs.FRAME)),
    ("records of a topic", gap("topic", "retention", symbol=""), BINANCE, HERE, End("unfillable", repairs.TOPIC)),
    ("a channel of another version", gap("sentiment"), BINANCE, HERE, End("unfillable", "binance has no channel sentiment")),
    ("a quote", gap("quote"), BINANCE, HERE, End("unfillable", "binance does not send again what quote missed")),
    ("a book of update ids", gap("book"), BINANCE, HERE, BOOK),
    ("the same, its connection gone: the newest carries it on", gap("book", connection_id="gone"), BINANCE, HERE, BOOK),
    ("the same, from a stage that knows no connection", gap("book", connection_id=None), BINANCE, HERE, BOOK),
    ("a book of its connection", gap("book", from_sequence=None), KRAKEN, HERE, BOOK),
    ("the same, its connection gone", gap("book", connection_id="gone"), KRAKEN, HERE, GONE),
    ("a book while nothing is connected", gap("book"), BINANCE, ALONE, GONE),
    ("a book that is followed no longer", gap("book", symbol="OLD"), BINANCE, HERE, NOT_FOLLOWED),
    ("a reset by the venue", gap("book", "venue_reset"), BINANCE, HERE, BOOK),
    ("a silence that lasts", gap("quote", "silence"), BINANCE, HERE, Leave()),
    (
        "a silence that nobody remembers",
        gap("quote", "silence", from_time=6),
        BINANCE,
        HERE,
        End("closed", repairs.FORGOTTEN, is_final=False),
    ),
    ("a silence of a stream that is followed no longer", gap("quote", "silence", symbol="OLD"), BINANCE, HERE, NOT_FOLLOWED),
    ("a silence of trades is no hole in them", gap("trade", "silence"), BINANCE, HERE, Leave()),
]


@pytest.mark.parametrize(("one", "dialect", "situation", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_gap_has_its_answer(one: Gap, dialect: Dialect, situation: Situation, expected: Repair) -> None:
    """What can be asked of the venue is, a book is begun anew where it lives, and all else ends with its reason."""
    assert repair(one, dialect, situation) == expected


@given(
    channel=st.sampled_from(["trade", "book", "quote", "instrument", "orders", "frame", "topic", ""]) | st.text(max_size=9),
    symbol=st.sampled_from(["S", "", "OLD"]),
    cause=st.sampled_from(
        ["ours", "wire", "venue_reset", "reconnect", "silence", "unknown", "retention", "topic_reset", "fault", "snapshot", "corrupt"]
    ),
    sequences=st.tuples(st.none() | st.integers(), st.none() | st.integers()),
    since=st.none() | st.integers(6, 8),
    connection=st.sampled_from([None, "open", "gone"]),
    dialect=st.sampled_from(list(all_dialects().values())),
    situation=st.sampled_from([HERE, ALONE]),
)
def test_no_gap_is_left_without_end(
    channel: str,
    symbol: str,
    cause: str,
    sequences: tuple[int | None, int | None],
    since: int | None,
    connection: str | None,
    dialect: Dialect,
    situation: Situation,
) -> None:
    """Whatever a gap says: it is fetched, begun anew, ended with words, or left to a silence that is known to last."""
    first, last = sequences
    one = gap(channel, cause, symbol=symbol, from_sequence=first, to_sequence=last, from_time=since, connection_id=connection)
    found = repair(one, dialect, situation)
    if isinstance(found, End):
        assert found.reason
    if isinstance(found, Leave):
        assert situation.is_silent(Stream(channel, symbol), since)
    if isinstance(found, Resync):
        assert situation.is_open(None, found.stream)
