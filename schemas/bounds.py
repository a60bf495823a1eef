"""What the values of an event's fields may be beyond their type, as its schema names it: `"bound": "size"`. Pure.

Checked once, where events are made of a venue's frames (processors/normalise), for what comes from outside only:

    name          a symbol: 1 to 128 printable letters, none of them `|`, which joins the parts of keys and ids
    name_or_none  that, or empty
    id            a venue's id: 1 to 256 printable letters
    price         above zero; below it only at a venue that says it has such prices (`Dialect.negative_prices`)
    price_or_0    not below zero; below it only there
    size          above zero
    amount        not below zero
    time          from 2009, when the first chain began, to a day after the frame was received
    time_ahead    a time that may truly lie ahead, as an expiry does: from 2009 to before 2200
    over          that an interval is over: true only where its `close_time` is no more than a minute after the frame was received
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

from schemas.catalogue import event as event_of
from schemas.decimals import count_of, decimal, from_bytes, shown, to_bytes
from schemas.errors import InvalidDatum

FIRST = int(datetime(2009, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
"""No market of what Tidewire carries has an event before (microseconds)."""
AHEAD = 86_400_000_000
"""How far a venue's time may be after the receipt of its frame: its clock may be wrong, its day may not (microseconds)."""
LAST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
"""No time that is announced is so far ahead: Binance writes the end of 2100 where something has no end (microseconds)."""
CLOCKS = 60_000_000
"""How far ahead of ours a venue's clock may be by which an interval is over (microseconds)."""
LONGEST_NAME = 128
LONGEST_ID = 256
_TEXTS = {"name": (LONGEST_NAME, "|"), "name_or_none": (LONGEST_NAME, "|"), "id": (LONGEST_ID, "")}
"""How many letters a text may have, and which it may not."""
_PRICES = {"price", "price_or_0"}
_ABOVE_ZERO = {"price", "size"}
_FROM_ZERO = {"price_or_0", "amount"}
BOUNDS = frozenset({*_TEXTS, *_ABOVE_ZERO, *_FROM_ZERO, "time", "time_ahead", "over"})
_NEGATIVE = b"\x80"
"""Of two's complement in the fewest bytes, those of numbers below zero are not less than this one, and all others are."""
_ZERO = b"\0"
Columns = Mapping[str, Any]


def check(event: str, columns: Columns, *, negative_prices: bool = False) -> None:
    """Raise InvalidDatum, which names field and value, where one is out of its bounds.

    `columns`: the event's fields by name; a list holds one value a record, anything else is the value of every record. Decimals are
    unscaled bytes in the fewest bytes (schemas.decimals.to_bytes) or Decimals. `received_at` is among them where a time is.
    """
    for name, bound, is_array in _bounds(event):
        column = columns[name]
        if column is None or (negative_prices and bound in _PRICES):
            continue
        rows = column if isinstance(column, list) else [column]
        if is_array and rows and isinstance(rows[0], list):
            rows = list(chain.from_iterable(rows))
        elif None in rows:
            rows = [value for value in rows if value is not None]
        if bound == "name_or_none":
            rows = [text for text in rows if text]
        if not rows:
            continue
        if bound in _TEXTS:
            _check_texts(name, rows, *_TEXTS[bound])
        elif bound == "time":
            _check_times(name, rows, column, columns["received_at"])
        elif bound == "time_ahead":
            _check_announced(name, rows)
        elif bound == "over":
            _check_over(name, column, columns["close_time"], columns["received_at"])
        else:
            _check_numbers(name, rows, zero=bound in _FROM_ZERO)


@cache
def _bounds(event: str) -> tuple[tuple[str, str, bool], ...]:
    found = event_of(event)
    arrays = {field["name"] for field in found.fields if isinstance(field["type"], dict) and field["type"].get("type") == "array"}
    return tuple((name, bound, name in arrays) for name, bound in found.bounds.items())


def _check_texts(name: str, rows: Sequence[str], most: int, but: str) -> None:
    distinct = set(rows)
    joined = "".join(distinct)
    if "" in distinct or not joined.isprintable() or max(map(len, distinct)) > most or (but and but in joined):
        odd = next(text for text in rows if not text or not text.isprintable() or len(text) > most or (but and but in text))
        raise InvalidDatum(f"{name} {shown(odd)} is none: it has 1 to {most} printable letters{but and f', none of them {but}'}")


def _check_numbers(name: str, rows: Sequence[Any], *, zero: bool) -> None:
    values = rows if set(map(type, rows)) == {bytes} else [one if type(one) is bytes else to_bytes(count_of(one)) for one in rows]
    if max(values) >= _NEGATIVE:
        odd = next(value for value in values if value >= _NEGATIVE)
        raise InvalidDatum(f"{name} {decimal(from_bytes(odd)).normalize():f} is below zero")
    if not zero and _ZERO in values:
        raise InvalidDatum(f"{name} is zero")


def _check_times(name: str, rows: Sequence[int], column: Any, received: Any) -> None:
    if min(rows) >= FIRST and max(rows) <= (min(received) if isinstance(received, list) else received) + AHEAD:
        return
    times = column if isinstance(column, list) else [column]
    for time, at in zip(times, received if isinstance(received, list) else [received] * len(times), strict=True):
        if time is not None and not FIRST <= time <= at + AHEAD:
            raise InvalidDatum(f"{name} {time} is no time of an event received at {at}: it is before 2009, or more than a day later")


def _check_announced(name: str, rows: Sequence[int]) -> None:
    if not FIRST <= min(rows) <= max(rows) < LAST:
        odd = next(time for time in rows if not FIRST <= time < LAST)
        raise InvalidDatum(f"{name} {odd} is no time that a venue announces: it is before 2009, or after 2199")


def _check_over(name: str, is_over: Any, ends: Any, received: Any) -> None:
    columns = [one if isinstance(one, list) else [one] for one in (is_over, ends, received)]
    count = max(map(len, columns))
    for over, end, at in zip(*(one if len(one) == count else one * count for one in columns), strict=True):
        if over and end > at + CLOCKS:
            raise InvalidDatum(f"{name} can't be so of an interval that ends at {end}: it was received at {at}")
