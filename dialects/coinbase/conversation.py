"""What Coinbase answers to what was asked of it on a connection: all that is subscribed now, or an error, neither with a number.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview ("Subscriptions message", "Error messages") and
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview. Each request has one answer, in order.

No page shows an error of Advanced Trade. The live ones name nothing: `{"type":"error","message":"failure to subscribe"}`; those of the
Exchange do: `{"type":"error","message":"Failed to subscribe","reason":"ETH-XYZ is not a valid product"}`.
"""

import re
from collections import deque
from collections.abc import Container

from dialects.session import MOST_ASKED
from dialects.stream import Stream

_BETWEEN = re.compile(r"[\s,;:'\"\[\](){}]+")
"""What may stand before and after a name in the venue's words: `ETH-XYZ is not a valid product`."""


class Conversation:
    """The requests of one connection that have no answer yet, the oldest first, and the streams that are not confirmed yet."""

    def __init__(self) -> None:
        self._requests: deque[tuple[Stream, ...]] = deque(maxlen=MOST_ASKED)
        self._unconfirmed: dict[Stream, None] = {}

    def ask(self, streams: tuple[Stream, ...]) -> None:
        """Note a request for streams; none of them where it asks for what is nobody's stream."""
        self._requests.append(streams)
        self._unconfirmed |= dict.fromkeys(streams)

    def give_up(self, streams: tuple[Stream, ...]) -> None:
        """Note a request that gives streams up."""
        self._requests.append(())
        for stream in streams:
            self._unconfirmed.pop(stream, None)

    def confirmed(self, subscribed: Container[Stream]) -> tuple[Stream, ...]:
        """Return what the venue's list of all that is subscribed confirms for the first time."""
        if self._requests:
            self._requests.popleft()
        found = tuple(stream for stream in self._unconfirmed if stream in subscribed)
        for stream in found:
            del self._unconfirmed[stream]
        return found

    def refused(self, words: str) -> tuple[tuple[Stream, ...], tuple[Stream, ...]]:
        """Return the streams that an error refuses, and those of the same request that are to be asked for again.

        It answers the oldest request. Where its words name products of that, they are refused; where they name none, all of it is. Where
        that request asks for no stream, what the words name of all that is not confirmed is refused.
        """
        request = self._requests.popleft() if self._requests else ()
        parts = set(_BETWEEN.split(words))
        named = tuple(stream for stream in request or self._unconfirmed if stream.symbol and stream.symbol in parts)
        refused = named or request
        for stream in refused:
            self._unconfirmed.pop(stream, None)
        return refused, tuple(stream for stream in request if stream not in refused)
