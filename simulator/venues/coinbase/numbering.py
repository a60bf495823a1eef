"""The count of all messages of one connection, `sequence_num`: a message has its number before any fault can take it away.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview ("Sequence numbers"): from 0, by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from simulator.wire import Connection, Message

Render = Callable[[int, int], str]


class Numbering:
    """The next number of each connection; a connection's variant is its own number among connections, so that each has its own text."""

    def __init__(self) -> None:
        self._next: dict[int, int] = defaultdict(int)
        self._under_way: dict[int, int] = {}

    def take(self, connection: Connection) -> int:
        """Return the number of the next message of a connection."""
        number = self._next[connection.number]
        self._next[connection.number] = number + 1
        return number

    def forget(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._next.pop(connection.number, None)

    def numbered(self, message: Message, connections: Iterable[Connection]) -> Message:
        """Return a message with a number on each connection that is to hear it, whether it will or not."""
        numbers = self._under_way = {connection.variant: self.take(connection) for connection in connections}
        giant = message.giant

        def of(render: Render) -> Render:
            return lambda variant, shift_us: render(numbers[variant], shift_us)

        return replace(message, render=of(message.render), giant=None if giant is None else lambda levels: of(giant(levels)))

    def before(self, render: Render) -> Render:
        """Return what writes a message that comes before the one under way: it takes over its number, and that has the next."""
        numbers = self._under_way

        def write(variant: int, shift_us: int) -> str:
            number = numbers[variant]
            numbers[variant] = self._next[variant]
            self._next[variant] += 1
            return render(number, shift_us)

        return write
