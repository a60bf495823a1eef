"""Which streams of a venue are one producer's, where several share them. Pure.

The producers of a venue are members of one consumer group over the topic `gaps`: a symbol is heard by the member that Kafka assigns the
partition in which the symbol's gaps lie, so that who hears a symbol mends it too. A partition that is assigned to another is heard on
until that one says that it hears it (its `Claim`): what both hear meanwhile is one row, by identity.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from dialects.contract import Dialect
from dialects.stream import Stream
from schemas.catalogue import event
from topology.partitioner import partition_of

WHOLE = ""
"""The symbol of what is the venue's as a whole."""


class Claim(NamedTuple):
    """A member's word that it hears the symbols of a partition; the group keeps the newest of each, as the offset committed of it."""

    heard: int
    """Up to when surely: microseconds since 1970 UTC."""
    by: str
    """Which run of which producer."""
    carries: str
    """What all members together are to hear, as a digest."""

    @property
    def words(self) -> str:
        """What is committed beside the time."""
        return f"{self.by} {self.carries}"


def claim_of(offset: int, metadata: str | None) -> Claim | None:
    """Return the claim that was committed of a partition; None where there is none."""
    by, _, carries = (metadata or "").partition(" ")
    return Claim(offset, by, carries) if offset >= 0 and by else None


def digest(wanted: Iterable[Stream]) -> str:
    """Return a short name of a set of streams: who shares them must want the same."""
    return hashlib.sha256("\n".join(sorted(f"{one.channel} {one.symbol}" for one in wanted)).encode()).hexdigest()[:12]


def place(venue: str, symbol: str, partitions: int) -> int:
    """Return the partition of `gaps`, which has so many, that a symbol's gaps lie in."""
    return partition_of(event("gap").topic.key_of({"venue": venue, "symbol": symbol}), partitions)


def share(dialect: Dialect, wanted: Sequence[Stream], held: Container[int], partitions: int) -> list[Stream]:
    """Return which of the wanted streams belong to the partitions held, in order.

    What goes with every connection goes with each member that has one; where nothing else is wanted, with whoever has the venue's whole.
    """
    own = {
        stream
        for stream in wanted
        if dialect.channels[stream.channel].scope != "connection" and place(dialect.venue, stream.symbol, partitions) in held
    }
    connects = any(not dialect.channels[stream.channel].every for stream in own) or place(dialect.venue, WHOLE, partitions) in held
    return [one for one in wanted if one in own or (connects and dialect.channels[one.channel].scope == "connection")]


class Holding:
    """Which partitions a member is assigned by the group, and whose symbols it hears.

    Whoever made the newest claim of a partition hears it, while it lives: it lets go only when it sees that another has made one since.
    """

    def __init__(self, me: str) -> None:
        self._me = me
        self.assigned: frozenset[int] = frozenset()
        self.held: frozenset[int] = frozenset()

    @property
    def leaving(self) -> frozenset[int]:
        """What is heard on though it is another's: until that one claims it."""
        return self.held - self.assigned

    def assign(self, partitions: Iterable[int]) -> frozenset[int]:
        """Take partitions over; return those that were not heard before."""
        fresh = frozenset(partitions) - self.held
        self.assigned |= frozenset(partitions)
        self.held |= fresh
        return fresh

    def revoke(self, partitions: Iterable[int]) -> None:
        """Take that the group has assigned partitions to others, or will: they are heard on."""
        self.assigned -= frozenset(partitions)

    def see(self, claims: Mapping[int, Claim]) -> frozenset[int]:
        """Take the newest claims of some partitions; return those that are let go, for another hears them."""
        gone = frozenset(one for one in self.leaving if one in claims and claims[one].by != self._me)
        self.held -= gone
        return gone
