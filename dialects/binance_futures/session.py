"""What is said on a connection to Binance's futures: streams asked for and given up, and the answers.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Live-Subscribing-Unsubscribing-to-streams.

A stream that is pushed on another route is confirmed all the same, and never speaks (dialects/routes.py asks for each apart).
"""

from collections.abc import Sequence
from typing import Any

import orjson

from dialects.binance_futures.streams import name_of, stream_of, stream_of_event
from dialects.session import Asked, FrameSignal, Session, Subscription
from dialects.stream import Stream, parts

STREAMS_PER_MESSAGE = 100
"""Our own choice, about 2.5 KB a message: the venue documents no limit."""
_OPENING = b'{"stream":"'


class BinanceFuturesSession(Session):
    """Requests are numbered from 1; an answer names its request alone."""

    def __init__(self) -> None:
        self._asked = Asked()

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return SUBSCRIBE messages; KeyError where the venue has no such channel on its socket."""
        messages = []
        for some in parts(streams, STREAMS_PER_MESSAGE):
            message, number = self._message("SUBSCRIBE", some)
            self._asked.note(number, some)
            messages.append(message)
        return messages

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return UNSUBSCRIBE messages; KeyError as in `ask`."""
        return [self._message("UNSUBSCRIBE", some)[0] for some in parts(streams, STREAMS_PER_MESSAGE)]

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the frame's opening alone; answers and plain frames are parsed."""
        if payload.startswith(_OPENING):
            end = payload.find(b'"', len(_OPENING), 160)
            stream = stream_of(payload[len(_OPENING) : end]) if end > 0 else None
            if stream is not None:
                return FrameSignal(stream)
        try:
            document = orjson.loads(payload)
        except ValueError:
            return FrameSignal()
        return self._answer(document) if isinstance(document, dict) else FrameSignal()

    def _answer(self, document: dict[str, Any]) -> FrameSignal:
        streams = self._asked.of(document.get("id"))
        failure = document.get("error", document if "code" in document else None)
        if isinstance(failure, dict):
            words = f"{failure.get('msg')} (code {failure.get('code')})"
            return FrameSignal(refused=tuple((stream, words) for stream in streams or (None,)))
        if "result" in document:
            return FrameSignal(confirmed=streams)
        name, data = document.get("stream"), document.get("data", document)
        if not isinstance(data, dict):
            return FrameSignal()
        if data.get("e") == "serverShutdown":
            return FrameSignal(closing=True)
        named = stream_of(name.encode("utf-8", "replace")) if isinstance(name, str) else None
        order = data.get("o")
        return FrameSignal(named or stream_of_event(data.get("e"), order.get("s") if isinstance(order, dict) else data.get("s")))

    def _message(self, method: str, streams: tuple[Stream, ...]) -> tuple[Subscription, int]:
        number = self._asked.next_number()
        text = orjson.dumps({"method": method, "params": [name_of(stream) for stream in streams], "id": number})
        return Subscription(text, streams), number
