"""What has been said of connections already, so that saying it again changes nothing: notices, and that a connection has ended. Pure.

A notice is known by its connection and our number of its frame. Of a connection that has ended nothing is known any more but this.
"""

from collections.abc import Mapping

import msgspec

PREFIX = "said|"
MOST_CONNECTIONS = 256
"""Connections remembered; of more, the one whose newest notice is the oldest is forgotten."""
MOST_NOTICES = 256
"""Notices of a connection that are remembered, the newest. One that is forgotten and comes again is taken again: better so than never."""


class Connection(msgspec.Struct, array_like=True):
    """What was said of one connection."""

    notices: list[int]
    """Our numbers of their frames."""
    at: int
    """When the newest was received; microseconds since 1970 UTC."""
    ended: int | None = None
    """The number of the frame that said it has ended."""


class Said:
    """What was said of the connections of one partition."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self._connections = {
            name[len(PREFIX) :]: msgspec.msgpack.decode(data, type=Connection) for name, data in entries.items() if name.startswith(PREFIX)
        }
        self._changed: set[str] = set()

    def is_new(self, connection_id: str, sequence: int, at: int) -> bool:
        """Take a notice; return whether it had not been taken before."""
        one = self._connections.get(connection_id)
        if one is None:
            one = self._connections[connection_id] = Connection([], at)
            if len(self._connections) > MOST_CONNECTIONS:
                oldest = min(self._connections, key=lambda name: self._connections[name].at)
                del self._connections[oldest]
                self._changed.add(oldest)
        if sequence in one.notices:
            return False
        one.notices = [*one.notices, sequence][-MOST_NOTICES:]
        one.at = max(one.at, at)
        self._changed.add(connection_id)
        return True

    def end(self, connection_id: str, sequence: int) -> None:
        """Take that a connection has ended with a frame."""
        one = self._connections.get(connection_id)
        if one is not None:
            one.ended = sequence if one.ended is None else max(one.ended, sequence)
            self._changed.add(connection_id)

    def has_ended(self, connection_id: str, sequence: int) -> bool:
        """Whether a connection has ended with a frame of this number, or a later one."""
        one = self._connections.get(connection_id)
        return one is not None and one.ended is not None and sequence <= one.ended

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries that changed since the last dump."""
        kept = {name: self._connections.get(name) for name in self._changed}
        self._changed.clear()
        return {PREFIX + name: None if one is None else msgspec.msgpack.encode(one) for name, one in kept.items()}
