"""Whether what came goes on from what came before: one judge for every venue's rule, used by detect_gaps and rebuild_books alike. Pure.

A rule says what a venue's ids prove (`Kind`) and which exceptions its own pages name (the fields of `Rule`); the rules themselves, each
with its source, are in dialects/rules.py. `judge` compares one step with the place where its stream stands; the place it returns is
where the stream stands then.

When a counter has begun again (RESET). An id that is not above the last is seen every day: a duplicate over two connections, an event
out of order, history that the venue sends again, a REST reply. All of these are of a time that has passed. So it begins a new count
only where all of this holds:

1. It was pushed, not asked for over REST and not marked as history.
2. It is later than everything of the count so far by more than `Rule.later` (by the venue's time of the event; where the venue gives none,
   or one more than a day after receipt, by receipt and LATER_BY_RECEIPT): the verdict is then SUSPECT, and the place stays.
3. The next such step goes on from it: two in a row. A single absurd id is forgotten when the old count goes on.

Or the venue says so itself: a snapshot with its restart id (Bybit's u = 1), a pushed snapshot with a lower id on the same connection, a
requested snapshot that agrees with the suspect, or (in a linked chain) a step whose predecessor is the last and whose id is lower: that
one is linked, and NEXT. After a reset, what is of a time before it belongs to the old count and proves nothing: REPEAT.

An id far ahead is a HOLE. Where nothing goes on from it, and the next two are in order between the ids before and behind the hole and are
later than what stands behind it, that one was stray: RETURN, and the hole is no hole.
"""

from enum import IntEnum, StrEnum
from typing import Literal

import msgspec

LATER = 1_000_000
"""A step at or below the last id may begin a new count where it is later than all before by more than this (microseconds)."""
LATER_BY_RECEIPT = 60_000_000
"""The same by the time of receipt: no connection lags so far behind another."""
CREDIBLE = 86_400_000_000
"""An event's time further than this after its receipt says nothing (microseconds)."""
SKIPPED = 1_000
"""A new count may have lost so many of its first ids and still be seen to go on."""
GONE_AFTER = 10_000_000
"""A book's connection that has been quiet for so long while another speaks has ended (microseconds); a rotation overlaps by a second."""

Sent = Literal["live", "history", "reply"]
"""As it happened, as history that the venue sends again at subscription, or in answer to a request."""


class Kind(StrEnum):
    """What a venue's ids prove."""

    NONE = "none"
    """Nothing: ids are opaque, or skip."""
    COUNTED = "counted"
    """Each id is the last plus one."""
    LINKED = "linked"
    """Each message names its predecessor; ids themselves may skip."""
    RANGES = "ranges"
    """Each message covers update ids from first to last; the next begins at most one after."""
    CONNECTION = "connection"
    """One counter spans all messages of a connection and begins anew with each."""
    CHECKSUM = "checksum"
    """A book goes on from its own connection's snapshot, and the venue's checksum proves it."""
    WHOLE = "whole"
    """Each message is the whole state: nothing can be missed for good."""


_COUNTED, _LINKED, _RANGES = Kind.COUNTED, Kind.LINKED, Kind.RANGES
"""Looked up for every event: a member of an Enum costs several times a name."""


class Rule(msgspec.Struct, frozen=True):
    """What one channel's ids prove, with the exceptions that the venue documents; `source` is the page that says so."""

    kind: Kind
    source: str = ""
    snapshot: Literal["pushed", "rest"] = "pushed"
    """Of a book: sent on the socket, where it replaces what was; or asked for over REST, where it must join the deltas (`joins`)."""
    drops_equal: bool = True
    """A delta that ends exactly at a requested snapshot's id is covered by it (Binance spot: u <= lastUpdateId); False: it is the first
    to be applied (Binance futures: only u < lastUpdateId is dropped)."""
    restart_id: int | None = None
    """A snapshot of this id follows a restart of the venue's service: it replaces whatever was there (Bybit: u = 1)."""
    snapshot_previous: int | None = None
    """The predecessor named by a snapshot, which has none (OKX: prevSeqId = -1)."""
    later: int = LATER
    """How much later a step at or below the last must be to begin a new count. Where the time is the event's own, the same on every
    connection, a millisecond is enough; where it is the time of sending, connections differ."""

    @property
    def shows_losses(self) -> bool:
        """Whether the ids of the channel's own events show what was missed, over connections too."""
        return self.kind is _COUNTED or self.kind is _RANGES or self.kind is _LINKED


NONE = Rule(Kind.NONE)
"""Ids prove nothing: opaque, hashed, or none."""


class Step(msgspec.Struct, array_like=True, gc=False):
    """What one event says of continuity. Times in microseconds since 1970 UTC; ids both inclusive; None where the event has none."""

    first: int | None
    last: int | None
    connection_id: str
    received_at: int
    event_time: int | None = None
    frames_lost: int = 0
    venue_lost: int = 0
    previous: int | None = None
    is_snapshot: bool = False
    sent: Sent = "live"


class Place(msgspec.Struct, array_like=True, gc=False):
    """Where a stream stands. The judge makes the next one; only `moved_on` changes one in place."""

    last: int | None
    """The highest id of the count (of a linked chain: the id of the last)."""
    connection_id: str
    received_at: int
    time: int | None
    """The venue's time of the last step; microseconds."""
    newest: int | None
    """The latest credible time of the count; microseconds."""
    frames_lost: int = 0
    venue_lost: int = 0
    joined: bool = True
    """False from a requested snapshot until the first delta that goes on from it."""
    before: int | None = None
    """The id before the last hole, until something goes on from behind the hole."""
    ended: int | None = None
    """The latest time of the count before this one: what is not later belongs to that."""
    suspect: Step | None = None
    """A step that may have begun a new count: the next says."""


class Finding(IntEnum):
    """What a step is to its stream."""

    NEXT = 0
    """It goes on from the last."""
    REPEAT = 1
    """It brings nothing new: seen before, late, of an older count, or of a connection that the stream does not follow."""
    HOLE = 2
    """Something is missing before it: `first` to `last`, or None where that cannot be known."""
    SUSPECT = 3
    """It may begin a new count, or be a stray: the next says. Until then it changes nothing."""
    RESET = 4
    """The count began again with the suspect (`Verdict.began`) and this goes on from it; `first`, `last`: missing between the two."""
    RETURN = 5
    """The id behind the last hole was a stray: the suspect and this are of the old count. `first`, `last`: what is missing before the
    suspect, instead of that hole."""


class Verdict(msgspec.Struct, array_like=True, gc=False):
    """What a step is, and where its stream stands now. `first`, `last`: ids missing, inclusive."""

    finding: Finding
    place: Place | None
    first: int | None = None
    last: int | None = None
    began: Step | None = None


class Join(IntEnum):
    """What a delta is to a snapshot."""

    JOINS = 0
    """The first to be applied to it."""
    COVERED = 1
    """Within it already."""
    TOO_OLD = 2
    """The snapshot ends before it: something between is missing, another snapshot is needed."""


def judge(rule: Rule, place: Place | None, step: Step) -> Verdict:
    """Say what a step is to a stream that stands at `place`; None where nothing has come yet.

    Never raises: ids and times may be anything. A stream cannot begin with a REST reply unless it is a snapshot.
    """
    if place is None:
        if step.sent == "reply" and not step.is_snapshot:
            return Verdict(Finding.REPEAT, None)
        return Verdict(Finding.NEXT, begin(rule, step))
    kind = rule.kind
    if kind is Kind.NONE or kind is Kind.WHOLE:
        return Verdict(Finding.NEXT, begin(rule, step))
    if kind is Kind.CONNECTION or kind is Kind.CHECKSUM:
        return _on_its_connection(rule, place, step)
    if step.last is None or place.last is None:
        return Verdict(Finding.NEXT, place if step.last is None else begin(rule, step))
    if is_snapshot(rule, step):
        return _snapshot(rule, place, step)
    if kind is Kind.LINKED:
        return _linked(rule, place, step, place.last, step.last)
    return _counted(rule, place, step, place.last, step.last)


def moved_on(
    rule: Rule,
    place: Place,
    first: int,
    last: int,
    connection_id: str,
    received_at: int,
    event_time: int | None,
    frames_lost: int,
    venue_lost: int,
) -> bool:
    """Move a place to the commonest step of all: the very next ids, live, on the same connection, later than what came before.

    The same as `judge` finds NEXT, without making a step, a verdict and a place. False where that must look: nothing is changed then.
    """
    if (
        first - 1 != place.last
        or last < first
        or connection_id != place.connection_id
        or received_at < place.received_at
        or place.suspect is not None
        or not place.joined
        or (rule.kind is not _COUNTED and rule.kind is not _RANGES)
    ):
        return False
    if event_time is not None:
        if event_time > received_at + CREDIBLE or (place.newest is not None and event_time < place.newest):
            return False
        place.newest = event_time
    place.last, place.received_at, place.time = last, received_at, event_time
    place.frames_lost, place.venue_lost, place.before = frames_lost, venue_lost, None
    return True


def joins(rule: Rule, snapshot_last: int, delta: Step) -> Join:
    """Say what a delta is to a snapshot that ends at an id.

    Of a linked chain whose snapshot was asked for, the first delta is the one that passes the snapshot and whose predecessor does not:
    where venues ask for more (Binance futures: U <= lastUpdateId), that is the same, but for ids that no message has.
    """
    drops_equal = rule.drops_equal or rule.snapshot == "pushed"
    if delta.last is None or delta.last < snapshot_last + drops_equal:
        return Join.COVERED
    first = delta.last if delta.first is None else delta.first
    if rule.kind is not Kind.LINKED:
        return Join.JOINS if first <= snapshot_last + 1 else Join.TOO_OLD
    previous = first - 1 if delta.previous is None else delta.previous
    linked = previous <= snapshot_last if rule.snapshot == "rest" else previous == snapshot_last
    return Join.JOINS if linked else Join.TOO_OLD


def is_snapshot(rule: Rule, step: Step) -> bool:
    """Whether a step is a whole state by its own word or by the predecessor it names."""
    return step.is_snapshot or (rule.snapshot_previous is not None and step.previous == rule.snapshot_previous)


def is_past(place: Place | None, step: Step) -> bool:
    """Whether a step is of the time before the count began again: it proves nothing of this one."""
    return place is not None and place.ended is not None and step.event_time is not None and step.event_time <= place.ended


def covered(rule: Rule, step: Step) -> tuple[int, int]:
    """Return the ids that a step brings, inclusive; empty (first > last) where it brings none."""
    if step.last is None:
        return 0, -1
    if rule.kind is Kind.LINKED and step.previous is not None:
        return step.previous + 1, step.last
    return step.last if step.first is None else step.first, step.last


def begin(rule: Rule, step: Step) -> Place:
    """Return the place of a stream that stands at a step, whatever came before."""
    time = _credible(step)
    joined = not (step.is_snapshot and rule.snapshot == "rest")
    return Place(step.last, step.connection_id, step.received_at, step.event_time, time, step.frames_lost, step.venue_lost, joined)


def _counted(rule: Rule, place: Place, step: Step, end: int, last: int) -> Verdict:
    first = last if step.first is None else step.first
    if last > end:
        if first <= end + 1:
            return Verdict(Finding.NEXT, _advance(place, step))
        if step.sent == "reply" or is_past(place, step):
            return Verdict(Finding.REPEAT, place)
        return Verdict(Finding.HOLE, _advance(place, step, before=end), end + 1, first - 1)
    return _behind(rule, place, step)


def _linked(rule: Rule, place: Place, step: Step, end: int, last: int) -> Verdict:
    if not place.joined:
        return _first_after(rule, place, step, end)
    previous = (last if step.first is None else step.first) - 1 if step.previous is None else step.previous
    if previous == end:
        after = _advance(place, step)
        if last < end:  # the chain goes on below itself: what is of the time before is an older count's
            after = msgspec.structs.replace(after, ended=place.newest)
        return Verdict(Finding.NEXT, after)
    if step.sent == "reply" or is_past(place, step):
        return Verdict(Finding.REPEAT, place)
    if last <= end:
        return _behind(rule, place, step)
    if previous > end:
        return Verdict(Finding.HOLE, _advance(place, step, before=end), end + 1, previous)
    return Verdict(Finding.HOLE, _advance(place, step, before=end))  # its predecessor is passed: what is missing cannot be known


def _first_after(rule: Rule, place: Place, step: Step, end: int) -> Verdict:
    found = joins(rule, end, step)
    if found is Join.COVERED:
        return _behind(rule, place, step)
    if found is Join.JOINS:
        return Verdict(Finding.NEXT, _advance(place, step))
    until = covered(rule, step)[0] - 1
    if until <= end:  # it is not linked to the snapshot, and yet brings ids within it: what is missing cannot be known
        return Verdict(Finding.HOLE, _advance(place, step, before=end))
    return Verdict(Finding.HOLE, _advance(place, step, before=end), end + 1, until)


def _snapshot(rule: Rule, place: Place, step: Step) -> Verdict:
    end, last, suspect = place.last, step.last, place.suspect
    assert end is not None
    assert last is not None
    if rule.snapshot == "rest":
        if last >= end:
            return Verdict(Finding.NEXT, begin(rule, step))
        if suspect is not None and last + 1 >= covered(rule, suspect)[0]:
            after = _anew(rule, place, step, suspect)
            if suspect.last is not None and suspect.last > last:
                after = msgspec.structs.replace(after, last=suspect.last, joined=True)
            return Verdict(Finding.RESET, after, began=suspect)
        if step.received_at > place.received_at + LATER_BY_RECEIPT:
            return Verdict(Finding.SUSPECT, msgspec.structs.replace(place, suspect=step))
        return Verdict(Finding.REPEAT, place)
    if last > end:
        return Verdict(Finding.HOLE, _advance(place, step), end + 1, last)
    if last == end:
        return Verdict(Finding.REPEAT, _advance(place, step))
    time = _credible(step)
    said = last == rule.restart_id or (
        step.connection_id == place.connection_id and (time is None or place.newest is None or time >= place.newest)
    )
    if said or _is_later(rule, place, step):
        return Verdict(Finding.RESET, _anew(rule, place, step, step), began=step)
    return Verdict(Finding.REPEAT, place)


def _behind(rule: Rule, place: Place, step: Step) -> Verdict:
    """Judge a step that does not pass the last id."""
    suspect = place.suspect
    if step.sent != "live" or not _is_later(rule, place, step):
        if place.before is not None and _goes_on(rule, place.before, step):
            place = msgspec.structs.replace(place, before=step.last)
        return Verdict(Finding.REPEAT, place)
    if suspect is None or suspect.last is None:
        return Verdict(Finding.SUSPECT, msgspec.structs.replace(place, suspect=step))
    begins = covered(rule, suspect)[0]
    stray = place.before is not None and begins > place.before
    if _goes_on(rule, suspect.last, step):
        if place.before is None or not stray:
            return Verdict(Finding.RESET, _anew(rule, place, step, suspect), began=suspect)
        after = msgspec.structs.replace(begin(rule, step), ended=place.ended)
        if begins == place.before + 1:
            return Verdict(Finding.RETURN, after)
        return Verdict(Finding.RETURN, after, place.before + 1, begins - 1)
    first, last = covered(rule, step)
    if not stray and rule.kind is not Kind.LINKED and suspect.last + 1 < first <= suspect.last + SKIPPED:
        return Verdict(Finding.RESET, _anew(rule, place, step, suspect), suspect.last + 1, first - 1, suspect)
    if last <= suspect.last and (begins <= first or suspect.is_snapshot):
        return Verdict(Finding.SUSPECT, place)  # the same once more, over another connection, or within the snapshot
    return Verdict(Finding.SUSPECT, msgspec.structs.replace(place, suspect=step))


def _on_its_connection(rule: Rule, place: Place, step: Step) -> Verdict:
    """Judge by what is known of the connection: its counter, if the step has one, or what was lost on it."""
    counter = rule.kind is Kind.CONNECTION and step.last is not None
    if step.connection_id != place.connection_id:
        if step.is_snapshot or counter:
            return Verdict(Finding.NEXT, begin(rule, step))
        if step.received_at > place.received_at + GONE_AFTER:
            return Verdict(Finding.HOLE, begin(rule, step))
        return Verdict(Finding.REPEAT, place)
    if counter and place.last is not None and step.last is not None:
        if step.last <= place.last:
            return Verdict(Finding.REPEAT, place)
        after = begin(rule, step)
        if step.last == place.last + 1:
            return Verdict(Finding.NEXT, after)
        return Verdict(Finding.HOLE, after, place.last + 1, step.last - 1)
    lost = step.frames_lost > place.frames_lost or step.venue_lost > place.venue_lost
    return Verdict(Finding.HOLE if lost and not step.is_snapshot else Finding.NEXT, begin(rule, step))


def _goes_on(rule: Rule, end: int, step: Step) -> bool:
    """Whether a step goes on from an id exactly."""
    if step.last is None:
        return False
    if rule.kind is Kind.LINKED and step.previous is not None:
        return step.previous == end
    return (step.last if step.first is None else step.first) <= end + 1 and step.last > end


def _is_later(rule: Rule, place: Place, step: Step) -> bool:
    time = _credible(step)
    if time is not None and place.newest is not None:
        return time > place.newest + rule.later
    return step.received_at > place.received_at + LATER_BY_RECEIPT


def _credible(step: Step) -> int | None:
    time = step.event_time
    return time if time is not None and time <= step.received_at + CREDIBLE else None


def _advance(place: Place, step: Step, before: int | None = None) -> Place:
    """Return the place behind a step of the same count. A reply moves the ids alone: it is of no connection that is followed."""
    time, newest = step.event_time, place.newest
    if time is not None and (newest is None or time > newest) and time <= step.received_at + CREDIBLE:
        newest = time
    if step.sent == "reply":
        return msgspec.structs.replace(place, last=step.last, time=time, newest=newest, suspect=None)
    received_at = max(place.received_at, step.received_at)
    lost, venue_lost = step.frames_lost, step.venue_lost
    return Place(step.last, step.connection_id, received_at, time, newest, lost, venue_lost, True, before, place.ended)


def _anew(rule: Rule, place: Place, step: Step, began: Step) -> Place:
    """Return the place of a new count, which began with a step; what is of a time before that belongs to the old one."""
    time = _credible(began)
    if time is None:
        time = _credible(step)
    return msgspec.structs.replace(begin(rule, step), ended=place.newest if time is None else time - 1)
