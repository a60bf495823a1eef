"""Which streams may share a connection. Pure."""

from collections.abc import Iterable

from dialects.contract import Dialect
from dialects.stream import Stream


def apart(dialect: Dialect, streams: Iterable[Stream]) -> list[tuple[Stream, ...]]:
    """Return streams in the groups that may share a connection, in order: private ones after all others, and each route's by itself."""
    groups: dict[tuple[bool, str], list[Stream]] = {}
    for stream in streams:
        channel = dialect.channels[stream.channel]
        groups.setdefault((channel.private, channel.route), []).append(stream)
    return [tuple(groups[which]) for which in sorted(groups, key=lambda which: which[0])]
