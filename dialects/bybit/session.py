"""What is said on a connection to Bybit: topics asked for and given up, answers, pings.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
import orjson

from dialects.bybit.market import Market
from dialects.bybit.topics import stream_of, topic
from dialects.session import Asked, FrameSignal, Session, Subscription
from dialects.stream import Stream

LONGEST_ARGS = 21_000
"""Characters that the topics of one connection may have together ("Public channel - Args limits")."""
_OPENING = b'{"topic":"'
_BETWEEN = re.compile(r"[\s,;:'\"\[\]{}()]+")
"""What may stand before and after a topic in the venue's words: `error:handler not found,topic:orderbook.500.BTCUSDT`."""

_ALREADY = "already subscribed"


class _Answer(msgspec.Struct):
    topic: str | None = None
    op: str | None = None
    success: bool | None = None
    ret_msg: str = ""
    req_id: str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class BybitSession(Session):
    """Requests are numbered from 1, as text; one answer tells of all topics of a request.

    One wrong topic refuses its whole request, and so does one that is subscribed already (which goes on). So where the answer names
    some of its topics, those are refused, or confirmed, and the others are asked for once more at once; where it names none, all of
    them are refused.
    """

    def __init__(self, market: Market, depth: int) -> None:
        self._market = market
        self._depth = depth
        self._asked = Asked()

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return subscribe requests; KeyError where the venue has no such channel on its socket."""
        return [self._subscribe(some) for some in self._requests(streams)]

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return unsubscribe requests; KeyError as in `ask`."""
        return [Subscription(self._message("unsubscribe", some, self._asked.next_number()), some) for some in self._requests(streams)]

    def ping(self) -> bytes:
        """Return the ping that the venue wants every 20 seconds ("How to Send the Heartbeat Packet")."""
        return b'{"op":"ping"}'

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the frame's opening alone; answers and other frames are parsed."""
        if payload.startswith(_OPENING):
            end = payload.find(b'"', 10, 110)
            stream = stream_of(payload[10:end]) if end > 0 else None
            if stream is not None:
                return FrameSignal(stream)
        try:
            answer = _decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return FrameSignal()
        if answer.topic is not None:
            return FrameSignal(stream_of(answer.topic.encode()))
        if answer.op != "subscribe" or answer.success is None:
            return FrameSignal()
        streams = self._asked.of(answer.req_id)
        return FrameSignal(confirmed=streams) if answer.success else self._refused(streams, answer.ret_msg)

    def _refused(self, streams: tuple[Stream, ...], words: str) -> FrameSignal:
        parts = set(_BETWEEN.split(words))
        named = tuple(stream for stream in streams if topic(stream, self._depth) in parts)
        if not named:
            return FrameSignal(refused=tuple((stream, words) for stream in streams or (None,)))
        others = tuple(stream for stream in streams if stream not in named)
        again = self._subscribe(others).message if others else None
        if _ALREADY in words:
            return FrameSignal(confirmed=named, answer=again)
        return FrameSignal(refused=tuple((stream, words) for stream in named), answer=again)

    def _subscribe(self, streams: tuple[Stream, ...]) -> Subscription:
        number = self._asked.next_number()
        self._asked.note(str(number), streams)
        return Subscription(self._message("subscribe", streams, number), streams)

    def _message(self, operation: str, streams: Sequence[Stream], number: int) -> bytes:
        return orjson.dumps({"req_id": str(number), "op": operation, "args": [topic(stream, self._depth) for stream in streams]})

    def _requests(self, streams: Sequence[Stream]) -> Iterator[tuple[Stream, ...]]:
        """Yield streams in order, as many together as a request of this market takes."""
        some: list[Stream] = []
        length = 0
        for stream in streams:
            size = len(topic(stream, self._depth)) + 3
            if some and (len(some) == self._market.args or length + size > LONGEST_ARGS):
                yield tuple(some)
                some, length = [], 0
            some.append(stream)
            length += size
        if some:
            yield tuple(some)
