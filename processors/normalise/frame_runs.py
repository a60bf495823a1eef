"""Which frames came, told in runs: what detect_gaps must know of them, so that it need not read them again. Pure but for its memory.

A run is frames of one connection of which each is the next after the one before: by our own count, by the venue's where that counts the
connection, and in the order of receipt. Of what goes on without a break there is one run a batch. What does not (a jump, a repetition, a
notice, a connection not known yet) is a run of one frame, and so are the SINGLY frames after it: whoever judges them one by one sees each.

The memory is not kept over a restart: what it does not know is a run of one frame, which says as much.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, repeat
from typing import Any

from dialects.notices import PUBLISHED
from processors.engine.messages import FARTHEST
from processors.engine.output import Output
from processors.engine.transport import Batch
from schemas.errors import InvalidDatum
from schemas.events import FrameRun
from topology.errors import Reject

SINGLY = 2
"""Frames after a break that are runs by themselves: two in a row decide whether a count has begun again (dialects/judge.py)."""
MOST_CONNECTIONS = 256
"""Connections remembered; the one known longest is forgotten."""
_VENUE, _ORIGIN, _CONNECTION, _SEQUENCE, _RECEIVED_AT, _KIND, _REQUEST, _PAYLOAD = range(8)
"""The fields of a frame, by their places."""
Counter = Callable[[bytes], int | None]
"""A venue's own number of a message of a connection."""
Numbered = tuple[int, FrameRun]
"""A run, and the row of its first frame."""


class _Connection:
    """Where the frames of a connection stand, and its newest run: `first…` and `row` are its first frame's."""

    __slots__ = ("after", "alone", "at", "due", "first", "first_at", "first_number", "number", "row")

    def __init__(self) -> None:
        self.row = self.first = self.first_at = 0
        self.first_number: int | None = None
        self.after: int | None = None
        """The next of our numbers; None: not known."""
        self.at = 0
        """When its newest frame was received; microseconds."""
        self.number: int | None = None
        """The venue's next number; frames that have none, such as our notices, leave it as it is."""
        self.due: int | None = None
        """What the next frame of the run must have: that number, or none where the run has none."""
        self.alone = SINGLY
        """So many frames are runs by themselves before one may have more."""


class FrameRuns:
    """The runs of one raw partition. `counters`: of the venues that count the messages of a connection."""

    def __init__(self, counters: Mapping[str, Counter]) -> None:
        self._counters = counters
        self._known: dict[tuple[str, str], _Connection] = {}

    def of(self, frames: Sequence[Sequence[Any]]) -> list[Numbered]:
        """Return the runs of frames given as columns (dialects.contract.Frame's fields, in its order), in the order of their ends.

        What came before a notice is told before it: a notice speaks of streams as they stand when it comes.
        """
        venues, kinds = frames[_VENUE], frames[_KIND]
        made: list[Numbered] = []
        begin = 0
        for venue, count in _stretches(venues):
            end = begin + count
            notices = [row for row in range(begin, end) if _is_notice(frames, row)] if "notice" in kinds else []
            for row in notices:
                self._take(venue, frames, begin, row, made)
                self._take(venue, frames, row, row + 1, made)
                begin = row + 1
            self._take(venue, frames, begin, end, made)
            begin = end
        return made

    def _take(self, venue: str, frames: Sequence[Sequence[Any]], begin: int, end: int, made: list[Numbered]) -> None:
        """Add the runs of a stretch of frames of one venue, which has no notice or is one."""
        if begin == end:
            return
        ids, sequences, times = (column[begin:end] for column in frames[_CONNECTION : _RECEIVED_AT + 1])
        numbers = self._numbers(venue, frames[_KIND][begin:end], frames[_PAYLOAD][begin:end])
        going: dict[str, _Connection] = {}
        for row, connection_id, sequence, at, number in zip(range(begin, end), ids, sequences, times, numbers, strict=False):
            one = going.get(connection_id)
            if one is not None and sequence == one.after and at >= one.at and number == one.due:
                one.after = sequence + 1
                one.at = at
                if number is not None:
                    one.due = one.number = number + 1
                continue
            if one is None:
                one = self._connection(venue, connection_id)
            else:
                made.append(_end(going.pop(connection_id), venue, connection_id, frames))
            if self._begin(one, row, sequence, at, number) and not _is_notice(frames, row):
                going[connection_id] = one
            else:
                made.append(_end(one, venue, connection_id, frames, sequence))
        made += [_end(one, venue, connection_id, frames) for connection_id, one in going.items()]

    def _connection(self, venue: str, connection_id: str) -> _Connection:
        known = self._known
        one = known.get((venue, connection_id))
        if one is None:
            if len(known) >= MOST_CONNECTIONS:
                del known[next(iter(known))]
            one = known[venue, connection_id] = _Connection()
        return one

    @staticmethod
    def _begin(one: _Connection, row: int, sequence: int, at: int, number: int | None) -> bool:
        """Begin a run with a frame; return whether it may have more. A frame below those that came does not move the count."""
        goes_on = sequence == one.after and at >= one.at and (number is None or number == one.number)
        several = goes_on and one.alone == 0
        one.alone = max(0, one.alone - 1) if goes_on else SINGLY
        one.row, one.first, one.first_at, one.first_number = row, sequence, at, number
        if one.after is None or sequence >= one.after:
            one.after = sequence + 1
        one.at = at
        one.due = None if number is None else number + 1
        one.number = one.number if number is None else one.due
        return several

    def _numbers(self, venue: str, kinds: Sequence[str], payloads: Sequence[bytes]) -> Iterable[int | None]:
        counter = self._counters.get(venue)
        if counter is None:
            return repeat(None)
        return [_number(counter, payload) if kind == "message" else None for kind, payload in zip(kinds, payloads, strict=True)]


def tell(runs: FrameRuns, batch: Batch, columns: Sequence[Sequence[Any]], applied: int, output: Output) -> None:
    """Publish the runs of a batch's frames, but for those up to the offset `applied`; `columns`: offsets, then as `FrameRuns.of` has them.

    Called before the frames are read: of one that our reading fails on it is still told that it came.
    """
    if columns and columns[0][0] <= applied:
        left = [row for row, offset in enumerate(columns[0]) if offset > applied]
        columns = [[column[row] for row in left] for column in columns] if left else []
    if not columns:
        return
    offsets, *frames = columns
    for row, run in runs.of(frames):
        try:
            output.publish("frame_run", run)
        except (InvalidDatum, Reject) as error:
            output.refuse(batch, offsets[row], f"that it came can't be told: {error}")


def _stretches(venues: Sequence[str]) -> Iterable[tuple[str, int]]:
    """Yield each venue and of how many frames it is: a raw topic is one venue's, but anybody may have put anything there."""
    if venues and venues.count(venues[0]) == len(venues):
        yield venues[0], len(venues)
    else:
        for venue, same in groupby(venues):
            yield venue, len(list(same))


def _is_notice(frames: Sequence[Sequence[Any]], row: int) -> bool:
    """Whether a frame is a notice that says something of a connection or a stream: `published` is for normalise alone."""
    return frames[_KIND][row] == "notice" and not frames[_PAYLOAD][row].startswith(PUBLISHED)


def _number(counter: Counter, payload: bytes) -> int | None:
    try:
        number = counter(payload)
    except Exception:  # noqa: BLE001 - the reading of the frame meets it again, and refuses it with the reason
        return None
    return number if number is None or -FARTHEST <= number <= FARTHEST else None


def _end(one: _Connection, venue: str, connection_id: str, frames: Sequence[Sequence[Any]], last: int | None = None) -> Numbered:
    row = one.row
    assert one.after is not None
    run = FrameRun(
        venue=venue,
        origin=frames[_ORIGIN][row],
        connection_id=connection_id,
        connection_sequence=one.after - 1 if last is None else last,
        received_at=one.at,
        first_sequence=one.first,
        first_received_at=one.first_at,
        first_number=one.first_number,
        notice=frames[_PAYLOAD][row] if _is_notice(frames, row) else None,
    )
    return row, run
