"""Single orders: what the channel `full` says of them, and the book of level 3 from which it goes on.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#full-channel and
https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-book. Of an order that is received, and of a stop
that is not triggered yet, nothing rests in the book. A `done` may be of an order that never rested, and is to be ignored then; what a
`match` leaves of the maker's order is not said: it is the size that rested less that of the trade. A message without a price is of a
market order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from dialects.coinbase.times import microseconds, moment
from dialects.contract import DecodedEvent, Shape
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum

_SIDES: Mapping[str, str] = {"buy": "bid", "sell": "ask"}
_ACTIONS: Mapping[str, str] = {"open": "add", "change": "modify", "done": "delete"}


class _Order(msgspec.Struct, gc=False):
    """`{"type":"open","product_id":"BTC-USD","sequence":91,"order_id":"…","price":"64250","remaining_size":"0.4","side":"buy","time":"…"}`."""

    type: Literal["received", "open", "done", "change", "activate"]
    product_id: str
    order_id: str
    side: Literal["buy", "sell"]
    time: str | None = None
    price: str | None = None
    new_price: str | None = None
    remaining_size: str | None = None
    new_size: str | None = None


class Level3(msgspec.Struct):
    """The reply to a request for a book of level 3: orders as `["price","size","order id"]`."""

    sequence: int
    bids: list[tuple[str, str, str]]
    asks: list[tuple[str, str, str]]
    time: str | None = None


_decode = msgspec.json.Decoder(_Order).decode


def _rows(payload: bytes, _memory: Memory) -> Sequence[_Order]:
    """Return the change of a resting order; nothing where a message tells of none."""
    one = _decode(payload)
    return (one,) if one.type in _ACTIONS and (one.price or one.new_price) else ()


def _size(one: _Order) -> bytes:
    if one.type == "done":
        return encode("0")
    size = one.remaining_size if one.type == "open" else one.new_size
    if size is None:
        raise InvalidDatum(f"an order {one.order_id!r} of {one.product_id!r} is {one.type} with no size")
    return encode(size)


def _columns(found: Sequence[_Order]) -> dict[str, Any]:
    return {
        "symbol": [one.product_id for one in found],
        "event_time": [moment(one.time) for one in found],
        "side": [_SIDES[one.side] for one in found],
        "action": [_ACTIONS[one.type] for one in found],
        "order_id": [one.order_id for one in found],
        "price": [encode(one.new_price or one.price or "") for one in found],
        "size": [_size(one) for one in found],
    }


ORDERS = Shape("order_delta", _rows, _columns)


def resting(book: Level3, symbol: str, connection_id: str) -> list[DecodedEvent]:
    """Return each order of a book of level 3, bids first."""
    time = None if book.time is None else microseconds(book.time)
    header = {"symbol": symbol, "event_time": time, "action": "snapshot", "snapshot_of": connection_id}
    return [
        DecodedEvent("order_delta", header | {"side": side, "order_id": order_id, "price": encode(price), "size": encode(size)})
        for side, orders in (("bid", book.bids), ("ask", book.asks))
        for price, size, order_id in orders
    ]
