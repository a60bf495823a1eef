"""What OKX says of itself: maintenance and incidents, and that a connection is about to end.

Sources: https://www.okx.com/docs-v5/en/#status-ws-status-channel ("The first push: latest record"; what lasts less than five seconds is
not announced), https://www.okx.com/docs-v5/en/#overview-websocket-notification-service: 60 seconds before the end of a connection for
a service upgrade it says `{"event":"notice","code":"64008","msg":"The connection will soon be closed …","connId":"a4d3ae55"}`.
"""

import msgspec

from dialects.contract import DecodedEvent
from dialects.okx.times import Millis, microseconds, moment

UPGRADE = "64008"
UPGRADE_LEAD_S = 60
_STATES = {"scheduled": "scheduled", "ongoing": "ongoing", "pre_open": "pre_open", "completed": "completed", "canceled": "cancelled"}
_KINDS = {"1": "planned", "2": "temporary", "3": "incident"}
_SERVICES = {
    "0": "WebSocket",
    "5": "Trading service",
    "6": "Block trading",
    "7": "Trading bot",
    "8": "Trading service (in batches of accounts)",
    "9": "Trading service (in batches of products)",
    "10": "Spread trading",
    "11": "Copy trading",
    "99": "Others",
}
_DEMO = "2"
"""The environment of demo trading, which is none of ours."""


class _Status(msgspec.Struct, rename="camel"):
    state: str
    ts: Millis
    title: str = ""
    begin: str = ""
    end: str = ""
    pre_open_begin: str = ""
    href: str = ""
    service_type: str = ""
    maint_type: str = ""
    env: str = ""


class _Statuses(msgspec.Struct):
    data: list[_Status]


class Notice(msgspec.Struct):
    """A notice of a connection."""

    code: str
    msg: str = ""


_decode = msgspec.json.Decoder(_Statuses, strict=False).decode
_decode_notice = msgspec.json.Decoder(Notice).decode


def read_statuses(payload: bytes) -> list[DecodedEvent]:
    """Return an event for each word on a maintenance. The end of what is not completed is an expected one."""
    return [
        DecodedEvent(
            "venue_status",
            {
                "symbol": "",
                "event_time": microseconds(one.ts),
                "scope": "product" if one.service_type else "venue",
                "products": [_SERVICES.get(one.service_type, one.service_type)] if one.service_type else [],
                "state": _STATES.get(one.state, "unknown"),
                "begins_at": moment(one.begin),
                "ends_at": moment(one.end),
                "preopen_at": moment(one.pre_open_begin),
                "kind": _KINDS.get(one.maint_type, "unknown"),
                "title": one.title or None,
                "url": one.href or None,
            },
        )
        for one in _decode(payload).data
        if one.env != _DEMO
    ]


def read_notice(payload: bytes) -> list[DecodedEvent]:
    """Return the event of a notice: it speaks of the connection on which it comes, and gives no time."""
    notice = _decode_notice(payload)
    upgrade = notice.code == UPGRADE
    return [
        DecodedEvent(
            "venue_status",
            {
                "symbol": "",
                "event_time": None,
                "scope": "connection",
                "state": "scheduled" if upgrade else "unknown",
                "kind": "planned" if upgrade else "unknown",
                "title": notice.msg or None,
                "venue_id": notice.code,
                "announced_lead_s": UPGRADE_LEAD_S if upgrade else None,
            },
        )
    ]
