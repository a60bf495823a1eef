"""Which streams a venue's producer carries, on how many connections. Pure."""

from collections.abc import Iterable, Sequence

from dialects.contract import Dialect, Endpoints, Poll
from dialects.routes import apart
from dialects.stream import Stream, parts
from topology.errors import Fatal
from topology.settings import Producer, Venue


def streams(dialect: Dialect, venue: Venue) -> list[Stream]:
    """Return the streams of a venue: its channels for each of its symbols, the dialect's default ones where settings name none.

    What a named channel needs is carried too (Kraken's books: the instruments), and authenticated channels where a credential is set.
    Raises Fatal where a channel is not one of the dialect's, where a channel that is named lacks its credential, and where a credential
    is set that no channel needs.
    """
    unknown = [channel for channel in venue.channels if channel not in dialect.channels]
    if unknown:
        raise Fatal(f"{dialect.venue} has no channel {', '.join(unknown)}: venues.{dialect.venue}.channels ({', '.join(dialect.channels)})")
    private = {name for name, channel in dialect.channels.items() if channel.private}
    if private.intersection(venue.channels) and not venue.credential:
        raise Fatal(
            f"the channel {', '.join(sorted(private.intersection(venue.channels)))} of {dialect.venue} needs a credential: "
            f"set venues.{dialect.venue}.credential, and put one with `tidewire secrets put {dialect.venue} mainnet`"
        )
    if venue.credential and not private:
        raise Fatal(f"no channel of {dialect.venue} needs a credential: take venues.{dialect.venue}.credential out")
    if venue.channels:
        wanted = {*venue.channels, *(needed for name in venue.channels for needed in dialect.channels[name].needs)}
        channels = [name for name in dialect.channels if name in wanted]
    else:
        channels = [name for name, channel in dialect.channels.items() if channel.by_default and (venue.credential or not channel.private)]
    symbols = venue.symbols or dialect.default_symbols
    whole = [Stream(channel, "") for channel in channels if dialect.channels[channel].scope != "symbol"]
    own = [name for name in channels if dialect.channels[name].scope == "symbol"]
    return whole + [stream for symbol in symbols for name in own if dialect.has(stream := Stream(name, symbol))]


def shards(dialect: Dialect, wanted: Sequence[Stream], most: int) -> list[tuple[Stream, ...]]:
    """Split streams among connections of at most `most` (0: no limit).

    A channel of the connection goes with each (Kraken's checksums can't be read without the instruments of the same connection),
    one of the venue with the first.
    """
    scopes = {stream: dialect.channels[stream.channel].scope for stream in wanted}
    each = tuple(stream for stream in wanted if scopes[stream] == "connection")
    others = [stream for stream in wanted if scopes[stream] != "connection"]
    size = max(1, most - len(each)) if most else max(1, len(others))
    return [each + some for some in parts(others, size)] or ([each] if each else [])


def connections(dialect: Dialect, wanted: Iterable[Stream]) -> list[tuple[Stream, ...]]:
    """Return which streams go together on a connection: those that may share one (dialects/routes.py), no more than the venue allows.

    Polled streams are on none. Raises Fatal where it is more than the venue allows from one address.
    """
    pushed = [stream for stream in wanted if not dialect.channels[stream.channel].every]
    together = [some for kind in apart(dialect, pushed) for some in shards(dialect, kind, dialect.limits_of(kind).streams_per_connection)]
    most, streams = dialect.limits.connections_per_address, dialect.limits.streams_per_address
    if (most and len(together) > most) or (streams and len(pushed) > streams):
        raise Fatal(
            f"{dialect.venue} allows {most or 'any number of'} connections and {streams or 'any number of'} streams from one address; "
            f"{len(together)} and {len(pushed)} are wanted: name fewer in venues.{dialect.venue}.symbols, or run some at another address"
        )
    return together


def polled(dialect: Dialect, wanted: Iterable[Stream]) -> list[Poll]:
    """Return what is asked over REST again and again for the streams of polled channels."""
    return dialect.polls([stream for stream in wanted if dialect.channels[stream.channel].every])


def endpoints(dialect: Dialect, venue: Venue) -> Endpoints:
    """Return where the venue is reached: settings first, then the venue's own addresses."""
    own = dialect.production
    given = (venue.websocket or own.websocket, venue.rest or own.rest, venue.authenticated or own.authenticated)
    return Endpoints(*(address.rstrip("/") for address in given))


def lifetime(dialect: Dialect, producer: Producer) -> float:
    """Return how long a connection is kept, in seconds; 0: for ever."""
    longest = dialect.limits.connection_lifetime
    return producer.lifetime_seconds or (max(longest / 2, longest - producer.rotate_before) if longest else 0)
