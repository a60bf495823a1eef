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
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
LONGEST_NAME = 128
LONGEST_ID = 256
_NEGATIVE = b"\x80"
"""Of two's complement in the fewest bytes, those of numbers below zero are not less than this one, and all others are."""
_ZERO = b"\0"
Columns = Mapping[str, Any]


def check(event: str, columns: Columns, *, negative_prices: bool = False) -> None:
    """Raise InvalidDatum, which names field and value, where one is out of its bounds.

    `columns`: the event's fields by name; a list holds one value a record, anything else is the value of every record. Decimals are
    unscaled bytes in the fewest bytes (schemas.decimals.to_bytes) or Decimals. `received_at` is among them where a time is.
    """
    for name, bound, is_list in _bounds(event):
        column = columns[name]
        if column is None:
            continue
        rows = column if isinstance(column, list) else [column]
        if is_list:
            rows = list(chain.from_iterable(rows if isinstance(column, list) and (not rows or isinstance(rows[0], list)) else [column]))
        elif None in rows:
            rows = [value for value in rows if value is not None]
        if rows:
            _CHECKS[bound](name, rows, columns, negative_prices)


@cache
def _bounds(event: str) -> tuple[tuple[str, str, bool], ...]:
    found = event_of(event)
    lists = {field["name"] for field in found.fields if isinstance(field["type"], dict) and field["type"].get("type") == "array"}
    return tuple((name, bound, name in lists) for name, bound in found.bounds.items())


def _texts(name: str, rows: Sequence[str], most: int, but: str = "") -> None:
    distinct = set(rows)
    joined = "".join(distinct)
    if "" in distinct or not joined.isprintable() or max(map(len, distinct)) > most or (but and but in joined):
        odd = next(text for text in rows if not text or not text.isprintable() or len(text) > most or (but and but in text))
        raise InvalidDatum(f"{name} {shown(odd)} is none: it has 1 to {most} printable letters{but and f', none of them {but}'}")


def _numbers(name: str, rows: Sequence[Any], *, zero: bool) -> None:
    values = rows if set(map(type, rows)) == {bytes} else [one if type(one) is bytes else to_bytes(count_of(one)) for one in rows]
    if max(values) >= _NEGATIVE:
        raise InvalidDatum(f"{name} {_shown(values, _is_negative)} is below zero")
    if not zero and _ZERO in values:
        raise InvalidDatum(f"{name} is zero")


def _is_negative(value: bytes) -> bool:
    return value >= _NEGATIVE


def _shown(values: Iterable[bytes], which: Callable[[bytes], bool]) -> str:
    return f"{decimal(from_bytes(next(filter(which, values)))).normalize():f}"


def _name(name: str, rows: Sequence[Any], _columns: Columns, _negative: bool) -> None:
    _texts(name, rows, LONGEST_NAME, "|")


def _name_or_none(name: str, rows: Sequence[Any], _columns: Columns, _negative: bool) -> None:
    if named := [text for text in rows if text]:
        _texts(name, named, LONGEST_NAME, "|")


def _id(name: str, rows: Sequence[Any], _columns: Columns, _negative: bool) -> None:
    _texts(name, rows, LONGEST_ID)


def _price(name: str, rows: Sequence[Any], _columns: Columns, negative: bool) -> None:
    if not negative:
        _numbers(name, rows, zero=False)


def _price_or_zero(name: str, rows: Sequence[Any], _columns: Columns, negative: bool) -> None:
    if not negative:
        _numbers(name, rows, zero=True)


def _size(name: str, rows: Sequence[Any], _columns: Columns, _negative: bool) -> None:
    _numbers(name, rows, zero=False)


def _amount(name: str, rows: Sequence[Any], _columns: Columns, _negative: bool) -> None:
    _numbers(name, rows, zero=True)


def _time(name: str, rows: Sequence[Any], columns: Columns, _negative: bool) -> None:
    received = columns["received_at"]
    last = max(received) if isinstance(received, list) else received
    first = min(received) if isinstance(received, list) else received
    if min(rows) >= FIRST and max(rows) <= first + AHEAD:
        return
    times = columns[name] if isinstance(columns[name], list) else [columns[name]]
    receipts = received if isinstance(received, list) else [last] * len(times)
    for time, at in zip(times, receipts, strict=True):
        if time is not None and not FIRST <= time <= at + AHEAD:
            raise InvalidDatum(f"{name} {time} is no time of an event received at {at}: it is before 2009, or more than a day later")


_CHECKS: dict[str, Callable[[str, Sequence[Any], Columns, bool], None]] = {
    "name": _name,
    "name_or_none": _name_or_none,
    "id": _id,
    "price": _price,
    "price_or_0": _price_or_zero,
    "size": _size,
    "amount": _amount,
    "time": _time,
}
BOUNDS = frozenset(_CHECKS)
