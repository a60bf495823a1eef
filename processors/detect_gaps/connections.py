"""What a venue's own counter of a connection's messages, and the time without any connection, leave as gaps. Pure.

A counter that spans a connection (dialects/rules.py, COINBASE_ADVANCED) does not say whose message was lost: so each stream of the
connection has a gap, unless its own ids show what it missed, or it is a book, of which rebuild_books tells when it is right again.
"""

from collections.abc import Callable, Mapping

import msgspec

from dialects.continuity import Finding, Kind, Place, Rule, Step
from dialects.contract import Origin
from dialects.judge import judge
from dialects.notices import Notice
from processors.detect_gaps.gaps import StreamName, over_at_once
from processors.detect_gaps.holes import Cause
from schemas.events import Gap

COUNTER = Rule(Kind.CONNECTION)
PLACE = "counter|"
CARRIED = "carried|"
MOST_CONNECTIONS = 256
"""Connections whose counter is remembered; the one longest quiet has gone without a word."""


def away(venue: str, origin: Origin, connection_id: str, at: int, notice: Notice, tells: Callable[[str, str], bool]) -> list[Gap]:
    """Return the gaps of the time without a connection, told by the notice that confirms streams again.

    `tells` says of a venue's channel whether that time must be told: its own ids may show what was missed.
    """
    since = notice["since"]
    if notice["notice"] != "confirmed" or since is None:
        return []
    spans = ((stream, (since, since, at)) for stream in notice["streams"] if tells(venue, stream[0]))
    return [gap for stream, span in spans for gap in absence(venue, origin, connection_id, span, stream, at)]


def absence(venue: str, origin: Origin, connection_id: str, span: tuple[int, int, int], stream: tuple[str, str], at: int) -> list[Gap]:
    """Return the gap of one stream (channel, symbol) that nobody heard, over at once.

    `span`: since when its connection says so, which names the gap, and from when to when it is true; `at`: when it said so.
    """
    said, begin, end = span
    channel, symbol = stream
    book = channel == "book"
    reason = "the new connection's snapshot" if book else "the venue does not send again what this stream missed"
    name = StreamName(venue, symbol, channel, origin)
    return over_at_once(name, f"away|{said}", "reconnect", (begin, end), at, connection_id, filled=book, reason=reason)


class Counters:
    """The venues' counters of the connections of one raw partition. `tells`: see `away`; books are left out here."""

    def __init__(self, tells: Callable[[str, str], bool], entries: Mapping[str, bytes]) -> None:
        self._tells = tells
        self._places = {
            name[len(PLACE) :]: msgspec.msgpack.decode(data, type=Place) for name, data in entries.items() if name.startswith(PLACE)
        }
        self._carried = {
            name[len(CARRIED) :]: msgspec.msgpack.decode(data, type=dict[tuple[str, str], None])
            for name, data in entries.items()
            if name.startswith(CARRIED)
        }
        self._changed: set[str] = set()

    def notice(self, venue: str, origin: Origin, connection_id: str, notice: Notice) -> list[Gap]:
        """Take a notice of a counted connection: which streams it carries, or that it has ended; return the gaps that this shows."""
        made: list[Gap] = []
        if notice["notice"] == "closed":
            place = self._places.get(connection_id)
            if place is not None and place.suspect is not None and place.joined:
                due = (place.last or 0) + 1
                why = f"its last message had the number {place.suspect.last} where {due} was due: some may be lost before it"
                made = self._of_all_streams(venue, origin, connection_id, place, place.suspect, why)
            self.forget(connection_id)
        elif notice["notice"] == "confirmed":
            self._carried.setdefault(connection_id, {}).update(dict.fromkeys(notice["streams"]))
            self._changed.add(CARRIED + connection_id)
        return made

    def see(self, venue: str, origin: Origin, connection_id: str, number: int, at: int, *, ours: int) -> list[Gap]:
        """Take the venue's number of a frame; `ours`: so many frames of our own were lost right before it.

        Return the gaps it shows, all unfillable. A number far ahead shows none until another goes on from it: dialects/counter.py.
        """
        before = self._places.get(connection_id)
        known = 0 if before is None else (before.suspect or before).frames_lost
        step = Step(number, number, connection_id, at, frames_lost=known + ours)
        verdict = judge(COUNTER, before, step)
        if verdict.place is None or verdict.finding is Finding.REPEAT:
            return []
        self._places[connection_id] = verdict.place
        self._changed.add(PLACE + connection_id)
        if before is None and len(self._places) > MOST_CONNECTIONS:
            self.forget(min(self._places, key=lambda name: self._places[name].received_at))
        if verdict.finding is not Finding.HOLE or before is None:
            return []
        but = "" if verdict.began is None else f", all but {verdict.began.last},"
        why = f"messages {verdict.first} to {verdict.last}{but} of the connection are lost, and any may have been of this stream"
        return self._of_all_streams(venue, origin, connection_id, before, step, why)

    def see_on(self, venue: str, origin: Origin, connection_id: str, numbers: tuple[int, int], at: int) -> list[Gap]:
        """Take the numbers of many frames from one to another, each the next, as `see` would each; the number before was seen just now.

        The first says whether the one before was a stray; what is not above the count then is a repetition, and the rest goes on from it.
        """
        first, last = numbers
        made = self.see(venue, origin, connection_id, first, at, ours=0)
        place = self._places.get(connection_id)
        if place is not None and place.last is not None and last > place.last:
            self._places[connection_id] = Place(last, connection_id, at, None, None, place.frames_lost, place.venue_lost)
            self._changed.add(PLACE + connection_id)
        return made

    def _of_all_streams(self, venue: str, origin: Origin, connection_id: str, before: Place, step: Step, why: str) -> list[Gap]:
        """Return the gap of each stream that a connection carries, between a place of its counter and a step."""
        made: list[Gap] = []
        cause: Cause = "ours" if step.frames_lost > before.frames_lost else "wire"
        where = f"{connection_id}|{(before.last or 0) + 1}"
        for channel, symbol in self._carried.get(connection_id, {}):
            if channel != "book" and self._tells(venue, channel):
                stream, span = StreamName(venue, symbol, channel, origin), (before.received_at, step.received_at)
                made += over_at_once(stream, where, cause, span, step.received_at, connection_id, reason=why)
        return made

    def forget(self, connection_id: str) -> None:
        """Forget a connection."""
        for prefix, kept in ((PLACE, self._places), (CARRIED, self._carried)):
            if kept.pop(connection_id, None) is not None:
                self._changed.add(prefix + connection_id)

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries that changed since the last dump."""
        entries: dict[str, bytes | None] = {}
        for key in self._changed:
            kept: Mapping[str, object] = self._places if key.startswith(PLACE) else self._carried
            value = kept.get(key.partition("|")[2])
            entries[key] = None if value is None else msgspec.msgpack.encode(value)
        self._changed.clear()
        return entries
