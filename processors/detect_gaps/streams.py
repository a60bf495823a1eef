"""The streams of one source partition whose ids show what was missed: trades, book deltas, the frames of connections. Pure.

State is kept by stream and survives checkpoints; the first event ever of a stream opens no gap. Each stream's entry is bounded
(processors/detect_gaps/holes.py), and a stream that has been quiet for QUIET is forgotten. How long something waits is counted from when
it was published: what is replayed was received long ago, and the rest of it is still to come.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from dialects.continuity import Finding, Place, Rule, Run, Step, Verdict
from dialects.contract import Origin
from dialects.judge import covered, is_past, is_snapshot, judge, latest, moved_on, moved_over
from processors.detect_gaps.gaps import StreamName, hole_gap, hole_id, over_at_once
from processors.detect_gaps.holes import Cause, Hole, Holes, HoleState
from schemas.events import Gap
from topology.gap_versions import certain

DAY = 86_400_000_000
"""Microseconds."""
QUIET = 30 * DAY
"""A stream without an event for so long has ended: a symbol that was delisted or has expired (microseconds)."""
PREFIX = "stream|"
FRAMES_LOST = "frames were lost between our socket and Kafka; what the venue's own numbers show as missing is told stream by stream"


class Saved(msgspec.Struct, array_like=True):
    """One stream between two checkpoints."""

    name: StreamName
    place: Place | None
    waiting: list[Hole]
    open: list[Hole]
    late: int = 0


@dataclass(slots=True)
class Stream:
    """One stream: its rule, where it stands, and what is missing of it."""

    name: StreamName
    rule: Rule
    place: Place | None = None
    holes: Holes = field(default_factory=Holes)
    late: int = 0
    """How long after its receipt its newest event was published; microseconds."""

    def see(self, step: Step, reorder: int) -> list[Gap]:
        """Take one event in the order of arrival; return what is to be told."""
        place, holes = self.place, self.holes
        told = holes.ripen(step.received_at, reorder) if holes.waiting else []
        if place is None and self._waits_for_a_delta(step):
            return []
        verdict = judge(self.rule, place, step)
        finding = verdict.finding
        gaps: list[Gap] = []
        if finding is not Finding.NEXT or is_snapshot(self.rule, step):
            told += self._judged(verdict, step, place, gaps)
        elif place is not None and place.suspect is not None:
            told += self._fill_remembered(place, place)
        if not (self._waits_for_a_delta(step) and finding in {Finding.NEXT, Finding.REPEAT}):
            self.place = verdict.place
        return [*self.gaps(told), *gaps] if told or gaps else []

    def gaps(self, told: Iterable[HoleState]) -> list[Gap]:
        """Return states of holes as gap events. Frames that we lost can't be had again: such a gap is over when it is told."""
        made: list[Gap] = []
        for one in told:
            made.append(hole_gap(self.name, one))
            if self.name.channel == "frame" and one.state == "open":
                made.append(hole_gap(self.name, HoleState(one.hole, "unfillable", certain(one.version, 0), FRAMES_LOST)))
                self.holes.forget((one.hole,))
        return made

    def _waits_for_a_delta(self, step: Step) -> bool:
        """Whether a step is a snapshot that was asked for: it makes up for what was missing, but the feed has not come so far."""
        return self.rule.snapshot == "rest" and step.is_snapshot

    def _judged(self, verdict: Verdict, step: Step, place: Place | None, gaps: list[Gap]) -> list[HoleState]:
        told: list[HoleState] = []
        finding, holes = verdict.finding, self.holes
        if finding is Finding.RESET:
            told += holes.end_all(step.received_at, "the venue began its numbers again before it was filled")
            gaps += self._reset(verdict, place)
        elif finding is Finding.RETURN:
            told += holes.withdraw(step.last or 0, step.received_at, "the id behind it was a stray: the numbers went on from before it")
        if finding is Finding.HOLE or verdict.first is not None:
            told += holes.add(self._hole(verdict, step, place))
        elif finding is Finding.REPEAT:
            told += self._fill(step, place)
        if place is not None and finding is not Finding.SUSPECT:
            told += self._fill_remembered(place, verdict.place if finding in {Finding.RESET, Finding.RETURN} else place)
        if is_snapshot(self.rule, step) and step.last is not None:
            told += holes.cover(step.last, step.received_at, "snapshot")
        return told

    def _fill(self, step: Step, place: Place | None) -> list[HoleState]:
        if not self.holes or step.is_snapshot or is_past(place, step):
            return []
        first, last = covered(self.rule, step)
        return self.holes.fill(first, last, step.received_at, step.connection_id) if first <= last else []

    def _fill_remembered(self, place: Place, count: Place | None) -> list[HoleState]:
        """Take what a place remembers beside its count out of the holes of a count: it has been received."""
        suspects = place.earlier if place.suspect is None else (*place.earlier, place.suspect)
        return [told for one in suspects for told in self._fill(one, count)]

    def _hole(self, verdict: Verdict, step: Step, place: Place | None) -> Hole:
        cause: Cause = "ours" if self.name.channel == "frame" else "wire"
        if place is not None and step.connection_id != place.connection_id:
            cause = "reconnect"
        elif place is not None and step.frames_lost > place.frames_lost:
            cause = "ours"
        before = place.time if place is not None and verdict.finding is Finding.HOLE else None
        return Hole(
            verdict.first,
            verdict.last,
            cause,
            before,
            latest(place, step),
            step.connection_id,
            step.received_at,
            verdict.place.ended if verdict.place is not None else None,
            "snapshot" if is_snapshot(self.rule, step) else "",
        )

    def _reset(self, verdict: Verdict, place: Place | None) -> list[Gap]:
        """Tell that the count began again. That of a book is told by rebuild_books, which knows when it is right again."""
        began = verdict.began
        if began is None or self.name.channel == "book":
            return []
        span = (place.time if place is not None else None, latest(place, began))
        return over_at_once(
            self.name,
            f"reset|{began.first}|{began.received_at}",
            "venue_reset",
            span,
            began.received_at,
            began.connection_id,
            reason=f"the venue began its numbers again, with {began.last if began.first is None else began.first}",
        )


@dataclass(slots=True)
class Streams:
    """The streams of one partition by name: venue, symbol and channel, or a connection's id."""

    reorder: int
    """How long a hole waits; microseconds."""
    rule_of: Callable[[str, str], Rule]
    """The rule of a venue's channel."""
    quiet: int = QUIET
    """A stream without an event for so long is forgotten; microseconds."""
    published_at: int = 0
    """When the events now taken were published; microseconds since 1970 UTC."""
    streams: dict[str, Stream] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def see(self, venue: str, symbol: str, channel: str, origin: Origin, step: Step, name: str = "") -> list[Gap]:
        """Take one event of a stream; return the gaps it opens or closes. `name` is its key, where that is not made of the others."""
        name = name or f"{venue}|{symbol}|{channel}"
        entry = self.streams.get(name)
        if entry is None:
            rule = self.rule_of(venue, channel)
            if not rule.shows_losses:
                return []
            entry = self.streams[name] = Stream(StreamName(venue, symbol, channel, origin), rule)
        self.changed.add(name)
        entry.late = self.published_at - step.received_at
        return entry.see(step, self.reorder)

    def goes_on(
        self,
        name: str,
        first: int,
        last: int,
        connection_id: str,
        received_at: int,
        event_time: int | None = None,
        frames_lost: int = 0,
        venue_lost: int = 0,
    ) -> bool:
        """Take the commonest event of all, which goes on from the last and tells nothing; False where `see` must look at it."""
        entry = self.streams.get(name)
        if entry is None or entry.place is None or entry.holes.waiting:
            return False
        if not moved_on(entry.rule, entry.place, first, last, connection_id, received_at, event_time, frames_lost, venue_lost):
            return False
        self.changed.add(name)
        entry.late = self.published_at - received_at
        return True

    def run_on(self, venue: str, channel: str, name: str, run: Run) -> bool:
        """Take many events of a stream that go on from the last, as `goes_on` would each; False where they must be looked at one by one."""
        entry = self.streams.get(name)
        if entry is None:
            return not self.rule_of(venue, channel).shows_losses
        if entry.place is None or entry.holes.waiting or not moved_over(entry.rule, entry.place, run):
            return False
        self.changed.add(name)
        entry.late = self.published_at - run.received_at
        return True

    def missing_before(self, name: str) -> int:
        """Return how many are missing right before a stream's newest event."""
        entry = self.streams.get(name)
        if entry is None or entry.place is None or not entry.holes.waiting:
            return 0
        hole = entry.holes.waiting[-1]
        if hole.detected_at != entry.place.received_at or hole.first is None or hole.last is None:
            return 0
        return hole.last - hole.first + 1

    def highest(self, name: str) -> int | None:
        """Return the highest id of a stream's count; None where it is not known."""
        entry = self.streams.get(name)
        return entry.place.last if entry is not None and entry.place is not None else None

    def heard(self, name: str) -> int | None:
        """Return when a stream was last heard (microseconds); None where it is not known."""
        entry = self.streams.get(name)
        return entry.place.received_at if entry is not None and entry.place is not None else None

    def tick(self, at: int, ended: Container[str]) -> list[Gap]:
        """Announce by the clock what has waited long enough, give up what is too old, forget what `ended` names (gap ids)."""
        made: list[Gap] = []
        for name, entry in list(self.streams.items()):
            holes, its_time = entry.holes, at - max(0, entry.late)
            if holes:
                over = [hole for hole in holes.open if hole_id(entry.name, hole) in ended]
                holes.forget(over)
                told = entry.gaps(holes.ripen(its_time, self.reorder) + holes.overtaken(at))
                told += entry.gaps(holes.expire(its_time))
                made += told
                if told or over:
                    self.changed.add(name)
            elif entry.place is None or its_time > entry.place.received_at + self.quiet:
                self.forget(name)
        return made

    def end(self, name: str, at: int) -> list[Gap]:
        """Tell what is still missing of a stream that has ended, and forget it."""
        entry = self.streams.get(name)
        if entry is None:
            return []
        made = entry.gaps(entry.holes.ripen(max(at, *(hole.detected_at for hole in entry.holes.waiting), 0) + self.reorder, self.reorder))
        self.forget(name)
        return made

    def forget(self, name: str) -> None:
        """Forget a stream: what comes of it now begins it anew."""
        if self.streams.pop(name, None) is not None:
            self.changed.add(name)

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries of the streams that changed since the last dump."""
        entries: dict[str, bytes | None] = {}
        for name in self.changed:
            entry = self.streams.get(name)
            saved = Saved(entry.name, entry.place, entry.holes.waiting, entry.holes.open, entry.late) if entry is not None else None
            entries[PREFIX + name] = None if saved is None else msgspec.msgpack.encode(saved)
        self.changed.clear()
        return entries

    def load(self, entries: Mapping[str, bytes]) -> None:
        """Take the streams of a dump; other entries are passed over."""
        for key, data in entries.items():
            if key.startswith(PREFIX):
                saved = msgspec.msgpack.decode(data, type=Saved)
                rule = self.rule_of(saved.name.venue, saved.name.channel)
                self.streams[key[len(PREFIX) :]] = Stream(saved.name, rule, saved.place, Holes(saved.waiting, saved.open), saved.late)

    def open(self) -> Iterator[tuple[str, str]]:
        """Yield venue and channel of each gap that is open."""
        for entry in self.streams.values():
            for _ in entry.holes.open:
                yield entry.name.venue, entry.name.channel
