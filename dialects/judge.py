"""Whether what came goes on from what came before: one judge for every venue's rule, used by detect_gaps and rebuild_books alike. Pure.

`judge` compares one step with the place where its stream stands; the place it returns is where the stream stands then.

When a counter has begun again (RESET). An id that is not above the last is seen every day: a duplicate over two connections, an event
out of order, history that the venue sends again, a REST reply. All of these are of a time that has passed. So it begins a new count
only where all of this holds:

1. It was pushed, not asked for over REST and not marked as history.
2. It is later than everything of the count so far by more than `Rule.later`, by the venue's time of the event; where that is not known, by
   receipt and LATER_BY_RECEIPT: the verdict is then SUSPECT, and the place stays.
3. The next such step goes on from it: two in a row. A single absurd id is forgotten when the old count goes on.

Or the venue says so itself: a snapshot with its restart id (Bybit's u = 1), a pushed snapshot with a lower id on the same connection, a
requested snapshot that agrees with the suspect, or (in a linked chain) a step whose predecessor is the last and whose id is lower: that
one is linked, and NEXT. After a reset, what is of a time before it belongs to the old count and proves nothing: REPEAT.

What a venue says of time (`_known`). Nobody's wrong clock moves ours: a time counts as long as receipt bears it out.

- More than SKEW ahead of receipt: not known. It makes nothing later, and is bounded by receipt wherever it would be told.
- More than LATER_BY_RECEIPT behind both receipt and the count's newest: not known. What was merely held up on its way is not older than
  what came before it, and a venue whose clock is behind is judged by its own times.
- `Place.newest` follows a time up to LAG beyond SKEW: another connection may bring the same event so much later, and then it is known.

So a wrong time hides a reset for SKEW + LAG at most where the venue's clock is right; where it is not, for twice LATER_BY_RECEIPT.

An id far ahead is a HOLE. Where nothing goes on from it, and the next two are in order between the ids before and behind the hole and are
later than what stands behind it, that one was stray: RETURN, and the hole is no hole.

Suspects may come out of order, over two connections, or with one lost between them: those before the newest are remembered
(`Place.earlier`), so that what has been received is not missing once a count has begun again or gone on.
"""

import msgspec

from dialects.continuity import Finding, Join, Kind, Place, Rule, Run, Step, Verdict
from dialects.counter import Count, count

LATER_BY_RECEIPT = 60_000_000
"""What stands for `Rule.later` by the time of receipt: no connection lags so far behind another (microseconds)."""
SKEW = 5_000_000
"""A venue's clock may be this much ahead of ours (microseconds)."""
LAG = 10_000_000
"""While both live, one connection brings what another has brought so much later at most (microseconds); a rotation overlaps by a second."""
SKIPPED = 1_000
"""A new count may have lost so many of its first ids and still be seen to go on."""
GONE_AFTER = 10_000_000
"""A book's connection that has been quiet for so long while another speaks has ended (microseconds); a rotation overlaps by a second."""
MOST_SUSPECTS = 16
"""Suspects that are remembered beside the newest: two connections are no further out of order where a count begins again."""
COUNTED, RANGES = Kind.COUNTED, Kind.RANGES
"""Looked up for every event: a member of an Enum costs several times a name."""


def judge(rule: Rule, place: Place | None, step: Step) -> Verdict:
    """Say what a step is to a stream that stands at `place`; None where nothing has come yet.

    Never raises: ids and times may be anything. A stream cannot begin with a REST reply unless it is a snapshot.
    """
    if place is None:
        if step.sent == "reply" and not step.is_snapshot:
            return Verdict(Finding.REPEAT, None)
        if rule.kind is Kind.CONNECTION and step.last is not None:
            return _by_counter(rule, None, step, step.last)
        return Verdict(Finding.NEXT, begin(rule, step))
    kind = rule.kind
    if kind is Kind.NONE or kind is Kind.WHOLE:
        return Verdict(Finding.NEXT, begin(rule, step))
    if kind is Kind.CONNECTION or kind is Kind.DELIVERED or kind is Kind.CHECKSUM:
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
        or place.earlier
        or not place.joined
        or (rule.kind is not COUNTED and rule.kind is not RANGES)
    ):
        return False
    if event_time is not None:
        if event_time > received_at + SKEW or (place.newest is not None and event_time < place.newest):
            return False
        place.newest = event_time
    place.last, place.received_at, place.time = last, received_at, event_time
    place.frames_lost, place.venue_lost, place.before = frames_lost, venue_lost, None
    return True


def moved_over(rule: Rule, place: Place, run: Run) -> bool:
    """Move a place over many steps, as `moved_on` would over each. False where one of them must be looked at: nothing is changed then."""
    if (
        run.first - 1 != place.last
        or run.connection_id != place.connection_id
        or run.received_first < place.received_at
        or place.suspect is not None
        or place.earlier
        or not place.joined
        or (rule.kind is not COUNTED and rule.kind is not RANGES)
        or (run.oldest is not None and place.newest is not None and run.oldest < place.newest)
    ):
        return False
    place.newest = place.newest if run.newest is None else run.newest
    place.last, place.received_at, place.time = run.last, run.received_at, run.time
    place.frames_lost, place.venue_lost, place.before = run.frames_lost, run.venue_lost, None
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
    time, newest = _earliest(None, step), _newest(None, step)
    joined = not (step.is_snapshot and rule.snapshot == "rest")
    return Place(step.last, step.connection_id, step.received_at, time, newest, step.frames_lost, step.venue_lost, joined)


def supported(event_time: int | None, received_at: int) -> int | None:
    """Return a venue's time where it is not further ahead of its receipt than clocks may differ (SKEW), else None; microseconds."""
    return event_time if event_time is not None and event_time <= received_at + SKEW else None


def latest(place: Place | None, step: Step) -> int | None:
    """Return the latest that a step's time can have been: the venue's, or its receipt where that is not known; None where it names none."""
    if step.event_time is None:
        return None
    time = _known(None if place is None else place.newest, step)
    return step.received_at if time is None else time


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
            time, newest = supported(step.event_time, step.received_at), place.newest
            after = msgspec.structs.replace(after, ended=newest if time is None or newest is None else min(newest, time))
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
    time = _known(place.newest, step)
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
        elif place.before is not None and (step.last or 0) > place.before:
            place = msgspec.structs.replace(place, earlier=_few(place, step))
        return Verdict(Finding.REPEAT, place)
    if suspect is None or suspect.last is None:
        return Verdict(Finding.SUSPECT, msgspec.structs.replace(place, suspect=step))
    begins = covered(rule, suspect)[0]
    stray = place.before is not None and begins > place.before
    if _goes_on(rule, suspect.last, step):
        if place.before is None or not stray:
            return Verdict(Finding.RESET, _anew(rule, place, step, suspect), began=suspect)
        after = msgspec.structs.replace(begin(rule, step), ended=place.ended, earlier=_still_ahead(place, step))
        if begins == place.before + 1:
            return Verdict(Finding.RETURN, after)
        return Verdict(Finding.RETURN, after, place.before + 1, begins - 1)
    first, last = covered(rule, step)
    if not stray and rule.kind is not Kind.LINKED and suspect.last + 1 < first <= suspect.last + SKIPPED:
        return Verdict(Finding.RESET, _anew(rule, place, step, suspect), suspect.last + 1, first - 1, suspect)
    if last <= suspect.last and (begins <= first or suspect.is_snapshot):
        return Verdict(Finding.SUSPECT, place)  # the same once more, over another connection, or within the snapshot
    return Verdict(Finding.SUSPECT, msgspec.structs.replace(place, suspect=step, earlier=_few(place, suspect)))


def _few(place: Place, step: Step) -> tuple[Step, ...]:
    """Return what is remembered beside the newest suspect, with one more."""
    return (*place.earlier, step)[-MOST_SUSPECTS:]


def _still_ahead(place: Place, step: Step) -> tuple[Step, ...]:
    """Return of what is remembered what the count has yet to come to, as long as the rest of it may still come."""
    if not place.earlier or step.last is None:
        return ()
    return tuple(one for one in place.earlier if (one.last or 0) > step.last and one.received_at + LAG >= step.received_at)


def _on_its_connection(rule: Rule, place: Place, step: Step) -> Verdict:
    """Judge by what is known of the connection: its counter, if the step has one, or what was lost on it."""
    if rule.kind is Kind.CONNECTION and step.last is not None:
        return _by_counter(rule, place, step, step.last)
    if step.connection_id != place.connection_id:
        if step.is_snapshot:
            return Verdict(Finding.NEXT, begin(rule, step))
        if step.received_at > place.received_at + GONE_AFTER:
            return Verdict(Finding.HOLE, begin(rule, step))
        return Verdict(Finding.REPEAT, place)
    lost = step.frames_lost > place.frames_lost or step.venue_lost > place.venue_lost
    return Verdict(Finding.HOLE if lost and not step.is_snapshot else Finding.NEXT, begin(rule, step))


def _by_counter(rule: Rule, place: Place | None, step: Step, number: int) -> Verdict:
    """Judge by the counter of a connection (dialects/counter.py). Where a hole has a suspect within, that is what `began` says."""
    suspect, before, ours = None, None, 0
    if place is not None and place.last is not None and step.connection_id == place.connection_id:
        suspect = place.suspect
        before = Count(place.last, None if suspect is None else suspect.last, place.joined)
        ours = step.frames_lost - (place if suspect is None else suspect).frames_lost
    after, missing = count(before, number, max(0, ours))
    if after == before:
        return Verdict(Finding.REPEAT, place)
    if place is not None and after.far is not None:
        return Verdict(Finding.SUSPECT, msgspec.structs.replace(place, suspect=step))
    there = msgspec.structs.replace(begin(rule, step), joined=after.is_sure)
    if not missing:
        return Verdict(Finding.NEXT, there)
    return Verdict(Finding.HOLE, there, missing[0].first, missing[-1].last, suspect if len(missing) > 1 else None)


def _goes_on(rule: Rule, end: int, step: Step) -> bool:
    """Whether a step goes on from an id exactly."""
    if step.last is None:
        return False
    if rule.kind is Kind.LINKED and step.previous is not None:
        return step.previous == end
    return (step.last if step.first is None else step.first) <= end + 1 and step.last > end


def _is_later(rule: Rule, place: Place, step: Step) -> bool:
    time, newest = _known(place.newest, step), place.newest
    if time is not None and newest is not None:
        return time > newest + rule.later
    return step.received_at > place.received_at + LATER_BY_RECEIPT


def _known(newest: int | None, step: Step) -> int | None:
    """Return the venue's time of a step as far as receipt and the newest of its count bear it out."""
    time = supported(step.event_time, step.received_at)
    if time is None or newest is None or time >= min(newest, step.received_at) - LATER_BY_RECEIPT:
        return time
    return None


def _earliest(newest: int | None, step: Step) -> int | None:
    """Return the earliest that a step's time can have been: what comes after it is asked for since then."""
    if step.event_time is None:
        return None
    time = _known(newest, step)
    return step.received_at - SKEW if time is None else time


def _newest(newest: int | None, step: Step) -> int | None:
    """Return the newest time of a count with a step."""
    time = step.event_time
    if time is None or time > step.received_at + SKEW + LAG:
        return newest
    return time if newest is None or time > newest else newest


def _advance(place: Place, step: Step, before: int | None = None) -> Place:
    """Return the place behind a step of the same count. A reply moves the ids alone: it is of no connection that is followed."""
    time, newest = _earliest(place.newest, step), _newest(place.newest, step)
    if step.sent == "reply":
        return msgspec.structs.replace(place, last=step.last, time=time, newest=newest, suspect=None, earlier=_still_ahead(place, step))
    received_at = max(place.received_at, step.received_at)
    lost, venue_lost = step.frames_lost, step.venue_lost
    after = Place(step.last, step.connection_id, received_at, time, newest, lost, venue_lost, True, before, place.ended)
    if place.earlier:
        after.earlier = _still_ahead(place, step)
    return after


def _anew(rule: Rule, place: Place, step: Step, began: Step) -> Place:
    """Return the place of a new count, which began with a step; what is of a time before that belongs to the old one."""
    time = supported(began.event_time, began.received_at)
    if time is None:
        time = supported(step.event_time, step.received_at)
    after = msgspec.structs.replace(begin(rule, step), ended=place.newest if time is None else time - 1)
    after.earlier = tuple(one for one in _still_ahead(place, step) if not is_past(after, one))
    return after
