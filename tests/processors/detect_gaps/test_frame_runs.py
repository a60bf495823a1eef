"""Runs of frames: told in any cut, and again after a kill of who tells them, they show the same gaps as frame by frame."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import notices
from dialects.contract import Frame
from processors.detect_gaps import said
from processors.detect_gaps.frames import Frames, Venues
from processors.detect_gaps.said import Said
from processors.detect_gaps.work import DetectGaps
from schemas.events import Gap
from tests.examples import examples
from tests.processors.desk import Desk, batch, messages
from tests.processors.detect_gaps.feeding import HOUR, SECOND, came, frame_runs, shared, told

STREAMS = [("quote", "S"), ("book", "S"), ("trade", "S")]
ODDS = st.sampled_from([*["message"] * 14, "confirmed", "silent", "resumed", "closed", "reply"])
STEPS = st.sampled_from([1] * 12 + [0, -1, 2, 5, -40, 400])
TIMES = st.sampled_from([0] * 6 + [1_000] * 6 + [-5_000, 7 * SECOND, 40 * SECOND])
Row = tuple[int, int, int, int, str]
ROWS = st.lists(st.tuples(st.integers(0, 2), STEPS, STEPS, TIMES, ODDS, st.integers(0, 6)), min_size=2, max_size=40)
"""Frames of whatever kind, and how many more of the same connection follow without anything odd."""
CUTS = st.lists(st.integers(1, 150), max_size=8)


def spread(rows: Sequence[tuple[int, int, int, int, str, int]]) -> list[Row]:
    """Return each row with those that follow it."""
    found: list[Row] = []
    for place, step, step_of_theirs, later, kind, more in rows:
        found += [(place, step, step_of_theirs, later, kind), *[(place, 1, 1, 1_000, "message")] * more]
    return found


def frames_of(rows: Sequence[Row]) -> list[Frame]:
    """Return frames of three connections, of which the last is of a venue that counts them."""
    numbers, theirs, at, frames = [1, 500, 1], 0, HOUR, list[Frame]()
    for place, step, step_of_theirs, later, kind in rows:
        numbers[place] = max(1, numbers[place] + step)
        at += later
        venue = "coinbase" if place == 2 else "kraken"
        payload = b"{}"
        if kind not in {"message", "reply"}:
            payload = notices.encode(kind, streams=STREAMS, since=at - SECOND)  # type: ignore[arg-type]
        elif place == 2:
            theirs = max(0, theirs + step_of_theirs)
            payload = b'{"sequence_num":%d}' % theirs
        known = kind if kind in {"message", "reply"} else "notice"
        frames.append(Frame(venue, "live", f"c{place}", numbers[place], at, known, None, payload))
    return frames


def one_by_one(frames: Sequence[Frame]) -> tuple[Frames, list[Gap]]:
    """Feed each frame as a run of itself; return the reader, and what it told."""
    reader, made = Frames(shared(), {}), list[Gap]()
    for one in frames:
        made += came(reader, frame_runs(), [one])
    return reader, made


def by_stream(gaps: Sequence[Gap]) -> dict[tuple[str, str, str, str | None], list[Gap]]:
    """Return gaps by their stream and connection, in order: which of two streams is told first says nothing."""
    found = defaultdict(list)
    for gap in gaps:
        found[gap["venue"], gap["symbol"], gap["channel"], gap["connection_id"]].append(gap)
    return dict(found)


def kept(reader: Frames) -> dict[str, bytes]:
    """Return all that a checkpoint keeps."""
    return {name: data for name, data in reader.dump().items() if data is not None}


@given(rows=ROWS, cuts=CUTS)
@examples(300)
def test_runs_tell_what_frames_tell(rows: list[tuple[int, int, int, int, str, int]], cuts: list[int]) -> None:
    """The gaps of each stream, and the state that is kept, are the same wherever batches end: holes, repeats, odd times, notices."""
    frames = frames_of(spread(rows))
    slow, wanted = one_by_one(frames)
    quick, runs, made = Frames(shared(), {}), frame_runs(), list[Gap]()
    ends = sorted({0, len(frames), *(cut for cut in cuts if cut < len(frames))})
    for begin, end in pairwise(ends):
        made += came(quick, runs, frames[begin:end])
    assert by_stream(made) == by_stream(wanted)
    assert by_stream(quick.tick(2 * HOUR)) == by_stream(slow.tick(2 * HOUR))
    assert kept(quick) == kept(slow)


@given(rows=ROWS, cuts=CUTS, back=st.lists(st.integers(0, 40), min_size=8, max_size=8))
@examples(300)
def test_what_is_said_again_changes_nothing(rows: list[tuple[int, int, int, int, str, int]], cuts: list[int], back: list[int]) -> None:
    """After a kill normalise tells runs again, cut otherwise: the gaps are those of frames that came once, told once.

    Our count never goes back by itself.
    """
    steady = [(place, max(1, step), theirs, later, kind, more) for place, step, theirs, later, kind, more in rows]
    frames = frames_of(spread(steady))
    slow, wanted = one_by_one(frames)
    quick, made, ends, begin = Frames(shared(), {}), list[Gap](), sorted({*cuts, len(frames)}), 0
    for end, again in zip(ends, back, strict=False):
        if end > begin:
            made += came(quick, frame_runs(), frames[max(0, begin - again) : end])
            begin = end
    made += came(quick, frame_runs(), frames[max(0, begin - back[-1]) :])
    assert by_stream(made) == by_stream(wanted)
    assert by_stream(quick.tick(2 * HOUR)) == by_stream(slow.tick(2 * HOUR))


def test_a_venues_count_goes_on_over_runs() -> None:
    """What it numbers in one run and the next is no loss; a number that is missing between two, or within, is one of the right span."""
    reader, runs, made = Frames(shared(), {}), frame_runs(), list[Gap]()
    confirmed = notices.encode("confirmed", streams=[("quote", "S")])
    made += came(reader, runs, [Frame("coinbase", "live", "a", 1, 1, "notice", None, confirmed)])
    numbers = [*range(20), *range(22, 40), *range(41, 60)]
    frames = [
        Frame("coinbase", "live", "a", place, place * SECOND, "message", None, b'{"sequence_num":%d}' % number)
        for place, number in enumerate(numbers, 2)
    ]
    for begin, end in pairwise((0, 5, 17, 38, 57)):
        made += came(reader, runs, frames[begin:end])
    told_at = [(gap["from_time"], gap["to_time"], gap["cause"], (gap["repair"] or "")[:20]) for gap in made if gap["state"] != "open"]
    assert told_at == [
        (21 * SECOND, 22 * SECOND, "wire", "messages 20 to 21 of"),
        (39 * SECOND, 40 * SECOND, "wire", "messages 40 to 40 of"),
    ]


def test_a_run_that_comes_again_in_part_goes_on() -> None:
    """Late ones of it fill what waits, the rest of it moves the count: nothing is told."""
    reader, run = Frames(shared(), {}), ("kraken", "live", "a")
    for first, last in ((1, 5), (8, 9), (6, 20)):
        assert reader.take((*run, last, last, first, first, None, None))[1] == []
    assert reader.tick(HOUR) == []
    assert reader.streams.highest("a") == 20


def message(connection: str, number: int, at: int) -> Frame:
    """Return a frame of Kraken."""
    return Frame("kraken", "live", connection, number, at, "message", None, b"{}")


def test_frames_that_were_lost_are_a_gap_of_the_connection() -> None:
    """A jump of our counter inside a batch, and one between two, are ours and over at once, with what is known of when."""
    reader, runs = Frames(shared(), {}), frame_runs()
    made = came(reader, runs, [message("a", number, number * SECOND) for number in (1, 2, 5, 6, 7, 8, 9)])
    made += came(reader, runs, [message("a", number, number * SECOND) for number in (12, 13, 14, 15)])
    assert told(made) == [(first, last, "ours", state) for first, last in ((3, 4), (10, 11)) for state in ("open", "unfillable")]
    assert [gap["detected_at"] for gap in made] == [5 * SECOND] * 2 + [12 * SECOND] * 2


def test_a_run_that_was_never_told_is_a_gap() -> None:
    """Where the topic of runs lost one, or one could not be read: nobody can say that its frames came."""
    reader, runs = Frames(shared(), {}), frame_runs()
    made = came(reader, runs, [message("a", number, number) for number in range(1, 10)])
    came(Frames(shared(), {}), runs, [message("a", number, number) for number in range(10, 20)])
    made += came(reader, runs, [message("a", number, number) for number in range(20, 30)])
    made += reader.tick(HOUR)
    assert told(made) == [(10, 19, "ours", "open"), (10, 19, "ours", "unfillable")]


def test_a_connection_that_has_ended_is_not_begun_anew() -> None:
    """What was told of it before its end says nothing, over checkpoints; what follows its end begins it anew, as a new one."""
    frames = [message("a", 1, 1), Frame("kraken", "live", "a", 2, 2, "notice", None, notices.encode("silent", streams=STREAMS, since=1))]
    frames.append(Frame("kraken", "live", "a", 3, 3, "notice", None, notices.encode("closed")))
    first = Frames(shared(), {})
    assert {gap["cause"] for gap in came(first, frame_runs(), frames)} == {"silence"}
    second = Frames(shared(), kept(first))
    assert came(second, frame_runs(), frames) == []
    assert second.streams.streams == {}
    assert came(second, frame_runs(), [message("a", 9, 9)]) == []
    assert list(second.streams.streams) == ["a"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_sequence": 6},
        {"first_sequence": 1, "notice": notices.encode("closed")},
        {"first_sequence": -(2**62), "first_number": 2**62},
        {"first_sequence": 5, "notice": b"no notice"},
    ],
    ids=["backwards", "a notice of several", "a number past 64 bits", "not a notice"],
)
@pytest.mark.parametrize("among", [1, 60])
def test_what_is_no_run_is_refused_alone(wrong: dict[str, Any], among: int) -> None:
    """Whoever put it there: a dead letter, no fault, and those around it count."""
    row = {"venue": "kraken", "origin": "live", "connection_id": "a", "received_at": 5, "first_received_at": 5, "first_number": None}
    runs = [{**row, "connection_id": f"c{number}", "connection_sequence": 5, "first_sequence": 5} for number in range(among)]
    runs[among // 2] |= wrong
    common, desk = shared(), Desk()
    reader = Venues(common, {})
    work = DetectGaps(messages("frame_run"), reader, common, {})
    work.apply(batch("frame_run", runs), desk)  # type: ignore[arg-type]
    assert (desk.refused, desk.faults) == ([among // 2], [])
    assert sum("stream|" in name for name, data in work.dump().items() if data is not None) >= among - 1


def test_each_venue_has_a_state_of_its_own() -> None:
    """Over a checkpoint; texts that are no venue of ours share one."""
    venues = ("kraken", "coinbase", "nobody", "")
    runs = [("live", f"c-{venue}", 4, 4, 1, 1, None, None) for venue in venues]
    first = Venues(shared(), {})
    for venue, run in zip(venues, runs, strict=True):
        first.take((venue, *run))
    entries = {name: data for name, data in first.dump().items() if data is not None}
    assert {name.partition("\x1f")[0] for name in entries} == {"kraken", "coinbase", ""}
    second = Venues(shared(0), entries)
    made = [gap for venue, run in zip(venues, runs, strict=True) for gap in second.take((venue, *run[:2], 9, 9, 9, 9, None, None))[1]]
    made += second.tick(HOUR)
    assert {(gap["venue"], gap["from_sequence"], gap["to_sequence"]) for gap in made} == {(venue, 5, 8) for venue in venues}


def test_what_was_said_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest notices of a connection, and the connections with the newest; those forgotten are in no checkpoint."""
    monkeypatch.setattr(said, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(said, "MOST_NOTICES", 3)
    one = Said({})
    assert [one.is_new("a", number, number) for number in (1, 2, 3, 4, 4, 2)] == [True] * 4 + [False] * 2
    assert one.is_new("a", 1, 4)
    one.dump()
    assert all(one.is_new(name, 1, 10) for name in ("b", "c"))
    entries = one.dump()
    assert {name: data is None for name, data in entries.items()} == {"said|a": True, "said|b": False, "said|c": False}
