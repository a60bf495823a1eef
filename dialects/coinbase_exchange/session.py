"""What is said on a connection to Coinbase Exchange: channels asked for and given up, and answers.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview ("Subscribe", "Subscriptions message", "Error messages") and
https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication. `level2_batch` is confirmed as `level2_50`, as the live feed does,
and speaks as `snapshot` and `l2update`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from dialects.coinbase.conversation import Conversation
from dialects.coinbase_exchange.types import TYPES, type_of
from dialects.session import FrameSignal, Session, Subscription
from dialects.stream import Stream, parts
from schemas.remembered import LONGEST_REMEMBERED, remembered

NAMES: Mapping[str, str] = {"trade": "matches", "book": "level2_batch", "quote": "ticker", "status": "status", "orders": "full"}
"""Our channel → the venue's."""
CHANNELS: Mapping[str, str] = {theirs: ours for ours, theirs in NAMES.items()} | {"level2_50": "book", "level2": "book"}
"""The venue's channel, as it is confirmed → ours."""
PRODUCTS_PER_MESSAGE = 50
"""Our own choice: the venue documents no limit."""
_PRODUCT = b'"product_id":"'


class _Channel(msgspec.Struct):
    name: str
    product_ids: list[str] | None = None


class _Answer(msgspec.Struct):
    type: str | None = None
    message: str = ""
    reason: str = ""
    channels: list[_Channel] = []


_decode = msgspec.json.Decoder(_Answer).decode


class ExchangeSession(Session):
    """One channel in a message, so that what an error refuses is known."""

    def __init__(self) -> None:
        self._conversation = Conversation()
        self._token = ""

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return subscribe messages; KeyError where the venue has no such channel on its socket."""
        self._token = token
        messages = self._messages("subscribe", streams)
        for message in messages:
            self._conversation.ask(message.streams)
        return messages

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return unsubscribe messages; KeyError as in `ask`."""
        self._token = token
        messages = self._messages("unsubscribe", streams)
        for message in messages:
            self._conversation.give_up(message.streams)
        return messages

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the frame's type and product; answers are parsed."""
        name = type_of(payload)
        if name in TYPES:
            return FrameSignal(Stream("status", "") if name == b"status" else _product(TYPES[name], payload))
        try:
            answer = _decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return FrameSignal()
        if answer.type == "error":
            return self._refused(f"{answer.message}: {answer.reason}" if answer.reason else answer.message)
        if answer.type != "subscriptions":
            return FrameSignal()
        subscribed = {
            Stream(CHANNELS[channel.name], symbol)
            for channel in answer.channels
            if channel.name in CHANNELS
            for symbol in ([""] if channel.name == "status" else channel.product_ids or ())
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
            raise KeyError(f"coinbase_exchange has no channel {', '.join(sorted(unknown))} on its socket; there are {', '.join(NAMES)}")
        return [
            Subscription(self._message(kind, channel, some), some)
            for channel in NAMES
            for some in parts([stream for stream in streams if stream.channel == channel], PRODUCTS_PER_MESSAGE)
        ]

    def _message(self, kind: str, channel: str, streams: Sequence[Stream]) -> bytes:
        named: dict[str, Any] = {"name": NAMES[channel]} | ({} if channel == "status" else {"product_ids": [one.symbol for one in streams]})
        return orjson.dumps({"type": kind, "channels": [named]} | (signed(self._token) if channel == "orders" else {}))


def signed(token: str) -> dict[str, Any]:
    """Return what signs a message: the fields of a token that is a JSON object (signature, key, passphrase, timestamp), else itself."""
    try:
        fields = orjson.loads(token)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"signature": token}


def _product(channel: str, payload: bytes) -> Stream | None:
    start = payload.find(_PRODUCT) + len(_PRODUCT)
    end = payload.find(b'"', start, start + 2 * LONGEST_REMEMBERED) if start >= len(_PRODUCT) else -1
    return _stream(channel.encode() + b" " + payload[start:end]) if end > 0 else None


@remembered(8192)
def _stream(named: bytes) -> Stream | None:
    """Return the stream of one of our channels and a product; None where it is none. Never raises on any bytes."""
    channel, _, symbol = named.partition(b" ")
    try:
        return Stream(channel.decode(), symbol.decode()) if symbol and b"\\" not in symbol else None
    except UnicodeDecodeError:
        return None
