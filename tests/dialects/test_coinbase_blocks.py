"""Coinbase's frames through the normaliser: by block as one by one, and what a connection lost is told to every stream of it."""

from typing import Any

import orjson
import pytest

from dialects import notices
from dialects.catalogue import all_dialects
from dialects.coinbase.dialect import Coinbase, CoinbaseDerivatives
from dialects.continuity import Finding, Place, Step
from dialects.contract import Frame
from dialects.judge import judge
from dialects.normaliser import Normaliser
from processors.detect_gaps.connections import Counters
from processors.detect_gaps.frames import tells_absence
from tests.processors.normalise.test_block import columns_of, told

AT = 1_790_931_600_000_000


def message(place: int, number: int, channel: str, connection: str = "c-1") -> Frame:
    """Return a frame of a book of one of two products, or a heartbeat."""
    level = {"side": "bid", "event_time": "2026-10-02T09:00:00Z", "price_level": "1", "new_quantity": "1"}
    event = {"type": "snapshot" if number < 2 else "update", "product_id": channel, "updates": [level]}
    is_book = channel != "heartbeats"
    document = {"channel": "l2_data" if is_book else channel, "timestamp": "2026-10-02T09:00:00Z", "sequence_num": number}
    payload = orjson.dumps(document | {"events": [event if is_book else {"heartbeat_counter": number}]})
    return Frame("coinbase", "live", connection, place, AT + place, "message", None, payload)


def records(frames: list[Frame], *, by_block: bool) -> list[dict[str, Any]]:
    """Return the books that are made of frames."""
    normaliser = Normaliser(all_dialects())
    made = normaliser.apply_block(range(len(frames)), columns_of(frames)) if by_block else normaliser.apply(enumerate(frames))
    return [record for name, record in told(made) if name == "book_delta"]


SENT = ["A-USD", "B-USD", "A-USD", "heartbeats", "B-USD", "A-USD", "heartbeats", "B-USD", "A-USD"]


@pytest.mark.parametrize("lost", [set(), {2}, {3}, {3, 4}, {6}])
@pytest.mark.parametrize("by_block", [True, False])
def test_one_lost_message_breaks_every_book_of_its_connection(lost: set[int], by_block: bool) -> None:
    """The counter spans all channels: what is missing, a heartbeat too, may have been of any book, and each says so at its next change."""
    frames = [message(0, number, channel) for number, channel in enumerate(SENT) if number not in lost]
    frames = [frame._replace(connection_sequence=place, received_at=AT + place) for place, frame in enumerate(frames, 1)]
    books: dict[str, list[dict[str, Any]]] = {}
    for record in records(frames, by_block=by_block):
        books.setdefault(record["symbol"], []).append(record)
    rule = Coinbase.channels["book"].continuity
    for deltas in books.values():
        place: Place | None = None
        findings = []
        for record in deltas:
            lost_before, at = record["venue_lost"], record["received_at"]
            step = Step(None, None, "c-1", at, venue_lost=lost_before, is_snapshot=record["is_snapshot"])
            verdict = judge(rule, place, step)
            place = verdict.place
            findings.append(verdict.finding)
        assert findings.count(Finding.HOLE) == bool(lost)
        assert deltas[-1]["venue_lost"] == len(lost)


def test_each_connection_has_a_count_of_its_own() -> None:
    """A new connection begins at 0, which is no hole in the one before."""
    frames = [message(1, 0, "A-USD"), message(2, 1, "A-USD"), message(1, 0, "A-USD", "c-2"), message(2, 1, "heartbeats", "c-2")]
    assert [one["venue_lost"] for one in records(frames, by_block=False)] == [0, 0, 0]


def test_a_hole_of_the_counter_is_told_of_each_stream_that_shows_nothing_itself() -> None:
    """Heartbeats have a number like all else: what is missing between two opens a gap of quotes and of candles, on that connection.

    Trades show by their ids what they missed, and of a book it is told by what rebuilds it.
    """
    counters = Counters(tells_absence, {})
    streams = [(channel, "A-USD") for channel in ("trade", "book", "quote", "kline")]
    counters.notice("coinbase", "live", "c-1", notices.decode(notices.encode("confirmed", streams=streams)))
    gaps = []
    for place, number in enumerate((0, 1, 2, 4, 5, 9)):
        found = Coinbase().connection_sequence(message(place, number, "heartbeats").payload)
        assert found == number
        gaps += counters.see("coinbase", "live", "c-1", number, AT + place, ours=False)
    assert {gap["channel"] for gap in gaps} == {"quote", "kline"}
    assert {gap["cause"] for gap in gaps} == {"wire"}
    assert len({gap["gap_id"] for gap in gaps}) == 4
    assert tells_absence(CoinbaseDerivatives.venue, "trade"), "the ids of contracts' trades show nothing"
