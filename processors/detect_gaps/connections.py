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

    def notice(self, connection_id: str, notice: Notice) -> None:
        """Take a notice of a connection that is counted: which streams it carries, or that it has ended."""
        if notice["notice"] == "closed":
            self.forget(connection_id)
        elif notice["notice"] == "confirmed":
            self._carried.setdefault(connection_id, {}).update(dict.fromkeys(notice["streams"]))
            self._changed.add(CARRIED + connection_id)

    def see(self, venue: str, origin: Origin, connection_id: str, number: int, at: int, *, ours: bool) -> list[Gap]:
        """Take the venue's number of a frame; `ours`: frames of our own were lost before it. Return the gaps it shows, all unfillable."""
        verdict = judge(COUNTER, self._places.get(connection_id), Step(number, number, connection_id, at))
        if verdict.place is None or verdict.finding is Finding.REPEAT:
            return []
        before = self._places.get(connection_id)
        self._places[connection_id] = verdict.place
        self._changed.add(PLACE + connection_id)
        if before is None and len(self._places) > MOST_CONNECTIONS:
            self.forget(min(self._places, key=lambda name: self._places[name].received_at))
        if verdict.finding is not Finding.HOLE or before is None:
            return []
        made: list[Gap] = []
        for channel, symbol in self._carried.get(connection_id, {}):
            if channel != "book" and self._tells(venue, channel):
                made += over_at_once(
                    StreamName(venue, symbol, channel, origin),
                    f"{connection_id}|{verdict.first}",
                    "ours" if ours else "wire",
                    (before.received_at, at),
                    at,
                    connection_id,
                    reason=f"messages {verdict.first} to {verdict.last} of the connection are lost, and any may have been of this stream",
                )
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
