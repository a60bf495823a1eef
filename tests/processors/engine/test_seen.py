"""What a stage remembers of a stream: no event counted twice, and no more kept or written than has to be."""

from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from processors.engine.ids import DIGEST, PART, SLOT, Ids
from processors.engine.ids import Part as IdPart
from processors.engine.runs import MAX_RUNS, Beside, Runs
from processors.engine.seen import Seen, Verdict

SECOND = 1_000_000
HOUR = 3_600 * SECOND
numbers = st.lists(st.integers(0, 60), max_size=60, unique=True)


def take(seen: Seen, text: str, time: int, mark: int, *, timed: bool = True) -> Verdict:
    """Let an event without a number be taken."""
    return seen.take(None, text, time, time, timed=timed, offset=0, mark=mark)[0]


@given(numbers)
def test_runs_are_the_set_with_its_holes(given_numbers: list[int]) -> None:
    """However numbers come, the runs hold them, with the times at their ends, and read back from their dump they are the same."""
    runs = Runs()
    for number in given_numbers:
        assert number not in runs
        runs.add(number, number * 10)
    assert [number for number in range(61) if number in runs] == sorted(given_numbers)
    assert all(
        first - 1 not in given_numbers and last + 1 not in given_numbers for first, last in zip(runs.firsts, runs.lasts, strict=True)
    )
    assert (runs.first_times, runs.last_times) == ([one * 10 for one in runs.firsts], [one * 10 for one in runs.lasts])
    again = Runs.load(msgspec.msgpack.decode(msgspec.msgpack.encode(runs.dump())))
    assert (again.firsts, again.lasts, again.first_times, again.last_times) == (runs.firsts, runs.lasts, runs.first_times, runs.last_times)


@given(numbers.filter(bool), st.data())
def test_holes_beside_a_span(given_numbers: list[int], data: st.DataObject) -> None:
    """The holes beside a span are those that one of its events bounds: counted here one missing number after another."""
    start = data.draw(st.integers(0, 60))
    end = data.draw(st.integers(start + 1, 61))
    inside = [number for number in given_numbers if start <= number < end]
    if not inside:
        return
    runs = Runs()
    for number in given_numbers:
        runs.add(number, number)
    low, high = min(inside), max(inside)
    below = [number for number in given_numbers if number < low]
    above = [number for number in given_numbers if number > high]
    missing = [number for number in range(low, high) if number not in given_numbers]
    missing += range(max(below) + 1, low) if below else []
    missing += range(high + 1, min(above)) if above else []
    assert runs.beside(low, high, start, end) == Beside(len(missing), not below, not above)


def test_runs_are_bounded() -> None:
    """Beyond a thousand holes the lowest run is forgotten: what is below is neither new nor a duplicate, and nothing is proven of it."""
    seen = Seen(HOUR)
    for number in range(0, 2 * MAX_RUNS + 2, 2):
        seen.take(number, "", number, number, timed=True, offset=number, mark=number)
    assert len(seen.runs.firsts) == MAX_RUNS
    assert seen.take(0, "", 0, 0, timed=True, offset=1, mark=1)[0] is Verdict.FORGOTTEN
    assert seen.take(1, "", 1, 1, timed=True, offset=1, mark=1)[0] is Verdict.NEW
    assert seen.runs.beside(0, 4, 0, 5) is None


def test_an_id_is_new_once_and_then_forgotten_not_new() -> None:
    """For an hour behind the watermark a repeat is a duplicate; then nobody can tell, so it never counts a second time."""
    seen = Seen(HOUR)
    assert take(seen, "a", SECOND, SECOND) is Verdict.NEW
    assert take(seen, "a", SECOND, SECOND + HOUR) is Verdict.DUPLICATE
    seen.forget(HOUR + 2 * SLOT)
    assert take(seen, "a", SECOND, HOUR + 2 * SLOT) is Verdict.FORGOTTEN
    assert take(seen, "b", SECOND, HOUR + 2 * SLOT) is Verdict.FORGOTTEN
    assert len(seen.ids) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3 * HOUR // SECOND), st.booleans()), max_size=60))
def test_no_id_is_ever_new_twice(events: list[tuple[int, int, bool]]) -> None:
    """Whatever comes again, however late and whether or not the old slots have been let go of, it is not new: each event has one time."""
    seen, mark, new = Seen(HOUR), -1, set[int]()
    times: dict[int, int] = {}
    for name, late, forget in events:
        time = times.setdefault(name, late * SECOND)
        mark = max(mark, time)
        if take(seen, f"id-{name}", time, mark) is Verdict.NEW:
            assert name not in new
            new.add(name)
        if forget:
            seen.forget(mark)


def test_a_repeat_whose_time_was_rounded_into_the_next_minute_is_known() -> None:
    """REST rounds to milliseconds: the id is looked for on both sides of a minute's edge."""
    for before, after in ((SLOT - 1, SLOT), (SLOT + 1, SLOT - 1)):
        seen = Seen(HOUR)
        assert take(seen, "a", before, SLOT) is Verdict.NEW
        assert take(seen, "a", after, SLOT) is Verdict.DUPLICATE


def test_a_repeat_without_a_time_of_its_own_is_known_wherever_it_is() -> None:
    """Where the venue gives no time a repeat has another arrival; it is looked for in all slots that are kept."""
    seen = Seen(HOUR)
    assert take(seen, "a", 0, 0, timed=False) is Verdict.NEW
    assert take(seen, "a", 40 * 60 * SECOND, 40 * 60 * SECOND, timed=False) is Verdict.DUPLICATE


@dataclass
class Kept:
    """A store of parts, which writes what it is told up to a crash."""

    parts: dict[IdPart, bytes] = field(default_factory=dict)

    def write(self, ids: Ids, most: int | None = None) -> int:
        """Write the changed parts, and delete those let go of; at most so many. Return the bytes written."""
        changes: list[tuple[IdPart, bytes | None]] = [*ids.written(), *((part, None) for part in ids.deleted())]
        for part, value in changes[:most]:
            if value is None:
                self.parts.pop(part, None)
            else:
                self.parts[part] = value
        return sum(len(value or b"") for _, value in changes)


def test_a_checkpoint_writes_what_came() -> None:
    """Of ten thousand ids of a minute, written every hundred, each checkpoint writes at most what came and one part."""
    ids, kept = Ids(), Kept()
    for number in range(10_000):
        ids.take(str(number), number * 5_000, 0, timed=True)
        if number % 100 == 99:
            assert kept.write(ids) <= (100 + PART) * DIGEST
    again = Ids()
    again.restore(kept.parts)
    assert len(again) == 10_000
    assert not any(again.take(str(number), number * 5_000, 0, timed=True) for number in range(10_000))
    again.forget(HOUR)
    kept.write(again)
    assert kept.parts == {}


@given(st.lists(st.integers(0, 5 * 60), min_size=1, max_size=40), st.integers(0, 5))
def test_a_crash_between_parts_loses_no_more_than_was_not_written(seconds: list[int], most: int) -> None:
    """Restored from any prefix of what a checkpoint writes, the ids in it are known, and nothing else is."""
    ids, kept = Ids(), Kept()
    for number, second in enumerate(seconds):
        ids.take(str(number), second * SECOND, 0, timed=True)
    kept.write(ids, most)
    again = Ids()
    again.restore(kept.parts)
    slots = {slot for slot, _ in kept.parts}
    for number, second in enumerate(seconds):
        assert again.take(str(number), second * SECOND, 0, timed=True) is (second * SECOND // SLOT not in slots)
