"""What the simulator knows to be true, and what ClickHouse says, in the same shapes."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import partial
from typing import NamedTuple

from simulator.server import Simulator
from tests.pipeline.harness import Pipeline
from topology.flow import stages
from topology.lag import Offsets, Place
from topology.settings import Kafka
from topology.topics import all_topics

Symbol = tuple[str, str]
"""Venue and the venue's own spelling."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT = Context(prec=76)
PLACES = Decimal(1).scaleb(-18)
WIDTHS = {
    "1s": timedelta(seconds=1),
    **{f"{number}m": timedelta(minutes=number) for number in (1, 3, 5, 15, 30)},
    **{f"{number}h": timedelta(hours=number) for number in (1, 2, 4, 6, 8, 12)},
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
}


class Trade(NamedTuple):
    """One trade; `time` in microseconds since 1970 UTC."""

    trade_id: str
    price: Decimal
    size: Decimal
    side: str
    time: int


class Candle(NamedTuple):
    """One candle, in the order of the schema; `first` and `last` are trade ids."""

    close_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    vwap: Decimal
    first: str
    last: str


def true_trades(simulator: Simulator, venues: Collection[str] = ()) -> dict[Symbol, list[Trade]]:
    """Return every trade made, oldest first; of some venues, where they are named."""
    made = {}
    for (venue, symbol), listing in simulator.market.listings.items():
        if venues and venue not in venues:
            continue
        price, size = listing.instrument.price_writer(), listing.instrument.size_writer()
        made[venue, listing.instrument.wire_symbol] = [
            Trade(
                str(one.trade_id),
                Decimal(price(one.price)),
                Decimal(size(one.size)),
                "buy" if one.taker_buys else "sell",
                one.time_ns // 1000,
            )
            for one in simulator.truth.tape(venue, symbol).trades()
        ]
    return made


def stored_trades(pipeline: Pipeline) -> dict[Symbol, list[Trade]]:
    """Return the trades in ClickHouse, one row of each identity, by id."""
    found: dict[Symbol, list[Trade]] = {}
    for venue, symbol, *rest in pipeline.query(
        "SELECT venue, symbol, trade_id, price, size, toString(side), toUnixTimestamp64Micro(assumeNotNull(event_time)) "
        "FROM trades FINAL ORDER BY venue, symbol, toUInt64OrZero(trade_id)"
    ):
        found.setdefault((venue, symbol), []).append(Trade(*rest))
    return found


def made(simulator: Simulator) -> int:
    """Return how many trades there have been."""
    return sum(len(tape) for tape in simulator.truth.tapes.values())


def stored(pipeline: Pipeline) -> int:
    """Return how many different trades ClickHouse holds."""
    return int(pipeline.query("SELECT uniqExact(venue, symbol, trade_id) FROM trades")[0][0])


def true_candles(trades: Iterable[Trade]) -> dict[tuple[str, int], Candle]:
    """Return one symbol's candles of every interval, by interval and opening."""
    groups: dict[tuple[str, int, int], list[Trade]] = {}
    for trade in trades:
        for interval, opened, closed in spans(trade.time):
            groups.setdefault((interval, opened, closed), []).append(trade)
    return {(interval, opened): _candle(closed, group) for (interval, opened, closed), group in groups.items()}


def spans(time: int) -> Iterator[tuple[str, int, int]]:
    """Yield each interval around a time with when it opens and closes."""
    moment = EPOCH + timedelta(microseconds=time)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    for name, width in WIDTHS.items():
        first = EPOCH + timedelta(days=1) if name == "3d" else EPOCH
        opened = first + (moment - first) // width * width
        yield name, _microseconds(opened), _microseconds(opened + width)
    monday = day - timedelta(days=day.weekday())
    yield "1w", _microseconds(monday), _microseconds(monday + timedelta(days=7))
    first = day.replace(day=1)
    yield "1M", _microseconds(first), _microseconds((first + timedelta(days=31)).replace(day=1))


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _candle(closed: int, group: list[Trade]) -> Candle:
    prices = [trade.price for trade in group]
    volume = _total(trade.size for trade in group)
    quote_volume = _total(EXACT.multiply(trade.price, trade.size) for trade in group)
    return Candle(
        closed,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        volume,
        quote_volume.quantize(PLACES, ROUND_HALF_EVEN, EXACT),
        len(group),
        _total(trade.size for trade in group if trade.side == "buy"),
        EXACT.divide(quote_volume, volume).quantize(PLACES, ROUND_HALF_EVEN, EXACT),
        group[0].trade_id,
        group[-1].trade_id,
    )


def _total(numbers: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        total = EXACT.add(total, number)
    return total


def stored_candles(pipeline: Pipeline, states: tuple[str, ...] = ("final", "revised")) -> dict[Symbol, dict[tuple[str, int], Candle]]:
    """Return the candles in ClickHouse that are in one of the states."""
    found: dict[Symbol, dict[tuple[str, int], Candle]] = {}
    for venue, symbol, interval, opened, *rest in pipeline.query(
        "SELECT venue, symbol, interval, toUnixTimestamp64Micro(open_time), toUnixTimestamp64Micro(close_time), open, high, low, close, "
        "volume, quote_volume, trades, taker_buy_volume, vwap, first_trade_id, last_trade_id FROM candles FINAL "
        f"WHERE toString(state) IN {states}"
    ):
        found.setdefault((venue, symbol), {})[interval, opened] = Candle(*rest)
    return found


class Gap(NamedTuple):
    """One gap in its last state. Sequences inclusive; times in microseconds since 1970 UTC."""

    venue: str
    symbol: str
    channel: str
    cause: str
    state: str
    first: int | None
    last: int | None
    since: int | None
    until: int | None
    repair: str | None


def gaps(pipeline: Pipeline) -> list[Gap]:
    """Return every gap in ClickHouse, in a fixed order."""
    rows = pipeline.query(
        "SELECT venue, symbol, channel, toString(cause), toString(state), from_sequence, to_sequence, "
        "toUnixTimestamp64Micro(from_time), toUnixTimestamp64Micro(to_time), repair FROM gaps FINAL "
        "ORDER BY venue, symbol, channel, from_sequence, from_time, gap_id"
    )
    return [Gap(*row) for row in rows]


def candles_are(pipeline: Pipeline, wanted: dict[Symbol, dict[tuple[str, int], Candle]]) -> bool:
    """Return True where ClickHouse has these candles, none provisional; AssertionError names some that differ."""
    found = stored_candles(pipeline)
    for key, candles in wanted.items():
        there = found.get(key, {})
        wrong = sorted(name for name in candles.keys() | there.keys() if candles.get(name) != there.get(name))
        told = "\n".join(f"{name}: {there.get(name)} for {candles.get(name)}" for name in wrong[:3])
        assert not wrong, f"{len(wrong)} of {len(candles)} candles of {key} are wrong or not final: {told}"
    return True


def _has_read(offsets: Offsets, group: str, topics: list[str], ends: dict[Place, int]) -> bool:
    lag = offsets.lag(group, topics, ends)
    assert lag == 0, f"{lag} messages unread: acknowledged {offsets.committed(group, ends)} of {ends}"
    return True


async def everything_is_read(pipeline: Pipeline, seconds: float = 120) -> None:
    """Wait until each group, in the order of the flow, has acknowledged all that was there when its turn came."""
    offsets = Offsets(Kafka(brokers=pipeline.stack.addresses.kafka))
    try:
        for stage in stages().values():
            if stage.per_venue:
                continue
            topics = [name for name, event in all_topics().items() if event.name in stage.reads]
            ends = offsets.ends(offsets.partitions(topics))
            await pipeline.until(
                partial(_has_read, offsets, stage.consumer_group, topics, ends), f"{stage.name} has read everything", seconds
            )
    finally:
        offsets.close()
