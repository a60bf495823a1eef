"""Trades for the tests of candles: made by hand or drawn at random, as messages; and the plainest reading of a candle."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from processors.build_candles.intervals import span
from schemas import decimals
from schemas.block_reader import Block
from schemas.catalogue import Schema, event
from schemas.codec import Codec

START = 1_760_000_000_000_000
SECOND = 1_000_000
LONG = 400 * 86_400 * SECOND
"""Longer than any tape lasts."""
CODEC = Codec(event("trade"), 3)
EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)
OUTSIDE = ("block", "rfq", "combo_leg")
UNKNOWN = {"completeness": "unknown", "missing_trades": None, "covered_from": None, "covered_to": None}


def writer_of(schema_id: int) -> Schema:
    """Return the schema registered under an id: 3 alone is known."""
    return {3: event("trade").schema}[schema_id]


@dataclass(frozen=True)
class Print:
    """One trade; `at` and `after` (its arrival) in microseconds from START."""

    number: int
    at: int | None
    price: str = "100.5"
    size: str = "0.25"
    side: str = "buy"
    venue: str = "binance"
    symbol: str = "BTCUSDT"
    after: int | None = None
    counted: bool = True
    origin: str = "simulated"
    kind: str = "normal"
    unit: str = "base"
    base: str | None = None
    quote: str | None = None

    @property
    def time(self) -> int:
        """When it counts: the venue's time, else its arrival."""
        return START + (self.at if self.at is not None else self.after or 0)

    def message(self) -> bytes:
        """Return it as a message of the trades topic."""
        received_at = START + (self.after if self.after is not None else (self.at or 0) + 1_000)
        return CODEC.encode(
            event("trade").defaults
            | {
                "venue": self.venue, "symbol": self.symbol, "origin": self.origin, "connection_id": "c", "connection_sequence": 1,
                "received_at": received_at, "frame_index": 0, "frames_lost": 0,
                "event_time": None if self.at is None else START + self.at, "trade_id": str(self.number),
                "sequence": self.number if self.counted else None, "price": decimals.encode(self.price),
                "size": decimals.encode(self.size), "side": self.side, "replayed": False,
                "trade_kind": self.kind, "size_unit": self.unit, "size_base": self.base and decimals.encode(self.base),
                "size_quote": self.quote and decimals.encode(self.quote),
            }
        )  # fmt: skip


def block(prints: list[Print], first: int = 0) -> Block:
    """Return prints as a block whose offsets count up from `first`."""
    return Block([one.message() for one in prints], list(range(first, first + len(prints))))


def blocks(prints: list[Print], cuts: list[int]) -> list[Block]:
    """Return prints cut into blocks before the given places."""
    edges = sorted({0, len(prints), *(cut for cut in cuts if cut < len(prints))})
    return [block(prints[begin:end], begin) for begin, end in pairwise(edges)]


def expected(prints: list[Print], venue: str, symbol: str, interval: str, start: int) -> dict[str, Any]:
    """Return what a candle must hold, computed with Decimal from the prints alone."""
    once = first_of_each(prints, venue, symbol)
    inside = [one for one in once if span(interval, one.time)[0] == start and one.kind not in OUTSIDE]
    ordered = sorted(inside, key=lambda one: (one.time, one.number if one.counted else -1, str(one.number)))
    prices = [Decimal(one.price) for one in ordered]
    sized = [one for one in ordered if one.unit == "base" or (one.base and one.quote)]
    volume = _sum(Decimal(one.base or one.size) for one in sized)
    quote = _sum(EXACT.multiply(Decimal(one.price), Decimal(one.size)) if one.quote is None else Decimal(one.quote) for one in sized)
    return {
        "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1], "volume": volume,
        "quote_volume": quote.quantize(Decimal("1e-18"), context=EXACT),
        "vwap": EXACT.divide(quote, volume).quantize(Decimal("1e-18"), context=EXACT) if volume else prices[-1],
        "taker_buy_volume": _sum(Decimal(one.base or one.size) for one in sized if one.side == "buy"),
        "trades": len(ordered), "first_trade_id": str(ordered[0].number), "last_trade_id": str(ordered[-1].number),
        **(_proven(once, ordered, interval, start) if len(sized) == len(ordered) else UNKNOWN),
    }  # fmt: skip


def first_of_each(prints: list[Print], venue: str, symbol: str) -> list[Print]:
    """Return the trades of a symbol without repeats."""
    mine = [one for one in prints if (one.venue, one.symbol) == (venue, symbol)]
    return list({(one.number, one.time if one.counted else None): one for one in reversed(mine)}.values())


def _proven(once: list[Print], inside: list[Print], interval: str, start: int) -> dict[str, Any]:
    """Return what the ids of all trades of a symbol prove of a final candle: every hole beside one of its trades is its.

    A hole proves nothing where the trade above it is earlier than the one below it.
    """
    if not all(one.counted for one in once) or inside[0].number > inside[-1].number:
        return UNKNOWN
    first, end = span(interval, start)
    known = {one.number: one.time for one in once}
    numbers = sorted(known)
    ends = [numbers[0], *(number for pair in pairwise(numbers) if pair[1] - pair[0] > 1 for number in pair), numbers[-1]]
    runs = list(zip(ends[::2], ends[1::2], strict=True))
    low, high = min(one.number for one in inside), max(one.number for one in inside)
    missing = 0
    below, above = (first <= known[number] < end for number in (numbers[0], numbers[-1]))
    for (_, left), (right, _) in pairwise(runs):
        under, over = (first <= known[number] < end for number in (left, right))
        if known[right] >= known[left] - 1_000:
            missing += right - left - 1 if under or over else 0
        elif (under or over) and low <= left < right <= high:
            return UNKNOWN
        else:
            below, above = below or over, above or under
    return {
        "missing_trades": missing,
        "completeness": "incomplete" if missing else "partial" if below or above else "complete",
        "covered_from": None if not (below or above) else min(one.time for one in inside) if below else first,
        "covered_to": None if not (below or above) else max(one.time for one in inside) if above else end,
    }


def agrees(candle: dict[str, Any], prints: list[Print]) -> bool:
    """Return True where a candle holds what it must by all prints; AssertionError shows what differs.

    What an open one says of its completeness is as old as its last publication, so it is not compared.
    """
    content = read(candle)
    wanted = expected(prints, candle["venue"], candle["symbol"], candle["interval"], candle["open_time"])
    names = set(wanted) if candle["state"] != "provisional" else set(wanted) - set(UNKNOWN)
    assert {name: content[name] for name in names} == {name: wanted[name] for name in names}
    return True


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        total = EXACT.add(total, number)  # the default context would round at 28 digits
    return total


def read(candle: dict[str, Any]) -> dict[str, Any]:
    """Return a candle with its decimals as Decimal."""
    names = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "vwap")
    return {**candle, **{name: decimals.decimal(decimals.from_bytes(candle[name])) for name in names}}


def newest(candles: list[dict[str, Any]]) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    """Return the version of each candle that stays, as a table would keep it."""
    kept: dict[tuple[str, str, str, int], dict[str, Any]] = {}
    for candle in candles:
        key = (candle["venue"], candle["symbol"], candle["interval"], candle["open_time"])
        if key not in kept or candle["version"] >= kept[key]["version"]:
            kept[key] = candle
    return kept


_number = st.one_of(
    st.sampled_from(["0.00001", "1", "61234.56", "0.12345678", "99999.999999999999999999", "0.000000000000000001", "1234567890.5"]),
    st.integers(1, 10**12).map(lambda value: f"{value // 10**4}.{value % 10**4:04}"),
)


_kinds = st.sampled_from([*["normal"] * 8, "liquidation", "block"])
_units = st.sampled_from([*[("base", None, None)] * 6, ("contract", "0.015625", "1000"), ("quote", "3", "4.5"), ("contract", None, None)])


@st.composite
def tapes(draw: st.DrawFn) -> list[Print]:
    """Draw trades of two venues: mostly in order, some late, twice, missing, of other kinds and units, or without a number or a time."""
    prints: list[Print] = []
    streams = [("binance", "BTCUSDT", True), ("binance", "ETHUSDT", True), ("kraken", "BTC/USD", True), ("other", "X", False)]
    numbers = dict.fromkeys((symbol for _, symbol, _ in streams), 100)
    clock = 0
    for _ in range(draw(st.integers(1, 40))):
        venue, symbol, counted = draw(st.sampled_from(streams))
        clock += draw(st.sampled_from([0, 1, 1_000, 300_000, 1_500_000, 61_000_000, 3_700_000_000]))
        numbers[symbol] += draw(st.sampled_from([1, 1, 1, 1, 2, 4]))
        late = draw(st.sampled_from([0, 0, 0, 0, 500_000, 1_999_999, 4_000_000, 90_000_000]))
        timed = counted or draw(st.booleans())
        one = Print(
            numbers[symbol], max(clock - late, 0) if timed else None, draw(_number), draw(_number),
            draw(st.sampled_from(["buy", "sell", "unknown"])), venue, symbol, clock + 1_000, counted, "simulated",
            draw(_kinds), *draw(_units),
        )  # fmt: skip
        prints.append(one)
        again = draw(st.integers(0, 9))
        if again == 0:
            prints.append(replace(draw(st.sampled_from(prints)), after=clock + 2_000))
        elif again == 1 and len(prints) > 1:
            prints[-1], prints[-2] = prints[-2], prints[-1]
    return prints
