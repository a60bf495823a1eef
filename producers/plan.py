"""Which streams a venue's producer carries, on how many connections. Pure."""

from dialects.contract import Dialect, Endpoints, Stream
from topology.errors import Fatal
from topology.settings import Producer, Venue

WHOLE_VENUE = frozenset({"instrument"})
"""Channels that speak of all symbols at once."""


def streams(dialect: Dialect, venue: Venue) -> list[Stream]:
    """Return the streams of a venue: its channels for each of its symbols, the dialect's own where settings name none.

    Authenticated channels are among them where a credential is set. Raises Fatal where a channel is not one of the dialect's, where
    a channel that is named lacks its credential, and where a credential is set that no channel needs.
    """
    unknown = [channel for channel in venue.channels if channel not in dialect.channels]
    if unknown:
        raise Fatal(f"{dialect.venue} has no channel {', '.join(unknown)}: venues.{dialect.venue}.channels ({', '.join(dialect.channels)})")
    private = dialect.authenticated_channels
    if private.intersection(venue.channels) and not venue.credential:
        raise Fatal(
            f"the channel {', '.join(sorted(private.intersection(venue.channels)))} of {dialect.venue} needs a credential: "
            f"set venues.{dialect.venue}.credential, and put one with `tidewire secrets put {dialect.venue} mainnet`"
        )
    if venue.credential and not private:
        raise Fatal(f"no channel of {dialect.venue} needs a credential: take venues.{dialect.venue}.credential out")
    channels = [
        channel
        for channel in dialect.channels
        if (channel in venue.channels if venue.channels else venue.credential or channel not in private)
    ]
    symbols = venue.symbols or dialect.default_symbols
    whole = [Stream(channel, "") for channel in channels if channel in WHOLE_VENUE]
    return whole + [Stream(channel, symbol) for symbol in symbols for channel in channels if channel not in WHOLE_VENUE]


def shards(wanted: list[Stream], most: int) -> list[tuple[Stream, ...]]:
    """Split streams among connections of at most `most` (0: no limit); a channel of the whole venue goes with each.

    Kraken's checksums can't be read without the instruments of the same connection.
    """
    whole = tuple(stream for stream in wanted if not stream.symbol)
    others = [stream for stream in wanted if stream.symbol]
    size = max(1, most - len(whole)) if most else max(1, len(others))
    return [whole + tuple(others[start : start + size]) for start in range(0, len(others), size)] or ([whole] if whole else [])


def connections(dialect: Dialect, wanted: list[Stream]) -> list[tuple[Stream, ...]]:
    """Return which streams go together on a connection: authenticated ones apart from the others, no more on one than the venue allows."""
    kinds = ([stream for stream in wanted if dialect.is_authenticated((stream,)) is private] for private in (False, True))
    return [together for kind in kinds for together in shards(kind, dialect.limits_of(kind).streams_per_connection)]


def endpoints(dialect: Dialect, venue: Venue) -> Endpoints:
    """Return where the venue is reached: settings first, then the venue's own addresses."""
    own = dialect.production
    given = (venue.websocket or own.websocket, venue.rest or own.rest, venue.authenticated or own.authenticated)
    return Endpoints(*(address.rstrip("/") for address in given))


def lifetime(dialect: Dialect, producer: Producer) -> float:
    """Return how long a connection is kept, in seconds; 0: for ever."""
    longest = dialect.limits.connection_lifetime
    return producer.lifetime_seconds or (max(longest / 2, longest - producer.rotate_before) if longest else 0)
