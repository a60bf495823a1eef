"""What a venue lists, asked of itself at start: so that symbols are its own, whatever was typed, and one that it has not is told."""

import asyncio
from collections.abc import Sequence
from difflib import get_close_matches

from dialects.contract import UNREADABLE, Dialect, Frame, PartlyInvalid
from dialects.memory import Memory
from dialects.symbols import Listed, find, plain, split
from producers.rest import Rest, Unclear
from topology.errors import Reject, Retry
from topology.log import logger

PATIENCE_SECONDS = 10.0
"""So long the list is waited for; capture does not depend on it."""
MOST_PAGES = 50
MOST_NEAR = 5
"""Symbols that are named beside one that the venue does not list."""


async def spelled(symbols: Sequence[str], dialect: Dialect, rest: Rest) -> tuple[str, ...]:
    """Return symbols in the venue's own spelling, each once; as they are, and with a warning, those that it does not list.

    Where all are its default ones, or it gives no list, none is asked for. Never raises.
    """
    if not set(symbols) - set(dialect.default_symbols) or dialect.listing_request() is None:
        return tuple(symbols)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            listed, failed = await _listed(dialect, rest)
    except (Retry, Reject, TimeoutError) as error:
        reason = str(error) or f"no answer in {PATIENCE_SECONDS:g} s"
        logger().warning("symbols stay as typed: what the venue lists can't be had", venue=dialect.venue, symbols=symbols, reason=reason)
        return tuple(symbols)
    quote = next((one.quote for one in listed if one.symbol in dialect.default_symbols), "")
    names = [one.symbol for one in listed]
    found: dict[str, None] = {}
    for symbol in symbols:
        named = {"venue": dialect.venue, "symbol": symbol}
        own = symbol if symbol in names else _alike(symbol, names) if failed else find(symbol, listed, quote)
        if own is None and failed:
            logger().warning("a symbol stays as typed: part of what the venue lists can't be had", **named, reason=failed)
        elif own is None:
            near = get_close_matches(symbol.upper(), names, MOST_NEAR)
            logger().warning("the venue lists no such market; it stays as typed", **named, near=near)
        elif own != symbol:
            logger().info("a symbol in the venue's own spelling", venue=dialect.venue, typed=symbol, symbol=own)
        found[own or symbol] = None
    return tuple(found)


def _alike(symbol: str, names: Sequence[str]) -> str | None:
    """Return the name that is a symbol but for separators and capitals: without all lists the parts of it may be another market's."""
    return next((one for one in names if plain(one) == plain(symbol)), None)


async def _listed(dialect: Dialect, rest: Rest) -> tuple[list[Listed], str]:
    """Ask for what is listed, list after list; return it, and why some of it can't be had. Raises Retry, and Reject where all of it."""
    listed: list[Listed] = []
    failures: list[str] = []
    request = dialect.listing_request()
    for _ in range(MOST_PAGES):
        if request is None:
            break
        body = b""
        try:
            body, received_at = await rest.get(request, line="listing")
            frame = Frame(dialect.venue, "rest", "", 0, received_at, "reply", request.text, body)
            listed += await asyncio.to_thread(_read, dialect, frame)
        except (Reject, Unclear, *UNREADABLE) as error:
            failures.append(str(error))
        request = dialect.next_page(request, body)
    failed = "; ".join(failures)
    if failed and not listed:
        raise Reject(failed)
    return listed, failed


def _read(dialect: Dialect, frame: Frame) -> list[Listed]:
    try:
        made = list(dialect.read(frame, Memory()))
    except PartlyInvalid as error:
        made = list(error.events)
    rows = [one.fields for one in made if one.event == "instrument"]
    return [Listed(one["symbol"], one["base"] or split(one["symbol"])[0], one["quote"] or "") for one in rows]
