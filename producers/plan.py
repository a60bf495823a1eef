"""Which streams a venue's producer carries, on how many connections. Pure."""

from dialects.dialect import Dialect, Endpoints, Stream
from topology.errors import Fatal
from topology.settings import Producer, Venue

WHOLE_VENUE = frozenset({"instrument"})
"""Channels that speak of all symbols at once."""


def streams(dialect: Dialect, venue: Venue) -> list[Stream]:
    """Return the streams of a venue: its channels for each of its symbols, the dialect's own where settings name none.

    Raises Fatal where a channel is not one of the dialect's.
    """
    unknown = [channel for channel in venue.channels if channel not in dialect.channels]
    if unknown:
        raise Fatal(f"{dialect.venue} has no channel {', '.join(unknown)}: venues.{dialect.venue}.channels ({', '.join(dialect.channels)})")
    channels = [channel for channel in dialect.channels if not venue.channels or channel in venue.channels]
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


def endpoints(dialect: Dialect, venue: Venue) -> Endpoints:
    """Return where the venue is reached: settings first, then the venue's own addresses."""
    own = dialect.production
    return Endpoints((venue.websocket or own.websocket).rstrip("/"), (venue.rest or own.rest).rstrip("/"))


def lifetime(dialect: Dialect, producer: Producer) -> float:
    """Return how long a connection is kept, in seconds; 0: for ever."""
    longest = dialect.limits.connection_lifetime
    return producer.lifetime_seconds or (max(longest / 2, longest - producer.rotate_before) if longest else 0)
