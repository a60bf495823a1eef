"""What a connection does with what its session heard, without a network."""

from typing import Any

import pytest

from dialects.binance.dialect import Binance
from dialects.session import FrameSignal
from dialects.stream import Stream
from producers.connection import Connection

STREAM = Stream("trade", "BTCUSDT")


class Sent:
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def send(self, message: bytes) -> None:
        """Keep a message."""
        self.messages.append(message)


class Around:
    """What a connection stands in, as far as it is asked for here."""

    dialect = Binance()
    confirm_seconds = 1.0

    def __getattr__(self, name: str) -> Any:
        return {} if name == "silence" else lambda *_arguments, **_named: None


@pytest.mark.parametrize("stream", [STREAM, None])
def test_what_must_be_answered_is_answered_whoever_spoke(stream: Stream | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is sent at once, to data as well as to what is none, and data counts as heard all the same."""
    socket, signal = Sent(), FrameSignal(stream, answer=b"more")
    connection = Connection(Around(), (STREAM,))  # type: ignore[arg-type]  # no more of it is asked for
    connection._socket = socket  # type: ignore[assignment]  # it sends
    monkeypatch.setattr(connection._session, "hear", lambda _payload: signal)
    connection._listen(b"{}", 7)
    assert socket.messages == [b"more"]
    assert connection.subscriptions.heard == ({STREAM: 7} if stream else {})
