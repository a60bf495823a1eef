"""What the ids of trades prove about a candle: of its interval, from open to close, not of what lies between two trades.

A venue that counts its trades leaves holes where one is missing (processors.engine.runs): between two ids, below the first that is
known and above the last. A hole beside a trade of the candle may hold trades of its interval, so the candle is

- complete, where there is none: a trade before the interval is known (or its first trade has the number 0, below which there is
  none), one at or after its end, and every id between;
- incomplete, where ids between two known ones are missing. A hole at the edge of two candles lies between the last trade of one and
  the first of the next, and nothing tells to which it belongs: both are incomplete, and both say all of it;
- partial, where no id is missing but the last trade before the interval, or the first after it, is not known (yet): an open candle,
  the first after a start until the trades before are fetched, a final one until its symbol's next trade has come, one beside a number
  that is not in the order of time;
- unknown, where ids prove nothing: the venue does not count, it has begun its count again within the interval, the numbers of the
  interval are not in the order of time (processors.engine.runs), the holes of that time are forgotten, or the amount of a trade is
  unknown.
"""

from typing import NamedTuple

from processors.build_candles.bar import Bar
from processors.engine.seen import Seen


class Proof(NamedTuple):
    """The fields of a candle that speak of its completeness, as schemas/avro/candle.avsc has them."""

    completeness: str
    missing_trades: int | None = None
    covered_from: int | None = None
    covered_to: int | None = None


FIRST = 0
"""The least number that a venue can count by. One that begins with 1 proves nothing by that: nobody says that there was no 0. Those who
keep Binance's archive say that its spot markets number their aggregates from 0, its USD-M futures from 1; no venue says it of its trades.
"""
UNKNOWN = Proof("unknown")
COMPLETE = Proof("complete", 0)


def prove(bar: Bar, seen: Seen) -> Proof:
    """Return what is proven of a candle."""
    runs = seen.of(bar.epoch) if bar.epoch >= 0 and bar.first[1] <= bar.last[1] else None
    beside = runs.beside(bar.low_sequence, bar.high_sequence, bar.start, bar.end, FIRST if bar.epoch == 0 else None) if runs else None
    if runs is None or beside is None:
        return UNKNOWN
    missing, below, above = beside
    if not below and not above:
        return Proof("incomplete", missing) if missing else COMPLETE
    begin = bar.first[0] if below else bar.start
    end = bar.last[0] if above else bar.end
    return Proof("incomplete" if missing else "partial", missing, begin, end)
