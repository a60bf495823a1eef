"""Which frames came, told in runs: each frame once and in its place, whatever comes, and as few runs as nothing is odd."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import notices
from dialects.contract import Frame
from processors.normalise import frame_runs
from processors.normalise.frame_runs import FrameRuns
from processors.normalise.work import Normalise
from schemas.errors import InvalidDatum
from schemas.events import FrameRun
from tests.examples import examples
from tests.processors.desk import Desk, batch, messages

SECOND = 1_000_000


def came(connection: str, sequence: int, at: int = 0, payload: bytes = b"{}", venue: str = "kraken", kind: str = "message") -> Frame:
    """Return a frame received at `at` microseconds, else in the order of its number."""
    return Frame(venue, "live", connection, sequence, at or 10 * sequence, kind, None, payload)


def runs_of(runs: FrameRuns, *frames: Frame) -> list[FrameRun]:
    """Return the runs of a batch."""
    return [run for _, run in runs.of([list(column) for column in zip(*frames, strict=True)])]


def spans(made: Sequence[FrameRun]) -> list[tuple[str, int, int]]:
    """Return connection, first and last number of each run."""
    return [(run["connection_id"], run["first_sequence"], run["connection_sequence"]) for run in made]


def known(*connections: str) -> FrameRuns:
    """Return the runs of a partition in which the first ten frames of some connections have come."""
    runs = FrameRuns({})
    for connection in connections:
        runs_of(runs, *(came(connection, number) for number in range(1, 11)))
    return runs


def test_what_goes_on_is_one_run_a_batch_and_connection() -> None:
    """However many frames, and however the connections take turns: numbers and times of the first and the last."""
    mixed = [came("ab"[place % 2], 11 + place // 2) for place in range(100)]
    made = runs_of(known("a", "b"), *mixed)
    assert spans(made) == [("a", 11, 60), ("b", 11, 60)]
    assert [(run["first_received_at"], run["received_at"]) for run in made] == [(110, 600)] * 2
    assert all(run["notice"] is None and run["first_number"] is None for run in made)


def test_what_is_not_known_begins_frame_by_frame() -> None:
    """After a restart a connection is new: its first frame and the two after it are by themselves."""
    assert spans(runs_of(FrameRuns({}), *(came("a", number) for number in range(5, 15)))) == [
        ("a", 5, 5),
        ("a", 6, 6),
        ("a", 7, 7),
        ("a", 8, 14),
    ]


@pytest.mark.parametrize(
    ("numbers", "singly"),
    [
        ([11, 12, 15, 16, 17, 18, 19], [15, 16, 17]),
        ([11, 11, 12, 13, 14, 15], [11, 12, 13]),
        ([11, 3, 4, 5, 12, 13, 14, 15], [3, 4, 5, 12, 13]),
    ],
    ids=["a jump", "a repetition", "late ones"],
)
def test_a_break_is_told_frame_by_frame(numbers: list[int], singly: list[int]) -> None:
    """What does not go on, and the two frames after it, are runs by themselves; what is below the count does not move it."""
    made = spans(runs_of(known("a"), *(came("a", number, 1_000 + place) for place, number in enumerate(numbers))))
    assert made[0][:2] == ("a", 11)
    assert [first for _, first, last in made[1:] if first == last][: len(singly)] == singly
    assert made[-1][2] == numbers[-1]


def test_a_clock_set_back_breaks_a_run_once() -> None:
    """What was received before the frame before it begins another; what follows goes on from there."""
    times = [500, 501, 100, 101, 102, 103, 104]
    made = runs_of(known("a"), *(came("a", 11 + place, at) for place, at in enumerate(times)))
    assert [(run["first_received_at"], run["received_at"]) for run in made] == [(500, 501), (100, 100), (101, 101), (102, 102), (103, 104)]


def test_a_notice_is_a_run_behind_all_that_came_before_it() -> None:
    """Of every connection: what it says is of streams as they stand when it comes. Its payload is in its run, and in no other."""
    closed = notices.encode("closed")
    frames = [came("a", 11), came("b", 11), came("a", 12), came("b", 12, payload=closed, kind="notice"), came("a", 13), came("a", 14)]
    made = runs_of(known("a", "b"), *frames)
    assert spans(made) == [("a", 11, 12), ("b", 11, 11), ("b", 12, 12), ("a", 13, 14)]
    assert [run["notice"] for run in made] == [None, None, closed, None]


def test_what_is_said_to_normalise_alone_is_a_frame_like_others() -> None:
    """That events were published says nothing of a connection: it breaks no run, and its payload is not told."""
    published = notices.encode("published", count=11)
    made = runs_of(known("a"), came("a", 11), came("a", 12, payload=published, kind="notice"), came("a", 13))
    assert [(*span, run["notice"]) for span, run in zip(spans(made), made, strict=True)] == [("a", 11, 13, None)]


def test_a_venues_counter_is_in_its_runs() -> None:
    """A run has the venue's number of its first message, and ends where the next is not the next; replies have none."""
    runs = FrameRuns({"coinbase": int})
    runs_of(runs, *(came("a", number, payload=b"%d" % (number + 100), venue="coinbase") for number in range(1, 5)))
    numbers = [b"105", b"106", b"110", b"111", b"112", b"113", b"114"]
    frames = [came("a", 5 + place, payload=number, venue="coinbase") for place, number in enumerate(numbers)]
    made = runs_of(runs, *frames, came("a", 12, payload=b"{}", venue="coinbase", kind="reply"))
    told = [(run["first_sequence"], run["connection_sequence"], run["first_number"]) for run in made]
    assert told == [(5, 6, 105), (7, 7, 110), (8, 8, 111), (9, 9, 112), (10, 11, 113), (12, 12, None)]


def test_a_frame_without_a_number_is_no_break_of_the_venues_count() -> None:
    """A notice of ours between messages that are numbered on and on: what follows it is one run again."""
    runs = FrameRuns({"coinbase": int})
    runs_of(runs, *(came("a", number, payload=b"%d" % (number + 100), venue="coinbase") for number in range(1, 5)))
    published = notices.encode("published", count=5)
    frames = [came("a", 5 + place, payload=b"%d" % (105 + place), venue="coinbase") for place in range(3)]
    frames.append(came("a", 8, payload=published, venue="coinbase", kind="notice"))
    frames += [came("a", 9 + place, payload=b"%d" % (108 + place), venue="coinbase") for place in range(3)]
    told = [(run["first_sequence"], run["connection_sequence"], run["first_number"]) for run in runs_of(runs, *frames)]
    assert told == [(5, 7, 105), (8, 8, None), (9, 11, 108)]


def test_a_counter_that_cannot_be_read_is_none() -> None:
    """Whatever our reading of it raises, or however large it is: the frame came, and that is told."""
    runs = FrameRuns({"coinbase": int})
    made = runs_of(runs, *(came("a", 1 + place, payload=payload, venue="coinbase") for place, payload in enumerate((b"?", b"9" * 30))))
    assert [run["first_number"] for run in made] == [None, None]


def test_connections_are_forgotten_beyond_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one known longest begins anew, frame by frame: nothing is left out."""
    monkeypatch.setattr(frame_runs, "MOST_CONNECTIONS", 2)
    runs = known("a", "b", "c")
    assert spans(runs_of(runs, came("a", 11), came("a", 12), came("c", 11), came("c", 12))) == [("a", 11, 11), ("a", 12, 12), ("c", 11, 12)]


STEPS = st.sampled_from([1] * 12 + [0, 2, -3, 50])
ROWS = st.lists(
    st.tuples(st.integers(0, 2), STEPS, st.sampled_from([0, 5, 5, 5, -20]), st.sampled_from(["message"] * 9 + ["notice", "reply"]))
)


@given(rows=ROWS, cuts=st.lists(st.integers(0, 60), max_size=4))
@examples(200)
def test_each_frame_is_in_one_run_and_in_its_place(rows: list[tuple[int, int, int, str]], cuts: list[int]) -> None:
    """Runs laid end to end are the frames of each connection in their order, whatever comes and wherever batches end."""
    numbers, at, frames = [10, 10, 10], SECOND, list[Frame]()
    for place, step, later, kind in rows:
        numbers[place] += step
        at += later
        venue = ("kraken", "kraken", "coinbase")[place]
        frames.append(came(f"c{place}", numbers[place], at, b"%d" % (numbers[place] // 3), venue, kind))
    runs = FrameRuns({"coinbase": int})
    made: list[FrameRun] = []
    ends = sorted({0, len(frames), *(cut for cut in cuts if cut < len(frames))})
    for begin, end in pairwise(ends):
        made += runs_of(runs, *frames[begin:end])
    for connection in {frame.connection_id for frame in frames}:
        mine = [run for run in made if run["connection_id"] == connection]
        told = [number for run in mine for number in range(run["first_sequence"], run["connection_sequence"] + 1)]
        theirs = [frame for frame in frames if frame.connection_id == connection]
        assert told == [frame.connection_sequence for frame in theirs]
        assert [run["notice"] for run in mine if run["notice"] is not None] == [f.payload for f in theirs if f.kind == "notice"]
        times = {(run["connection_sequence"], run["received_at"]) for run in mine}
        assert times <= {(frame.connection_sequence, frame.received_at) for frame in theirs}


class Refusing(Desk):
    """A desk that can't write the run of one connection."""

    def publish(self, name: str, record: Any) -> None:
        """Keep an event."""
        if name == "frame_run" and record["connection_id"] == "bad":
            raise InvalidDatum("too large")
        super().publish(name, record)


def fed(desk: Desk, *batches: tuple[int, Sequence[Frame]]) -> list[FrameRun]:
    """Return the runs that normalise publishes of batches, each given with the offset of its first frame."""
    work = Normalise(messages("frame"), {}, lambda: 0.0)
    for first, frames in batches:
        work.apply(batch("frame", [frame._asdict() for frame in frames], first), desk)  # type: ignore[arg-type]
    return [record for name, record in desk.made if name == "frame_run"]


@pytest.mark.parametrize("count", [1, 3, 60])
def test_what_was_applied_before_is_told_once(count: int) -> None:
    """Offsets that a checkpoint holds are passed over, in batches of any size."""
    frames = [came("a", number) for number in range(1, 2 * count + 1)]
    made = fed(Desk(), (0, frames[: count + 1]), (count, frames[count:]))
    assert sorted(number for run in made for number in range(run["first_sequence"], run["connection_sequence"] + 1)) == list(
        range(1, 2 * count + 1)
    )


def test_a_frame_that_nobody_can_read_came_all_the_same() -> None:
    """It is a dead letter, and counts: nobody takes it for lost."""
    desk = Desk()
    assert spans(fed(desk, (0, [came("a", 1, payload=b"\x00no json"), came("a", 2)]))) == [("a", 1, 1), ("a", 2, 2)]
    assert 0 in desk.refused


def test_a_run_that_cannot_be_written_is_a_dead_letter() -> None:
    """Told with the frame it begins with; those of other connections are told."""
    desk = Refusing()
    made = fed(desk, (5, [came("a", 1), came("bad", 1), came("a", 2)]))
    assert spans(made) == [("a", 1, 1), ("a", 2, 2)]
    assert 6 in desk.refused
