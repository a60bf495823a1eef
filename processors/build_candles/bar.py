"""One candle while it is being built: what trades add to it, exactly, in whatever order they come.

Sums are integers (amounts of base in 10⁻¹⁸, of quote in 10⁻³⁶), so nothing is rounded before it is published. A trade whose amounts are
unknown (a contract whose size nobody said) counts among the trades and for the prices, adds nothing to the sums, and makes the
candle's completeness unknown. A candle that its fields can't hold (a volume below zero, a vwap of more than 38 digits) is summed up as
any other, and never published: what was said of it before stays, and the trade with which it came to that is told.

The version of a candle follows from the trades as they lie in the topic, not from when they were read, so whoever reads them again makes
the same rows. It is twice the offset of the trade that last moved the candle or what is said of it, plus one where the candle is
not provisional. That trade is one of

- its own trades;
- the trade that made it final: the first that moves the venue's watermark past its end and grace. What the clock makes final where a
  venue has gone quiet is a presumption: it has the version of the last trade, and is taken back when another comes before the watermark;
- a trade that changed what its ids prove (proof.py): the one before it or the one behind it, which may come when it is long final. It
  is then told again with a higher version, but is no revision: none of its trades have changed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.decimals import LARGEST, LARGEST_SUM, from_bytes, half_even, to_bytes

Place = tuple[int, int, str]
"""Where a trade stands among others: event time, sequence (-1 where there is none), id."""
UNIT = 10**18
ORIGINS = ("live", "rest", "archive", "simulated")
STATES = ("provisional", "final", "revised")
_LARGEST_QUOTE = LARGEST_SUM * UNIT
_QUARTER, _QUARTER_SUM, _QUARTER_QUOTE = LARGEST // 4, LARGEST_SUM // 4, _LARGEST_QUOTE // 4


class Bar:
    """The trades of one symbol and interval, summed up. `first` and `last` are the places of open and close."""

    __slots__ = (
        "bought", "close", "end", "epoch", "final", "first", "high", "high_sequence", "last", "low", "low_sequence", "open",
        "origin", "presumed", "quote", "revision", "shown", "start", "trades", "version", "volume",
    )  # fmt: skip

    def __init__(
        self, first: Place, last: Place, prices: tuple[int, int, int, int], sums: tuple[int, int, int], trades: int,
        sequences: tuple[int, int], epoch: int, version: int, origin: int,
    ) -> None:  # fmt: skip
        self.first = first
        self.last = last
        self.open, self.high, self.low, self.close = prices
        self.volume, self.quote, self.bought = sums
        self.trades = trades
        self.low_sequence, self.high_sequence = sequences
        self.epoch = epoch
        """The epoch of its sequences (processors.engine.seen); -1 where they are not all of one, a trade has none, or unknown amounts."""
        self.version = version
        """The offset of the trade that last moved it."""
        self.origin = origin
        self.start = self.end = 0
        self.final = False
        self.presumed = False
        """Final by the clock alone."""
        self.revision = 0
        self.shown = -1

    def within(self, start: int, end: int) -> "Bar":
        """Return a copy of these sums as the beginning of the candle of an interval."""
        bar = Bar(
            self.first, self.last, (self.open, self.high, self.low, self.close), (self.volume, self.quote, self.bought),
            self.trades, (self.low_sequence, self.high_sequence), self.epoch, self.version, self.origin,
        )  # fmt: skip
        bar.start, bar.end = start, end
        return bar

    def add(self, other: "Bar") -> None:
        """Add the trades of another bar; the version is that of the later trade."""
        if other.first < self.first:
            self.first, self.open = other.first, other.open
        if other.last > self.last:
            self.last, self.close = other.last, other.close
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.volume += other.volume
        self.quote += other.quote
        self.bought += other.bought
        self.trades += other.trades
        self.low_sequence = min(self.low_sequence, other.low_sequence)
        self.high_sequence = max(self.high_sequence, other.high_sequence)
        if other.epoch != self.epoch:
            self.epoch = -1
        self.version = max(self.version, other.version)
        self.origin = max(self.origin, other.origin)

    def fits(self) -> bool:
        """Say whether a decimal(76,18) holds each of the sums, and a decimal(38,18) their quotient."""
        volume, quote = self.volume, abs(self.quote)
        sums_fit = 0 <= volume <= LARGEST_SUM and abs(self.bought) <= LARGEST_SUM and quote <= _LARGEST_QUOTE
        return sums_fit and (not volume or quote <= LARGEST * volume)

    def light(self) -> bool:
        """Say whether the sums are so small that two such bars fit together."""
        volume, quote = self.volume, abs(self.quote)
        return 0 <= self.bought <= volume <= _QUARTER_SUM and quote <= _QUARTER * volume and quote <= _QUARTER_QUOTE

    def record(self, venue: str, symbol: str, interval: str, proof: tuple[str, int | None, int | None, int | None]) -> dict[str, Any]:
        """Return the candle as a record of schemas/events.py; decimals as Avro's bytes. `proof`: a proof.Proof."""
        completeness, missing, covered_from, covered_to = proof
        closed = self.final or self.presumed
        return {
            "venue": venue,
            "symbol": symbol,
            "origin": ORIGINS[self.origin],
            "interval": interval,
            "open_time": self.start,
            "close_time": self.end,
            "open": to_bytes(self.open),
            "high": to_bytes(self.high),
            "low": to_bytes(self.low),
            "close": to_bytes(self.close),
            "volume": to_bytes(self.volume),
            "quote_volume": to_bytes(half_even(self.quote, UNIT)),
            "trades": self.trades,
            "taker_buy_volume": to_bytes(self.bought),
            "vwap": to_bytes(half_even(self.quote, self.volume) if self.volume else self.close),
            "first_trade_id": self.first[2],
            "last_trade_id": self.last[2],
            "state": STATES[0 if not closed else 1 if not self.revision else 2],
            "revision": self.revision,
            "completeness": completeness,
            "missing_trades": missing,
            "covered_from": covered_from,
            "covered_to": covered_to,
            "version": 2 * self.version + closed,
        }

    def dump(self) -> list[Any]:
        """Return the bar as a plain list; numbers that may pass 64 bits as bytes."""
        return [
            self.start, self.end, self.first, self.last, to_bytes(self.open), to_bytes(self.high), to_bytes(self.low),
            to_bytes(self.close), to_bytes(self.volume), to_bytes(self.quote), to_bytes(self.bought), self.trades,
            self.low_sequence, self.high_sequence, self.epoch, self.version, self.origin, self.final, self.presumed, self.revision,
        ]  # fmt: skip

    @classmethod
    def load(cls, state: Sequence[Any]) -> "Bar":
        """Return what `dump` wrote."""
        first, last = tuple(state[2]), tuple(state[3])
        open_, high, low, close, volume, quote, bought = map(from_bytes, state[4:11])
        bar = cls(
            (first[0], first[1], first[2]), (last[0], last[1], last[2]), (open_, high, low, close), (volume, quote, bought), state[11],
            (state[12], state[13]), state[14], state[15], state[16],
        )  # fmt: skip
        bar.start, bar.end, bar.final, bar.presumed, bar.revision = state[0], state[1], *state[17:20]
        return bar


class Amounts(NamedTuple):
    """What a trade moved: base currency in 10⁻¹⁸, quote currency in 10⁻³⁶."""

    base: int
    quote: int


def one_trade(place: Place, price: int, amounts: Amounts | None, bought: bool, epoch: int, offset: int, origin: int) -> Bar:
    """Return the bar of a single trade; price in 10⁻¹⁸; None for amounts that nobody knows."""
    sequence = place[1]
    base, quote = amounts or (0, 0)
    known = sequence >= 0 and amounts is not None
    sums = (base, quote, base if bought else 0)
    return Bar(place, place, (price,) * 4, sums, 1, (sequence, sequence), epoch if known else -1, offset, origin)
