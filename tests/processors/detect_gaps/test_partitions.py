"""What partitions and connections tell together: silences, time away, a venue's own counter, ends that others tell, bugs."""

from typing import Any

import orjson
import pytest

from dialects import notices
from dialects.catalogue import dialect as dialect_of
from processors.detect_gaps import silences
from processors.detect_gaps.connections import Counters, away
from processors.detect_gaps.frames import Frames
from processors.detect_gaps.ledger import MOST_ENDED, Ended
from processors.detect_gaps.readers import BookDeltas, Ends, Shared, Trades
from processors.detect_gaps.silences import ORPHANED
from processors.detect_gaps.work import DetectGaps
from schemas.errors import InvalidDatum
from schemas.events import Gap
from tests.processors.desk import Desk, batch, messages
from tests.processors.detect_gaps.feeding import HOUR, SECOND, came, frame_runs, ledger, shared, told
from topology import metrics

STREAMS = [("quote", "S")]


class Partition:
    """One raw partition, fed with notices and frames in order."""

    def __init__(self, common: Shared, entries: dict[str, bytes] | None = None) -> None:
        self.reader = Frames(common, entries or {})
        self.runs = frame_runs()
        self.counts: dict[str, int] = {}

    def take(self, kind: str, payload: bytes, connection: str, at: int, venue: str = "kraken", skip: int = 0) -> list[Gap]:
        """Take the next frame of a connection, `skip` frames of our own having been lost before it."""
        count = self.counts[connection] = self.counts.get(connection, 0) + 1 + skip
        return came(self.reader, self.runs, [(venue, "live", connection, count, at, kind, None, payload)])

    def notice(self, kind: notices.Kind, connection: str, at: int, venue: str = "kraken", **more: Any) -> list[Gap]:
        """Take a notice."""
        return self.take("notice", notices.encode(kind, **more), connection, at, venue)


@pytest.mark.parametrize("kind", ["silent", "resumed", "confirmed", "closed"])
@pytest.mark.parametrize(
    "fields", [{"since": "x"}, {"since": 1e30}, {"since": True}, {"streams": [["trade", 7]]}, {"streams": [[None, "S"]]}, {"reason": 7}]
)
def test_what_is_no_notice_spoils_no_state(kind: notices.Kind, fields: dict[str, Any]) -> None:
    """A notice whose fields are of other types is refused, and the state that is kept afterwards can be read."""
    one = Partition(shared())
    with pytest.raises(InvalidDatum, match="not a notice"):
        one.take("notice", orjson.dumps(orjson.loads(notices.encode(kind, streams=STREAMS, since=5)) | fields), "a", 50)
    Partition(shared(), {name: data for name, data in one.reader.dump().items() if data is not None})


def test_a_silence_is_a_gap_until_the_stream_speaks() -> None:
    """A stream that was acknowledged and says nothing is one open gap, over restarts, closed when it speaks again on any connection."""
    one = Partition(shared())
    opened = one.notice("silent", "a", 50, streams=STREAMS, since=5)
    assert one.notice("silent", "a", 60, streams=STREAMS, since=5) == []
    two = Partition(shared(), {name: data for name, data in one.reader.dump().items() if data is not None})
    closed = two.notice("resumed", "b", 90, streams=STREAMS)

    assert [(gap["cause"], gap["state"], gap["from_time"], gap["to_time"]) for gap in opened] == [("silence", "open", 5, None)]
    assert [(gap["gap_id"], gap["state"], gap["to_time"]) for gap in closed] == [(opened[0]["gap_id"], "filled", 90)]
    assert list(two.reader.open()) == []


def test_a_silence_says_what_was_said_of_it() -> None:
    """What its connection knows, that a stream has not said a word since it was confirmed, is in the gap while it lasts."""
    one = Partition(shared())
    (opened,) = one.notice("silent", "a", 50, streams=STREAMS, since=5, reason="not a word since it was confirmed")
    (ended,) = one.notice("resumed", "b", 90, streams=STREAMS)
    assert opened["repair"] == "not a word since it was confirmed"
    assert (ended["state"], ended["repair"]) == ("filled", "the stream speaks again; what its sequence shows as missed is a gap of its own")


def resumed(reason: str = "") -> bytes:
    """Return a notice that carries all that closes a silence told at 50 on connection a, which began at 5."""
    return notices.encode("resumed", streams=STREAMS, since=5, detected_at=50, previous="a", reason=reason)


def test_a_silence_healed_on_another_partition_is_over() -> None:
    """The connection that replaces a silent one is on another partition: its `resumed` closes the gap, the first one lets it go."""
    common = shared()
    first, second, ends = Partition(common), Partition(common), Ends(common)
    made = first.notice("silent", "a", 50, streams=STREAMS, since=5)
    made += second.notice("confirmed", "b", 60, streams=STREAMS)
    made += first.notice("closed", "a", 70)
    made += second.take("notice", resumed(), "b", 90)
    assert list(first.reader.open()) == [("kraken", "quote")]
    for gap in made:
        ends.take((gap["gap_id"], gap["state"]))

    assert first.reader.tick(100) == []
    assert list(first.reader.open()) == []
    assert [(gap["state"], gap["to_time"], gap["cause"]) for gap in ledger(made).values()] == [("filled", 90, "silence")]


def test_a_silence_that_is_given_up_is_closed_with_the_reason() -> None:
    """Where the producer no longer follows a stream, its silence is over, and the gap says why."""
    (gap,) = Partition(shared()).take("notice", resumed("no longer followed"), "b", 90)
    assert (gap["state"], gap["repair"]) == ("closed", "no longer followed")


@pytest.mark.parametrize("says_closed", [True, False])
def test_a_silence_whose_connection_has_gone_does_not_stay_open_for_ever(says_closed: bool) -> None:
    """Closed or killed: when nothing more is said of it for an hour, the silence is closed, by a word that any other outranks."""
    one = Partition(shared())
    (opened,) = one.notice("silent", "a", 50, streams=STREAMS, since=5)
    if says_closed:
        one.notice("closed", "a", 60)
    assert one.reader.tick(ORPHANED) == []
    (closed,) = [gap for gap in one.reader.tick(ORPHANED + 61) if gap["cause"] == "silence"]

    assert (closed["gap_id"], closed["state"]) == (opened["gap_id"], "closed")
    assert closed["version"] == opened["version"] + 2
    assert list(one.reader.open()) == []


def test_silences_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a venue's connections come and go in silence: the oldest is closed, by a word that any other outranks."""
    monkeypatch.setattr(silences, "MOST_OPEN", 2)
    one = Partition(shared())
    made = [gap for at in range(1, 5) for gap in one.notice("silent", f"c{at}", at * 10, streams=STREAMS, since=at)]
    assert sorted((gap["from_time"], gap["state"]) for gap in ledger(made).values()) == [
        (1, "closed"),
        (2, "closed"),
        (3, "open"),
        (4, "open"),
    ]
    assert len(list(one.reader.open())) == 2
    first, closed = (gap for gap in made if gap["from_time"] == 1)
    assert closed["version"] == first["version"] + 2


def test_each_connections_silence_ends_by_itself() -> None:
    """The next connection may be silent as well: the end of the first does not end its silence."""
    one = Partition(shared())
    made = one.notice("silent", "a", 50, streams=STREAMS, since=5)
    made += one.notice("closed", "a", 60)
    made += one.notice("silent", "b", 95, streams=STREAMS, since=65)
    one.notice("connected", "b", ORPHANED)
    made += one.reader.tick(ORPHANED + 61)

    assert sorted((gap["from_time"], gap["state"]) for gap in ledger(made).values()) == [(5, "closed"), (65, "open")]


def test_time_without_a_connection_is_a_gap_where_nothing_counts() -> None:
    """After a reconnect, streams without a sequence have a gap for the time away; those with one tell by it."""
    streams = [("trade", "S"), ("quote", "S"), ("book", "S"), ("instrument", "")]
    one = Partition(shared())
    assert one.notice("connected", "b", 29, streams=streams, previous="a", since=7) == []
    assert one.notice("confirmed", "b", 30, streams=[("quote", "NEW")]) == []
    made = one.notice("confirmed", "b", 30, streams=streams, since=7)

    assert [(gap["channel"], gap["state"], gap["from_time"], gap["to_time"]) for gap in made] == [
        ("quote", "open", 7, 30),
        ("quote", "unfillable", 7, 30),
        ("book", "open", 7, 30),
        ("book", "filled", 7, 30),
    ]


def test_a_venues_counter_of_the_connection_is_a_gap_of_each_of_its_streams() -> None:
    """What is lost on a connection may have been of any stream: each without ids of its own has a gap, over at once; but books."""
    counters = Counters(lambda _venue, channel: channel != "trade", {})
    confirmed = notices.encode("confirmed", streams=[("trade", "S"), ("quote", "S"), ("quote", "T"), ("book", "S")])
    assert counters.notice("v", "live", "a", notices.decode(confirmed)) == []
    for number, at in ((0, 1), (1, 2), (1, 3)):
        assert counters.see("v", "live", "a", number, at, ours=0) == []
    entries = {name: data for name, data in counters.dump().items() if data is not None}
    counters = Counters(lambda _venue, channel: channel != "trade", entries)
    made = counters.see("v", "live", "a", 4, 9, ours=0)

    assert [(gap["channel"], gap["symbol"], gap["cause"], gap["state"], gap["from_time"], gap["to_time"]) for gap in made] == [
        ("quote", symbol, "wire", state, 2, 9) for symbol in ("S", "T") for state in ("open", "unfillable")
    ]
    assert counters.see("v", "live", "b", 0, 10, ours=0) == []
    assert {gap["cause"] for gap in counters.see("v", "live", "a", 7, 11, ours=2)} == {"ours"}
    assert counters.notice("v", "live", "a", notices.decode(notices.encode("closed"))) == []
    assert sorted(name for name, data in counters.dump().items() if data is None) == ["carried|a", "counter|a"]


def test_a_counted_connection_is_watched_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a venue that counts its messages, every frame's number is compared; where our own frames were lost before it, the loss is ours."""
    dialect = dialect_of("kraken")
    monkeypatch.setattr(type(dialect), "counts_connection", True)
    monkeypatch.setattr(type(dialect), "connection_sequence", lambda _self, payload: int(payload))
    one = Partition(shared())
    one.notice("confirmed", "a", 1, streams=STREAMS)
    made = [gap for at, number in enumerate([b"0", b"1", b"3"], 2) for gap in one.take("message", number, "a", at)]
    made += one.take("message", b"6", "a", 9, skip=2)

    assert [(gap["cause"], gap["state"]) for gap in made if gap["channel"] == "quote"] == [
        ("wire", "open"),
        ("wire", "unfillable"),
        ("ours", "open"),
        ("ours", "unfillable"),
    ]


def test_ends_are_remembered_until_the_gap_is_opened_again() -> None:
    """The newest ends are known, a bounded number; `filling` is none."""
    ended = Ended()
    for number in range(MOST_ENDED + 5):
        ended.note(str(number), "unfillable")
    assert "4" not in ended
    assert "5" in ended
    ended.note("5", "open")
    ended.note("6", "filling")
    assert "5" not in ended
    assert "6" not in ended


def trade(number: int, at: int, connection: str = "a", venue: str = "binance", symbol: str = "S") -> tuple[Any, ...]:
    """Return a trade as the reader of trades has it."""
    return venue, symbol, "live", connection, at, at, 0, 0, number, False


def shown(venue: str, channel: str) -> float:
    """Return the metric of open gaps."""
    return float(metrics.open_gaps.labels(venue, channel)._value.get())


def test_open_gaps_are_summed_over_partitions_and_fall_back_to_nothing() -> None:
    """The metric is what all partitions hold open together; an end tells it, and so does giving a partition up."""
    common, desk = shared(0), Desk()
    works: list[DetectGaps] = []
    for _ in range(2):
        reader = Trades(common, {})
        work = DetectGaps(None, reader, common, {})  # type: ignore[arg-type]
        for number, at in ((1, 0), (5, 10), (6, 20)):
            reader.take(trade(number, at, venue="binance", symbol=str(len(works))))
        work.tick(30, desk)  # type: ignore[arg-type]
        works.append(work)
    assert shown("binance", "trade") == 2

    Ends(common).take(("binance|0|trade|2", "unfillable"))
    works[0].tick(40, desk)  # type: ignore[arg-type]
    assert shown("binance", "trade") == 1

    works.clear()
    del work, reader
    assert shown("binance", "trade") == 0


def test_a_bug_on_one_symbol_is_a_fault_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that breaks our code is told as a fault with its offset; its stream begins anew, and all else is looked at."""
    common, desk = shared(0), Desk()
    reader = Trades(common, {})
    take = reader.take

    def breaking(row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        if row[1] == "BAD":
            raise ZeroDivisionError
        return take(row)

    monkeypatch.setattr(reader, "take", breaking)
    rows = [("GOOD", 1), ("BAD", 1), ("GOOD", 4), ("BAD", 2), ("GOOD", 5)]
    records = [_record(symbol, number, at * SECOND) for at, (symbol, number) in enumerate(rows)]
    work = DetectGaps(messages("trade"), reader, common, {})

    assert work.apply(batch("trade", records, 7), desk) == 4 * SECOND  # type: ignore[arg-type]
    work.tick(HOUR, desk)  # type: ignore[arg-type]

    assert desk.faults == [(8, "binance", "trade"), (10, "binance", "trade")]
    assert told(desk.gaps) == [(2, 3, "wire", "open")]


def test_a_pause_in_a_replay_ends_nothing() -> None:
    """Trades received years ago and published just now: a hole waits its time and is open for its day, and no stream is forgotten."""
    now, desk, common = 10 * 365 * 24 * HOUR, Desk(), shared()

    def take(entries: dict[str, bytes], number: int, offset: int) -> DetectGaps:
        work = DetectGaps(messages("trade"), Trades(common, entries), common, entries)
        work.apply(batch("trade", [_record("S", number, offset)], offset, published_at=now), desk)  # type: ignore[arg-type]
        work.tick(now + SECOND // 2, desk)  # type: ignore[arg-type]
        return work

    def kept(work: DetectGaps) -> dict[str, bytes]:
        return {name: data for name, data in work.dump().items() if data is not None}

    work = take(kept(take({}, 1, 1)), 5, 2)
    assert desk.gaps == []
    work.tick(now + HOUR, desk)  # type: ignore[arg-type]
    assert told(desk.gaps) == [(2, 4, "wire", "open")]
    work.tick(now + 23 * HOUR, desk)  # type: ignore[arg-type]
    assert len(desk.gaps) == 1
    work.tick(now + 25 * HOUR, desk)  # type: ignore[arg-type]
    assert [gap["state"] for gap in desk.gaps] == ["open", "closed"]


def _record(symbol: str, number: int, at: int) -> dict[str, Any]:
    where = {"venue": "binance", "symbol": symbol, "connection_id": "a", "connection_sequence": number, "received_at": at}
    return {**where, "event_time": at, "trade_id": str(number), "sequence": number, "price": b"\x01", "size": b"\x01"}


def test_a_book_without_ids_is_left_to_its_rebuilder() -> None:
    """Kraken's updates carry no ids: nothing is kept of them here."""
    reader = BookDeltas(shared(), {})
    row = ("kraken", "S", "live", "a", 1, 1, 0, 0, None, False, None, None)
    assert reader.take(row) == (1, [])
    assert reader.dump() == {}


def test_away_needs_a_time() -> None:
    """A confirmation without `since` followed no time away."""
    notice = notices.decode(notices.encode("confirmed", streams=STREAMS))
    assert away("v", "live", "a", 1, notice, lambda _venue, _channel: True) == []
