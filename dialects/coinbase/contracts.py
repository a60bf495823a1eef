"""What a contract of Coinbase Derivatives stands at, from the list of products, which is asked for again and again.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products; no socket of Advanced Trade
says any of it. `funding_time` is past: in the venue's own list of 2026-04-07 00:28:59 UTC it is that day's 00:00, with an interval of
3600s, so the rate is one that was charged then. No mark price is given, only the index. Open interest counts contracts, and no page says
whether of one side: nothing is derived from it.
"""

from collections.abc import Iterable

import msgspec

from dialects.coinbase.numbers import number
from dialects.coinbase.products import Contract, Listed, TradingSession, decode
from dialects.coinbase.times import interval_seconds, moment
from dialects.contract import DecodedEvent, Fields, PartlyInvalid
from dialects.listings import MOST_NAMED, named
from dialects.memory import Memory

_STATES = {
    "FCM_TRADING_SESSION_STATE_OPEN": "online",
    "FCM_TRADING_SESSION_STATE_PRE_OPEN": "pre_open",
    "FCM_TRADING_SESSION_STATE_PRE_OPEN_NO_CANCEL": "pre_open",
    "FCM_TRADING_SESSION_STATE_CLOSE": "halted",
}
_REASONS = {
    "FCM_TRADING_SESSION_CLOSED_REASON_REGULAR_MARKET_CLOSE": "planned",
    "FCM_TRADING_SESSION_CLOSED_REASON_EXCHANGE_MAINTENANCE": "planned",
    "FCM_TRADING_SESSION_CLOSED_REASON_VENDOR_MAINTENANCE": "planned",
}


def read_contracts(listed: Iterable[msgspec.Raw], memory: Memory) -> list[DecodedEvent]:
    """Return what has changed of each contract since it was last told; PartlyInvalid where some cannot be.

    `memory["contract|<event>|<id>"]` holds, by the venue's texts, what was told.
    """
    made: list[DecodedEvent] = []
    refused: list[str] = []
    for raw in listed:
        try:
            one = decode(raw)
            found = _events(one)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            refused.append(f"{named(raw)}: {error}")
            continue
        for name, texts, event in found:
            key = f"contract|{name}|{one.product_id}"
            if memory.get(key) != texts:
                memory[key] = texts
                memory.depends(key, event.fields)
                made.append(event)
    if refused:
        raise PartlyInvalid(f"{len(refused)} contracts cannot be: {'; '.join(refused[:MOST_NAMED])}", made)
    return made


Told = tuple[str, list[str | None], DecodedEvent]


def _events(one: Listed) -> list[Told]:
    """Return what a product says of itself: a name, the texts that it stands on, and the event."""
    contract, session, symbol = one.future_product_details, one.fcm_trading_session_details, {"symbol": one.product_id}
    made: list[Told] = []
    if contract is not None:
        if contract.index_price:
            made.append(_told("index", [contract.index_price], "mark_price", symbol | {"index_price": number(contract.index_price)}))
        if contract.funding_rate:
            made.append(_told("funding", [contract.funding_rate, contract.funding_time], "funding_rate", symbol | _funding(contract)))
        if contract.open_interest:
            fields: Fields = {"oi_native": number(contract.open_interest), "oi_native_unit": "contract", "sides": "unknown"}
            made.append(_told("interest", [contract.open_interest], "open_interest", symbol | fields))
    if session is not None:
        made += _session(one.product_id, session)
    return made


def _told(name: str, texts: list[str | None], event: str, fields: Fields) -> Told:
    return name, texts, DecodedEvent(event, fields)


def _funding(contract: Contract) -> Fields:
    settled, seconds = moment(contract.funding_time), interval_seconds(contract.funding_interval)
    return {
        "rate": number(contract.funding_rate),
        "rate_kind": "settled",
        "interval_s": seconds,
        "settles_at": settled,
        "next_settles_at": None if settled is None or seconds is None else settled + seconds * 1_000_000,
        "model": "discrete",
        "raw_field": "future_product_details.funding_rate",
    }


def _session(symbol: str, session: TradingSession) -> list[Told]:
    """Return whether a contract trades, from when to when, and the maintenance that lies ahead."""
    state = _STATES.get(session.session_state or "", "unknown")
    fields: Fields = {
        "symbol": symbol,
        "scope": "symbol",
        "state": state,
        "kind": _REASONS.get(session.closed_reason or "", "unknown") if state == "halted" else "unknown",
        "title": session.session_state or None,
        "begins_at": moment(session.open_time),
        "ends_at": moment(session.close_time),
    }
    made = [_told("session", [session.session_state, session.open_time, session.close_time], "venue_status", fields)]
    away = session.maintenance
    if away is not None and away.start_time:
        ahead: Fields = {
            "symbol": symbol,
            "scope": "symbol",
            "state": "scheduled",
            "kind": "planned",
            "title": "maintenance",
            "begins_at": moment(away.start_time),
            "ends_at": moment(away.end_time),
        }
        made.append(_told("maintenance", [away.start_time, away.end_time], "venue_status", ahead))
    return made
