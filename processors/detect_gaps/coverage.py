"""Which connections carry each stream, of whichever producer: time that one of them was away another may have heard. Pure.

A producer knows its own connections only, so that two of one venue tell of each other's streams that nobody heard them. Here a stream
was away where none of the connections that carry it was heard: what another heard is no gap. Connections lie on several raw partitions;
those of one process know of each other through `Coverages`. Times in microseconds since 1970 UTC.
"""

import weakref
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from dialects.contract import Origin
from dialects.notices import Notice
from processors.detect_gaps.connections import absence
from schemas.events import Gap

PREFIX = "covers|"
CLAIMS = "claims"
GRACE = 20_000_000
"""So long by the clock nothing is told that frames on their way may show to be wrong: a connection that may be heard again has gone then.
Normalise may be behind with one partition by what a worker of it that was killed is missed after (processors.session_timeout), and more."""
MOST_CONNECTIONS = 128
"""Connections of a partition that are remembered, closed ones for what they heard; of more, the one longest quiet is forgotten."""


class Carrier(msgspec.Struct, array_like=True):
    """One connection: from when on it carries each of its streams (venue, channel, symbol), and when it closed."""

    since: dict[tuple[str, str, str], int]
    closed: int | None = None


class Claim(msgspec.Struct, array_like=True):
    """A connection's word that no other of its producer carried some streams (channel, symbol) from a time until it did."""

    venue: str
    origin: Origin
    connection_id: str
    since: int
    at: int
    streams: list[tuple[str, str]]


class Span(NamedTuple):
    """From when to when a connection was heard while it carried a stream, and whether it may be heard again."""

    begin: int
    end: int
    is_open: bool


class Coverages:
    """What all raw partitions of one process know."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[Coverage] = weakref.WeakSet()

    def add(self, one: "Coverage") -> None:
        """Take a partition in; it leaves by itself."""
        self._all.add(one)

    def spans(self, stream: tuple[str, str, str], but: str) -> list[Span]:
        """Return the spans of all connections but one that carry a stream."""
        return [span for one in self._all for span in one.spans(stream, but)]


class Coverage:
    """The connections of one raw partition. `heard`: when one of them was last heard; `tells`: see connections.away."""

    def __init__(
        self,
        shared: Coverages,
        heard: Callable[[str], int | None],
        tells: Callable[[str, str], bool],
        entries: Mapping[str, bytes],
    ) -> None:
        self._shared = shared
        self._heard = heard
        self._tells = tells
        self._carriers = {
            name[len(PREFIX) :]: msgspec.msgpack.decode(data, type=Carrier) for name, data in entries.items() if name.startswith(PREFIX)
        }
        kept = msgspec.msgpack.decode(entries[CLAIMS], type=list[Claim]) if CLAIMS in entries else []
        self._claims: list[tuple[Claim, int | None]] = [(claim, None) for claim in kept]
        """What waits, and when the clock first found it so."""
        self._changed: set[str] = set()
        self._claims_changed = False
        shared.add(self)

    def notice(self, venue: str, origin: Origin, connection_id: str, at: int, notice: Notice) -> list[Gap]:
        """Take a notice; return the gaps of time away of which nothing more need be known."""
        kind, streams = notice["notice"], [(channel, symbol) for channel, symbol in notice["streams"] if self._tells(venue, channel)]
        if kind == "closed" and connection_id in self._carriers:
            self._carriers[connection_id].closed = at
            self._changed.add(connection_id)
        if kind != "confirmed" or not streams:
            return []
        self._carriers.setdefault(connection_id, Carrier({})).since |= {(venue, *stream): at for stream in streams}
        self._changed.add(connection_id)
        while len(self._carriers) > MOST_CONNECTIONS:
            self.forget(min(self._carriers, key=lambda name: self._carriers[name].closed or self._heard(name) or at))
        since = notice["since"]
        return [] if since is None else self._settle(Claim(venue, origin, connection_id, since, at, streams), None, 0)

    def tick(self, now: int) -> list[Gap]:
        """Return the gaps of time away that nobody heard after all. `now` is the clock's."""
        claims, self._claims = self._claims, []
        self._claims_changed = self._claims_changed or bool(claims)
        return [gap for claim, first in claims for gap in self._settle(claim, now if first is None else first, now)]

    def spans(self, stream: tuple[str, str, str], but: str) -> list[Span]:
        """Return the spans of this partition's connections but one that carry a stream."""
        found: list[Span] = []
        for name, carrier in self._carriers.items():
            begin = carrier.since.get(stream)
            if begin is not None and name != but:
                end = carrier.closed if carrier.closed is not None else self._heard(name)
                found.append(Span(begin, begin if end is None else end, carrier.closed is None))
        return found

    def forget(self, connection_id: str) -> None:
        """Forget a connection."""
        if self._carriers.pop(connection_id, None) is not None:
            self._changed.add(connection_id)

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries that changed since the last dump."""
        entries: dict[str, bytes | None] = {}
        for name in self._changed:
            carrier = self._carriers.get(name)
            entries[PREFIX + name] = None if carrier is None else msgspec.msgpack.encode(carrier)
        if self._claims_changed:
            entries[CLAIMS] = msgspec.msgpack.encode([claim for claim, _ in self._claims]) if self._claims else None
        self._changed.clear()
        self._claims_changed = False
        return entries

    def _settle(self, claim: Claim, first: int | None, now: int) -> list[Gap]:
        """Return the gaps of a claim's streams that nobody heard; those that somebody may still turn out to have heard wait."""
        made: list[Gap] = []
        waiting: list[tuple[str, str]] = []
        for channel, symbol in claim.streams:
            spans = self._shared.spans((claim.venue, channel, symbol), claim.connection_id)
            begin, end = uncovered(claim.since, claim.at, spans)
            if begin >= end:
                continue
            if any(span.is_open and span.begin <= begin for span in spans) and (first is None or now < first + GRACE):
                waiting.append((channel, symbol))
            else:
                # One that has gone without a word was heard up to nobody knows when: its producer says since when surely not.
                begin, end = uncovered(claim.since, claim.at, [span for span in spans if not span.is_open or span.end >= claim.at])
                made += absence(claim.venue, claim.origin, claim.connection_id, (claim.since, begin, end), (channel, symbol), claim.at)
        if waiting:
            claim.streams = waiting
            self._claims.append((claim, first))
            self._claims_changed = True
        return made


def uncovered(since: int, until: int, spans: list[Span]) -> tuple[int, int]:
    """Return the time from `since` to `until` less what of its beginning and its end is covered by spans, however many follow another."""
    begin, end = since, until
    while True:
        later = max((span.end for span in spans if span.begin <= begin), default=begin)
        earlier = min((span.begin for span in spans if span.end >= end), default=end)
        if later <= begin and earlier >= end:
            return begin, end
        begin, end = max(begin, later), min(end, earlier)
