"""Faults on request: what can be asked for, which messages it concerns, and a line of the log of what it did."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.wire import Connection, Message

MESSAGE_KINDS = frozenset({"drop", "duplicate", "reorder", "silent", "bad_checksum", "malformed", "unknown", "giant", "clock_skew"})
REQUEST_KINDS = frozenset({"refuse", "rate_limit", "answer"})
AT_ONCE_KINDS = frozenset({"disconnect", "shutdown"})
KINDS = MESSAGE_KINDS | REQUEST_KINDS | AT_ONCE_KINDS
UPDATES_ONLY = frozenset({"drop", "duplicate", "reorder", "unknown"})


@dataclass(slots=True)
class Fault:
    """A fault as requested; `None` means any."""

    kind: str
    venue: str
    symbol: str | None = None
    """Canonical."""
    channel: str | None = None
    """The venue's word; `depth` also means `depth@100ms`; `snapshot` is a book asked for by REST. Of answer: a path of its REST."""
    connection: int | None = None
    """One connection's number, else all of them."""
    count: int | None = None
    """How many messages, requests or connections; without it 1, or no end when `seconds` is given or for `silent`."""
    seconds: float | None = None
    """How long (silent: market time; refuse, rate_limit, answer: wall time); for clock_skew the shift itself."""
    levels: int = 160_000
    """Levels which `giant` adds: enough for more than 5 MB."""
    status: int | None = None
    """HTTP status of rate_limit; each venue has its own default. Of answer: 200."""
    body: str = ""
    """What answer gives instead of the venue's answer."""
    retry_after: int = 1
    """Seconds, the Retry-After header of rate_limit."""
    abrupt: bool = False
    """disconnect: reset the connection, without a close frame."""
    number: int = 0
    hits: int = 0
    until: float | None = None
    held: tuple[Message, list[Connection]] | None = None

    @property
    def limit(self) -> int | None:
        """How often it applies, None: until cleared or over."""
        if self.count is not None:
            return self.count
        endless = self.kind == "silent" or (self.kind in REQUEST_KINDS and self.seconds is not None)
        return None if endless else 1

    @property
    def spent(self) -> bool:
        """Whether it has done all it was asked to."""
        return self.limit is not None and self.hits >= self.limit

    def concerns(self, symbol: str | None, channel: str) -> bool:
        """Whether a symbol's channel is meant."""
        if self.symbol not in (None, symbol):
            return False
        return self.channel is None or channel == self.channel or channel.partition("@")[0] == self.channel

    def hits_message(self, message: Message) -> bool:
        """Whether this is one of the messages meant."""
        if self.kind not in MESSAGE_KINDS or not self.concerns(message.symbol, message.channel):
            return False
        if message.snapshot and self.kind in UPDATES_ONLY:
            return False
        if self.held is not None:
            return (message.symbol, message.channel) == (self.held[0].symbol, self.held[0].channel)
        if self.kind == "giant":
            return message.giant is not None
        return self.kind != "bad_checksum" or message.checked


@dataclass(slots=True)
class Injection:
    """One line of the log: what a fault did. `first` and `last` are trade ids or book update ids."""

    fault: int
    kind: str
    venue: str
    symbol: str | None
    channel: str | None
    first: int | None
    last: int | None
    messages: int
    time_us: int
    """Market time of the first message concerned."""
    connections: list[int] = field(default_factory=list)
    detail: dict[str, object] = field(default_factory=dict)
