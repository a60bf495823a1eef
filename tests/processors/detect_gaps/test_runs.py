"""Many events taken at once, by column: the same gaps and the same state as one by one, whatever comes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detect_gaps import work
from processors.detect_gaps.readers import BookDeltas, Shared, Trades
from processors.detect_gaps.work import DetectGaps
from processors.engine import messages as blocks
from tests.examples import examples
from tests.processors.desk import Desk, batch, messages
from tests.processors.detect_gaps.feeding import HOUR, SECOND, shared

Records = list[dict[str, Any]]
READERS: dict[str, type[Trades]] = {"trade": Trades, "book_delta": BookDeltas}
LEVELS = ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few events be many."""
    monkeypatch.setattr(blocks, "COLUMNS_FROM", 2)
    monkeypatch.setattr(work, "MANY", 2)


class Detector:
    """The detector of one partition, and what it tells and refuses."""

    def __init__(self, name: str, *, by_columns: bool) -> None:
        self.name = name
        self.common: Shared = shared(SECOND)
        self.reader = READERS[name](self.common, {})
        if not by_columns:
            self.reader.columns = ()
        self.work = DetectGaps(messages(name), self.reader, self.common, {})
        self.desk = Desk()
        self.state: dict[str, bytes] = {}

    def take(self, records: Sequence[Mapping[str, Any]], first: int) -> int | None:
        """Take a batch, then let a checkpoint keep what changed."""
        done = self.work.apply(batch(self.name, records, first, published_at=(first + 7) * SECOND), self.desk)  # type: ignore[arg-type]
        for key, data in self.work.dump().items():
            if data is None:
                self.state.pop(key, None)
            else:
                self.state[key] = data
        return done

    def told(self) -> dict[tuple[str, str, str], Records]:
        """Return what was told of each stream, in order."""
        found = defaultdict(list)
        for gap in self.desk.gaps:
            found[gap["venue"], gap["symbol"], gap["channel"]].append(gap)
        return dict(found)


def same(name: str, batches: Sequence[Records]) -> None:
    """See that columns and single events come to the same."""
    quick, slow = Detector(name, by_columns=True), Detector(name, by_columns=False)
    offset = 0
    for records in batches:
        assert quick.take(records, offset) == slow.take(records, offset)
        offset += len(records)
        assert quick.told() == slow.told()
        assert quick.state == slow.state
    for one in (quick, slow):
        one.work.tick(HOUR, one.desk)  # type: ignore[arg-type]
    assert quick.told() == slow.told()
    assert (quick.desk.refused, quick.desk.faults) == (slow.desk.refused, slow.desk.faults) == ([], [])


STEPS = st.sampled_from([1] * 12 + [0, -1, 2, 5, -40, 400])
"""How far an id is from the last: almost always the next."""
TIMES = st.sampled_from([0] * 6 + [1_000] * 6 + [-5_000, 7 * SECOND, 40 * SECOND])
ODDS = st.sampled_from([""] * 14 + ["replayed", "rest", "untimed", "ahead", "early", "lost", "elsewhere", "idless"])
"""What is odd about an event: most have nothing."""
ROWS = st.lists(st.tuples(st.integers(0, 2), STEPS, TIMES, ODDS), min_size=2, max_size=24)


def where(stream: int, odd: str, at: int, number: int) -> dict[str, Any]:
    """Return the header of an event of a stream."""
    time = {"untimed": None, "ahead": at + 6 * SECOND, "early": at - 3 * SECOND}.get(odd, at - 200)
    return {
        "venue": ("binance", "binance", "kraken")[stream],
        "symbol": f"S{stream}",
        "origin": "rest" if odd == "rest" else "live",
        "connection_id": "b" if odd == "elsewhere" else "a",
        "connection_sequence": number,
        "received_at": at,
        "event_time": time,
        "frames_lost": int(odd == "lost"),
    }


class Market:
    """Makes events of three streams from rows, on and on."""

    def __init__(self) -> None:
        self.ids = [100, 5_000, 1]
        self.at = HOUR
        self.number = 0

    def next(self, stream: int, step: int, later: int) -> int:
        """Move a stream; return the id it had."""
        before = self.ids[stream]
        self.ids[stream] = max(1, before + step)
        self.at += later
        self.number += 1
        return before

    def trades(self, rows: Sequence[tuple[int, int, int, str]]) -> Records:
        """Return trades."""
        made = []
        for stream, step, later, odd in rows:
            self.next(stream, step, later)
            sequence = None if odd == "idless" else self.ids[stream]
            more = {"trade_id": str(self.number), "sequence": sequence, "replayed": odd == "replayed", "price": b"\x01", "size": b"\x01"}
            made.append(where(stream, odd, self.at, self.number) | more)
        return made

    def deltas(self, rows: Sequence[tuple[int, int, int, str]]) -> Records:
        """Return changes of books, of two ids each; what is replayed or of REST is a snapshot here."""
        made = []
        for stream, step, later, odd in rows:
            before = self.next(stream, 2 * step, later)
            last = None if odd == "idless" or stream == 2 else self.ids[stream]
            snapshot = odd in {"replayed", "rest"}
            first = None if last is None or snapshot else before + 1 if step > 0 else last - 1
            ids = {"first_sequence": first, "last_sequence": last, "is_snapshot": snapshot}
            made.append(where(stream, odd, self.at, self.number) | ids | dict.fromkeys(LEVELS, ()))
        return made


@pytest.mark.parametrize("name", READERS)
@given(batches=st.lists(ROWS, min_size=1, max_size=6))
@examples(200)
def test_columns_tell_what_single_events_tell(name: str, batches: list[list[tuple[int, int, int, str]]]) -> None:
    """Gaps of each stream, in order, and the state that a checkpoint keeps are the same for holes, repeats, resets and odd times."""
    market = Market()
    make = {"trade": market.trades, "book_delta": market.deltas}[name]
    same(name, [make(rows) for rows in batches])


def test_what_goes_on_is_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block without a break costs no event by itself; of one with a hole, the events of the stream that has it do."""
    looked: list[str] = []
    take = Trades.take

    def noting(self: Trades, row: tuple[Any, ...]) -> Any:
        looked.append(row[1])
        return take(self, row)

    monkeypatch.setattr(Trades, "take", noting)
    detector, market = Detector("trade", by_columns=True), Market()
    detector.take(market.trades([(stream, 1, 10, "") for _ in range(5) for stream in (0, 1)]), 0)
    assert looked == ["S0", "S1"] * 5  # nothing was known of either
    looked.clear()
    assert detector.take(market.trades([(stream, 1, 10, "") for _ in range(50) for stream in (0, 1)]), 10) == market.at
    assert looked == []
    detector.take(market.trades([(0, 1, 10, ""), (1, 3, 10, ""), (0, 1, 10, ""), (1, 1, 10, "")]), 110)
    assert looked == ["S1", "S1"]
    detector.work.tick(2 * HOUR, detector.desk)  # type: ignore[arg-type]
    assert [(gap["symbol"], gap["from_sequence"], gap["to_sequence"]) for gap in detector.desk.gaps] == [("S1", 5056, 5057)]


def test_what_comes_again_is_passed_over() -> None:
    """A batch that a checkpoint holds in part is looked at one by one, from where that ends."""
    detector, market = Detector("trade", by_columns=True), Market()
    records = market.trades([(0, 1, 10, "")] * 20)
    detector.take(records[:12], 0)
    detector.take(records[8:], 8)
    detector.work.tick(2 * HOUR, detector.desk)  # type: ignore[arg-type]
    assert detector.desk.gaps == []
    place = detector.reader.streams.streams["binance|S0|trade"].place
    assert place is not None
    assert place.last == 120
