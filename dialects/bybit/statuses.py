"""What Bybit says of itself: maintenance and incidents, pushed or asked for in the same form.

Sources: https://bybit-exchange.github.io/docs/v5/system-status, https://bybit-exchange.github.io/docs/v5/websocket/system/system-status
and https://bybit-exchange.github.io/docs/v5/enum (`state`, `product`, `maintainType`, `env`).
"""

import msgspec

from dialects.bybit.times import Millis, microseconds, moment
from dialects.contract import DecodedEvent, Fields
from dialects.memory import Memory

_STATES = {"scheduled": "scheduled", "ongoing": "ongoing", "completed": "completed", "canceled": "cancelled"}
_KINDS = {"1": "planned", "2": "temporary", "3": "incident"}
_PRODUCTS = {"1": "Futures", "2": "Spot", "3": "Option", "4": "Spread"}
_DEMO = "2"
"""The environment of demo trading, which is none of ours."""


class _Status(msgspec.Struct):
    id: str
    state: str
    title: str = ""
    begin: str | int = ""
    end: str | int = ""
    href: str = ""
    product: list[int | str] = []
    maintain_type: int | str = msgspec.field(name="maintainType", default="")
    env: int | str = ""


class Statuses(msgspec.Struct):
    """A message of the topic `system.status`."""

    ts: Millis
    data: list[_Status]


class StatusList(msgspec.Struct):
    """The result of a request."""

    list: list[_Status]


def read_statuses(found: list[_Status], milliseconds: int, memory: Memory, *, whole: bool) -> list[DecodedEvent]:
    """Return an event for each that is new or has changed: the list is asked for again and again, and told once.

    `memory["status|<id>"]` holds what was told, of a `whole` list for as long as it is listed. The end of what is not completed is
    an expected one.
    """
    made: list[DecodedEvent] = []
    listed: set[str] = set()
    for one in found:
        if str(one.env) == _DEMO:
            continue
        name, fields = f"status|{one.id}", _fields(one)
        listed.add(name)
        if memory.get(name) != fields:
            made.append(DecodedEvent("venue_status", {"event_time": microseconds(milliseconds)} | fields))
            memory[name] = fields
            memory.depends(name, made[-1].fields)
    for name in [name for name in memory if whole and name.startswith("status|") and name not in listed]:
        del memory[name]
    return made


def _fields(one: _Status) -> Fields:
    return {
        "symbol": "",
        "scope": "product" if one.product else "venue",
        "products": [_PRODUCTS.get(str(product), str(product)) for product in one.product],
        "state": _STATES.get(one.state, "unknown"),
        "begins_at": moment(one.begin),
        "ends_at": moment(one.end),
        "kind": _KINDS.get(str(one.maintain_type), "unknown"),
        "title": one.title or None,
        "url": one.href or None,
        "venue_id": one.id,
    }
