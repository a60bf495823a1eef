"""What is said on a connection to Advanced Trade: channels asked for and given up, answers, and the heartbeats that keep it open.

Sources: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview (one channel in a message) and
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels ("Use heartbeats to keep all subscriptions
open": most channels close within 60 to 90 seconds without an update).
"""

from collections.abc import Mapping, Sequence

import msgspec
import orjson

from dialects.coinbase.conversation import Conversation
from dialects.session import FrameSignal, Session, Subscription
from dialects.stream import Stream, parts
from schemas.remembered import LONGEST_REMEMBERED, remembered

NAMES: Mapping[str, str] = {"trade": "market_trades", "book": "level2", "quote": "ticker", "kline": "candles", "status": "status"}
"""Our channel → the venue's, as it is asked for."""
CHANNELS: Mapping[str, str] = {theirs: ours for ours, theirs in NAMES.items()} | {"l2_data": "book"}
"""The venue's channel, as it is confirmed and as it speaks (`level2` speaks as `l2_data`) → ours."""
PRODUCTS_PER_MESSAGE = 10
"""Our own choice: the venue documents no limit, but an error that names no product refuses all of its request."""
_OPENING = b'{"channel":"'
_PRODUCT, _STATUS = b'"product_id":"', b'"id":"'


class _Event(msgspec.Struct):
    subscriptions: dict[str, list[str] | None] = {}


class _Answer(msgspec.Struct):
    channel: str | None = None
    type: str | None = None
    message: str = ""
    reason: str = ""
    events: msgspec.Raw = msgspec.Raw(b"[]")


_decode = msgspec.json.Decoder(_Answer).decode
_decode_events = msgspec.json.Decoder(list[_Event]).decode


class CoinbaseSession(Session):
    """Heartbeats are asked for with the first streams and given up with the last; no event comes of them, but the venue counts them too."""

    def __init__(self) -> None:
        self._conversation = Conversation()
        self._wanted: set[Stream] = set()

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return subscribe messages; KeyError where the venue has no such channel on its socket."""
        messages = self._messages("subscribe", streams)
        if not messages:
            return []
        for message in messages:
            self._conversation.ask(message.streams)
        if not self._wanted:
            messages.append(_heartbeats("subscribe"))
            self._conversation.ask(())
        self._wanted.update(streams)
        return messages

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return unsubscribe messages; KeyError as in `ask`."""
        messages = self._messages("unsubscribe", streams)
        for message in messages:
            self._conversation.give_up(message.streams)
        if self._wanted and self._wanted <= set(streams):
            messages.append(_heartbeats("unsubscribe"))
            self._conversation.give_up(())
        self._wanted.difference_update(streams)
        return messages

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the frame's channel and its first product; answers are parsed."""
        if payload.startswith(_OPENING):
            end = payload.find(b'"', 12, 44)
            channel = payload[12:end] if end > 0 else b""
            if channel != b"subscriptions":
                return FrameSignal(_first_stream(channel, payload))
        try:
            answer = _decode(payload)
            if answer.type == "error":
                return self._refused(f"{answer.message}: {answer.reason}" if answer.reason else answer.message)
            if answer.channel != "subscriptions":
                return FrameSignal(_first_stream((answer.channel or "").encode(), payload))
            events = _decode_events(answer.events)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return FrameSignal()
        subscribed = {
            Stream(CHANNELS[name], symbol)
            for event in events
            for name, symbols in event.subscriptions.items()
            if name in CHANNELS
            for symbol in symbols or ()
        }
        return FrameSignal(confirmed=self._conversation.confirmed(subscribed))

    def _refused(self, words: str) -> FrameSignal:
        refused, others = self._conversation.refused(words)
        again = self._messages("subscribe", others)
        if again:
            self._conversation.ask(others)
        return FrameSignal(refused=tuple((stream, words) for stream in refused or (None,)), answer=again[0].message if again else None)

    def _messages(self, kind: str, streams: Sequence[Stream]) -> list[Subscription]:
        unknown = {stream.channel for stream in streams} - NAMES.keys()
        if unknown:
            raise KeyError(f"coinbase has no channel {', '.join(sorted(unknown))} on its socket; there are {', '.join(NAMES)}")
        return [
            Subscription(orjson.dumps({"type": kind, "product_ids": [one.symbol for one in some], "channel": name}), some)
            for channel, name in NAMES.items()
            for some in parts([stream for stream in streams if stream.channel == channel], PRODUCTS_PER_MESSAGE)
        ]


def _heartbeats(kind: str) -> Subscription:
    return Subscription(orjson.dumps({"type": kind, "channel": "heartbeats"}), ())


def _first_stream(channel: bytes, payload: bytes) -> Stream | None:
    name = _PRODUCT if channel != b"status" else _STATUS
    start = payload.find(name)
    if start < 0:
        return None
    start += len(name)
    end = payload.find(b'"', start, start + 2 * LONGEST_REMEMBERED)
    return _stream(channel + b" " + payload[start:end]) if end > 0 else None


@remembered(8192)
def _stream(named: bytes) -> Stream | None:
    """Return the stream of a venue's channel and product; None where it is none of ours. Never raises on any bytes."""
    channel, _, symbol = named.partition(b" ")
    try:
        ours = CHANNELS.get(channel.decode())
        return Stream(ours, symbol.decode()) if ours and symbol and b"\\" not in symbol else None
    except UnicodeDecodeError:
        return None
