"""Products and whether they trade, as both of Coinbase's sockets say it again and again: told once, and anew where something changed.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#status-channel and
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels#status-channel: "sends all products and
currencies on a preset interval".
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from dialects.coinbase.numbers import decimals, number
from dialects.contract import DecodedEvent, Fields, PartlyInvalid
from dialects.instruments import canonical_name
from dialects.listings import MOST_NAMED, named
from dialects.memory import Memory

_STATUSES = {"online": "trading", "offline": "suspended", "internal": "suspended", "delisted": "delisted"}


class Product(msgspec.Struct):
    """A pair as the status channels, and the Exchange's own list, have it; flags are of the Exchange alone."""

    id: str
    base_currency: str
    quote_currency: str
    status: str
    base_increment: str | None = None
    quote_increment: str | None = None
    min_market_funds: str | None = None
    base_min_size: str | None = None
    base_max_size: str | None = None
    status_message: str | None = None
    post_only: bool = False
    limit_only: bool = False
    cancel_only: bool = False
    trading_disabled: bool = False
    auction_mode: bool = False


decode_product = msgspec.json.Decoder(Product).decode


def pair(one: Product) -> dict[str, Any]:
    """Return a pair's instrument. `min_market_funds` is the least value of an order, as the page warns; sizes are of an older form."""
    return {
        "symbol": one.id,
        "base": one.base_currency,
        "quote": one.quote_currency,
        "settle": one.quote_currency,
        "price_scale": decimals(one.quote_increment),
        "size_scale": decimals(one.base_increment),
        "status": one.status,
        "trading_status": _trading_status(one),
        "canonical_name": canonical_name("spot", one.base_currency, one.quote_currency),
        "kind": "spot",
        "margin_type": "none",
        "tick_size": number(one.quote_increment),
        "lot_size": number(one.base_increment),
        "min_size": number(one.base_min_size),
        "max_size": number(one.base_max_size),
        "min_notional": number(one.min_market_funds),
    }


def _trading_status(one: Product) -> str:
    status = _STATUSES.get(one.status, "unknown")
    if status != "trading":
        return status
    if one.trading_disabled or one.cancel_only:
        return "suspended"
    return "auction" if one.auction_mode else "post_only" if one.post_only else "trading"


def _state(one: Product) -> Fields:
    """Return what is the matter with a product, in the common words; `degraded` where some orders alone are taken."""
    if one.status not in _STATUSES:
        state = "unknown"
    elif one.status != "online" or one.trading_disabled:
        state = "halted"
    else:
        state = "degraded" if one.cancel_only or one.post_only or one.limit_only or one.auction_mode else "online"
    return {"symbol": one.id, "scope": "symbol", "state": state, "title": one.status_message or None}


def read_products(listed: Iterable[msgspec.Raw], time: int | None, memory: Memory, *, whole: bool) -> list[DecodedEvent]:
    """Return an instrument of each product that is new or has changed, and its state where that has; PartlyInvalid where some cannot be.

    `memory["product|<id>"]` holds what was told of each, of a `whole` list for as long as it is listed: the state, and a digest of the
    product as the venue wrote it.
    """
    made: list[DecodedEvent] = []
    refused: list[str] = []
    names: set[str] = set()
    for raw in listed:
        text = blake2b(bytes(raw), digest_size=16).hexdigest()
        try:
            one = decode_product(raw)
            name, state = f"product|{one.id}", _state(one)
            told = memory.get(name)
            names.add(name)
            if told is not None and told[1] == text:
                continue
            made.append(DecodedEvent("instrument", {"event_time": time} | pair(one)))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            refused.append(f"{named(raw)}: {error}")
            continue
        memory[name] = [state, text]
        memory.depends(name, made[-1].fields)
        if told is None or told[0] != state:
            made.append(DecodedEvent("venue_status", {"event_time": time} | state))
            memory.depends(name, made[-1].fields)
    for name in [name for name in memory if whole and not refused and name.startswith("product|") and name not in names]:
        del memory[name]
    if refused:
        raise PartlyInvalid(f"{len(refused)} products cannot be: {'; '.join(refused[:MOST_NAMED])}", made)
    return made
