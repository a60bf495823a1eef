"""What Kraken sends on its `level3` channel, order by order, and the events made of it.

Sources: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/level3 (frames; an order's timestamp is when it was
inserted or amended, with nine decimals) and https://docs.kraken.com/exchange/guides/websockets/l3-checksum-v2 (the checksum
is of the book after all orders of a message).

A deletion names the size the order had: what remains of it is nothing, and that is the event's size.
"""

from typing import Annotated, Literal

import msgspec

from dialects.contract import DecodedEvent, Frame
from dialects.kraken.numbers import Number, encoded, microseconds
from schemas.errors import InvalidDatum

_NOTHING = encoded("0")


class _Order(msgspec.Struct, gc=False):
    """`{"event":"add","order_id":"O6ZQNQ-BXL4E-5WGINO","limit_price":64250.0,"order_qty":0.25,"timestamp":"2026-09-21T14:13:20.123Z"}`."""

    order_id: Annotated[str, msgspec.Meta(min_length=1)]
    limit_price: Number
    order_qty: Number
    timestamp: str
    event: Literal["add", "modify", "delete"] | None = None


class _Orders(msgspec.Struct):
    symbol: str
    bids: list[_Order]
    asks: list[_Order]
    checksum: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class OrdersMessage(msgspec.Struct, tag_field="channel", tag="level3"):
    """A message of the channel: every order of the subscribed depth (snapshot), or those that changed (update)."""

    type: Literal["snapshot", "update"]
    data: list[_Orders]


def read_orders(frame: Frame, message: OrdersMessage, depth: int) -> list[DecodedEvent]:
    """Return an event for each order, bids first, in the venue's order; `depth` is that subscribed.

    Raises InvalidDatum on numbers or times that are none, and on a change that does not say which.
    """
    made: list[DecodedEvent] = []
    snapshot_of = frame.connection_id if message.type == "snapshot" else ""
    for book in message.data:
        for side, orders in (("bid", book.bids), ("ask", book.asks)):
            for order in orders:
                action = "snapshot" if snapshot_of else order.event
                if action is None:
                    raise InvalidDatum(f"order {order.order_id}: a change without its event")
                price, size, time = encoded(order.limit_price), encoded(order.order_qty), microseconds(order.timestamp)
                fields = {
                    "symbol": book.symbol,
                    "event_time": time,
                    "side": side,
                    "action": action,
                    "order_id": order.order_id,
                    "price": price,
                    "size": _NOTHING if action == "delete" else size,
                    "depth": depth,
                    "checksum": book.checksum,
                    "snapshot_of": snapshot_of,
                }
                made.append(DecodedEvent("order_delta", fields))
    return made
