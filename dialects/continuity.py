"""What a venue's ids prove of continuity, as data: a rule, a step, the place where a stream stands, and the verdict on it. Pure.

A rule says what the ids of a channel prove (`Kind`) and which exceptions the venue's own pages name (the fields of `Rule`); the rules
themselves, each with its source, are in dialects/rules.py. dialects/judge.py applies them.
"""

from enum import IntEnum, StrEnum
from typing import Literal, NamedTuple

import msgspec

LATER = 1_000_000
"""A step at or below the last id may begin a new count where it is later than all before by more than this (microseconds)."""

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
    DELIVERED = "delivered"
    """A book goes on from its own connection's snapshot, and nothing that the venue sends would show that a message is missing."""
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


class Run(NamedTuple):
    """What many steps of one stream say together, each the very next after the one before.

    Their ids go on without a hole, they are live, of one connection and received in order; no time of the venue is more than SKEW
    (dialects/judge.py) ahead of its receipt, none before another's before it.
    """

    first: int
    last: int
    connection_id: str
    received_first: int
    received_at: int
    """Of the last."""
    oldest: int | None
    newest: int | None
    """The venue's first and last time, of those steps that have one."""
    time: int | None
    """Of the last step."""
    frames_lost: int
    venue_lost: int
    """As of the last step."""


class Place(msgspec.Struct, array_like=True, gc=False):
    """Where a stream stands. The judge makes the next one; only `moved_on` and `moved_over` change one in place."""

    last: int | None
    """The highest id of the count (of a linked chain: the id of the last)."""
    connection_id: str
    received_at: int
    time: int | None
    """The venue's time of the last step, or the earliest that it can have been (dialects/judge.py); microseconds."""
    newest: int | None
    """The latest time of the count that receipt bears out; microseconds."""
    frames_lost: int = 0
    venue_lost: int = 0
    joined: bool = True
    """False from a requested snapshot until the first delta that goes on from it; likewise of a first number that may be a stray
    (dialects/counter.py)."""
    before: int | None = None
    """The id before the last hole, until something goes on from behind the hole."""
    ended: int | None = None
    """The latest time of the count before this one: what is not later belongs to that."""
    suspect: Step | None = None
    """A step that may have begun a new count: the next says."""
    earlier: tuple[Step, ...] = ()
    """The suspects before it, and what came between a hole's ends: received, though no count has taken them in; oldest first, a few."""


class Finding(IntEnum):
    """What a step is to its stream."""

    NEXT = 0
    """It goes on from the last."""
    REPEAT = 1
    """It brings nothing new: seen before, late, of an older count, or of a connection that the stream does not follow."""
    HOLE = 2
    """Something is missing before it: `first` to `last`, or None where that cannot be known. Of a connection's counter a suspect may lie
    within (`Verdict.began`), which is not missing."""
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
