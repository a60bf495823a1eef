"""What is said on a connection to OKX: channels asked for and given up, answers, pings.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket-subscribe, https://www.okx.com/docs-v5/en/#overview-websocket-connect (a ping
is the text `ping`, its answer the text `pong`), https://www.okx.com/docs-v5/en/#error-code-websocket-public.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import orjson

from dialects.okx.names import NAMES, OPENING, Argument, product_of, stream_of
from dialects.okx.replies import OPTION_FAMILIES
from dialects.okx.statuses import UPGRADE
from dialects.session import Asked, FrameSignal, Session, Subscription
from dialects.stream import Stream, parts

PING = b"ping"
STREAMS_PER_MESSAGE = 100
"""Our own choice: a message may have 64 KB, and so many have a third of it."""
_START = len(OPENING)
_LONGEST_ARGUMENT = 250
_BETWEEN = re.compile(r"[^\w-]+")
_STATUS = Stream("venue_status", "")
_FAMILIES: dict[str, tuple[dict[str, str], ...]] = {
    "liquidation": tuple({"instType": product} for product in ("SWAP", "FUTURES")),
    "insurance_fund": tuple({"instType": product} for product in ("SWAP", "FUTURES", "OPTION")),
    "option_summary": tuple({"instFamily": family} for family in OPTION_FAMILIES),
    "venue_status": ({},),
}
"""What a channel is asked for that speaks of all: each is an argument of its own. Liquidations of options have no price."""


class _Answer(msgspec.Struct):
    event: str | None = None
    arg: Argument | None = None
    id: str | None = None
    code: str = ""
    msg: str = ""


_decode = msgspec.json.Decoder(_Answer).decode


def arguments(stream: Stream) -> list[dict[str, str]]:
    """Return the arguments by which a stream is asked for; KeyError where the venue has no such channel on its sockets."""
    channel = {"channel": NAMES[stream.channel]}
    if stream.channel in _FAMILIES:
        return [channel | family for family in _FAMILIES[stream.channel]]
    if stream.channel == "settlement_price":
        channel["instType"] = product_of(stream.symbol)
    return [channel | {"instId": stream.symbol}]


class OkxSession(Session):
    """Requests are numbered from 1, as text. Each argument of a request is confirmed by itself, and named in the answer.

    What is refused is told with the request's number and words: where these name the channel and the instrument of some of what was
    asked for, those are refused; where they name none, all of the request that is not confirmed.
    """

    def __init__(self) -> None:
        self._asked = Asked()

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return subscribe requests; KeyError where the venue has no such channel."""
        return list(self._requests("subscribe", streams))

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return unsubscribe requests; KeyError as in `ask`."""
        return list(self._requests("unsubscribe", streams))

    def ping(self) -> bytes:
        """Return the ping that keeps a connection open on which nothing is said for 30 seconds."""
        return PING

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the frame's opening alone; answers and other frames are parsed."""
        if payload.startswith(OPENING):
            end = payload.find(b"}", _START, _START + _LONGEST_ARGUMENT)
            stream = stream_of(payload[_START:end]) if end > 0 else None
            if stream is not None:
                return FrameSignal(stream)
        try:
            answer = _decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return FrameSignal()
        stream = None if answer.arg is None else answer.arg.stream
        match answer.event:
            case None:
                return FrameSignal(stream)
            case "subscribe":
                return FrameSignal(confirmed=() if stream is None else (stream,))
            case "notice":
                return FrameSignal(_STATUS, closing=answer.code == UPGRADE)
            case "error":
                return self._refused(answer)
            case _:
                return FrameSignal()

    def _refused(self, answer: _Answer) -> FrameSignal:
        streams, words = self._asked.of(answer.id), f"{answer.msg[:300]} (code {answer.code[:20]})"
        said = set(_BETWEEN.split(answer.msg))
        named = tuple(stream for stream in streams if {NAMES[stream.channel], stream.symbol or NAMES[stream.channel]} <= said)
        return FrameSignal(refused=tuple((stream, words) for stream in named or streams or (None,)))

    def _requests(self, operation: str, streams: Sequence[Stream]) -> Iterator[Subscription]:
        for some in parts(streams, STREAMS_PER_MESSAGE):
            wanted: list[Any] = [argument for stream in some for argument in arguments(stream)]
            number = str(self._asked.next_number())
            if operation == "subscribe":
                self._asked.note(number, some)
            yield Subscription(orjson.dumps({"id": number, "op": operation, "args": wanted}), some)
