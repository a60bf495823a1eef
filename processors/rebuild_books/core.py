"""One order book rebuilt from its deltas, by its venue's rule of continuity (dialects/rules.py). Pure.

    waiting ──snapshot──▶ live ──hole, reset, wrong checksum, fault──▶ broken ──snapshot, or what was late──▶ live

Deltas with ids wait for a snapshot; those it covers are dropped, the rest must go on from it. A snapshot that was asked for must reach
what the stream last said, by itself or by the deltas that wait, else it is asked for again by a gap; one that the venue pushes always
replaces what was there, unless it was received before the one that began the book: it is then of a connection that has been replaced.
Deltas without ids belong to the connection whose snapshot began the book.

What `verified` claims: `checksum`, that the last message's checksum is that of the book; `sequence`, that an unbroken count leads here
from a snapshot, which a delta has joined where it was asked for; `unverified`, that the venue sends nothing that would show an error, or
has not yet, or that the book is crossed.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from dialects import rules
from dialects.continuity import Finding, Join, Kind, Place, Rule, Step, Verdict
from dialects.judge import begin, is_past, is_snapshot, joins, judge, moved_on
from processors.rebuild_books.contents import MOST_LEVELS, Contents
from processors.rebuild_books.gaps import BookGaps, Cause, time_of
from processors.rebuild_books.pending import Pending, applied_in_order, step_of
from processors.rebuild_books.records import PLAIN, Saved, State, Verified, book_snapshot
from schemas.errors import InvalidDatum
from schemas.events import BookDelta, Gap

SNAPSHOT_WAIT = 300_000_000
"""A book that hears deltas for so long without a snapshot asks for one, again and again (microseconds)."""
SET_BACK = 1_000_000
"""Times of receipt may be this much out of order on a connection whose clock was not set back (microseconds)."""


@dataclass(slots=True)
class BookSettings:
    """Levels per side of a book_snapshot, and microseconds between two of one book."""

    depth: int = 20
    every: int = 1_000_000


@dataclass(slots=True)
class Book:
    """The book of one venue and symbol. Times in microseconds since 1970 UTC."""

    settings: BookSettings
    rule: Rule | None = None
    """None: by what the first delta carries."""
    state: State = "waiting"
    verified: Verified = "unverified"
    feed: Place | None = None
    """Where the deltas stand that have come, applied or not."""
    last_sequence: int | None = None
    """The id that the contents have reached; None where there are none, or no ids."""
    joined: bool = True
    """False until a delta has gone on from a snapshot that was asked for."""
    connection_id: str = ""
    frame: tuple[int, int] = (-1, -1)
    """The newest frame of that connection that was taken, and the place in it."""
    began_at: int = -1
    heard_at: int = -1
    """When its newest delta was received, or published where that is later."""
    waiting_since: int | None = None
    depth: int = 0
    slot: int = -1
    last_time: int | None = None
    """The time of the last delta after which the book was right."""
    contents: Contents = field(default_factory=Contents)
    pending: Pending = field(default_factory=Pending)
    gaps: BookGaps = field(default_factory=BookGaps)

    def apply(self, delta: BookDelta) -> list[tuple[str, Any]]:
        """Apply one delta (decimals as bytes); return the events it gives, as (name, record): book_snapshot, gap.

        InvalidDatum where a venue that numbers its updates sends one without ids.
        """
        rule = self.rule
        if rule is None:
            rule = self.rule = rule_of_fields(delta)
        at = delta["received_at"]
        self.heard_at = max(self.heard_at, at)
        self._mind_clock(rule, delta)
        told: list[Gap] = []
        if not self._goes_on(rule, delta, told):
            step = step_of(delta)
            if is_snapshot(rule, step) or rule.kind is Kind.WHOLE:
                (self._pushed if rule.snapshot == "pushed" else self._requested)(rule, delta, step, told)
            elif rule.shows_losses:
                self._update(rule, delta, step, told)
            else:
                self._update_of_connection(rule, delta, step, told)
        if self.state != "live":
            self._wait(delta, told)
        made: list[tuple[str, Any]] = [("gap", gap) for gap in told]
        if self.state == "live":
            self.waiting_since = None
            if at // self.settings.every > self.slot:
                self.slot = at // self.settings.every
                proof: Verified = "unverified" if self.verified == "sequence" and not self.joined else self.verified
                made.append(("book_snapshot", book_snapshot(delta, self.contents, self.settings.depth, self.last_sequence, proof)))
        return made

    def _mind_clock(self, rule: Rule, delta: BookDelta) -> None:
        """Where what comes later on one connection was received earlier, its clock was set back: what waits, waits by the new time."""
        feed, at = self.feed, delta["received_at"]
        if feed is None or at >= feed.received_at - SET_BACK or delta["connection_id"] != feed.connection_id:
            return
        last = delta["last_sequence"]
        newer = last is not None and feed.last is not None and last > feed.last if rule.shows_losses else not self._is_repeated(delta)
        if newer:
            self.slot, self.began_at = min(self.slot, at // self.settings.every - 1), min(self.began_at, at)
            if self.waiting_since is not None:
                self.waiting_since = min(self.waiting_since, at)

    def _goes_on(self, rule: Rule, delta: BookDelta, told: list[Gap]) -> bool:
        """Take the commonest delta of all, which goes on from the last; False where the judge must look, and nothing has changed."""
        feed = self.feed
        if feed is None or self.state != "live" or delta["is_snapshot"] or self.pending.deltas:
            return False
        first, last, connection_id, at = delta["first_sequence"], delta["last_sequence"], delta["connection_id"], delta["received_at"]
        lost, venue_lost = delta["frames_lost"], delta["venue_lost"]
        if rule.shows_losses:
            if first is None or last is None or feed.last != self.last_sequence or not self.joined:
                return False
            if not moved_on(rule, feed, first, last, connection_id, at, delta["event_time"], lost, venue_lost):
                return False
        elif connection_id == self.connection_id == feed.connection_id and lost == feed.frames_lost and venue_lost == feed.venue_lost:
            frame = _frame(delta)
            if frame <= self.frame or rule.kind is Kind.WHOLE:
                return False
            feed.received_at, self.frame = at, frame
        else:
            return False
        self._change_and_prove(rule, delta, last, told)
        return True

    def give_up(self, delta: BookDelta, why: str) -> list[Gap]:
        """Take that our own code failed on a delta: nothing here is right any more, and only a snapshot makes it so."""
        self._clear()
        self.state, self.pending = "broken", Pending()
        feed, first, last = self.feed, delta["first_sequence"], delta["last_sequence"]
        if not delta["is_snapshot"] and feed is not None and feed.last is not None and last is not None and last > feed.last:
            # Without the judge, which may be what failed: a snapshot must reach this delta too, though it is not kept.
            before = feed.last if (last if first is None else first) > feed.last + 1 else feed.before
            self.feed = msgspec.structs.replace(feed, last=last, before=before)
        return [] if self.gaps.has("fault") else self.gaps.tell(delta, "fault", self.last_time, why)

    def end(self, at: int) -> list[Gap]:
        """End what is open of a book that is forgotten."""
        return self.gaps.end(at, "closed", "nothing more was heard of this book")

    def _pushed(self, rule: Rule, delta: BookDelta, step: Step, told: list[Gap]) -> None:
        if self._is_repeated(delta) or step.received_at < self.began_at:
            return
        if rule.shows_losses and self.feed is not None and self.state != "waiting":
            verdict = judge(rule, self.feed, step)
            if verdict.finding is Finding.RESET:
                self._reset(verdict, delta, self.feed, told)
        self._begin(rule, delta, step, told)

    def _requested(self, rule: Rule, delta: BookDelta, step: Step, told: list[Gap]) -> None:
        if step.last is None:
            raise InvalidDatum("a snapshot without an id, by a venue that numbers its updates")
        verdict = judge(rule, self.feed, step)
        if verdict.finding is Finding.RESET:
            self._reset(verdict, delta, self.feed, told)
        elif self.state == "live" and self.last_sequence is not None and step.last <= self.last_sequence:
            self._hold(verdict, delta)
            return
        elif self.state != "live" and not self._reaches(rule, step.last):
            self._hold(verdict, delta)
            if verdict.finding is not Finding.SUSPECT:
                self.state = "broken"
                why = f"it ends at {step.last}, and nothing that has come leads from there to {self.feed.last if self.feed else None}"
                told += self.gaps.tell_again(delta, "snapshot", self.last_time, why)
            return
        self._begin(rule, delta, step, told)

    def _hold(self, verdict: Verdict, delta: BookDelta) -> None:
        """Keep what may begin a new count until the next says so."""
        if verdict.finding is Finding.SUSPECT:
            self.feed = verdict.place
            self.pending.add(delta)

    def _reaches(self, rule: Rule, last: int) -> bool:
        """Whether a snapshot that ends at an id leads to where the stream stands: by itself, or by the deltas that wait, without a hole."""
        end = None if self.feed is None else self.feed.last
        reached, joined = last, False

        def take(step: Step, _delta: BookDelta) -> bool:
            nonlocal reached, joined
            if step.last is not None and fits(rule, reached, step, joined=joined):
                reached, joined = step.last, True
                return True
            return False

        if end is not None and last < end:
            applied_in_order(rule, [(step_of(delta), delta) for delta in self.pending if not delta["is_snapshot"]], take)
        return end is None or reached >= end

    def _begin(self, rule: Rule, delta: BookDelta, step: Step, told: list[Gap]) -> None:
        since = self.last_time
        self.contents, self.state = Contents.of(delta), "live"
        self.last_sequence, self.joined = step.last if rule.shows_losses else None, rule.snapshot == "pushed"
        self.connection_id, self.frame, self.began_at = delta["connection_id"], _frame(delta), step.received_at
        self.depth, self.last_time = delta["depth"], time_of(delta)
        ahead = self.feed is not None and self.feed.last is not None and step.last is not None and self.feed.last > step.last
        if not ahead or rule.snapshot == "pushed":
            ended = self.feed.ended if self.feed is not None else None
            self.feed = msgspec.structs.replace(begin(rule, step), ended=ended)
        if not self._prove(rule, delta):
            self._break(delta, "wire", since, "the snapshot's own checksum differs", told)
            return
        self._catch_up(rule, delta, told)
        if self.state == "live":
            told += self.gaps.end(step.received_at, "filled", "snapshot")

    def _update(self, rule: Rule, delta: BookDelta, step: Step, told: list[Gap]) -> None:
        if step.last is None:
            raise InvalidDatum("an update without an id, by a venue that numbers them")
        verdict = judge(rule, self.feed, step)
        before, self.feed = self.feed, verdict.place
        if verdict.finding is Finding.SUSPECT:
            self.pending.add(delta)
        elif verdict.finding is Finding.RESET:
            self._reset(verdict, delta, before, told)
            self.pending.add(delta)
            for one in [one for one in self.pending if one["is_snapshot"]][-1:]:
                self._begin(rule, one, step_of(one), told)
        elif verdict.finding is Finding.RETURN:
            self.pending.keep(lambda one: (one["last_sequence"] or 0) <= (step.last or 0))
            self.pending.add(delta)
            self._catch_up(rule, delta, told)
        elif not is_past(before, step):
            self._take(rule, delta, step, told)

    def _take(self, rule: Rule, delta: BookDelta, step: Step, told: list[Gap]) -> None:
        """Apply an update where the contents can take it; else it waits."""
        if self._fits(rule, step):
            self._change(rule, delta, step.last)
            self._catch_up(rule, delta, told)
            if self.gaps and self.state == "live":
                told += self.gaps.end(step.received_at, "filled", "what was missing came late")
        elif not self._is_within(step):
            self.pending.add(delta)
            if self.state == "live":
                self.state = "broken"  # the jump is detect_gaps' to tell, with its cause; a snapshot follows from that

    def _fits(self, rule: Rule, step: Step) -> bool:
        return self.last_sequence is not None and fits(rule, self.last_sequence, step, joined=self.joined)

    def _is_within(self, step: Step) -> bool:
        """Whether the contents hold a step already."""
        return self.last_sequence is not None and step.last is not None and step.last <= self.last_sequence

    def _catch_up(self, rule: Rule, delta: BookDelta, told: list[Gap]) -> None:
        """Apply what has waited, in order; what still does not fit leaves the book broken. `delta` is what made way for it."""
        if self.last_sequence is None:
            self._keep_to_bound(delta, told)
            return
        waiting = [(step_of(delta), delta) for delta in self.pending if not delta["is_snapshot"]]

        def take(step: Step, delta: BookDelta) -> bool:
            if self._fits(rule, step):
                self._change(rule, delta, step.last)
                return True
            return self._is_within(step) or is_past(self.feed, step)

        left = applied_in_order(rule, waiting, take)
        self.pending = Pending([dict(delta) for delta in left])
        self.state = "broken" if left else "live"
        self._keep_to_bound(delta, told)

    def _keep_to_bound(self, delta: BookDelta, told: list[Gap]) -> None:
        """Let the contents go where they are more than can be kept: told once, until a snapshot has made it right."""
        if self.contents.room > MOST_LEVELS and (levels := len(self.contents)) > MOST_LEVELS:
            why = f"it has {levels:,} levels, and no more than {MOST_LEVELS:,} are kept of a book"
            self._break(delta, "snapshot", self.last_time, why, told)

    def _change(self, rule: Rule, delta: BookDelta, last: int | None) -> None:
        self.contents.change(delta, self.depth if self.depth and rule.kind is Kind.CHECKSUM else 0)
        self.last_sequence, self.joined = last, True
        self.last_time = time_of(delta)

    def _update_of_connection(self, rule: Rule, delta: BookDelta, step: Step, told: list[Gap]) -> None:
        if self.state != "live" or self._is_repeated(delta):
            return
        verdict = judge(rule, self.feed, step)
        before, since = self.feed, self.last_time
        if verdict.finding is Finding.REPEAT:
            return
        self.feed, self.frame = verdict.place, _frame(delta)
        if verdict.finding is Finding.HOLE and before is not None:
            if step.connection_id != before.connection_id:
                self._break(delta, "reconnect", since, "its connection has gone, and the next one's snapshot has not come", told)
            elif step.frames_lost > before.frames_lost:
                self._break(delta, "ours", since, "frames of its connection were lost, and any may have been of this book", told)
            else:
                self._break(delta, "wire", since, "messages of its connection were lost, and any may have been of this book", told)
            return
        self._change_and_prove(rule, delta, step.last, told)

    def _change_and_prove(self, rule: Rule, delta: BookDelta, last: int | None, told: list[Gap]) -> None:
        since = self.last_time
        self._change(rule, delta, last)
        if not self._prove(rule, delta):
            self._break(delta, "wire", since, "the venue's checksum differs", told)
        self._keep_to_bound(delta, told)

    def _prove(self, rule: Rule, delta: BookDelta) -> bool:
        """Set what proves the book after a delta; False where its checksum disproves it."""
        right = self.contents.is_right(delta) if delta["checksum"] is not None else None
        counted = rule.shows_losses or rule.kind is Kind.CONNECTION
        self.verified = "checksum" if right else "sequence" if counted else "unverified"
        return right is not False

    def _is_repeated(self, delta: BookDelta) -> bool:
        return delta["connection_id"] == self.connection_id and _frame(delta) <= self.frame

    def _reset(self, verdict: Verdict, delta: BookDelta, before: Place | None, told: list[Gap]) -> None:
        """Tell that the count began again; what came before its first suspect proves nothing."""
        began, since = verdict.began, self.last_time
        self._clear()
        self.state, self.feed = "broken", verdict.place
        if began is not None:
            earlier = [one.received_at for one in (before.earlier if before is not None else ()) if not is_past(verdict.place, one)]
            since_receipt = min([began.received_at, *earlier])
            self.pending.keep(lambda one: one["received_at"] >= since_receipt)
            first = began.last if began.first is None else began.first
            told += self.gaps.tell(delta, "venue_reset", since, f"the venue began its update ids again, with {first}")

    def _break(self, delta: BookDelta, cause: Cause, since: int | None, why: str, told: list[Gap]) -> None:
        """Begin to wait for a snapshot; `since` is the time of the last delta after which the book was right."""
        self._clear()
        self.state = "broken"
        if cause != "snapshot" or not self.gaps.has(cause):
            told += self.gaps.tell(delta, cause, since, why)

    def _clear(self) -> None:
        self.contents, self.last_sequence, self.verified = Contents(), None, "unverified"

    def _wait(self, delta: BookDelta, told: list[Gap]) -> None:
        """Ask again where no snapshot has come for too long, and keep only what a fresh one may need."""
        if self.waiting_since is None:
            self.waiting_since = delta["received_at"]
        elif delta["received_at"] > self.waiting_since + SNAPSHOT_WAIT:
            self.waiting_since = delta["received_at"]
            self.pending.keep(lambda one: one["received_at"] >= delta["received_at"] - SNAPSHOT_WAIT)
            told += self.gaps.tell_again(
                delta, "snapshot", self.last_time, f"no snapshot has made it right for {SNAPSHOT_WAIT // 1_000_000} s"
            )

    def dump(self) -> bytes:
        """Return the book as bytes."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in PLAIN}
        bids, asks = self.contents.dump()
        return msgspec.msgpack.encode(Saved(**plain, bids=bids, asks=asks, pending=self.pending.dump(), gaps=self.gaps.dump()))

    @classmethod
    def load(cls, data: bytes, settings: BookSettings, rule: Rule | None = None) -> "Book":
        """Return a book from its dump."""
        saved = msgspec.msgpack.decode(data, type=Saved)
        plain: dict[str, Any] = {name: getattr(saved, name) for name in PLAIN}
        contents, pending, gaps = Contents.load(saved.bids, saved.asks), Pending(saved.pending), BookGaps(saved.gaps)
        return cls(settings, rule, **plain, contents=contents, pending=pending, gaps=gaps)


def fits(rule: Rule, last: int, step: Step, *, joined: bool) -> bool:
    """Whether a step goes on from contents that have reached an id; `joined`: one has gone on from their snapshot already."""
    if step.last is None:
        return False
    if not joined:
        return joins(rule, last, step) is Join.JOINS
    if rule.kind is Kind.LINKED and step.previous is not None:
        return step.previous == last
    return (step.last if step.first is None else step.first) <= last + 1 and step.last > last


def rule_of_fields(delta: BookDelta) -> Rule:
    """Return the rule that a delta's own fields speak of, for a venue that names none: links, ranges, or its connection alone."""
    if delta["previous_sequence"] is not None:
        return rules.DERIBIT_BOOK
    return rules.BINANCE_SPOT_BOOK if delta["last_sequence"] is not None else rules.KRAKEN_BOOK


def _frame(delta: BookDelta) -> tuple[int, int]:
    return delta["connection_sequence"], delta["frame_index"]
